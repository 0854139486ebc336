"""Names a file by its bytes, and reads it again only where it was changed."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

_BLOCK = 1 << 20


def file_digest(path: Path) -> str:
    """The digest of a file's bytes: BLAKE2b, 16 bytes long, in hex. Raises ``OSError``.

    A file that has not changed is read once: hosts ask for weights and clean plates with every frame.
    """
    facts = path.stat()
    # A file that is written over can have its old size and time, and has another time of change.
    return _digest_in_state(path, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


@lru_cache(maxsize=512)
def _digest_in_state(path: Path, inode: int, size: int, modified_ns: int, changed_ns: int) -> str:
    found = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
