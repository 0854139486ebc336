"""Folders for rendered inputs, in memory where the machine has such a place.

What a Blender that was killed left in one is removed by the next: pictures would take the machine's memory until
it is restarted. Does not import bpy.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM = 1 << 30
"""Free bytes that a disk in memory needs: a container has 64 MB there, and a 4K picture has 106."""
_PREFIX = "cleanplate-inputs-"
_NEW_S = 60.0
"""A folder that was made so lately may not be locked yet."""


class InputFolder:
    """A folder that this process holds locked until :meth:`cleanup`, or until it ends in any way: ``name`` is its
    path. Windows cannot lock a folder; its own clean-up of temporary files removes what is left there."""

    def __init__(self) -> None:
        # In both places, and before the room is looked at: what was left may be what fills the memory.
        for place in (_MEMORY, Path(tempfile.gettempdir())):
            _remove_left(place)
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_parent())
        self._lock = _locked(Path(self._folder.name))

    @property
    def name(self) -> str:
        """The folder's path."""
        return self._folder.name

    def cleanup(self) -> None:
        """Deletes the folder; does nothing where that was done before."""
        self._folder.cleanup()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _parent() -> Path:
    has_room = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    return _MEMORY if has_room else Path(tempfile.gettempdir())


def _locked(folder: Path) -> int | None:
    """The descriptor that holds the folder's lock; None where another process holds it, or no folder can be locked.
    A process number would not do: containers that share memory count theirs apart."""
    if sys.platform == "win32":
        return None
    import fcntl

    descriptor = None
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor
    if descriptor is not None:
        os.close(descriptor)
    return None


def _remove_left(parent: Path) -> None:
    """Deletes the folders whose process was killed. OSError: another user's, or one that has just been deleted."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < _NEW_S:
                continue
            if (lock := _locked(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
