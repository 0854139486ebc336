"""The bytes of local pictures, read once for as long as the frames of a job need them."""

from __future__ import annotations

from pathlib import Path

from .messages import PICTURES, Inline, Source
from .tasks import FrameTask, LocalFile, TaskSource


class LocalFiles:
    """Reads the pictures of tasks and keeps those that several frames share. A file that changed is read again."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[int, int, int], Inline]] = {}
        """By path: modification time (ns), size and time of change (ns) when it was read, and the picture."""

    def __contains__(self, path: str) -> bool:
        return path in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def read(self, source: TaskSource, keep: bool = False) -> Source:
        """A local file's bytes as an inline picture, any other source as it is. Raises ``OSError``."""
        if not isinstance(source, LocalFile):
            return source
        path = Path(source.path)
        facts = path.stat()
        # A file that is written over can have its old size and time.
        stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ctime_ns)
        kept = self._kept.get(source.path)
        if kept and kept[0] == stamp:
            return kept[1]
        picture = Inline(path.read_bytes(), path.name)
        if keep:
            self._kept[source.path] = (stamp, picture)
        return picture

    def keep_only(self, task: FrameTask) -> None:
        """Forgets the pictures that ``task`` and its neighbours do not use: the next frame shares most of
        theirs."""
        frames = [task, *(side for side in (task.before, task.after) if side is not None)]
        used = [getattr(frame, role) for frame in frames for role in PICTURES]
        paths = {source.path for source in used if isinstance(source, LocalFile)}
        self._kept = {path: kept for path, kept in self._kept.items() if path in paths}
