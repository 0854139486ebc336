"""What a run is told and what it reports. No torch: the command line imports it."""

from __future__ import annotations

from dataclasses import dataclass

SUFFIX = ".learned"
"""Ending of the file of learned weights."""
STEPS, STEPS_WITHOUT_KEYS = 300, 100
"""The most steps where a person vouches for some frames, and where nobody does: then the shot's own mattes are soon
learnt by heart, and their faults with them (measured on the demo shot, ``tests.benchmarks.bench_learn``)."""


FRAMES = 8
"""How many frames, spread over the shot, are learnt from where none has a key matte."""


def steps_for(has_keys: bool) -> int:
    """The most steps where nobody says otherwise."""
    return STEPS if has_keys else STEPS_WITHOUT_KEYS


@dataclass(frozen=True)
class LearningSettings:
    """How a shot is learnt. The rate falls along a cosine and reaches 0 at the last of ``steps``."""

    steps: int = STEPS
    rate: float = 3e-4
    seed: int = 1


@dataclass(frozen=True)
class LearningProgress:
    """``error``: the mean error of alpha (0..1) on what was left out, last measured; ``first_error`` before the
    first step. ``left_s``: seconds until the last step. None until they are known."""

    step: int
    steps: int
    error: float | None
    first_error: float | None
    left_s: float | None
