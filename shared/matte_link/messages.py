"""What can be said between a host and the server: frozen, checked at birth, no sockets.

A conversation is a client's request and the server's replies, tied by ``id``::

    Matte     -> Accepted, Progress*, then MatteReply or Failure
    Store     -> Stored or Failure            (a clean plate, named by its digest from then on)
    Cancel    -> nothing of its own: the cancelled request ends with Failure("cancelled")
    Ping      -> Pong        Status -> StatusReply

Pixels are opaque EXR bytes (or another file's bytes) carried as blobs beside the header, or a path where
client and server share a disk. A clean plate is named by its digest, and stored first where the server does not
hold it; a Matte that names one it does not hold is answered with Failure("clean_plate_unknown"). So may any other
picture be: a plate that three frames in a row need is sent once. The code is then its role and "_unknown".
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional, Union, cast

from .options import MatteOptions

Blob = Union[bytes, memoryview]
"""Pictures are passed on as they came from the socket, uncopied."""

PRIORITIES = ("interactive", "batch")
_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def digest_of(data: Blob) -> str:
    """The name of a blob: BLAKE2b, 32 bytes, in hex."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def new_id() -> str:
    """An id for a new message, unlike any other."""
    return uuid.uuid4().hex


def check_id(value: str) -> None:
    """Raises ``ValueError`` where ``value`` cannot be a request's id."""
    if not isinstance(value, str) or not _ID.match(value):
        raise ValueError("a request id is 1 to 80 letters, digits, '.', '_', ':' or '-'.")


def check_digest(value: str) -> None:
    """Raises ``ValueError`` where ``value`` cannot be a digest of :func:`digest_of`."""
    if not isinstance(value, str) or not _DIGEST.match(value):
        raise ValueError("a digest is 64 lower-case hexadecimal digits.")


@dataclass(frozen=True)
class Inline:
    """A picture sent along: the whole file's bytes (EXR, or any format the server reads)."""

    data: Blob
    name: str = ""
    """The file's name, for messages and for the rule per format; no folder."""


@dataclass(frozen=True)
class OnDisk:
    """A picture that the server can open itself, inside its allowed roots."""

    path: str
    frame: int = 0
    """Frame number inside a movie file; 0 for stills."""


@dataclass(frozen=True)
class Digest:
    """A picture that was stored before and is named by its content."""

    digest: str

    def __post_init__(self) -> None:
        check_digest(self.digest)


Source = Union[Inline, OnDisk, Digest]

PICTURES = ("plate", "clean_plate", "core", "holdout")
"""The pictures of a frame."""


@dataclass(frozen=True)
class Neighbour:
    """The frame before or after the one that is asked for, as its own request would name it: what
    ``MatteOptions.temporal`` looks at. ``clean_plate`` None: the asked frame's serves it too."""

    plate: Source
    clean_plate: Optional[Source] = None
    core: Optional[Source] = None
    holdout: Optional[Source] = None
    alignment: Mapping[str, Any] = field(default_factory=dict)
    """How its clean plate lies on its plate, as in :class:`Matte`; empty has the server measure it."""


@dataclass(frozen=True)
class Matte:
    """Make a matte of one frame."""

    id: str
    frame: int
    plate: Source
    clean_plate: Source
    options: MatteOptions = field(default_factory=MatteOptions)
    core: Optional[Source] = None
    holdout: Optional[Source] = None
    priority: str = "interactive"
    shot: str = ""
    """Ties the frames of one job together for fair scheduling and for the log."""
    output: str = ""
    """Where the server writes the result itself (shared disk); empty sends it back as a blob."""
    plate_layer: str = ""
    clean_layer: str = ""
    view: str = ""
    hints: Mapping[str, Any] = field(default_factory=dict)
    """The host's facts of the picture: working space, host name and version. JSON values only."""
    alignment: Mapping[str, Any] = field(default_factory=dict)
    """How the clean plate lies on the plate, from a shot's plate solve (a reply's ``diagnostics["alignment"]``
    has the same form); empty has the server measure it."""
    before: Optional[Neighbour] = None
    after: Optional[Neighbour] = None
    """The frames on both sides, looked at where ``options.temporal`` is above 0; None where the shot ends."""

    def __post_init__(self) -> None:
        check_id(self.id)
        if self.priority not in PRIORITIES:
            raise ValueError(f"priority must be one of {', '.join(PRIORITIES)}, not {self.priority!r}.")


NEIGHBOURS = {"before": -1, "after": 1}
"""A request's words for the frames on both sides, and the steps to their numbers."""


def sources_of(request: Matte) -> dict[str, Source]:
    """Every picture of a request by its role: one of :data:`PICTURES`, or a neighbour's, such as
    ``before_plate``."""
    return {
        prefix + name: source
        for prefix, holder in _holders(request)
        for name in PICTURES
        if (source := getattr(holder, name)) is not None
    }


def with_sources(request: Matte, sources: Mapping[str, Source]) -> Matte:
    """The request with some of its pictures, by role, replaced."""
    changed: dict[str, Any] = {}
    for prefix, holder in _holders(request):
        own = {name: sources[prefix + name] for name in PICTURES if prefix + name in sources}
        if prefix and own:
            changed[prefix[:-1]] = replace(holder, **cast(Any, own))
        else:
            changed.update(own)
    return replace(request, **changed)


def _holders(request: Matte) -> Iterator[tuple[str, Union[Matte, Neighbour]]]:
    yield "", request
    for side in NEIGHBOURS:
        neighbour = getattr(request, side)
        if neighbour is not None:
            yield f"{side}_", neighbour


@dataclass(frozen=True)
class Store:
    """Keep this clean plate (or other picture) under its digest. Without data it asks whether the server holds it:
    the answer is Stored, or Failure("clean_plate_unknown")."""

    id: str
    digest: str
    data: Blob
    name: str = ""

    def __post_init__(self) -> None:
        check_id(self.id)
        check_digest(self.digest)


@dataclass(frozen=True)
class Cancel:
    """Stop a request of this client; unknown ids are ignored."""

    id: str
    target: str

    def __post_init__(self) -> None:
        check_id(self.id)
        check_id(self.target)


@dataclass(frozen=True)
class Ping:
    """Are you there, and which version?"""

    id: str

    def __post_init__(self) -> None:
        check_id(self.id)


@dataclass(frozen=True)
class Status:
    """What are you doing?"""

    id: str

    def __post_init__(self) -> None:
        check_id(self.id)


@dataclass(frozen=True)
class Accepted:
    """The request is queued; ``position`` frames are before it."""

    id: str
    position: int = 0


@dataclass(frozen=True)
class Progress:
    """Stage ``done`` of ``total`` has begun; ``stage`` is a word for the artist."""

    id: str
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class MatteReply:
    """The matte: EXR bytes in ``data``, or the path in ``output``. ``diagnostics`` are JSON figures."""

    id: str
    frame: int
    data: Blob = b""
    output: str = ""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """The blob is kept under this digest."""

    id: str
    digest: str


@dataclass(frozen=True)
class Pong:
    """The server's versions and models; ``instance`` changes when the server restarts."""

    id: str
    version: str
    wire: int
    models: tuple[str, ...] = ()
    instance: str = ""
    weights: Mapping[str, Any] = field(default_factory=dict)
    """Per model the digest of the weights it runs with by default: results depend on them."""


@dataclass(frozen=True)
class StatusReply:
    """The server's state as JSON figures: queue, workers, clients, memory, last errors."""

    id: str
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """The request ended without a result; ``code`` is for programs, ``message`` and ``hint`` for people."""

    id: str
    code: str
    message: str
    hint: str = ""


Request = Union[Matte, Store, Cancel, Ping, Status]
Reply = Union[Accepted, Progress, MatteReply, Stored, Pong, StatusReply, Failure]
Message = Union[Request, Reply]
Answer = Union[MatteReply, Failure]
"""What ends a Matte request."""
