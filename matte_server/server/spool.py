"""Files that live as long as a request, on a RAM disk where the machine has one.

Each picture is written from the socket into a file once, and passed to other processes by its path; OpenImageIO
only reads files anyway. Beside the folder lies a file that the server keeps locked while it runs, so that the next
server finds and removes what a killed one left behind. Process ids would not do: containers that share a RAM disk
count theirs apart.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Callable
from pathlib import Path

import psutil
from filelock import FileLock, Timeout
from matte_link.messages import Blob

from .structured_log import date_s

_NAME = re.compile(r"cleanplate-server-(\d+)-[0-9a-f]+\Z")
_MEMORY = Path("/dev/shm")
_LEAST_MEMORY = 1 << 30
_UNUSED_S = 24 * 3600.0
_WORTH_MAPPING = 256 << 10
"""Bytes of a file that is mapped and not copied. Python keeps a descriptor open for each mapping."""


class Spool:
    """A private folder with a budget in bytes. Not thread-safe: the server's loop owns it."""

    def __init__(self, budget: int, parent: Path | None = None) -> None:
        parent = parent or default_parent()
        remove_stale(parent)
        self.folder = parent / f"cleanplate-server-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        # Locked before there is a folder: a server that starts at the same time must not take it for a stale one.
        self._lock = FileLock(_lock_of(self.folder))
        self._lock.acquire(timeout=0)
        self.folder.mkdir(mode=0o700)
        self.budget = budget
        self.used = 0
        self._sizes: dict[Path, int] = {}
        self._undeleted: set[Path] = set()
        self._reserved: dict[str, int] = {}
        """Bytes that are still to come, by the names of their files."""
        self._mapped: list[tuple[weakref.ref[mmap.mmap], int]] = []
        """Files that were deleted and are still in memory: they take their room until they are let go of."""
        self.forget_reply: Callable[[], bool] = lambda: False
        """Lets go of the oldest reply that is kept to be sent again; returns whether there was one."""

    def make_room(self, size: int) -> bool:
        """Whether there is room for ``size`` more bytes, in the budget and on the disk, beside the results that are
        still to come. Replies are forgotten where that makes the room."""
        while (lacking := self._lacking(size)) > 0:
            if lacking > self.on_their_way or not self.forget_reply():
                return False
        return True

    def will_have_room(self, size: int) -> bool:
        """Whether there is room for ``size`` more bytes once all results have been sent and forgotten."""
        return self._lacking(size) <= self.on_their_way

    def _lacking(self, size: int) -> int:
        wanted = size + sum(self._reserved.values())
        free = shutil.disk_usage(self.folder).free
        return max(self.used + self.on_their_way + wanted - self.budget, wanted + 1 - free)

    @property
    def on_their_way(self) -> int:
        """Bytes of results that have left the folder and still take room: they are being sent, or kept to be sent
        again."""
        self._mapped = [each for each in self._mapped if each[0]() is not None]
        return sum(size for _, size in self._mapped)

    def reserve(self, name: str, size: int) -> None:
        """Keeps room for a file's bytes that are still to come, until :meth:`release` is called: a worker's result,
        or the rest of a picture that arrives in parts."""
        self._reserved[name] = size

    def release(self, name: str) -> None:
        """Keeps no room any longer."""
        self._reserved.pop(name, None)

    @property
    def capacity(self) -> int:
        """How many bytes there is room for now, when nothing else is in it: other files take room on its disk."""
        return min(self.budget, self.used + self.on_their_way + shutil.disk_usage(self.folder).free)

    @property
    def limit(self) -> int:
        """How many bytes there is room for at most, when there is no other file on its disk either."""
        disk = shutil.disk_usage(self.folder)
        return min(self.budget, disk.used + disk.free)

    def write(self, data: Blob, suffix: str = "") -> Path:
        """Writes ``data`` to a new file; the caller has called :meth:`make_room`. Raises ``OSError``, and then
        leaves nothing of it: a limit of files or a quota is not seen beforehand."""
        path = self.folder / f"{uuid.uuid4().hex}{suffix}"
        try:
            self._write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), data)
        except OSError:
            self.remove(path)
            raise
        self.adopt(path)
        return path

    def extend(self, path: Path, data: Blob) -> None:
        """Appends ``data`` to a file. Raises ``OSError``."""
        self._write(os.open(path, os.O_WRONLY | os.O_APPEND), data)
        self._sizes[path] += len(data)
        self.used += len(data)

    def _write(self, descriptor: int, data: Blob) -> None:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def adopt(self, path: Path) -> int:
        """Counts a file that a worker wrote against the budget; returns its size."""
        size = path.stat().st_size
        self._sizes[path] = size
        self.used += size
        return size

    def remove(self, path: Path) -> None:
        """Deletes a file, if it still exists, and no longer counts it. Windows does not delete a file that a worker
        still reads: it is tried again with the next one, and at the end."""
        self.used -= self._sizes.pop(path, 0)
        self._undeleted.add(path)
        for each in list(self._undeleted):
            with contextlib.suppress(PermissionError):
                each.unlink(missing_ok=True)
                self._undeleted.discard(each)

    def remove_result(self, name: str) -> None:
        """Deletes a worker's result."""
        self.remove(self.folder / name)

    def remove_half_written(self, name: str) -> None:
        """Deletes what a worker that died or failed had written of a result. Not for every frame: it lists the
        folder, which holds the pictures of all frames that wait."""
        # Listing needs a file descriptor; without one, the half-written file is deleted with the folder.
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f".{Path(name).stem}.*"):
                path.unlink(missing_ok=True)

    def take_result(self, name: str) -> Blob:
        """Deletes a worker's result and returns its bytes. Raises ``OSError`` where it is gone."""
        path = self.folder / name
        self.adopt(path)
        return self.take(path)

    def take(self, path: Path) -> Blob:
        """Deletes a file and returns its bytes: those of a large one memory-mapped where the system allows a mapped
        file to be deleted, so that only the socket copies them."""
        size = path.stat().st_size
        with path.open("rb") as file:
            if os.name != "posix" or size < _WORTH_MAPPING:
                data: Blob = file.read()
            else:
                mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
                self._mapped.append((weakref.ref(mapped), size))
                data = memoryview(mapped)
        self.remove(path)
        return data

    def close(self) -> None:
        """Deletes everything."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()
        _lock_of(self.folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def default_parent() -> Path:
    """The RAM disk where it is large enough (containers often have one of 64 MB), else the temporary folder."""
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _LEAST_MEMORY:
        return _MEMORY
    return Path(tempfile.gettempdir())


def remove_stale(parent: Path) -> None:
    """Deletes the folders of servers that no longer run."""
    for folder in parent.glob("cleanplate-server-*"):
        named = _NAME.match(folder.name)
        # OSError: another user's.
        with contextlib.suppress(Timeout, OSError):
            if not named or _may_be_an_older_versions(folder, int(named[1])):
                continue
            lock = FileLock(_lock_of(folder))
            lock.acquire(timeout=0)
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
            _lock_of(folder).unlink(missing_ok=True)


def _may_be_an_older_versions(folder: Path, process: int) -> bool:
    """Whether a server may still use a folder without a lock file, as versions before the lock made them: its
    process runs here, or its last picture came or went less than a day ago, as in another container."""
    if _lock_of(folder).exists():
        return False
    return psutil.pid_exists(process) or date_s() - folder.stat().st_mtime < _UNUSED_S
