"""Work that waits until nothing has happened for a moment. No nuke here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_POLL_S = 0.02


def after(seconds: float, call: Callable[..., object], *arguments: object) -> None:
    """Calls ``call`` once that many seconds have passed, on a thread of its own."""
    timer = threading.Timer(seconds, call, arguments)
    timer.daemon = True
    timer.start()


class Rest:
    """Calls ``act`` with a key once :meth:`touch` was not called with that key for ``seconds``.

    ``act`` runs on a thread of its own, of which there is one for each burst of touches, however many they are.
    """

    def __init__(self, seconds: float, act: Callable[[str], object]) -> None:
        self._seconds = seconds
        self._act = act
        self._due: dict[str, float] = {}
        self._lock = threading.Lock()

    def touch(self, key: str) -> None:
        """Something happened: the moment begins anew."""
        with self._lock:
            is_waiting = key in self._due
            self._due[key] = time.monotonic() + self._seconds
        if not is_waiting:
            threading.Thread(target=self._wait, args=(key,), name="cleanplate-rest", daemon=True).start()

    def _wait(self, key: str) -> None:
        while self._is_early(key):
            time.sleep(_POLL_S)
        self._act(key)

    def _is_early(self, key: str) -> bool:
        """Whether the moment is not over; where it is, the next touch begins a new one."""
        with self._lock:
            if time.monotonic() < self._due[key]:
                return True
            del self._due[key]
            return False
