"""What a host gives a :class:`~matte_link.job.MatteJob` to do: one :class:`FrameTask` for each frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from .messages import Source
from .options import MatteOptions


@dataclass(frozen=True)
class LocalFile:
    """A picture on the host's own disk. The job reads it when its frame's turn comes and sends the bytes."""

    path: str


TaskSource = Union[Source, LocalFile]


@dataclass(frozen=True)
class TaskNeighbour:
    """The frame before or after a task's frame, with the pictures that its own task would name.

    Without a ``clean_plate`` the server uses the task's own for it.
    """

    plate: TaskSource
    clean_plate: Optional[TaskSource] = None
    core: Optional[TaskSource] = None
    holdout: Optional[TaskSource] = None


@dataclass(frozen=True)
class FrameTask:
    """One frame of a job; the result is written to the local file ``output``.

    ``clean_digest`` is the digest that the host expects a local clean plate to have. The job then sends the frame
    at once, and reads and hashes the clean plate while the server computes. If the digest turns out to be
    different, the job cancels that request and sends the frame again with the right digest.

    ``before`` and ``after`` are the frames on both sides, None at either end of a shot. They are sent only if the
    ``temporal`` option is above 0.

    ``options`` replaces the job's own for this frame, where an option is animated.
    """

    frame: int
    plate: TaskSource
    clean_plate: TaskSource
    output: str
    core: Optional[TaskSource] = None
    holdout: Optional[TaskSource] = None
    view: str = ""
    hints: Mapping[str, Any] = field(default_factory=dict)
    clean_digest: str = ""
    before: Optional[TaskNeighbour] = None
    after: Optional[TaskNeighbour] = None
    options: Optional[MatteOptions] = None
