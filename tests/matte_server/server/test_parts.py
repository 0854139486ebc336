"""The smaller parts: the spool, the table of error codes, the environment of threads, the startup watchdog."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from matte_link.errors import ProtocolError

from matte_server.errors import MatteCancelled, MatteError, report_of
from matte_server.server.serve import set_thread_environment
from matte_server.server.spool import Spool
from matte_server.server.startup_watchdog import StartupWatchdog, cpu_seconds_of
from matte_server.server.store import suffix_of


def test_a_spool_counts_and_cleans(tmp_path: Path) -> None:
    spool = Spool(100, tmp_path)
    path = spool.write(b"x" * 60, ".exr")
    assert not spool.fits(41) and spool.fits(40)
    assert (path.stat().st_mode & 0o777, spool.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    data = spool.take(path)
    assert bytes(data) == b"x" * 60 and not path.exists() and spool.used == 0
    spool.close()
    assert not spool.folder.exists()


def test_a_spool_removes_what_a_dead_server_left_and_nothing_else(tmp_path: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    stale = tmp_path / f"cleanplate-server-{dead.stdout.strip()}-0123456789ab"
    other = tmp_path / f"cleanplate-server-{os.getpid()}-0123456789ab"
    foreign = tmp_path / "cleanplate-server-notes"
    for folder in (stale, other, foreign):
        folder.mkdir()
    Spool(100, tmp_path)
    assert not stale.exists() and other.exists() and foreign.exists()


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.EXR", ".exr"), ("a.png", ".png"), ("a", ".exr"), ("", ".exr"), ("a.../../x", ".exr"), ("a.e$r", ".exr")],
)
def test_only_a_plain_suffix_is_taken_from_a_clients_file_name(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MatteError("deep", "It is deep."), "deep"),
        (ProtocolError("It is none of ours."), "protocol"),
        (MatteCancelled(), "cancelled"),
        (MemoryError(), "out_of_memory"),
        (OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (OSError(errno.EMFILE, "Too many open files"), "busy"),
        (OSError(errno.ENOSPC, "No space left"), "disk_full"),
        (ZeroDivisionError("division by zero"), "internal"),
    ],
)
def test_every_error_has_a_code(error: Exception, code: str) -> None:
    report = report_of(error)
    assert report.code == code and report.message.endswith(".")


@pytest.mark.parametrize(("given", "expected"), [("", "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_decided_otherwise(
    given: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"OMP_WAIT_POLICY": given} if given else {})
    set_thread_environment(3)
    assert os.environ["OMP_WAIT_POLICY"] == expected
    assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"


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
