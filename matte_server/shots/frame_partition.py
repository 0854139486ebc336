"""The order in which a shot's frames are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from .shot import ShotFrame


class FramePartition:
    """Frames in ``count`` runs of about the same length, in order within each; the next one is always of the run of
    which the fewest are open. Where each matting process has a run of its own, it still holds what it found out
    about the frame before, which smoothing in time needs."""

    def __init__(self, frames: Sequence[ShotFrame], count: int) -> None:
        length = -(-len(frames) // max(count, 1))
        self._waiting = [list(frames[at : at + length])[::-1] for at in range(0, len(frames), max(length, 1))]
        self._open = [0] * len(self._waiting)
        self._lane_of: dict[int, int] = {}

    def next(self) -> ShotFrame | None:
        """The next frame, which is then open; None where all have been begun."""
        lanes = [lane for lane, waiting in enumerate(self._waiting) if waiting]
        if not lanes:
            return None
        lane = min(lanes, key=self._open.__getitem__)
        frame = self._waiting[lane].pop()
        self._lane_of[frame.frame] = lane
        self._open[lane] += 1
        return frame

    def close(self, frame: int) -> None:
        """That frame has ended."""
        self._open[self._lane_of.pop(frame)] -= 1
