"""Reads files that were put there again, in a thread: no window waits for that. No nuke here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from matte_link.seen_files import Seen, read_contents


class BackgroundComparison:
    """Reads files for some names, such as those of nodes, one after the other, and calls ``done`` with a name when
    all of its files were read. ``done`` runs on the thread that reads, of which there is one while there is
    something to read."""

    def __init__(self, done: Callable[[str], object]) -> None:
        self._done = done
        self._wanted: dict[str, list[Seen]] = {}
        self._lock = threading.Lock()

    def want(self, name: str, files: Sequence[Seen]) -> None:
        """Has these files read for a name, in place of those that were left of it."""
        with self._lock:
            is_reading = bool(self._wanted)
            self._wanted[name] = list(files)
        if not is_reading:
            threading.Thread(target=self._read, name="cleanplate-content", daemon=True).start()

    def _read(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    return
                name, left = next(iter(self._wanted.items()))
                files = left.pop(0) if left else None
            if files is not None:
                read_contents(files)
            elif self._is_through(name):
                self._done(name)

    def _is_through(self, name: str) -> bool:
        """Whether nothing is left of a name, which is forgotten then."""
        with self._lock:
            return not self._wanted[name] and self._wanted.pop(name) == []
