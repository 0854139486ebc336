"""The frames before and after, where a frame's alpha follows them in time: which, and how long their plates stay.

No nuke here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Optional

Sides = tuple[Optional[int], Optional[int]]
Footage = Optional[tuple[int, int]]
"""First and last frame of the plate's source; None where no frame follows its neighbours."""


def beside(frame: int, footage: Footage) -> Sides:
    """The frames before and after, None where the source has none: so a result does not depend on which range it
    was made in."""
    if footage is None:
        return None, None
    first, last = footage
    before, after = frame - 1, frame + 1
    return before if first <= before <= last else None, after if first <= after <= last else None


def only_beside(wanted: Iterable[int], footage: Footage) -> tuple[int, ...]:
    """The neighbours of ``wanted`` that are none of them."""
    chosen = set(wanted)
    around = {one for frame in chosen for one in beside(frame, footage) if one is not None}
    return tuple(sorted(around - chosen))


def lost_words(frame: int, error: str) -> str:
    """What an artist hears of a neighbour that the host could not render, in the host's own words."""
    return f"Temporal smoothing went without frame {frame}, which Nuke could not render: {error.rstrip('. ')}."


class InUse:
    """How many tasks that have not ended name each frame's plates."""

    def __init__(self, tasks: Iterable[Iterable[int]]) -> None:
        self._tasks = Counter(frame for task in tasks for frame in task)

    def ended(self, task: Iterable[int]) -> list[int]:
        """A task ended that named these frames: those that nobody names any more."""
        frames = list(task)
        self._tasks.subtract(frames)
        return [frame for frame in frames if self._tasks[frame] <= 0]
