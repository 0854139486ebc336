"""How long a process that starts is waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from matte_server.server.startup_watchdog import StartupWatchdog, cpu_seconds_of


class SlowStart:
    """A watchdog with a clock of its own, over a process that works until ``works_until``."""

    def __init__(self, works_until: float) -> None:
        self.now = 0.0
        self.messages: list[str] = []
        self.watchdog = StartupWatchdog(
            0, 600, self.messages.append, 120, lambda: self.now, lambda pid: min(self.now, works_until) / 10
        )

    def ends(self) -> str:
        """Waits, a second at a time, until the watchdog gives up; returns why."""
        while not (failure := self.watchdog.failure()):
            self.now += 1
            assert self.now < 1000
        return failure


def test_a_start_is_waited_for_while_it_works() -> None:
    slow = SlowStart(works_until=1000)
    assert slow.ends() == "It did not start within 600 s."
    assert slow.now == 601
    assert slow.messages[0] == "still starting after 20 s (2 s of CPU time)" and len(slow.messages) == 30


def test_a_start_that_stops_working_is_given_up() -> None:
    stuck = SlowStart(works_until=50)
    assert stuck.ends() == "It has not worked for 120 s, and did not start."
    assert stuck.now == 171


def test_cpu_time_includes_child_processes() -> None:
    busy = "while True: pass"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}])"
    parent = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while cpu_seconds_of(parent.pid) < 1.0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
    assert cpu_seconds_of(parent.pid) == 0
