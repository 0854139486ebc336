"""How long a process that starts is waited for: as long as it works, within a limit.

A matting process imports hundreds of megabytes. On a busy machine that takes minutes, and a fixed time is either
too short there or too long for a process that hangs. So it is looked at: it works where its processor time, or that
of the processes under it, grows.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import psutil

LIMIT_S = 600.0
QUIET_S = 120.0
_SAY_S = 20.0


def cpu_seconds_of(pid: int) -> float:
    """Seconds that the processor has spent on a process and those under it; 0 where it is gone."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                spent = each.cpu_times()
                total += spent.user + spent.system
    return total


class StartupWatchdog:
    """Watches one process from its start on; ``say`` hears now and then that it is still waited for."""

    def __init__(
        self,
        pid: int,
        limit_s: float = LIMIT_S,
        say: Callable[[str], None] = lambda words: None,
        quiet_s: float = QUIET_S,
        clock: Callable[[], float] = time.monotonic,
        work: Callable[[int], float] = cpu_seconds_of,
    ) -> None:
        self._pid = pid
        self._limit_s = limit_s
        self._say = say
        self._quiet_s = quiet_s
        self._clock = clock
        self._work = work
        self._began = self._looked = self._worked = self._said = clock()
        self._done = 0.0

    def trouble(self) -> str:
        """Why it is not worth waiting any longer; empty while it is. Cheap to ask often."""
        now = self._clock()
        if now - self._looked >= 1.0:
            self._looked = now
            self._look(now)
        if now - self._began > self._limit_s:
            return f"It did not start within {self._limit_s:g} s."
        if now - self._worked > self._quiet_s:
            return f"It has not worked for {self._quiet_s:g} s, and did not start."
        return ""

    def _look(self, now: float) -> None:
        done = self._work(self._pid)
        if done > self._done:
            self._worked, self._done = now, done
        if now - self._said >= _SAY_S:
            self._said = now
            self._say(f"still starting after {now - self._began:.0f} s, {self._done:.0f} s of them at work")
