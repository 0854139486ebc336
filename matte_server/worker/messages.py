"""The messages between the server and its worker processes: JSON over a pipe, never pickle.

A worker decodes files from untrusted clients, so the server trusts it with nothing more than the fields below. A
worker that sends anything else is killed and replaced.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from matte_link.messages import NEIGHBOURS, Inline, Matte, with_sources
from matte_link.wire import MAGIC, WireLimits, decode, encode

READ_AHEAD = b"ahead "
"""Precedes a job whose pictures the worker may decode while it computes another frame."""
_FROM_THE_SERVER = WireLimits(header=1 << 30)
"""The server has accepted the request; written again, its header may be a little longer."""
CANCEL = b"cancel "
"""Precedes the number of the job to cancel."""


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
class SolveFailed:
    """The frame failed and has no result; the worker continues with the next one."""

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


WorkerMessage = WorkerReady | StageStarted | Heartbeat | FrameComputed | FrameFinished | SolveFailed | StartupFailed
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (WorkerReady, StageStarted, Heartbeat, FrameComputed, FrameFinished, SolveFailed, StartupFailed)
}


def encode_message(message: WorkerMessage) -> bytes:
    """A worker's message as bytes."""
    return json.dumps([type(message).__name__, asdict(message)], default=_plain).encode()


def _plain(value: object) -> object:
    """Scalars of numpy and torch, which diagnostics contain, as Python numbers."""
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)


def decode_message(data: bytes) -> WorkerMessage:
    """The inverse of :func:`encode_message`; raises ``ValueError`` on anything else."""
    try:
        name, values = json.loads(data)
        if name == WorkerReady.__name__:
            values["models"] = tuple(values["models"])
        return cast(WorkerMessage, _KINDS[name](**values))
    except (KeyError, TypeError) as error:
        raise ValueError(f"a worker sent an unknown message: {error}") from None


def encode_job(job: FrameJob) -> bytes:
    """A job as bytes. Spooled pictures travel as their paths, so the message stays small."""
    named = {role: Inline(data=b"", name=picture.name) for role, picture in job.pictures.items()}
    header = bytes(encode(with_sources(job.request, named))[1]).decode("utf-8", "surrogatepass")
    pictures = {role: asdict(picture) for role, picture in job.pictures.items()}
    return json.dumps({"number": job.number, "header": header, "pictures": pictures, "result": job.result}).encode()


def decode_job(data: bytes) -> FrameJob:
    """The inverse of :func:`encode_job`."""
    values = json.loads(data)
    pictures = {role: SpooledPicture(**picture) for role, picture in values["pictures"].items()}
    parts = [MAGIC, values["header"].encode("utf-8", "surrogatepass"), *(b"" for _ in pictures)]
    request = cast(Matte, decode(parts, _FROM_THE_SERVER))
    return FrameJob(number=values["number"], request=request, pictures=pictures, result=values["result"])


def role_in_words(role: str) -> str:
    """A role for people: "clean plate", "plate of the frame before"."""
    side, _, own = role.partition("_")
    return f"{own} of the frame {side}".replace("_", " ") if side in NEIGHBOURS else role.replace("_", " ")
