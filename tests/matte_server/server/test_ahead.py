"""Frames that a worker reads ahead of their turn: what the service decides, and what the worker does."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matte_link.messages import Cancel, Digest, Failure, Inline, Matte, Progress
from matte_link.options import MatteOptions

from matte_server.frame.inputs import FrameInputs
from matte_server.frame.pipeline import STAGES, MattePipeline
from matte_server.io import exr
from matte_server.server.worker_pool import WorkerExited, WorkerState
from matte_server.worker import loop as worker_loop
from matte_server.worker import machine
from matte_server.worker.loop import WorkerChannel, WorkerLoop
from matte_server.worker.machine import writers_beside
from matte_server.worker.messages import (
    CANCEL,
    READ_AHEAD,
    FrameComputed,
    FrameFinished,
    FrameJob,
    SolveFailed,
    SpooledPicture,
    StageStarted,
    WorkerMessage,
    decode_message,
    encode_job,
)
from matte_server.worker.solver import FrameSolver

from .conftest import Pictures
from .test_service import ANNA, BEN, LIMITS, ServiceBench, matte


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ServiceBench]:
    made = ServiceBench(tmp_path, replace(LIMITS, frames_per_client=8, frames=16))
    yield made
    made.spool.close()


def batch(name: str) -> Matte:
    return replace(matte(name), priority="batch")


def ahead(desk: ServiceBench) -> list[tuple[int, str]]:
    return [(worker, job.request.id) for worker, job in desk.pool.ahead]


def begun(desk: ServiceBench) -> list[str]:
    return [job.request.id for job in desk.pool.jobs]


def test_one_frame_is_read_ahead_and_an_interactive_one_still_goes_first(desk: ServiceBench) -> None:
    for name in "abc":
        desk.say(ANNA, batch(name))
    assert ahead(desk) == [(0, "b")]
    desk.say(BEN, matte("now"))
    # What is read ahead stays so; no second one is.
    assert ahead(desk) == [(0, "b")]
    desk.end()
    assert begun(desk) == ["a", "now"] and ahead(desk) == [(0, "b")]
    desk.end()
    assert begun(desk) == ["a", "now", "b"] and ahead(desk) == [(0, "b"), (0, "c")]


def test_a_frame_that_is_cancelled_is_not_read_further_and_the_next_one_is(desk: ServiceBench) -> None:
    for name in "abc":
        desk.say(ANNA, batch(name))
    desk.say(ANNA, Cancel("x", "b"))
    assert desk.pool.cancelled == [2]
    # As the pool does when it passes a cancel on.
    desk.pool.states[0].ahead = 0
    list(desk.service.tick())
    assert ahead(desk) == [(0, "b"), (0, "c")]


def test_a_worker_gets_the_frame_that_it_has_read(desk: ServiceBench) -> None:
    desk.pool.states.append(WorkerState("cpu", ready=True))
    for name in "abcde":
        desk.say(ANNA, batch(name))
    assert ahead(desk) == [(0, "c"), (1, "d")]
    # The second worker is done first; c is next, but d is what it holds.
    (desk.spool.folder / desk.pool.jobs[1].result).write_bytes(b"exr")
    desk.pool.states[1].job = 0
    list(desk.service.worker_event(FrameFinished(desk.pool.jobs[1].number, "", {})))
    assert begun(desk) == ["a", "b", "d"]
    assert desk.pool.states[0].ahead == 3
    desk.pool.jobs.append(desk.pool.jobs[0])
    desk.end()
    assert begun(desk)[-1] == "c"


def test_where_frames_follow_each_other_a_worker_reads_the_one_beside_its_own(desk: ServiceBench) -> None:
    desk.pool.states.append(WorkerState("cpu", ready=True))
    smooth = MatteOptions(temporal=0.5)

    def asked(frame: int, priority: str = "batch") -> None:
        request = replace(matte(f"f{frame}"), frame=frame, shot="s", options=smooth, priority=priority)
        desk.say(BEN if priority == "interactive" else ANNA, request)

    def ended(worker: int) -> None:
        [job] = [job for job in desk.pool.jobs if job.number == desk.pool.states[worker].job]
        (desk.spool.folder / job.result).write_bytes(b"exr")
        desk.pool.states[worker].job = 0
        list(desk.service.worker_event(FrameFinished(job.number, "", {})))

    for frame in (1, 51, 2, 52, 3, 53, 4, 54):
        asked(frame)
    assert begun(desk) == ["f1", "f51"] and ahead(desk) == [(0, "f2"), (1, "f52")]
    ended(1)
    assert begun(desk)[2:] == ["f52"] and ahead(desk)[2:] == [(1, "f53")]
    ended(0)
    assert begun(desk)[3:] == ["f2"] and ahead(desk)[3:] == [(0, "f3")]
    # An artist who waits comes before that.
    asked(7, "interactive")
    ended(1)
    assert begun(desk)[4:] == ["f7"]
    ended(1)
    assert begun(desk)[5:] == ["f53"] and ahead(desk)[4:] == [(1, "f54")]


def test_the_frame_that_killed_while_it_was_read_fails_and_the_one_beside_it_does_not(desk: ServiceBench) -> None:
    for name in ("good", "killer", "later"):
        desk.say(ANNA, batch(name))
    state = desk.pool.states[0]
    state.job = state.ahead = 0
    said = list(desk.service.worker_event(WorkerExited(1, "worker_died", "It crashed.", (), 2)))
    # Nobody hears of it but that a frame starts again; each is now by itself.
    assert [type(message) for _, message in said] == [Progress]
    assert ahead(desk) == [(0, "killer")]
    ends: dict[str, str] = {}
    while len(ends) < 2:
        job = desk.pool.jobs[-1]
        state.job = 0
        if job.request.id == "killer":
            events = list(desk.service.worker_event(WorkerExited(job.number, "worker_died", "It crashed.")))
        else:
            (desk.spool.folder / job.result).write_bytes(b"exr")
            computed = list(desk.service.worker_event(FrameComputed(job.number)))
            assert computed == [], "no other frame may start beside one that is tried again"
            events = list(desk.service.worker_event(FrameFinished(job.number, "", {})))
        ends.update({m.id: type(m).__name__ for _, m in events if not isinstance(m, Progress)})
    assert ends == {"good": "MatteReply", "killer": "Failure"}
    assert begun(desk)[-1] == "later"


def test_a_frame_that_kills_each_time_fails_although_another_was_read(desk: ServiceBench) -> None:
    for name in ("killer", "good"):
        desk.say(ANNA, batch(name))
    state = desk.pool.states[0]
    answers = []
    for died in (WorkerExited(1, "worker_died", "", (), 2), None, None):
        job = desk.pool.jobs[-1]
        state.job = state.ahead = 0
        if job.request.id == "killer":
            events = desk.service.worker_event(died or WorkerExited(job.number, "worker_died", ""))
        else:
            (desk.spool.folder / job.result).write_bytes(b"exr")
            events = desk.service.worker_event(FrameFinished(job.number, "", {}))
        answers += [message for _, message in events if not isinstance(message, Progress)]
    assert {answer.id: type(answer).__name__ for answer in answers} == {"killer": "Failure", "good": "MatteReply"}


def test_a_hung_worker_is_its_own_frames_fault(desk: ServiceBench) -> None:
    for name in "ab":
        desk.say(ANNA, batch(name))
    desk.pool.states[0].job = desk.pool.states[0].ahead = 0
    said = list(desk.service.worker_event(WorkerExited(1, "worker_hung", "", (), 2)))
    assert isinstance(said[0][1], Failure) and said[0][1].id == "a"
    assert begun(desk) == ["a", "b"]


def test_nothing_is_read_beside_a_frame_that_needs_the_memory_to_itself(desk: ServiceBench) -> None:
    for name in "abc":
        desk.say(ANNA, batch(name))
    desk.pool.states[0].job = 0
    list(desk.service.worker_event(SolveFailed(1, "out_of_memory", "Too little.")))
    assert begun(desk) == ["a", "a"] and ahead(desk) == [(0, "b")]
    desk.pool.states[0].ahead = 0
    list(desk.service.tick())
    assert ahead(desk) == [(0, "b")]


# -- the worker


class WatchedPipeline(FrameSolver):
    """A real solver that tells when it has read a frame's pictures."""

    has_read = threading.Event()

    def read(self, job: FrameJob) -> FrameInputs:
        try:
            return super().read(job)
        finally:
            self.has_read.set()


class LoopBench:
    """A worker's desk with a real solver, its orders given and its words read by the test."""

    def __init__(self, folder: Path, pictures: Pictures, writers: int = 1) -> None:
        self.folder = folder
        self._pictures = pictures
        self._ours, theirs = multiprocessing.Pipe()
        self.solver = WatchedPipeline("cpu", folder, (), MattePipeline(torch.device("cpu")))
        self.loop = WorkerLoop(self.solver, WorkerChannel(theirs), writers)
        (folder / "clean.exr").write_bytes(pictures.clean)

    def job(self, number: int) -> FrameJob:
        plate = self.folder / f"plate{number}.exr"
        plate.write_bytes(self._pictures.plate)
        options = MatteOptions(model="difference", align="none")
        request = Matte(f"r{number}", number, Inline(b"", "p.exr"), Digest("0" * 64), options)
        held = {
            "plate": SpooledPicture(str(plate)),
            "clean_plate": SpooledPicture(str(self.folder / "clean.exr"), "", "0" * 64),
        }
        return FrameJob(number, request, held, f"result-{number}.exr")

    def read_ahead(self, job: FrameJob) -> None:
        """Ordered, and waited for: from then on its file is not needed any more."""
        self.solver.has_read.clear()
        assert self.loop.handle_control(READ_AHEAD + encode_job(job))
        assert self.solver.has_read.wait(30)
        Path(job.pictures["plate"].path).unlink()

    def order(self, order: bytes) -> None:
        """Said to the worker, who hears it when it next listens."""
        self._ours.send_bytes(order)

    def result(self, job: FrameJob) -> WorkerMessage:
        """How the frame ends."""
        self.loop.solve(job)
        return next(said for said in self.ends() if said.number == job.number)

    def words(self) -> Iterator[WorkerMessage]:
        """What the worker says, as it does."""
        while True:
            assert self._ours.poll(30)
            yield decode_message(self._ours.recv_bytes())

    def ends(self) -> Iterator[FrameFinished | SolveFailed]:
        """How frames end, as they do."""
        return (said for said in self.words() if isinstance(said, FrameFinished | SolveFailed))


@pytest.fixture
def bench(tmp_path: Path, pictures: Pictures) -> LoopBench:
    return LoopBench(tmp_path, pictures)


def test_what_was_read_ahead_is_used_and_gives_the_same(bench: LoopBench) -> None:
    first, second = bench.job(1), bench.job(2)
    assert isinstance(bench.result(first), FrameFinished)
    bench.read_ahead(second)
    # Its file is gone: only what was read before can have made this.
    assert isinstance(bench.result(second), FrameFinished)
    one, other = (exr.read_image(bench.folder / job.result).pixels for job in (first, second))
    assert np.array_equal(one, other)


def test_another_frame_goes_between_and_what_was_read_stays(bench: LoopBench) -> None:
    between, later = bench.job(1), bench.job(2)
    bench.read_ahead(later)
    assert isinstance(bench.result(between), FrameFinished)
    assert isinstance(bench.result(later), FrameFinished)


def test_the_order_for_the_next_frame_does_not_drop_what_was_read_for_this_one(bench: LoopBench) -> None:
    """The server tells of the next frame at once, often before this one has begun."""
    mine, following = bench.job(1), bench.job(2)
    bench.read_ahead(mine)
    bench.order(READ_AHEAD + encode_job(following))
    assert isinstance(bench.result(mine), FrameFinished)
    assert isinstance(bench.result(following), FrameFinished)


@pytest.mark.parametrize(
    ("priority", "apart_s", "told"), [("interactive", 1e9, True), ("batch", 1e9, False), ("batch", -1.0, True)]
)
def test_stages_are_told_of_where_somebody_watches_or_they_take_long(
    priority: str, apart_s: float, told: bool, bench: LoopBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_loop, "_BATCH_PROGRESS_S", apart_s)
    job = bench.job(1)
    bench.loop.solve(replace(job, request=replace(job.request, priority=priority)))
    before_end = itertools.takewhile(lambda said: not isinstance(said, FrameFinished), bench.words())
    stages = [said.stage for said in before_end if isinstance(said, StageStarted)]
    assert stages == (["read", *STAGES, "write"] if told else [])


@pytest.mark.parametrize("why", ["cancelled", "short"])
def test_what_was_read_is_let_go(bench: LoopBench, why: str) -> None:
    job = bench.job(1)
    bench.read_ahead(job)
    if why == "cancelled":
        assert bench.loop.handle_control(CANCEL + b"1")
    else:
        bench.solver.memory_ran_short = True
        assert bench.loop.handle_control(READ_AHEAD + encode_job(bench.job(2)))
        Path(job.pictures["plate"].path).unlink(missing_ok=True)
    said = bench.result(job)
    assert isinstance(said, SolveFailed) and said.code == "missing_file"


def test_a_plate_that_cannot_be_read_fails_in_its_own_turn(bench: LoopBench) -> None:
    good, bad = bench.job(1), bench.job(2)
    Path(bad.pictures["plate"].path).write_bytes(b"no picture")
    assert bench.loop.handle_control(READ_AHEAD + encode_job(bad))
    assert isinstance(bench.result(good), FrameFinished)
    said = bench.result(bad)
    assert isinstance(said, SolveFailed) and said.code == "unreadable"


def test_several_frames_are_written_while_the_next_is_computed(
    tmp_path: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of three is written before all three are on their way."""
    bench = LoopBench(tmp_path, pictures, writers=3)
    together, write = threading.Barrier(3, timeout=30), exr.write_image
    begun: list[Path] = []

    def written(target: Path, *picture: Any) -> None:
        begun.append(target)
        if len(begun) <= 3:
            together.wait()
        write(target, *picture)

    monkeypatch.setattr(exr, "write_image", written)
    jobs = [bench.job(number) for number in range(1, 6)]
    for job in jobs:
        bench.loop.solve(job)
    ends = list(itertools.islice(bench.ends(), len(jobs)))
    assert all(isinstance(said, FrameFinished) for said in ends)
    assert sorted(said.number for said in ends) == [job.number for job in jobs]
    first, *others = (exr.read_image(tmp_path / job.result).pixels for job in jobs)
    assert all(np.array_equal(first, other) for other in others)


def test_a_processor_writes_one_frame_at_a_time_and_a_gpu_as_many_as_cores_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for cores, expected in ((1, 1), (4, 1), (8, 2), (16, 4), (64, 4)):
        monkeypatch.setattr(machine, "cores", lambda count=cores: count)
        assert (writers_beside("cpu"), writers_beside("cuda:0")) == (1, expected)
