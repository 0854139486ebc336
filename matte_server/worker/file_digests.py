"""Names files by their content, without reading an unchanged file twice."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path

_FILES_REMEMBERED = 32


class FileDigests:
    """Digests of files, each computed once until the file changes. Thread-safe."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], str] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, path: Path) -> str:
        """The file's digest, the same as ``messages.digest_of`` of its bytes. Raises ``OSError``."""
        version = _version_of(path)
        with self._lock:
            if version not in self._known:
                self._known[version] = _digest(path)
                while len(self._known) > _FILES_REMEMBERED:
                    self._known.popitem(last=False)
            return self._known[version]


def _version_of(path: Path) -> tuple[object, ...]:
    """Changes whenever the file is written or replaced."""
    facts = path.stat()
    return facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_size


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()
