"""Which GPU a worker takes on a machine where several servers run side by side, as a farm's sessions do.

Each worker locks a file that stands for its GPU and keeps the lock until its process ends, however it ends. Where
every GPU is taken, they are shared: the one with the most free memory is next.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

FREE = "cuda:free"
"""The device of a server that takes one GPU, and leaves the others to the servers beside it."""
_claims: list[FileLock | int] = []
"""Locks, and descriptors of locked files; held until the process ends."""


def claim_gpu(count: int, free_bytes: Callable[[int], int], folder: Path | None = None) -> int:
    """The number of a GPU, of ``count``, that no other process has claimed; else of the one with the most
    ``free_bytes``. ``folder``: where the locks lie; by default the machine's temporary files."""
    for number in range(count):
        if _claim((folder or Path(tempfile.gettempdir())) / f"cleanplate-gpu-{number}.lock"):
            return number
    return max(range(count), key=free_bytes)


def _claim(path: Path) -> bool:
    """Locks the file until this process ends; returns whether nobody else had."""
    # Readable by every user: see below.
    lock = FileLock(path, mode=0o644)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    except OSError:
        return _claim_foreign(path)
    _claims.append(lock)
    return True


def _claim_foreign(path: Path) -> bool:
    """The same for the file of another user, which outlives that user's server. FileLock wants to write it; a file
    that can only be read can be locked all the same."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _claims.append(descriptor)
    return True
