"""Digests of the pictures that are sent for a frame, made on a thread of its own.

The window must not wait for a disk. Does not import bpy."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from .plan import SolvePlan
from .result_files import SentPictures
from .sending import Rendered, sent_for


class FrameContents:
    """The digests of what a plan's frames are made from. ``rendered`` has the files of inputs that are nodes."""

    def __init__(self, plan: SolvePlan, rendered: Rendered) -> None:
        self._plan = plan
        self._rendered = rendered
        self._pool = ThreadPoolExecutor(1, "cleanplate-content")
        self._under_way: dict[int, Future[SentPictures]] = {}

    def of(self, frame: int) -> SentPictures | None:
        """The frame's pictures; None while they are being read, which the first call begins. Raises ``OSError``."""
        if frame not in self._under_way:
            rendered = {number: dict(files) for number, files in self._rendered.items()}
            self._under_way[frame] = self._pool.submit(sent_for(self._plan, frame, rendered))
        found = self._under_way[frame]
        if not found.done():
            return None
        del self._under_way[frame]
        return found.result()

    def close(self) -> None:
        """Ends the thread when it has read what it is reading."""
        self._pool.shutdown(wait=False, cancel_futures=True)
