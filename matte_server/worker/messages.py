"""What the server and its inference processes say to each other: JSON over a pipe, never pickle.

A worker decodes files that strangers sent, so the server believes it nothing but these few facts: a worker
names result files without a folder, and anything else that arrives is its death.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from matte_link.messages import NEIGHBOURS, Inline, Matte, OnDisk, sources_of, with_sources
from matte_link.wire import decode, encode

AHEAD = b"ahead "
"""Before a job: its pictures may be decoded while another frame is computed."""
CANCEL = b"cancel "
"""Before a job's number."""


@dataclass(frozen=True)
class SpooledPicture:
    """A picture that the server holds for a job: a spooled file, the name for messages, its content's name
    (empty where it is this frame's alone)."""

    path: str
    name: str = ""
    digest: str = ""


@dataclass(frozen=True)
class FrameJob:
    """One frame for a worker. ``pictures`` holds what the server spooled, by role (``messages.sources_of``); roles
    that are missing there are paths on a shared disk, in ``request``."""

    number: int
    request: Matte
    pictures: Mapping[str, SpooledPicture]
    result: str
    """File name in the spool that the worker writes the result under."""


@dataclass(frozen=True)
class WorkerReady:
    """The worker has its device and takes frames; ``devices`` counts those of its kind on the machine."""

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
    """Still at it; sent at most once a second from inside long stages."""

    number: int


@dataclass(frozen=True)
class FrameComputed:
    """The frame's result is only to be encoded and written; the worker takes the next frame meanwhile."""

    number: int


@dataclass(frozen=True)
class FrameFinished:
    """The frame's result lies in the spool, or at ``output`` on the shared disk."""

    number: int
    output: str = ""
    diagnostics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SolveFailed:
    """The frame has no result; the worker goes on."""

    number: int
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class StartupFailed:
    """The worker cannot work at all, and says why before it ends."""

    code: str
    message: str
    hint: str = ""


WorkerMessage = WorkerReady | StageStarted | Heartbeat | FrameComputed | FrameFinished | SolveFailed | StartupFailed
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (WorkerReady, StageStarted, Heartbeat, FrameComputed, FrameFinished, SolveFailed, StartupFailed)
}


def encode_message(said: WorkerMessage) -> bytes:
    """A worker's message as bytes."""
    return json.dumps([type(said).__name__, asdict(said)], default=_plain).encode()


def _plain(value: object) -> object:
    """Diagnostics come out of numpy and torch; a number is a number."""
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
        raise ValueError(f"a worker said something unknown: {error}") from None


def encode_job(job: FrameJob) -> bytes:
    """A job as bytes. Spooled pictures travel as their paths, so the message stays small."""
    named = {role: Inline(b"", picture.name) for role, picture in job.pictures.items()}
    header = bytes(encode(with_sources(job.request, named))[1])
    pictures = {role: asdict(picture) for role, picture in job.pictures.items()}
    return json.dumps(
        {"number": job.number, "header": header.decode(), "pictures": pictures, "result": job.result}
    ).encode()


def decode_job(data: bytes) -> FrameJob:
    """The inverse of :func:`encode_job`."""
    values = json.loads(data)
    pictures = {role: SpooledPicture(**picture) for role, picture in values["pictures"].items()}
    parts = [b"CPM1", values["header"].encode(), *(b"" for _ in pictures)]
    return FrameJob(values["number"], cast(Matte, decode(parts)), pictures, values["result"])


def role_in_words(role: str) -> str:
    """A role for people: "clean plate", "plate of the frame before"."""
    side, _, own = role.partition("_")
    return f"{own} of the frame {side}".replace("_", " ") if side in NEIGHBOURS else role.replace("_", " ")


def source_path(job: FrameJob, role: str) -> OnDisk | None:
    """The client's own path for a role, or None where the server holds the picture or there is none."""
    source = sources_of(job.request).get(role)
    return source if isinstance(source, OnDisk) else None


def result_path(spool: Path, job: FrameJob) -> Path:
    """Where a job's result is written."""
    return spool / job.result
