"""Signals at every moment of a command's life, in processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from matte_server.cli.interruption import INTERRUPTED

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")
_BEFORE = "error: Interrupted before anything was started.\n"
_AT_ITS_END = "error: Interrupted at its end; what is finished stays.\n"
_COMMAND = """
import atexit, os, signal, sys, threading, time
from matte_server.cli.interruption import Interruption

NUMBER = signal.{name}
if {is_by_default}:
    signal.signal(NUMBER, signal.SIG_DFL)

def interrupt():
    signal.pthread_kill(threading.main_thread().ident, NUMBER)

class Lost:
    def __del__(self):
        interrupt()

interruption = Interruption()
interruption.install()
code = 0
{start}
try:
    interruption.begin()
    {body}
except KeyboardInterrupt:
    print("interrupted", interruption.was_asked_for)
    code = 130
    {cleaning}
interruption.end()
{end}
sys.exit(code)
"""


def run(
    name: str = "SIGINT",
    start: str = "",
    body: str = "pass",
    cleaning: str = "pass",
    end: str = "",
    launch: tuple[str, ...] = (),
) -> tuple[int, str, str]:
    """Exit code, output and errors of a command that does these things in the parts of its life."""
    # Whoever runs the tests may have ignored some of them, as a shell does for what is in the background.
    is_by_default = not launch
    script = _COMMAND.format(
        name=name, is_by_default=is_by_default, start=start, body=body, cleaning=cleaning, end=end
    )
    words = [sys.executable, "-c", script]
    ended = subprocess.run([*launch, *words], check=False, capture_output=True, text=True, timeout=60)
    return ended.returncode, ended.stdout, ended.stderr


def test_without_a_signal_a_command_ends_as_it_does() -> None:
    assert run() == (0, "", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_before_it_begins_and_when_it_has_ended_it_ends_at_once_in_one_line(name: str) -> None:
    assert run(name, start="interrupt()") == (INTERRUPTED, "", _BEFORE)
    assert run(name, end="interrupt()") == (INTERRUPTED, "", _AT_ITS_END)
    waits = "threading.Thread(target=lambda: (time.sleep(0.1), interrupt(), time.sleep(30))).start()"
    assert run(name, end=waits) == (INTERRUPTED, "", _AT_ITS_END), "while Python waits for a thread"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_in_between_it_may_put_things_in_order(name: str) -> None:
    assert run(name, body="interrupt()") == (INTERRUPTED, "interrupted True\n", "")
    # A terminal and whoever started the command pass the same wish on.
    twice = run(name, body="interrupt()", cleaning="interrupt(); print('in order')", end="interrupt()")
    assert twice == (INTERRUPTED, "interrupted True\nin order\n", "")


def test_who_asks_again_after_a_second_is_not_kept_waiting() -> None:
    code, _, errors = run(body="interrupt()", cleaning="time.sleep(1.1); interrupt(); time.sleep(60)")
    assert (code, errors) == (INTERRUPTED, _BEFORE.replace("before anything was started", "a second time"))


def test_what_is_raised_where_python_passes_nothing_on_comes_again() -> None:
    assert run(body="Lost(); time.sleep(30)") == (INTERRUPTED, "interrupted True\n", "")
    # However long the thread that sends it again takes to start: it must not come while the loss is dealt with.
    slow = "s = threading.Thread.start; threading.Thread.start = lambda t: (s(t), time.sleep(0.3))"
    assert run(start=slow, body="Lost(); time.sleep(30)") == (INTERRUPTED, "interrupted True\n", "")


def test_what_is_lost_comes_again_where_ctrl_c_is_ignored() -> None:
    """As in the background of a script: it came again as Ctrl+C, which never arrived."""
    ignored = "signal.signal(signal.SIGINT, signal.SIG_IGN); interruption.install()"
    lost = run("SIGTERM", start=ignored, body="Lost(); time.sleep(5)")
    assert lost == (INTERRUPTED, "interrupted True\n", "")


def test_a_signal_while_python_reports_another_error_comes_again() -> None:
    """It was taken for one that comes again by itself, and was lost."""
    report = "sys.__unraisablehook__ = lambda lost: interrupt()"
    fails = "type('Fails', (), {'__del__': lambda self: 1 / 0})()"
    assert run(start=report, body=f"{fails}; time.sleep(5)") == (INTERRUPTED, "interrupted True\n", "")


def test_a_command_whose_errors_nobody_can_read_is_interrupted_all_the_same(tmp_path: Path) -> None:
    broken = "r, w = os.pipe(); os.close(r); os.dup2(w, 2); interrupt()"
    assert run(start=broken) == (INTERRUPTED, "", "")
    # Another file may have the number of standard error, where that was closed.
    file = tmp_path / "matte.exr"
    taken = f"os.dup2(os.open({str(file)!r}, os.O_WRONLY | os.O_CREAT), 2); interrupt()"
    closed = ("sh", "-c", 'exec "$@" 2>&-', "sh")
    # Not Ctrl+C: where the tests run in a shell's background, that is ignored.
    assert run("SIGTERM", start=taken, launch=closed) == (INTERRUPTED, "", "")
    assert file.read_bytes() == b""


@pytest.mark.parametrize("code", [0, 1, 2])
@pytest.mark.parametrize("launch", [("nohup",), ("setsid", "--wait"), ("timeout", "50")])
def test_whoever_starts_a_command_gets_its_exit_code_and_may_end_it(launch: tuple[str, ...], code: int) -> None:
    assert run("SIGTERM", body=f"code = {code}", launch=launch) == (code, "", "")
    assert run("SIGTERM", body=f"code = {code}; interrupt()", launch=launch)[::2] == (INTERRUPTED, "")


def test_timeout_ends_a_command_in_its_own_way() -> None:
    """It tells the command, and the group of its processes after that."""
    ended = run("SIGTERM", body="time.sleep(30)", cleaning="print('in order')", launch=("timeout", "2"))
    assert ended == (124, "interrupted True\nin order\n", "")


def test_in_the_interpreters_last_moments_nothing_changes_how_it_ended() -> None:
    """Python gives signals back to the system before the process is gone, which then ended with "signal 2"."""
    late = "atexit._run_exitfuncs(); interrupt(); time.sleep(0.2)"
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        assert run(name, end=late) == (0, "", "")


def test_what_nohup_ignores_stays_ignored() -> None:
    assert run("SIGHUP", body="interrupt(); print('goes on')", launch=("nohup",)) == (0, "goes on\n", "")


def test_a_command_that_waits_ends_in_one_line_for_every_signal() -> None:
    """Into a pipe, where it writes a page or a line of JSON each second."""
    for number, form in ((signal.SIGTERM, []), (signal.SIGHUP, []), (signal.SIGINT, ["--json"])):
        with subprocess.Popen(
            [sys.executable, "-m", "matte_server", "status", "--watch", *form, "--server", "tcp://127.0.0.1:9"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=partial(signal.signal, number, signal.SIG_DFL),
        ) as process:
            assert process.stdout
            # It shows that no server answers.
            while "No matting server" not in (line := process.stdout.readline()):
                assert process.poll() is None
            assert not form or json.loads(line)["code"] == "unavailable"
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
        assert process.returncode == INTERRUPTED
        assert errors == "error: Interrupted.\n"
