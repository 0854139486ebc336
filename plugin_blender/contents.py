"""Digests of the pictures that are sent for a frame, made on a thread of its own: the window must not wait for a
disk. Does not import bpy."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from .plan import SolvePlan
from .result_files import SentPictures


class FrameContents:
    """The digests of what a plan's frames are made from. ``rendered`` has the files of inputs that are nodes."""

    def __init__(self, plan: SolvePlan, rendered: Mapping[int, Mapping[str, str]]) -> None:
        self._plan = plan
        self._rendered = rendered
        self._pool = ThreadPoolExecutor(1, "cleanplate-content")
        self._under_way: dict[int, tuple[str, Future[str]]] = {}

    def of(self, frame: int) -> SentPictures | None:
        """The frame's pictures; None while they are being read, which the first call begins. Raises ``OSError``."""
        if frame not in self._under_way:
            rendered = {number: dict(files) for number, files in self._rendered.items()}
            # Before they are read: what is put there meanwhile is noticed later.
            witness = self._plan.witness(frame)
            self._under_way[frame] = (witness, self._pool.submit(self._plan.content, frame, rendered))
        witness, found = self._under_way[frame]
        if not found.done():
            return None
        del self._under_way[frame]
        return SentPictures(content=found.result(), witness=witness)

    def close(self) -> None:
        """Ends the thread when it has read what it is reading."""
        self._pool.shutdown(wait=False, cancel_futures=True)
