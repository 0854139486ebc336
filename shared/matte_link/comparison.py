"""Reads files that were put there again, in a thread: no window waits for that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from .seen_files import SeenTogether


class BackgroundComparison:
    """Reads files for some names, such as those of nodes, one after the other, and calls ``done`` with a name when
    all of its files were read. ``done`` runs on the thread that reads, of which there is one while there is
    something to read."""

    def __init__(self, done: Callable[[str], object]) -> None:
        self._done = done
        self._wanted: dict[str, list[SeenTogether]] = {}
        self._is_reading = False
        self._lock = threading.Lock()

    def want(self, name: str, files: Sequence[SeenTogether]) -> None:
        """Has these files read for a name, in place of those that were left of it."""
        with self._lock:
            self._wanted[name] = list(files)
            must_begin, self._is_reading = not self._is_reading, True
        if must_begin:
            threading.Thread(target=self._read, name="cleanplate-content", daemon=True).start()

    def _read(self) -> None:
        while True:
            with self._lock:
                self._is_reading = bool(self._wanted)
                if not self._is_reading:
                    return
                name, left = next(iter(self._wanted.items()))
                files = left[:1]
                del left[:1]
                if not files:
                    del self._wanted[name]
            if files:
                files[0].read_contents()
            else:
                self._done(name)
