"""The messages between a host and the server: frozen dataclasses that check themselves. No sockets.

A request and its replies share one ``id``::

    request      replies
    Matte        Accepted, Progress (any number), then MatteReply or Failure
    Learn        Accepted, Progress and LearnProgress (any number), then LearnReply or Failure
    Store        Stored or Failure
    StorePart    PartStored, Stored or Failure
    FetchResult  ResultPart
    Cancel       none; the cancelled Matte ends with Failure("cancelled"), a Learn with what it had gained
    Ping         Pong
    Status       StatusReply

A picture is a whole file's bytes (:class:`Inline`: EXR, or any format that the server reads), a path on a disk that
client and server share (:class:`OnDisk`), or the digest of bytes that were stored before (:class:`Digest`). A Matte
that names a digest which the server lacks ends with Failure("<role>_unknown"), such as "clean_plate_unknown"; see
:mod:`matte_link.offered_pictures` for what the client does then. Weights travel in the same three ways.

Messages are built by keyword; only ``id`` may stand alone in first place. Python 3.9 cannot enforce that, so a test
does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from .message_id import check_id as check_id
from .message_id import new_id as new_id
from .options import MatteOptions
from .part_messages import FetchResult as FetchResult
from .part_messages import PartStored as PartStored
from .part_messages import ResultPart as ResultPart
from .part_messages import Store as Store
from .part_messages import Stored as Stored
from .part_messages import StorePart as StorePart
from .picture_sources import Blob as Blob
from .picture_sources import Digest as Digest
from .picture_sources import Inline as Inline
from .picture_sources import OnDisk as OnDisk
from .picture_sources import Source as Source
from .picture_sources import check_digest as check_digest
from .picture_sources import digest_of as digest_of
from .plain_text import MappingLimits, check_mapping, check_text, printable

LATER = {"later": True}
"""Marks a field that wire version 1 did not have at first: it is written only if it is not None, so that an older
side can read the message otherwise."""
PRIORITIES = ("interactive", "batch")
_HOST_LIMITS = MappingLimits()
"""What a host may send along as JSON."""

PICTURES = ("plate", "clean_plate", "core", "holdout")
"""The roles of a frame's pictures."""
NEIGHBOURS = {"before": -1, "after": 1}
"""The names of a request's neighbours, and how their frame numbers differ from its own."""


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
    weights: Optional[Source] = field(default=None, metadata=LATER)
    """The model's weights, a safetensors file; None: those that ``options.weights`` names on the server."""

    def __post_init__(self) -> None:
        check_id(self.id)
        if self.priority not in PRIORITIES:
            raise ValueError(f"priority must be one of {', '.join(PRIORITIES)}, not {self.priority!r:.40}.")
        for name in ("shot", "output", "plate_layer", "clean_layer", "view"):
            check_text(getattr(self, name), name)
        for name in ("hints", "alignment"):
            check_mapping(getattr(self, name), name, _HOST_LIMITS)


MOST_LEARN_FRAMES = 32
MOST_LEARN_STEPS = 5000
LARGEST_SEED = (1 << 31) - 1


@dataclass(frozen=True)
class LearnFrame:
    """One frame to learn from. Without ``key`` it is learnt with the matte that the model itself makes of it."""

    frame: int
    plate: Source
    clean_plate: Source
    key: Optional[Source] = None
    """A matte that a person vouches for, read as a core matte is."""
    mask: Optional[Source] = None
    """Where ``key`` is right: 1; None: everywhere."""
    alignment: Mapping[str, Any] = field(default_factory=dict)
    """As in :class:`Matte`."""

    def __post_init__(self) -> None:
        check_mapping(self.alignment, "an alignment", _HOST_LIMITS)
        if self.mask is not None and self.key is None:
            raise ValueError(f"frame {self.frame} has a mask, but no key matte for it.")


@dataclass(frozen=True)
class Learn:
    """Learn a shot's own weights from some of its frames. Learning goes on when its client leaves; the same request
    sent again, by whichever client, joins it, or gets its result. Raises ``ValueError`` beyond the limits."""

    id: str
    frames: tuple[LearnFrame, ...]
    options: MatteOptions = field(default_factory=MatteOptions)
    """The model, and how pictures are read and aligned; what affects later stages does not matter."""
    weights: Optional[Source] = None
    """The weights to begin with, as in :class:`Matte`."""
    steps: int = 0
    """The most training steps; 0: as many as are usual."""
    seed: int = 1
    shot: str = ""
    """Any text, for the log and the status."""
    view: str = ""
    hints: Mapping[str, Any] = field(default_factory=dict)
    """As in :class:`Matte`."""

    def __post_init__(self) -> None:
        check_id(self.id)
        numbers = [frame.frame for frame in self.frames]
        if not 1 <= len(numbers) <= MOST_LEARN_FRAMES or len(set(numbers)) < len(numbers):
            raise ValueError(f"learning takes 1 to {MOST_LEARN_FRAMES} frames, each of them once.")
        if not 0 <= self.steps <= MOST_LEARN_STEPS:
            raise ValueError(f"learning takes at most {MOST_LEARN_STEPS} steps, not {self.steps}.")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"a seed is 0 to {LARGEST_SEED}, not {self.seed}.")
        for name in ("shot", "view"):
            check_text(getattr(self, name), name)
        check_mapping(self.hints, "hints", _HOST_LIMITS)


@dataclass(frozen=True)
class Cancel:
    """Stop this client's Matte or Learn whose id is ``target``; an unknown id is ignored. Learning that other
    clients wait for as well goes on."""

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
class LearnProgress(Progress):
    """``done`` of ``total`` training steps are done; ``stage`` is "step". ``error``: the mean error of alpha, 0..1,
    on what is left out of the learning; ``first_error``: that before the first step; ``left_s``: seconds until the
    last step. -1: not known yet."""

    error: float = -1.0
    first_error: float = -1.0
    left_s: float = -1.0
    message: str = ""
    """One sentence for the artist, where something happened that did not end the learning; else empty."""


@dataclass(frozen=True)
class LearnReply:
    """What was learnt: a safetensors file in ``data``, and its digest; both empty unless it ``has_gained``. Errors
    are those of :class:`LearnProgress`."""

    id: str
    steps: int
    first_error: float
    error: float
    has_gained: bool
    is_complete: bool = True
    """Whether it ended by itself; False where it was cancelled."""
    data: Blob = b""
    digest: str = ""
    model: str = ""
    """The model whose weights these are."""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    """JSON values: the frames, device, seconds."""


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

    def sentence(self, address: str) -> str:
        """What a host says of the server at an address. Before its first matting process has started, the server
        knows no models."""
        models = f": {', '.join(self.models)}." if self.models else ", and is starting."
        return f"Cleanplate {self.version} answers at {address}{models}"


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


Request = Union[Matte, Learn, Store, StorePart, FetchResult, Cancel, Ping, Status]
Reply = Union[
    Accepted,
    Progress,
    MatteReply,
    ResultPart,
    LearnProgress,
    LearnReply,
    Stored,
    PartStored,
    Pong,
    StatusReply,
    Failure,
]
Message = Union[Request, Reply]
Job = Union[Matte, Learn]
"""A request that is computed: it is outstanding until its :data:`Answer`."""
Answer = Union[MatteReply, LearnReply, Failure]
