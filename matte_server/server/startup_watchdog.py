"""How long to wait for a process that starts: as long as it is working, up to a limit.

A worker imports hundreds of megabytes. On a busy machine that takes minutes, so that any fixed time is too short
there or too long for a process that hangs. A process counts as working while its CPU time, or that of its child
processes, grows.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import psutil

LIMIT_S = 600.0
QUIET_S = 120.0
_REPORT_S = 20.0


def cpu_seconds_of(pid: int) -> float:
    """The CPU time of a process and its child processes, in seconds; 0 where it no longer runs."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                spent = each.cpu_times()
                total += spent.user + spent.system
    return total


class StartupWatchdog:
    """Watches one process from its start on. ``on_progress`` is called every 20 s with a message while it
    starts."""

    def __init__(
        self,
        pid: int,
        limit_s: float = LIMIT_S,
        on_progress: Callable[[str], None] = lambda message: None,
        quiet_s: float = QUIET_S,
        clock: Callable[[], float] = time.monotonic,
        cpu_seconds: Callable[[int], float] = cpu_seconds_of,
    ) -> None:
        self._pid = pid
        self._limit_s = limit_s
        self._on_progress = on_progress
        self._quiet_s = quiet_s
        self._clock = clock
        self._cpu_seconds = cpu_seconds
        self._started = self._checked_at = self._worked_at = self._reported_at = clock()
        self._cpu_spent = 0.0

    def failure(self) -> str:
        """Why it is not worth waiting any longer; empty while it is. Cheap enough to call often."""
        now = self._clock()
        if now - self._checked_at >= 1.0:
            self._checked_at = now
            self._check(now)
        if now - self._started > self._limit_s:
            return f"It did not start within {self._limit_s:g} s."
        if now - self._worked_at > self._quiet_s:
            return f"It has not worked for {self._quiet_s:g} s, and did not start."
        return ""

    def _check(self, now: float) -> None:
        spent = self._cpu_seconds(self._pid)
        if spent > self._cpu_spent:
            self._worked_at, self._cpu_spent = now, spent
        if now - self._reported_at >= _REPORT_S:
            self._reported_at = now
            waited = now - self._started
            self._on_progress(f"still starting after {waited:.0f} s ({self._cpu_spent:.0f} s of CPU time)")
