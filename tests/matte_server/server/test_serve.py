"""The environment that a server prepares for its workers, and when it gives them up."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from matte_link.ready_line import ServerReady

from matte_server.errors import MatteError
from matte_server.server import serve, spool
from matte_server.server.serve import (
    _MAX_FIRST_STARTS,
    _root,
    _StartReport,
    set_thread_environment,
    threads_of_a_worker,
)
from matte_server.server.transport import EventQueue, Stop
from matte_server.server.worker_pool import WorkerEvent, WorkerExited


@pytest.mark.parametrize(("given", "expected"), [("", "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_user_decided_otherwise(
    given: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {"OMP_WAIT_POLICY": given} if given else {})
    set_thread_environment(3)
    assert os.environ["OMP_WAIT_POLICY"] == expected
    assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("given", "workers", "expected"),
    [
        ("", 0, 8),
        ("", 3, 2),
        ("", 9, 1),
        ("3", 0, 3),
        ("3", 3, 2),
        ("64", 0, 8),
        ("0", 0, 8),
        ("-1", 0, 8),
        ("4,2", 0, 8),
        ("all", 0, 8),
    ],
)
def test_a_worker_has_its_share_of_the_cores_or_what_the_user_leaves_it(
    given: str, workers: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OMP_NUM_THREADS held for NumPy and was overruled for torch, OpenCV and OpenEXR."""
    monkeypatch.setattr(serve, "cores", lambda: 8)
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": given} if given else {})
    assert threads_of_a_worker(workers) == expected


def test_a_worker_that_never_starts_ends_the_server() -> None:
    """Not its first end: a GPU may be busy for a moment."""
    events = EventQueue()
    report = _StartReport(ServerReady(address="tcp://127.0.0.1:1", pid=1), events)
    died = WorkerEvent(worker=0, event=WorkerExited(number=0, code="worker_died", reason="It crashed (SIGSEGV)."))
    for _ in range(_MAX_FIRST_STARTS - 1):
        report.observe(died)
    assert report.failure is None and events.take_all() == []
    report.observe(died)
    assert report.failure is not None and report.failure.code == "worker_died"
    assert str(report.failure).startswith("The matting process does not start. It crashed (SIGSEGV).")
    assert [type(event) for event in events.take_all()] == [Stop]
    events.close()


def test_a_worker_that_crashes_under_a_memory_limit_is_said_to_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries crash in their own ways where they may not have the memory that they want."""
    monkeypatch.setattr(serve, "address_space_limit", lambda: 390 << 20)
    assert "limited to 390 MiB (ulimit -v)" in str(serve._does_not_start("It crashed (SIGSEGV)."))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on addresses that the system keeps")
def test_a_server_that_may_not_load_its_libraries_says_why() -> None:
    """It was "a defect of Cleanplate", below a traceback."""
    limited = ["sh", "-c", 'ulimit -v 1000000; exec "$@"', "sh", sys.executable, "-m", "matte_server", "serve"]
    done = subprocess.run(
        [*limited, "--bind", "tcp://127.0.0.1:*", "--device", "cpu"], capture_output=True, text=True
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    [sentence] = [line for line in done.stderr.splitlines() if line.startswith("error (")]
    # Which library lacks memory first, and whether it says so or crashes, differs from machine to machine.
    assert "(ulimit -v)" in sentence and "defect" not in sentence


def test_a_root_is_a_folder_by_its_real_name(tmp_path: Path) -> None:
    """Files that clients name are compared with it after their links were followed."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    assert _root(tmp_path / "link") == (tmp_path / "real").resolve()
    for wrong in ("file", "missing"):
        with pytest.raises(MatteError, match=f"The root .*{wrong} is not a folder") as caught:
            _root(tmp_path / wrong)
        assert caught.value.code == "bad_root"


def _none() -> Path:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")


@pytest.mark.parametrize("parent", [_none, lambda: Path(__file__) / "below a file", lambda: Path("/proc/nowhere")])
def test_without_a_folder_for_pictures_a_server_says_so(
    parent: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read-only disks, a container without a temporary folder: it was a traceback."""
    monkeypatch.setattr(spool, "default_parent", parent)
    with pytest.raises(MatteError, match="finds no folder to keep pictures in") as caught:
        serve.serve(serve.ServerConfig(bind="tcp://127.0.0.1:*", device="cpu"))
    assert caught.value.code == "no_spool" and "TMPDIR" in caught.value.hint
