"""What was read of a folder, kept while the folder is quiet.

A share is not asked for a thousand files again and again. No nuke here.

A file that is renamed to its name, as results and their records are, or deleted changes the folder's own time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Optional, TypeVar

SETTLED_NS = 120 * 1_000_000_000
"""What was changed so long ago tells by its times when it is changed again, whatever clock its disk has."""
_State = tuple[int, int, int]
Found = TypeVar("Found")


class QuietFolders(Generic[Found]):
    """Calls ``read`` with a folder's path where that is another than it was, or was changed a moment ago. What it
    returns is shared, so nobody may change it. For any thread."""

    def __init__(self, read: Callable[[str], Found]) -> None:
        self._read = read
        self._known: dict[str, tuple[_State, Found]] = {}

    def of(self, folder: str) -> Found:
        """What there is in the folder."""
        state, known = _state(folder), self._known.get(folder)
        if known is not None and known[0] == state:
            return known[1]
        found = self._read(folder)
        if state is not None and time.time_ns() - max(state[1:]) > SETTLED_NS:
            self._known[folder] = state, found
        return found


def _state(folder: str) -> Optional[_State]:
    try:
        facts = Path(folder).stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns
