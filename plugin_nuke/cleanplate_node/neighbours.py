"""The frames before and after, which temporal smoothing needs: which they are, and how long their plates are kept.

No nuke here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Optional

Sides = tuple[Optional[int], Optional[int]]
"""The frame before and the frame after; None if there is none."""
Footage = Optional[tuple[int, int]]
"""First and last frame of the plate's source; None without temporal smoothing."""


def beside(frame: int, footage: Footage) -> Sides:
    """The frames before and after ``frame`` that the source has. The range to process plays no part, so a frame has
    the same result in any range."""
    if footage is None:
        return None, None
    first, last = footage
    before, after = frame - 1, frame + 1
    return before if first <= before <= last else None, after if first <= after <= last else None


def only_beside(wanted: Iterable[int], sides_of: Callable[[int], Sides]) -> tuple[int, ...]:
    """The neighbours of the ``wanted`` frames that are not wanted themselves."""
    chosen = set(wanted)
    around = {one for frame in chosen for one in sides_of(frame) if one is not None}
    return tuple(sorted(around - chosen))


def unrendered_warning(frame: int, error: str) -> str:
    """The warning for the artist where Nuke could not render a neighbour; ``error`` is Nuke's own message."""
    return f"Temporal smoothing went without frame {frame}, which Nuke could not render: {error.rstrip('. ')}."


class PlateUses:
    """Counts, for each frame, the unfinished tasks that need its plates."""

    def __init__(self, tasks: Iterable[Iterable[int]]) -> None:
        self._tasks = Counter(frame for task in tasks for frame in task)

    def ended(self, task: Iterable[int]) -> list[int]:
        """Takes off a task that ended, by its frames. Returns those frames that no other task needs."""
        frames = list(task)
        self._tasks.subtract(frames)
        return [frame for frame in frames if self._tasks[frame] <= 0]
