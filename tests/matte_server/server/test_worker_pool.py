"""What the pool knows of its workers, without any process."""

from __future__ import annotations

import time
from multiprocessing import Pipe
from pathlib import Path

import pytest
from matte_link.messages import Digest, Learn, LearnFrame

from matte_server.server import worker_pool
from matte_server.server.command_sender import CommandSender
from matte_server.server.worker_pool import PoolPlan, WorkerPool
from matte_server.worker.messages import CANCEL, FrameJob, LearningJob, SolveFailed

from .service_bench import matte


def _job(number: int) -> FrameJob:
    return FrameJob(number=number, request=matte(f"f{number}"), pictures={}, result=f"result-{number}.exr")


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkerPool:
    """Two workers whose threads never run: what would be sent stays with the supervisors."""
    monkeypatch.setattr(worker_pool._Supervisor, "start", lambda self: None)
    made = WorkerPool(PoolPlan(spool=tmp_path), post=lambda event: None)
    made.start()
    made._add("cpu")
    return made


def test_a_frame_that_another_worker_gets_is_no_longer_read_ahead(pool: WorkerPool) -> None:
    first, second = pool.states
    pool.submit(0, _job(1))
    pool.read_ahead(0, _job(2))
    pool.submit(1, _job(2))
    assert (first.job, first.ahead, second.job, second.ahead) == (1, 0, 2, 0)
    assert pool._supervisors[0]._commands[-1] == (CANCEL + b"2", 0)
    # Its own frame is not cancelled where it computes what it has read.
    pool.read_ahead(0, _job(3))
    pool.submit(0, _job(3))
    assert (first.job, first.ahead) == (3, 0)
    assert not any(command == CANCEL + b"3" for command, _ in pool._supervisors[0]._commands)


def test_a_worker_that_had_nothing_to_do_for_long_is_not_taken_for_hung_when_it_learns(pool: WorkerPool) -> None:
    frame = LearnFrame(frame=1, plate=Digest("0a" * 32), clean_plate=Digest("0b" * 32))
    job = LearningJob(number=1, request=Learn(id="a", frames=(frame,)), pictures={}, weights="w", checkpoint="c")
    worker, long_ago = pool._supervisors[0], time.monotonic() - 2 * pool.plan.hang_s
    ours, _theirs = Pipe()
    worker._sender, worker._active_at = CommandSender(ours), long_ago
    pool.learn(0, job)
    worker._send_commands()
    assert worker._overdue() is None
    worker._active_at = long_ago
    failed = worker._overdue()
    assert failed is not None and failed.code == "worker_hung"
    # A frame that fails meanwhile does not end the learning.
    worker._number = 2
    worker._handle_message(SolveFailed(number=2, code="too_large", message=""))
    worker._active_at = long_ago
    assert worker._overdue() is not None
    # It has ended, so the worker may be silent for as long as it likes.
    worker._handle_message(SolveFailed(number=1, code="cancelled", message=""))
    worker._active_at = long_ago
    assert worker._overdue() is None
    pool.learn(0, job)
    worker._send_commands()
    worker._active_at = long_ago
    # Cancelling gives no more time to one that hangs.
    pool.cancel(1)
    assert worker._commands[-1] == (CANCEL + b"1", 0)
    worker._send_commands()
    assert worker._overdue() is not None


def test_a_worker_that_learns_is_the_last_to_get_a_frame(pool: WorkerPool) -> None:
    for state in pool.states:
        state.ready = True
    pool.states[0].learning = 1
    assert pool.idle() == 1
    pool.states[1].job = 2
    assert pool.idle() == 0
