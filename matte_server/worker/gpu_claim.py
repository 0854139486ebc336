"""Which GPU a worker takes on a machine where several servers run side by side, as a farm's sessions do.

Each worker locks a file that stands for its GPU and keeps the lock until its process ends, however it ends. Where
every GPU is taken, they are shared: the one with the most free memory is next.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

FREE = "cuda:free"
"""The device of a server that takes one GPU, and leaves the others to the servers beside it."""
_claims: list[FileLock] = []
"""Held until the process ends."""


def claim_gpu(count: int, free_bytes: Callable[[int], int], folder: Path | None = None) -> int:
    """The number of a GPU, of ``count``, that no other process has claimed; else of the one with the most
    ``free_bytes``. ``folder``: where the locks lie; by default the machine's temporary files."""
    for number in range(count):
        lock = FileLock((folder or Path(tempfile.gettempdir())) / f"cleanplate-gpu-{number}.lock")
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            # OSError: the file of another user's server.
            continue
        _claims.append(lock)
        return number
    return max(range(count), key=free_bytes)
