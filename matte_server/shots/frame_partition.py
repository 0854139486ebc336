"""The order in which a shot's frames are sent to the server."""

from __future__ import annotations

from collections.abc import Sequence

from .shot import ShotFrame


class FramePartition:
    """A shot's frames in ``count`` runs of consecutive frames, all of about the same length.

    The next frame always comes from the run with the fewest frames open, that is, taken and not closed. So each of
    ``count`` matting processes works through a run of its own and still holds what it computed for the frame
    before, which smoothing in time needs again.
    """

    def __init__(self, frames: Sequence[ShotFrame], count: int) -> None:
        length = -(-len(frames) // max(count, 1))
        starts = range(0, len(frames), max(length, 1))
        self._waiting = [list(frames[start : start + length])[::-1] for start in starts]
        self._open_count = [0] * len(self._waiting)
        self._run_of: dict[int, int] = {}

    def next(self) -> ShotFrame | None:
        """Takes the next frame; None when all have been taken."""
        runs = [run for run, waiting in enumerate(self._waiting) if waiting]
        if not runs:
            return None
        run = min(runs, key=self._open_count.__getitem__)
        frame = self._waiting[run].pop()
        self._run_of[frame.frame] = run
        self._open_count[run] += 1
        return frame

    def close(self, frame: int) -> None:
        """The frame of that number has ended."""
        self._open_count[self._run_of.pop(frame)] -= 1
