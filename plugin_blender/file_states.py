"""What files and folders looked like when they were last looked at. Does not import bpy.

A node of a thousand frames has thousands of files, and asking the disk for each of them after every edit would stop
the window. So in a window a file is asked for once; :mod:`watch` looks again at the few that can be seen, and a
solve, a render and an opened file begin anew.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileState:
    """A file's size and time; ``is_file`` is False for a folder. All empty where there is nothing."""

    size: int = 0
    modified_ns: int = 0
    is_file: bool = False


is_kept = False
"""Whether states are kept until they are forgotten, as in a window. Otherwise every question goes to the disk."""
_seen: dict[str, FileState] = {}


def state_of(path: str) -> FileState:
    """The state of a file, as far as it is known."""
    return _seen[path] if is_kept and path in _seen else _look(path)


def has_changed(path: str) -> bool:
    """Looks again: whether the file is another than when it was looked at last."""
    before = _seen.get(path)
    return _look(path) != before and before is not None


def forget(path: str = "") -> None:
    """The file is to be looked at again; without a path, every file."""
    if path:
        _seen.pop(path, None)
    else:
        _seen.clear()


def _look(path: str) -> FileState:
    try:
        facts = Path(path).stat()
    except OSError:
        found = FileState()
    else:
        found = FileState(size=facts.st_size, modified_ns=facts.st_mtime_ns, is_file=stat.S_ISREG(facts.st_mode))
    _seen[path] = found
    return found
