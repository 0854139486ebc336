"""What a :class:`~matte_link.job.MatteJob` reports to its host, in order.

The last event is :class:`JobFinished`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union


@dataclass(frozen=True)
class FrameStarted:
    """The frame was sent to the server."""

    frame: int


@dataclass(frozen=True)
class FrameProgress:
    """The server began a stage of the frame; ``done`` of ``total`` stages are complete."""

    frame: int
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class FrameDone:
    """The frame's result is complete on disk at ``output``; ``clean_digest`` is the digest of its clean plate,
    or empty where the clean plate was not identified by one."""

    frame: int
    output: str
    diagnostics: Mapping[str, Any]
    clean_digest: str = ""


@dataclass(frozen=True)
class FrameFailed:
    """The frame has no result. ``code`` is for programs; ``message`` and ``hint`` are for the artist."""

    frame: int
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class JobFinished:
    """The job has ended. ``done`` and ``failed`` count its frames; ``code``, ``message`` and ``hint`` give the
    reason where the whole job stopped early."""

    done: int
    failed: int
    cancelled: bool
    code: str = ""
    message: str = ""
    hint: str = ""


JobEvent = Union[FrameStarted, FrameProgress, FrameDone, FrameFailed, JobFinished]
