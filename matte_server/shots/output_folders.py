"""The folders of a run's files, which are made where they are missing, and only once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import MatteError


@dataclass
class _Folder:
    """``identity``: which one it is, on which disk. ``written``: a file that the run wrote into it, or found."""

    identity: tuple[int, int]
    written: Path | None = None


class OutputFolders:
    """The folders of ``outputs``. One that was there is not made again: it was moved or renamed, or its disk is no
    longer there, and what is still missing would lie apart from the rest, perhaps below a mount point where nobody
    sees it."""

    def __init__(self, outputs: Iterable[Path]) -> None:
        self._there: dict[Path, _Folder] = {}
        for folder in {path.parent for path in outputs}:
            self._note(folder)

    def check(self, path: Path) -> None:
        """Raises ``MatteError("cannot_write", ...)`` where the folder of ``path`` has gone since the run began."""
        folder = path.parent
        if folder in self._there and not self._is_same(folder):
            raise MatteError(
                "cannot_write",
                f"{path} cannot be written: the folder {folder} was there and is gone. It was moved, renamed or "
                "deleted, or its disk is no longer mounted.",
                "Put it back, and start again for the rest.",
            )

    @contextmanager
    def ready_for(self, paths: Collection[Path]) -> Iterator[None]:
        """Makes the folders of ``paths`` where they are missing, for a block that writes the files. Raises
        ``OSError``, and as :meth:`check` does, also behind the block: what is just written when a folder is renamed
        makes another one of its name."""
        for path in paths:
            self.check(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._note(path.parent)
        yield
        for path in paths:
            self.check(path)
            if path.parent in self._there:
                self._there[path.parent].written = path

    def _note(self, folder: Path) -> None:
        identity = _identity(folder)
        if identity is not None:
            self._there.setdefault(folder, _Folder(identity=identity))

    def _is_same(self, folder: Path) -> bool:
        known, found = self._there[folder], _identity(folder)
        # Some file servers number a folder anew where it stayed the same: then it still holds what was written.
        return found == known.identity or (found is not None and (known.written is None or known.written.exists()))


def _identity(folder: Path) -> tuple[int, int] | None:
    """Which folder it is, on which disk; None where there is none."""
    if not folder.is_dir():
        return None
    facts = folder.stat()
    return facts.st_dev, facts.st_ino
