"""Settings of a run and what it reports. Imports no torch, because the command line imports it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".learned"
"""Ending of the file of learned weights."""
STEPS, STEPS_WITHOUT_KEYS = 150, 40
"""The most steps where a person vouches for some frames, and where nobody does: then the shot's own mattes are soon
learnt by heart, and their faults with them.
Runs of 200 steps with keys gained nothing in the last 50: hair, on what was left out, 59.0 before, 18.8 after 150
steps and 19.0 after 200; a person, on the other frames, 0.101 of the error after 100 and 0.097 after 200."""
_MEASURE_EVERY = 50
FRAMES = 8
"""How many frames, spread over the shot, are learnt from where none has a key matte."""


def checkpoint_of(output: Path) -> Path:
    """Where a run that writes ``output`` keeps its state until it has ended."""
    return output.with_name(f".{output.name}.run")


def steps_for(has_keys: bool) -> int:
    """The most steps where nobody says otherwise."""
    return STEPS if has_keys else STEPS_WITHOUT_KEYS


@dataclass(frozen=True)
class LearningSettings:
    """How a shot is learnt. The rate falls along a cosine and reaches 0 at the last of ``steps``; None: as fits
    mattes that a person vouches for, or the model's own."""

    steps: int = STEPS
    rate: float | None = None
    seed: int = 1

    @property
    def measure_every(self) -> int:
        """Steps between two measurements of what was left out, where a person vouches for some frames."""
        return max(1, min(_MEASURE_EVERY, self.steps // 4))

    @property
    def measure_every_without_keys(self) -> int:
        """The same where nobody does. The first large steps often make the error larger than it was at the start,
        and the later ones smaller; measured in between, they would be undone."""
        return max(1, min(_MEASURE_EVERY, self.steps * 3 // 4))


@dataclass(frozen=True)
class LearningProgress:
    """``error``: the mean error of alpha (0..1) on what was left out, last measured; ``first_error`` before the
    first step. ``left_s``: seconds until the last step. None until they are known."""

    step: int
    steps: int
    error: float | None
    first_error: float | None
    left_s: float | None
