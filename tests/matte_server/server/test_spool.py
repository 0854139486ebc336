"""The spool's files and budget, and the suffix that a client's file name gives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from matte_server.server.spool import Spool
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
