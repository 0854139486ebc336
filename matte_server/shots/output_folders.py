"""The folders of a run's files, which are made where they are missing, and only once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..errors import MatteError


class OutputFolders:
    """The folders of ``outputs``. One that was there is not made again: it was moved or renamed, or its disk is no
    longer there, and what is still missing would lie apart from the rest, perhaps below a mount point where nobody
    sees it."""

    def __init__(self, outputs: Iterable[Path]) -> None:
        self._there = {folder for folder in {path.parent for path in outputs} if folder.is_dir()}

    def check(self, path: Path) -> None:
        """Raises ``MatteError("cannot_write", ...)`` where the folder of ``path`` has gone since the run began."""
        folder = path.parent
        if folder in self._there and not folder.is_dir():
            raise MatteError(
                "cannot_write",
                f"{path} cannot be written: the folder {folder} was there and is gone. It was moved, renamed or "
                "deleted, or its disk is no longer mounted.",
                "Put it back, and start again for the rest.",
            )

    def make_for(self, path: Path) -> None:
        """Makes the folder of ``path`` where it is missing. Raises ``OSError``, and as :meth:`check` does."""
        self.check(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._there.add(path.parent)
