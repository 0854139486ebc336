"""The spool's files and budget, and the suffix that a client's file name gives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from matte_server.server.spool import Spool
from matte_server.server.store import suffix_of


def test_a_spool_counts_and_cleans(tmp_path: Path) -> None:
    spool = Spool(100, tmp_path)
    path = spool.write(b"x" * 60, ".exr")
    assert not spool.make_room(41) and spool.make_room(40)
    assert (path.stat().st_mode & 0o777, spool.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    data = spool.take(path)
    assert bytes(data) == b"x" * 60 and not path.exists() and spool.used == 0
    spool.close()
    assert not spool.folder.exists()
    spool.close()  # what somebody else has deleted is no error


def test_a_spool_keeps_room_for_results_that_are_still_to_come(tmp_path: Path) -> None:
    spool = Spool(100, tmp_path)
    spool.reserve("result-1.exr", 60)
    spool.reserve("result-2.exr", 30)
    assert spool.make_room(10) and not spool.make_room(11)
    (spool.folder / "result-1.exr").write_bytes(b"matte")
    assert bytes(spool.take_result("result-1.exr")) == b"matte"
    spool.release("result-1.exr")
    assert spool.make_room(70) and not spool.make_room(71)
    spool.release("result-2.exr")
    assert spool.make_room(100)
    spool.close()


def test_a_spool_holds_what_its_budget_and_its_disk_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(100, tmp_path)
    spool.write(b"x" * 60)
    # 15 bytes are other files'.
    for free, capacity, limit in ((0, 60, 75), (15, 75, 90), (30, 90, 100), (40, 100, 100), (900, 100, 100)):
        usage = SimpleNamespace(free=free, used=75)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, usage=usage: usage)
        assert (spool.capacity, spool.limit) == (capacity, limit)
    spool.close()


def test_a_file_that_windows_does_not_delete_yet_is_deleted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker still reads it: deleting fails as on Windows, must not end the server's loop, and is made up for."""
    spool = Spool(100, tmp_path)
    first, second = spool.write(b"first"), spool.write(b"second")
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path == first:
            raise PermissionError(13, "The file is being used by another process")
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    spool.remove(first)
    assert first.exists() and spool.used == len(b"second")
    monkeypatch.undo()
    spool.remove(second)
    assert not first.exists() and not second.exists()
    spool.close()


def test_a_spool_removes_what_a_dead_server_left_and_nothing_else(tmp_path: Path) -> None:
    """Not the process's number decides: here a running process has that of the stale folder, and the folder in use
    has that of none."""
    stale = tmp_path / f"cleanplate-server-{os.getpid()}-0123456789ab"
    foreign = tmp_path / "cleanplate-server-notes"
    for folder in (stale, foreign):
        folder.mkdir()
    (tmp_path / f".{stale.name}.lock").touch()
    code = "import sys; from pathlib import Path; from matte_server.server.spool import Spool; "
    code += "s = Spool(100, Path(sys.argv[1])); print(s.folder, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout and other.stdin
        in_use = Path(other.stdout.readline().strip())
        assert not stale.exists() and foreign.exists()
        own = Spool(100, tmp_path)
        assert in_use.exists() and own.folder.exists()
        other.kill()
        other.wait()
    Spool(100, tmp_path)
    assert not in_use.exists() and own.folder.exists()
    own.close()
    assert not own.folder.exists()


def test_the_folder_of_an_older_version_that_runs_is_left_alone(tmp_path: Path) -> None:
    """Versions before the lock had none; a folder of theirs goes once its process has ended and it is a day old."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    running, fresh, old = (
        tmp_path / f"cleanplate-server-{process}-{digit * 12}"
        for process, digit in ((os.getpid(), "0"), (ended.pid, "1"), (ended.pid, "2"))
    )
    day_ago = time.time() - 25 * 3600
    for folder in (running, fresh, old):
        folder.mkdir()
        if folder is not fresh:
            os.utime(folder, (day_ago, day_ago))
    Spool(100, tmp_path).close()
    assert running.exists() and fresh.exists() and not old.exists()


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.EXR", ".exr"), ("a.png", ".png"), ("a", ".exr"), ("", ".exr"), ("a.../../x", ".exr"), ("a.e$r", ".exr")],
)
def test_only_a_plain_suffix_is_taken_from_a_clients_file_name(name: str, suffix: str) -> None:
    assert suffix_of(name) == suffix


@pytest.mark.skipif(os.name != "posix", reason="elsewhere files are not mapped")
def test_small_results_that_are_kept_take_no_descriptors(tmp_path: Path) -> None:
    """A mapped file takes one, and a service has 1,024. Each result of the last minute had one while it was kept to
    be sent again."""
    spool = Spool(1 << 30, tmp_path)
    small = [spool.take(spool.write(b"matte")) for _ in range(20)]
    assert spool.on_their_way == 0 and set(map(bytes, small)) == {b"matte"}
    large = spool.take(spool.write(bytes(1 << 20)))
    assert spool.on_their_way == 1 << 20 and bytes(large) == bytes(1 << 20)
    del large
    assert spool.on_their_way == 0
    spool.close()
