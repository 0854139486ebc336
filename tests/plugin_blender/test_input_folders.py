"""What a Blender that was killed left of rendered inputs does not stay in memory."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from plugin_blender import input_folders
from plugin_blender.input_folders import InputFolder

_KILLED = """
import os, signal, sys
from pathlib import Path
from plugin_blender import input_folders
input_folders._MEMORY, input_folders._ROOM = Path(sys.argv[1]), 0
folder = input_folders.InputFolder()
Path(folder.name, "input0_0001.exr").write_bytes(b"exr")
print(folder.name, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def no_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be locked there")
def test_what_a_killed_process_left_is_removed_and_what_is_used_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_folders, "_MEMORY", tmp_path)
    monkeypatch.setattr(input_folders, "_ROOM", 0)
    (tmp_path / "cleanplate-of-somebody").mkdir()
    used = InputFolder()
    Path(used.name, "input0_0001.exr").touch()
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], capture_output=True, text=True)
    left = Path(killed.stdout.strip())
    assert left.is_dir(), killed.stderr
    InputFolder().cleanup()
    assert left.is_dir(), "one that is new may belong to a process that has not locked it yet"
    for folder in tmp_path.iterdir():
        os.utime(folder, (0, 0))
    with monkeypatch.context() as without_locks:
        without_locks.setattr("fcntl.flock", no_locks)
        InputFolder().cleanup()
    assert left.is_dir(), "where nothing can be locked, nothing is known to be left"
    monkeypatch.setattr(input_folders, "_ROOM", 1 << 62)
    third = InputFolder()
    assert Path(third.name).parent == Path(tempfile.gettempdir()), "what others left may be why memory has no room"
    assert {path.name for path in tmp_path.iterdir()} == {"cleanplate-of-somebody", Path(used.name).name}
    assert Path(used.name, "input0_0001.exr").exists()
    for made in (used, third, third):
        made.cleanup()
    assert [path.name for path in tmp_path.iterdir()] == ["cleanplate-of-somebody"]
