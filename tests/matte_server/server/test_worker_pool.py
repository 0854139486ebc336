"""What the pool knows of its workers, without any process."""

from __future__ import annotations

import os
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import pytest
from matte_link.messages import Digest, Learn, LearnFrame

from matte_server.server import worker_pool
from matte_server.server.command_sender import CommandSender
from matte_server.server.running_clock import RunningClock
from matte_server.server.startup_watchdog import StartupWatchdog
from matte_server.server.worker_pool import PoolPlan, WorkerEvent, WorkerExited, WorkerPool
from matte_server.worker.messages import (
    CANCEL,
    FrameComputed,
    FrameFinished,
    FrameJob,
    Heartbeat,
    LearningJob,
    SolveFailed,
    StageStarted,
    WorkerReady,
)

from .service_bench import matte


def _job(number: int) -> FrameJob:
    return FrameJob(number=number, request=matte(f"f{number}"), pictures={}, result=f"result-{number}.exr")


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> WorkerPool:
    """Two workers whose threads never run: what is sent stays in their pipes, or with the senders. The parameter:
    for how many seconds they may be silent."""
    monkeypatch.setattr(worker_pool._Supervisor, "start", lambda self: None)
    made = WorkerPool(PoolPlan(spool=tmp_path, hang_s=getattr(request, "param", 300.0)), post=lambda event: None)
    made.start()
    made._add("cpu")
    for worker in made._supervisors:
        ours, theirs = Pipe()
        worker._sender = CommandSender(ours)
        monkeypatch.setattr(worker._sender, "theirs", theirs, raising=False)
    return made


def _sent(pool: WorkerPool, worker: int) -> list[bytes | None]:
    """The commands for a worker since the last call."""
    sender = pool._supervisors[worker]._sender
    assert sender is not None
    pipe = sender.theirs  # type: ignore[attr-defined]
    written = [pipe.recv_bytes() for _ in iter(pipe.poll, False)]
    return [*written, *(sender._waiting.get() for _ in range(sender._waiting.qsize()))]


def test_a_frame_that_another_worker_gets_is_no_longer_read_ahead(pool: WorkerPool) -> None:
    first, second = pool.states
    pool.submit(0, _job(1))
    pool.read_ahead(0, _job(2))
    pool.submit(1, _job(2))
    assert (first.job, first.ahead, second.job, second.ahead) == (1, 0, 2, 0)
    assert _sent(pool, 0)[-1] == CANCEL + b"2"
    # Its own frame is not cancelled where it computes what it has read.
    pool.read_ahead(0, _job(3))
    pool.submit(0, _job(3))
    assert (first.job, first.ahead) == (3, 0)
    assert CANCEL + b"3" not in _sent(pool, 0)


def test_a_worker_that_had_nothing_to_do_for_long_is_not_taken_for_hung_when_it_learns(pool: WorkerPool) -> None:
    frame = LearnFrame(frame=1, plate=Digest("0a" * 32), clean_plate=Digest("0b" * 32))
    job = LearningJob(number=1, request=Learn(id="a", frames=(frame,)), pictures={}, weights="w", checkpoint="c")
    worker = pool._supervisors[0]
    long_ago = worker._clock() - 2 * pool.plan.hang_s
    worker._active_at = long_ago
    pool.learn(0, job)
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
    worker._active_at = long_ago
    # Cancelling gives no more time to one that hangs.
    pool.cancel(1)
    assert _sent(pool, 0)[-1] == CANCEL + b"1"
    assert worker._overdue() is not None


@pytest.mark.parametrize("pool", [2.0, 8.0, 300.0], indirect=True)
def test_a_worker_is_not_hung_because_the_server_stood_still_with_it(pool: WorkerPool) -> None:
    """Ctrl-Z stops both for an hour: none of them gave a sign of life."""
    worker, seconds = pool._supervisors[0], [0.0]
    worker._clock = RunningClock(lambda: seconds[0], worker._clock._longest_step_s)
    pool.submit(0, _job(1))
    seconds[0] += 3600.0
    assert worker._overdue() is None
    # From then on it has the rest of its time, and no more.
    for _ in range(2 * int(pool.plan.hang_s)):
        seconds[0] += 0.5
        overdue = worker._overdue()
    assert overdue is not None and overdue.code == "worker_hung"


def test_what_is_sent_to_a_process_that_has_ended_starts_no_time(pool: WorkerPool) -> None:
    worker = pool._supervisors[0]
    worker._sender, worker._active_at = None, worker._clock() - 2 * pool.plan.hang_s
    pool.submit(0, _job(1))
    assert worker._overdue() is None and pool.states[0].job == 1  # the loop learns that it is lost from the exit


def test_a_worker_that_learns_is_the_last_to_get_a_frame(pool: WorkerPool) -> None:
    for state in pool.states:
        state.ready = True
    pool.states[0].learning = 1
    assert pool.idle() == 1
    pool.states[1].job = 2
    assert pool.idle() == 0


def test_the_pool_follows_a_frame_through_its_worker(pool: WorkerPool) -> None:
    state = pool.states[0]
    pool.submit(0, _job(1))
    # News of a frame that this worker no longer has changes nothing.
    pool.observe(WorkerEvent(worker=0, event=FrameComputed(number=7)))
    pool.observe(WorkerEvent(worker=0, event=FrameFinished(number=7, output="", diagnostics={})))
    assert (state.job, state.writing, state.frames) == (1, set(), 0)
    pool.observe(WorkerEvent(worker=0, event=StageStarted(number=1, stage="model", done=1, total=2)))
    assert state.stage == "model"
    pool.observe(WorkerEvent(worker=0, event=FrameComputed(number=1)))
    assert (state.job, state.stage, state.writing, state.frames) == (0, "", {1}, 0)
    pool.submit(0, _job(2))
    pool.observe(WorkerEvent(worker=0, event=FrameFinished(number=1, output="", diagnostics={})))
    assert (state.job, state.writing, state.frames) == (2, set(), 1)
    pool.observe(WorkerEvent(worker=0, event=SolveFailed(number=2, code="empty", message="No.")))
    assert (state.job, state.frames) == (0, 2)


@pytest.mark.parametrize("sign", [Heartbeat(number=2), StageStarted(number=2, stage="read", done=0, total=1)])
def test_an_end_says_whether_the_frame_had_begun(pool: WorkerPool, sign: Heartbeat | StageStarted) -> None:
    def has_begun() -> bool:
        died = WorkerExited(number=2, code="worker_died", reason="It crashed.")
        ended = pool.observe(WorkerEvent(worker=0, event=died))
        assert isinstance(ended, WorkerExited) and ended.number == 2
        return ended.has_begun

    pool.submit(0, _job(2))
    # What it says of the frame before, and of a shot that it learns, is not about this one.
    pool.observe(WorkerEvent(worker=0, event=FrameFinished(number=1, output="", diagnostics={})))
    pool.observe(WorkerEvent(worker=0, event=Heartbeat(number=1)))
    assert not has_begun()
    pool.submit(0, _job(2))
    pool.observe(WorkerEvent(worker=0, event=sign))
    assert has_begun()
    pool.submit(0, _job(2))
    assert not has_begun()


def test_what_was_meant_for_a_dead_worker_does_not_reach_the_next_one(pool: WorkerPool) -> None:
    """The loop may hear of its end late, and then gives the frame out again: it was computed twice."""
    worker = pool._supervisors[0]
    worker._starting = StartupWatchdog(os.getpid(), 60.0, print)
    pool.submit(0, _job(1))
    pool.cancel(1)
    assert _sent(pool, 0) == [] and worker._number == 0
    worker._handle_message(WorkerReady(device="cpu", devices=1))
    pool.submit(0, _job(2))
    assert _sent(pool, 0) == [_job(2).command] and worker._number == 2


def test_an_end_names_the_frames_that_are_lost(pool: WorkerPool) -> None:
    state = pool.states[0]
    for number in (1, 2):
        pool.submit(0, _job(number))
        pool.observe(WorkerEvent(worker=0, event=FrameComputed(number=number)))
    pool.submit(0, _job(3))
    pool.read_ahead(0, _job(4))
    ended = pool.observe(
        WorkerEvent(worker=0, event=WorkerExited(number=0, code="worker_died", reason="It crashed."))
    )
    died = WorkerExited(number=3, code="worker_died", reason="It crashed.", writing=(1, 2), ahead=4)
    assert ended == replace(died, has_begun=False)
    assert (state.job, state.ahead, state.writing, state.ready) == (0, 0, set(), False)
    # It never was ready, so it counts as a failed start, too.
    assert (state.deaths, state.failed_starts, state.last_exit_reason) == (1, 1, "It crashed.")
