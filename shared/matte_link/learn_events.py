"""What a :class:`~matte_link.learn_job.LearnJob` reports to its host, in order.

The last event is :class:`LearnDone` or :class:`LearnFailed`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union


@dataclass(frozen=True)
class LearnPreparing:
    """Before the first step: ``stage`` is "queued" (behind ``done`` other jobs), "start", or "frames", of which
    ``done`` of ``total`` are read and aligned."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class LearnStep:
    """``step`` of ``steps`` is done. The figures are those of :class:`~matte_link.messages.LearnProgress`; -1: not
    known yet. ``message`` is one sentence for the artist, or empty."""

    step: int
    steps: int
    error: float
    first_error: float
    left_s: float
    message: str = ""


@dataclass(frozen=True)
class LearnDone:
    """The job has ended. If it ``has_gained``, the weights are complete on disk at ``output`` and ``digest`` names
    them; otherwise nothing was written, and both are empty. ``is_complete`` is False where it was cancelled."""

    output: str
    digest: str
    steps: int
    first_error: float
    error: float
    has_gained: bool
    is_complete: bool
    model: str
    diagnostics: Mapping[str, Any]


@dataclass(frozen=True)
class LearnFailed:
    """Nothing was learnt. ``code`` is for programs; ``message`` and ``hint`` are for the artist."""

    code: str
    message: str
    hint: str = ""


LearnEvent = Union[LearnPreparing, LearnStep, LearnDone, LearnFailed]
