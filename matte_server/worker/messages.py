"""The messages between the server and its worker processes: JSON over a pipe, never pickle.

A worker decodes files from untrusted clients, so the server trusts it with nothing more than the fields below. A
worker that sends anything else is killed and replaced.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, NoReturn, cast, get_args

from matte_link.messages import NEIGHBOURS, Inline, Job, Learn, Matte, OnDisk
from matte_link.plain_text import MappingLimits, check_mapping
from matte_link.roles import WEIGHTS, sources_of, with_sources
from matte_link.wire import MAGIC, WireLimits, decode, encode

READ_AHEAD = b"ahead "
"""Precedes a job whose pictures the worker may decode while it computes another frame."""
_FROM_A_WORKER = MappingLimits(text=1 << 20)
"""What a worker's message may contain, so that the server can pass it on."""
_FROM_THE_SERVER = WireLimits(header=1 << 30, parts=1 << 10)
"""The server has accepted the request; written again, its header may be a little longer."""
CANCEL = b"cancel "
"""Precedes the number of the job to cancel."""
LEARN = b"learn "
"""Precedes a :class:`LearningJob`. Frames that arrive while it runs are computed between two of its steps."""


@dataclass(frozen=True)
class SpooledPicture:
    """A picture that the server holds for a job: the spooled file, and the client's name for it in messages."""

    path: str
    name: str = ""
    digest: str = ""
    """Names a stored picture by its content; empty for a picture that was sent with this frame only."""


@dataclass(frozen=True)
class FrameJob:
    """One frame for a worker. ``pictures`` are the spooled ones, by role (``messages.sources_of``); for other roles
    ``request`` names a path on a shared disk."""

    number: int
    request: Matte
    pictures: Mapping[str, SpooledPicture]
    result: str
    """Name of the file in the spool folder that the worker writes the result to."""

    @cached_property
    def command(self) -> bytes:
        """The job as :func:`encode_job` writes it, once: a frame is read ahead, and later computed."""
        return encode_job(self)


@dataclass(frozen=True)
class LearningJob:
    """A shot to learn. ``pictures`` as in :class:`FrameJob`; ``weights`` and ``checkpoint`` are the files that the
    worker writes: what was learnt, and what another worker needs to go on."""

    number: int
    request: Learn
    pictures: Mapping[str, SpooledPicture]
    weights: str
    checkpoint: str


@dataclass(frozen=True)
class WorkerReady:
    """The worker has claimed its device and takes frames; ``devices`` counts the machine's devices of that kind."""

    device: str
    devices: int
    models: tuple[str, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    """Per model the digest of its default weights."""


@dataclass(frozen=True)
class StageStarted:
    """Stage ``done`` of ``total`` has begun."""

    number: int
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Heartbeat:
    """The worker is still computing; sent at most once a second during long stages."""

    number: int


@dataclass(frozen=True)
class FrameComputed:
    """The frame is computed and waits to be encoded and written; the worker already takes the next frame."""

    number: int


@dataclass(frozen=True)
class FrameFinished:
    """The frame's result is written: to the spool, or to ``output`` on the shared disk."""

    number: int
    output: str = ""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FramePrepared:
    """``done`` of ``total`` frames to learn from are read and aligned."""

    number: int
    done: int
    total: int


@dataclass(frozen=True)
class StepTaken:
    """``step`` of ``steps`` training steps are done; figures as in ``LearnProgress``. ``is_resumed``: this is the
    first report of a run that goes on from a checkpoint."""

    number: int
    step: int
    steps: int
    error: float
    first_error: float
    left_s: float
    is_resumed: bool = False


@dataclass(frozen=True)
class LearningEnded:
    """The shot is learnt, or was cancelled; if something was gained, the weights are written. Fields as in
    ``LearnReply``."""

    number: int
    steps: int
    first_error: float
    error: float
    has_gained: bool
    is_complete: bool
    model: str
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SolveFailed:
    """The frame or the learning failed and has no result; the worker continues with what comes next."""

    number: int
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class StartupFailed:
    """The worker cannot start; sent before it exits."""

    code: str
    message: str
    hint: str = ""


WorkerMessage = (
    WorkerReady
    | StageStarted
    | Heartbeat
    | FrameComputed
    | FrameFinished
    | FramePrepared
    | StepTaken
    | LearningEnded
    | SolveFailed
    | StartupFailed
)
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(WorkerMessage)}


def encode_message(message: WorkerMessage) -> bytes:
    """A worker's message as bytes."""
    return json.dumps([type(message).__name__, json_values(asdict(message))], allow_nan=False).encode()


def json_values(value: object) -> object:
    """``value`` as JSON has it: scalars of NumPy and torch, which diagnostics contain, become Python's numbers, and
    numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(key): json_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_values(each) for each in value]
    item = getattr(value, "item", None)
    plain = item() if callable(item) else value
    if isinstance(plain, float) and not math.isfinite(plain):
        return None
    return plain if plain is None or isinstance(plain, bool | int | float | str) else str(plain)


def decode_message(data: bytes) -> WorkerMessage:
    """The inverse of :func:`encode_message`; raises ``ValueError`` on anything else."""
    try:
        name, values = json.loads(data, parse_constant=_no_constant)
        check_mapping(values, "a worker's message", _FROM_A_WORKER)
        if name == WorkerReady.__name__:
            values["models"] = tuple(values["models"])
        return cast(WorkerMessage, _KINDS[name](**values))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"a worker sent an unknown message: {error}") from None


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number.")


def encode_job(job: FrameJob) -> bytes:
    """A job as bytes. Spooled pictures travel as their paths, so the message stays small."""
    return _encoded(job, result=job.result)


def decode_job(data: bytes) -> FrameJob:
    """The inverse of :func:`encode_job`. Weights that came along are named as a file by the request's options."""
    values = json.loads(data)
    request, pictures = _request_of(values)
    return FrameJob(
        number=values["number"], request=cast(Matte, request), pictures=pictures, result=values["result"]
    )


def encode_learning(job: LearningJob) -> bytes:
    """A learning job as bytes, as :func:`encode_job` does it."""
    return _encoded(job, weights=job.weights, checkpoint=job.checkpoint)


def decode_learning(data: bytes) -> LearningJob:
    """The inverse of :func:`encode_learning`, with weights as in :func:`decode_job`."""
    values = json.loads(data)
    request, pictures = _request_of(values)
    return LearningJob(
        number=values["number"],
        request=cast(Learn, request),
        pictures=pictures,
        weights=values["weights"],
        checkpoint=values["checkpoint"],
    )


def _encoded(job: FrameJob | LearningJob, **files: str) -> bytes:
    named = {role: Inline(data=b"", name=picture.name) for role, picture in job.pictures.items()}
    header = bytes(encode(with_sources(job.request, named))[1]).decode("utf-8", "surrogatepass")
    pictures = {role: asdict(picture) for role, picture in job.pictures.items()}
    return json.dumps({"number": job.number, "header": header, "pictures": pictures, **files}).encode()


def _request_of(values: Mapping[str, Any]) -> tuple[Job, dict[str, SpooledPicture]]:
    pictures = {role: SpooledPicture(**picture) for role, picture in values["pictures"].items()}
    parts = [MAGIC, values["header"].encode("utf-8", "surrogatepass"), *(b"" for _ in pictures)]
    request = cast(Job, decode(parts, _FROM_THE_SERVER))
    weights = sources_of(request).get(WEIGHTS)
    if weights is not None:
        path = weights.path if isinstance(weights, OnDisk) else pictures[WEIGHTS].path
        request = replace(request, options=replace(request.options, weights=path))
    return request, pictures


def role_in_words(role: str) -> str:
    """A role for people: "clean plate", "plate of the frame before", "key of frame 1001"."""
    side, _, own = role.partition("_")
    if side.removeprefix("-").isdecimal():
        return f"{own} of frame {side}".replace("_", " ")
    return f"{own} of the frame {side}".replace("_", " ") if side in NEIGHBOURS else role.replace("_", " ")
