"""Digests of the pictures that are sent for a frame, made on a thread of its own: the window must not wait for a
disk. Does not import bpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from .plan import SolvePlan
from .result_files import SentPictures

_AT_ONCE = 4


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


class TouchedFrames:
    """Compares the pictures of frames whose files were put there again, in a thread: a window does not wait for
    disks, and a shot of 4K has a hundred gigabytes. Those of a ``plan`` of files."""

    def __init__(self, plan: SolvePlan) -> None:
        self.plan = plan
        self._contents = FrameContents(plan, {})
        self._unreadable: dict[int, str] = {}
        """What was seen of the files of frames that could not be read: they are tried again when that changes."""

    def go_on(self, frames: Iterable[int]) -> bool:
        """Notes what was found of ``frames`` since the last call, and has the next ones read; whether there were
        any that can be."""
        left = [frame for frame in frames if self._unreadable.get(frame) != self.plan.witness(frame)]
        # Blender waits at its end for what is under way.
        for frame in left[:_AT_ONCE]:
            try:
                sent = self._contents.of(frame)
            except OSError:
                self._unreadable[frame] = self.plan.witness(frame)
                continue
            if sent is not None:
                self.plan.note(frame, sent)
        return bool(left)

    def close(self) -> None:
        """As that of :class:`FrameContents`."""
        self._contents.close()
