"""Pictures that lie in memory for libraries that take files only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_KILLED = """
import os, signal
from matte_server.io.image_file import temporary_picture

with temporary_picture(".exr") as path:
    path.write_bytes(bytes(1 << 20))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is a file in the temporary folder")
def test_a_killed_command_leaves_no_picture_behind(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    before = set(memory.iterdir())
    done = subprocess.run([sys.executable, "-c", _KILLED], env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == -signal.SIGKILL and not list(tmp_path.iterdir())
    assert not [path for path in set(memory.iterdir()) - before if "picture" in path.name]
