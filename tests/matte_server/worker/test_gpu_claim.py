"""Sessions side by side on one machine: each takes a GPU of its own while there is one. No GPU is needed."""

from __future__ import annotations

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


def test_a_worker_asks_torch_for_the_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (number, 10))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(gpu_claim, "_claims", [])
    assert [choose_device("cuda:free") for _ in range(3)] == ["cuda:0", "cuda:1", "cuda:1"]
