"""The messages between a host and the server: frozen dataclasses that check themselves. No sockets.

A request and its replies share one ``id``::

    request      replies
    Matte        Accepted, Progress (any number), then MatteReply or Failure
    Store        Stored or Failure
    StorePart    PartStored, Stored or Failure
    Cancel       none; the cancelled Matte ends with Failure("cancelled")
    Ping         Pong
    Status       StatusReply

A picture is a whole file's bytes (:class:`Inline`: EXR, or any format that the server reads), a path on a disk that
client and server share (:class:`OnDisk`), or the digest of bytes that were stored before (:class:`Digest`). A Matte
that names a digest which the server lacks ends with Failure("<role>_unknown"), such as "clean_plate_unknown"; see
:mod:`matte_link.offered_pictures` for what the client does then.

Messages are built by keyword; only ``id`` may stand alone in first place. Python 3.9 cannot enforce that, so a test
does.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional, Union, cast

from .options import MatteOptions
from .plain_text import MappingLimits, check_mapping, check_text, printable, printable_name

Blob = Union[bytes, memoryview]
"""A picture's bytes; a memoryview is what the socket received, not copied."""

PRIORITIES = ("interactive", "batch")
_HOST_LIMITS = MappingLimits()
"""What a host may send along as JSON."""
_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def digest_of(data: Blob) -> str:
    """The digest that names a picture: BLAKE2b of its bytes, 32 bytes long, in hex."""
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def new_id() -> str:
    """An id for a new message, unlike any other."""
    return uuid.uuid4().hex


def check_id(value: str) -> None:
    """Raises ``ValueError`` unless ``value`` can be a message's id."""
    if not isinstance(value, str) or not _ID.match(value):
        raise ValueError("a request id is 1 to 80 letters, digits, '.', '_', ':' or '-'.")


def check_digest(value: str) -> None:
    """Raises ``ValueError`` unless ``value`` looks like a digest of :func:`digest_of`."""
    if not isinstance(value, str) or not _DIGEST.match(value):
        raise ValueError("a digest is 64 lower-case hexadecimal digits.")


@dataclass(frozen=True)
class Inline:
    """A picture that is sent along: the bytes of a whole file, EXR or any other format that the server reads."""

    data: Blob
    name: str = ""
    """The file's name without its folder. The server reads the format from its ending, and names it in errors.
    Characters that a terminal would act on are replaced."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable_name(self.name))


@dataclass(frozen=True)
class OnDisk:
    """A picture that the server opens itself; the path must lie inside one of its allowed roots."""

    path: str
    frame: int = 0
    """The frame number inside a movie file; 0 for a still."""

    def __post_init__(self) -> None:
        check_text(self.path, "a path")


@dataclass(frozen=True)
class Digest:
    """A picture that was stored on the server before, named by the digest of its bytes."""

    digest: str

    def __post_init__(self) -> None:
        check_digest(self.digest)


Source = Union[Inline, OnDisk, Digest]

PICTURES = ("plate", "clean_plate", "core", "holdout")
"""The roles of a frame's pictures."""


@dataclass(frozen=True)
class Neighbour:
    """The frame before or after that of a :class:`Matte`, with the pictures that its own request would name.

    Temporal smoothing (``MatteOptions.temporal``) compares the frame with it. Without a ``clean_plate`` the server
    uses that of the Matte.
    """

    plate: Source
    clean_plate: Optional[Source] = None
    core: Optional[Source] = None
    holdout: Optional[Source] = None
    alignment: Mapping[str, Any] = field(default_factory=dict)
    """How its clean plate is aligned to its plate, as in :class:`Matte`; if empty, the server measures it."""

    def __post_init__(self) -> None:
        check_mapping(self.alignment, "an alignment", _HOST_LIMITS)


@dataclass(frozen=True)
class Matte:
    """Compute the matte of one frame. Raises ``ValueError`` for a bad id or priority."""

    id: str
    frame: int
    plate: Source
    clean_plate: Source
    options: MatteOptions = field(default_factory=MatteOptions)
    core: Optional[Source] = None
    holdout: Optional[Source] = None
    priority: str = "interactive"
    shot: str = ""
    """Any text that the frames of one job have in common: the server schedules by it, and logs it."""
    output: str = ""
    """The path to which the server writes the result (shared disk); if empty, the result comes back as bytes."""
    plate_layer: str = ""
    clean_layer: str = ""
    view: str = ""
    hints: Mapping[str, Any] = field(default_factory=dict)
    """What the host knows of the picture: working space, host's name and version. JSON values only."""
    alignment: Mapping[str, Any] = field(default_factory=dict)
    """How the clean plate is aligned to the plate, from a shot's plate solve, in the form of a reply's
    ``diagnostics["alignment"]``; if empty, the server measures it."""
    before: Optional[Neighbour] = None
    after: Optional[Neighbour] = None
    """The frames on both sides, None at either end of a shot. Used only if ``options.temporal`` is above 0."""

    def __post_init__(self) -> None:
        check_id(self.id)
        if self.priority not in PRIORITIES:
            raise ValueError(f"priority must be one of {', '.join(PRIORITIES)}, not {self.priority!r:.40}.")
        for name in ("shot", "output", "plate_layer", "clean_layer", "view"):
            check_text(getattr(self, name), name)
        for name in ("hints", "alignment"):
            check_mapping(getattr(self, name), name, _HOST_LIMITS)


NEIGHBOURS = {"before": -1, "after": 1}
"""The names of a request's neighbours, and how their frame numbers differ from its own."""


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
    """The request with the pictures of these roles replaced; the inverse of :func:`sources_of`."""
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
    """Keep this picture under its digest. Without ``data``: say whether the picture is stored.

    The reply is Stored; Failure("clean_plate_unknown") to a question about a picture that is not stored, whatever
    its role; or Failure("busy") if there is no room for it.
    """

    id: str
    digest: str
    data: Blob
    name: str = ""

    def __post_init__(self) -> None:
        check_id(self.id)
        check_digest(self.digest)
        object.__setattr__(self, "name", printable_name(self.name))


@dataclass(frozen=True)
class StorePart:
    """Keep the bytes from ``offset`` on of a picture that has ``size`` bytes in all; without ``data``, say how many
    of its bytes the server has. See :mod:`matte_link.part_upload`."""

    id: str
    digest: str
    size: int
    offset: int = 0
    data: Blob = b""
    name: str = ""

    def __post_init__(self) -> None:
        check_id(self.id)
        check_digest(self.digest)
        if not 0 <= self.offset <= self.offset + len(self.data) <= self.size:
            raise ValueError("a part of a picture lies within its size.")
        object.__setattr__(self, "name", printable_name(self.name))


@dataclass(frozen=True)
class Cancel:
    """Stop the Matte of this client whose id is ``target``; an unknown id is ignored."""

    id: str
    target: str

    def __post_init__(self) -> None:
        check_id(self.id)
        check_id(self.target)


@dataclass(frozen=True)
class Ping:
    """Say which version and models the server has; shows that it is alive."""

    id: str

    def __post_init__(self) -> None:
        check_id(self.id)


@dataclass(frozen=True)
class Status:
    """Say what the server is doing: queue, workers, clients, memory, last errors."""

    id: str

    def __post_init__(self) -> None:
        check_id(self.id)


@dataclass(frozen=True)
class Accepted:
    """The request is queued behind ``position`` other frames."""

    id: str
    position: int = 0


@dataclass(frozen=True)
class Progress:
    """A stage of the frame has begun, and ``done`` of ``total`` stages are complete. ``stage`` is its name."""

    id: str
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class MatteReply:
    """The result: the bytes of an EXR in ``data``, or the path that the server wrote in ``output``.

    ``diagnostics`` are JSON values that were measured on this frame.
    """

    id: str
    frame: int
    data: Blob = b""
    output: str = ""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """The picture is kept under this digest."""

    id: str
    digest: str


@dataclass(frozen=True)
class PartStored:
    """The first ``received`` bytes of the picture are kept under this digest; more are to come."""

    id: str
    digest: str
    received: int


@dataclass(frozen=True)
class Pong:
    """The server's version, wire version and models; ``instance`` changes each time that the server starts."""

    id: str
    version: str
    wire: int
    models: tuple[str, ...] = ()
    instance: str = ""
    weights: Mapping[str, Any] = field(default_factory=dict)
    """For each model the digest of the weights that it runs with by default: results depend on them."""


@dataclass(frozen=True)
class StatusReply:
    """The server's state as JSON values."""

    id: str
    state: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """The request ended without a result. ``code`` is for programs; ``message`` and ``hint`` are for the artist, on
    one line each and safe to print."""

    id: str
    code: str
    message: str
    hint: str = ""

    def __post_init__(self) -> None:
        for name in ("code", "message", "hint"):
            object.__setattr__(self, name, printable(getattr(self, name)))


Request = Union[Matte, Store, StorePart, Cancel, Ping, Status]
Reply = Union[Accepted, Progress, MatteReply, Stored, PartStored, Pong, StatusReply, Failure]
Message = Union[Request, Reply]
Answer = Union[MatteReply, Failure]
"""What ends a Matte request."""
