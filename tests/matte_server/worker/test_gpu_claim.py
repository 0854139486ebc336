"""Sessions side by side on one machine: each takes a GPU of its own while there is one. No GPU is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from matte_server.worker import gpu_claim
from matte_server.worker.gpu_claim import claim_gpu
from matte_server.worker.solver import choose_device

_SESSION = """
import sys
from pathlib import Path
from matte_server.worker.gpu_claim import claim_gpu
print(claim_gpu(3, lambda number: 100 - number, Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[list[tuple[int, subprocess.Popen[str]]]]:
    """Three processes that took one GPU of three each, in this order."""
    command = [sys.executable, "-c", _SESSION, str(tmp_path)]
    with ExitStack() as stack:
        started = []
        for _ in range(3):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout
            started.append((int(process.stdout.readline()), process))
        yield started


def test_each_session_takes_a_gpu_of_its_own_and_a_killed_one_gives_it_back(
    sessions: list[tuple[int, subprocess.Popen[str]]], tmp_path: Path
) -> None:
    assert [number for number, _ in sessions] == [0, 1, 2]
    # All are taken: the one with the most free memory.
    assert claim_gpu(3, lambda number: [5, 9, 7][number], tmp_path) == 1
    killed = sessions[2][1]
    killed.kill()
    killed.wait()
    assert claim_gpu(3, lambda number: 0, tmp_path) == 2


_OTHER_USERS = """
import codecs, os, signal, sys
from pathlib import Path
from matte_server.worker.gpu_claim import claim_gpu

# FileLock reads text, and only root may read the codec's file.
codecs.lookup("ascii")
for user in (61001, 61002, 61001):
    if not os.fork():
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        print(claim_gpu(2, lambda number: 10 - number, Path(sys.argv[1])), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    os.wait()
"""
"""Each takes a GPU of two and is killed."""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes other users")
def test_what_another_users_killed_session_left_does_not_keep_its_gpu(tmp_path: Path) -> None:
    """As in /tmp: a file lies there that belongs to a user whose server is gone."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    tmp_path.chmod(0o1777)
    done = subprocess.run([sys.executable, "-c", _OTHER_USERS, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.split() == ["0", "0", "0"], done.stderr


def test_a_lock_file_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "plate.exr"
    precious.write_bytes(b"a plate")
    (tmp_path / "cleanplate-gpu-0.lock").symlink_to(precious)
    assert claim_gpu(2, lambda number: 0, tmp_path) == 1
    assert precious.read_bytes() == b"a plate"


def test_a_worker_asks_torch_for_the_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (number, 10))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gpu_claim, "_claims", [])
    assert [choose_device("cuda:free") for _ in range(3)] == ["cuda:0", "cuda:1", "cuda:1"]
