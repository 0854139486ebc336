"""Seconds of a clock without those in which this process stood still."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LONGEST_STEP_S = 5.0
"""More than this between two looks, which come twice a second, is time in which this process did not run."""


class RunningClock:
    """Monotonic seconds for judging another process's silence, looked at twice a second or more often. While this
    process stood still (Ctrl-Z, a machine that sleeps), it could hear nothing, and the other one mostly stood still
    with it: of such a time ``longest_step_s`` count. For any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, longest_step_s: float = LONGEST_STEP_S) -> None:
        self._clock = clock
        self._longest_step_s = longest_step_s
        self._lock = threading.Lock()
        self._looked_at = clock()
        self._now = 0.0

    def __call__(self) -> float:
        with self._lock:
            looked_at = self._clock()
            self._now += min(looked_at - self._looked_at, self._longest_step_s)
            self._looked_at = looked_at
            return self._now
