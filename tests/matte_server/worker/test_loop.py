"""The worker's loop with a real solver: commands in, messages out."""

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
from matte_link.messages import Digest, Inline, Matte
from matte_link.options import MatteOptions

from matte_server.frame.inputs import FrameInputs
from matte_server.frame.pipeline import STAGES, MattePipeline
from matte_server.io import exr
from matte_server.server.worker_process import start_worker
from matte_server.worker import loop as worker_loop
from matte_server.worker import machine
from matte_server.worker.loop import WorkerChannel, WorkerLoop
from matte_server.worker.machine import writers_beside
from matte_server.worker.messages import (
    CANCEL,
    READ_AHEAD,
    FrameFinished,
    FrameJob,
    Heartbeat,
    SolveFailed,
    SpooledPicture,
    StageStarted,
    WorkerMessage,
    WorkerReady,
    decode_message,
    encode_job,
)
from matte_server.worker.named_files import NamedFiles
from matte_server.worker.settings import WorkerSettings
from matte_server.worker.solver import FrameSolver
from tests.matte_server.server.conftest import Pictures


class WatchedSolver(FrameSolver):
    """A real solver that signals when it has read a frame's pictures."""

    has_read = threading.Event()

    def read(self, job: FrameJob) -> FrameInputs:
        try:
            return super().read(job)
        finally:
            self.has_read.set()


class LoopBench:
    """A worker loop with a real solver; the test sends its commands and receives its messages."""

    def __init__(self, folder: Path, pictures: Pictures, writers: int = 1) -> None:
        self.folder = folder
        self._pictures = pictures
        self._ours, theirs = multiprocessing.Pipe()
        self.solver = WatchedSolver("cpu", folder, NamedFiles(()), MattePipeline(torch.device("cpu")))
        self.loop = WorkerLoop(self.solver, WorkerChannel(theirs), writers)
        (folder / "clean.exr").write_bytes(pictures.clean)

    def job(self, number: int) -> FrameJob:
        plate = self.folder / f"plate{number}.exr"
        plate.write_bytes(self._pictures.plate)
        options = MatteOptions(model="difference", align="none")
        request = Matte(
            id=f"r{number}",
            frame=number,
            plate=Inline(data=b"", name="p.exr"),
            clean_plate=Digest("0" * 64),
            options=options,
        )
        held = {
            "plate": SpooledPicture(path=str(plate)),
            "clean_plate": SpooledPicture(path=str(self.folder / "clean.exr"), name="", digest="0" * 64),
        }
        return FrameJob(number=number, request=request, pictures=held, result=f"result-{number}.exr")

    def read_ahead(self, job: FrameJob) -> None:
        """Has a frame read ahead, waits for that, and deletes its file."""
        self.solver.has_read.clear()
        assert self.loop.handle_control(READ_AHEAD + encode_job(job))
        assert self.solver.has_read.wait(30)
        Path(job.pictures["plate"].path).unlink()

    def send(self, command: bytes) -> None:
        """Sends a command, which the worker receives at its next check."""
        self._ours.send_bytes(command)

    def result(self, job: FrameJob) -> WorkerMessage:
        """How the frame ends."""
        self.loop.solve(job)
        return next(message for message in self.ends() if message.number == job.number)

    def messages(self) -> Iterator[WorkerMessage]:
        """The worker's messages as they arrive."""
        while True:
            assert self._ours.poll(30)
            yield decode_message(self._ours.recv_bytes())

    def ends(self) -> Iterator[FrameFinished | SolveFailed]:
        """How frames end, as the messages arrive."""
        return (message for message in self.messages() if isinstance(message, FrameFinished | SolveFailed))


@pytest.fixture
def bench(tmp_path: Path, pictures: Pictures) -> LoopBench:
    return LoopBench(tmp_path, pictures)


def test_what_was_read_ahead_is_used_and_gives_the_same_pixels(bench: LoopBench) -> None:
    first, second = bench.job(1), bench.job(2)
    assert isinstance(bench.result(first), FrameFinished)
    bench.read_ahead(second)
    # Its file is gone: only what was read before can have made this.
    assert isinstance(bench.result(second), FrameFinished)
    one, other = (exr.read_image(bench.folder / job.result).pixels for job in (first, second))
    assert np.array_equal(one, other)


def test_a_frame_is_said_to_begin_before_anything_of_it_is_read(
    bench: LoopBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture may end the process as soon as it is opened; the server must know then which frame it was."""
    said: list[WorkerMessage] = []
    read = bench.solver.read

    def look_and_read(job: FrameJob) -> FrameInputs:
        said.append(next(bench.messages()))
        return read(job)

    monkeypatch.setattr(bench.solver, "read", look_and_read)
    job = bench.job(1)
    batch = replace(job, request=replace(job.request, priority="batch"))
    assert isinstance(bench.result(batch), FrameFinished)
    assert said == [Heartbeat(number=1)]


def test_another_frame_goes_between_and_what_was_read_stays(bench: LoopBench) -> None:
    between, later = bench.job(1), bench.job(2)
    bench.read_ahead(later)
    assert isinstance(bench.result(between), FrameFinished)
    assert isinstance(bench.result(later), FrameFinished)


def test_reading_the_next_frame_does_not_drop_what_was_read_for_this_one(bench: LoopBench) -> None:
    """The server sends that command at once, often before this frame has started."""
    mine, following = bench.job(1), bench.job(2)
    bench.read_ahead(mine)
    bench.send(READ_AHEAD + encode_job(following))
    assert isinstance(bench.result(mine), FrameFinished)
    assert isinstance(bench.result(following), FrameFinished)


@pytest.mark.parametrize(
    ("priority", "interval_s", "reported"),
    [("interactive", 1e9, True), ("batch", 1e9, False), ("batch", -1.0, True)],
)
def test_every_stage_of_an_interactive_frame_is_reported_and_of_a_batch_frame_few(
    priority: str, interval_s: float, reported: bool, bench: LoopBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_loop, "_BATCH_PROGRESS_S", interval_s)
    job = bench.job(1)
    bench.loop.solve(replace(job, request=replace(job.request, priority=priority)))
    before_end = itertools.takewhile(lambda message: not isinstance(message, FrameFinished), bench.messages())
    stages = [message.stage for message in before_end if isinstance(message, StageStarted)]
    assert stages == (["read", *STAGES, "write"] if reported else [])


@pytest.mark.parametrize("why", ["cancelled", "short"])
def test_what_was_read_ahead_is_dropped(bench: LoopBench, why: str) -> None:
    job = bench.job(1)
    bench.read_ahead(job)
    if why == "cancelled":
        assert bench.loop.handle_control(CANCEL + b"1")
    else:
        bench.solver.memory_ran_short = True
        assert bench.loop.handle_control(READ_AHEAD + encode_job(bench.job(2)))
        Path(job.pictures["plate"].path).unlink(missing_ok=True)
    message = bench.result(job)
    assert isinstance(message, SolveFailed) and message.code == "missing_file"


def test_a_plate_that_cannot_be_read_fails_in_its_own_turn(bench: LoopBench) -> None:
    good, bad = bench.job(1), bench.job(2)
    Path(bad.pictures["plate"].path).write_bytes(b"no picture")
    assert bench.loop.handle_control(READ_AHEAD + encode_job(bad))
    assert isinstance(bench.result(good), FrameFinished)
    message = bench.result(bad)
    assert isinstance(message, SolveFailed) and message.code == "unreadable"


def test_several_frames_are_written_while_the_next_is_computed(
    tmp_path: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of three is written before all three have reached a writer."""
    bench = LoopBench(tmp_path, pictures, writers=3)
    together, write = threading.Barrier(3, timeout=30), exr.write_image
    started: list[Path] = []

    def written(target: Path, *picture: Any, **names: Any) -> None:
        started.append(target)
        if len(started) <= 3:
            together.wait()
        write(target, *picture, **names)

    monkeypatch.setattr(exr, "write_image", written)
    jobs = [bench.job(number) for number in range(1, 6)]
    for job in jobs:
        bench.loop.solve(job)
    ends = list(itertools.islice(bench.ends(), len(jobs)))
    assert all(isinstance(message, FrameFinished) for message in ends)
    assert sorted(message.number for message in ends) == [job.number for job in jobs]
    first, *others = (exr.read_image(tmp_path / job.result).pixels for job in jobs)
    assert all(np.array_equal(first, other) for other in others)


def test_a_processor_writes_one_frame_at_a_time_and_a_gpu_as_many_as_cores_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for cores, expected in ((1, 1), (4, 1), (8, 2), (16, 4), (64, 4)):
        monkeypatch.setattr(machine, "cores", lambda count=cores: count)
        assert (writers_beside("cpu"), writers_beside("cuda:0")) == (1, expected)


def test_a_worker_whose_server_is_gone_ends_without_a_word(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """OpenImageIO's binding said that it had leaked hundreds of objects, where the imports stayed frozen."""
    pipe, process = start_worker(0, WorkerSettings(spool=str(tmp_path), device="cpu"))
    with pipe:
        assert isinstance(decode_message(pipe.recv_bytes()), WorkerReady)
    process.join(60)
    assert process.exitcode == 0 and capfd.readouterr().err == ""
