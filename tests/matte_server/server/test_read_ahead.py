"""Frames that a worker reads ahead of their turn: which ones the service chooses, and what happens when it dies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from matte_link.messages import Cancel, Failure, Matte, Progress
from matte_link.options import MatteOptions

from matte_server.server.worker_pool import WorkerExited, WorkerState
from matte_server.worker.messages import FrameComputed, FrameFinished, SolveFailed

from .service_bench import ANNA, BEN, LIMITS, ServiceBench, matte


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ServiceBench]:
    made = ServiceBench(tmp_path, replace(LIMITS, frames_per_client=8, frames=16))
    yield made
    made.spool.close()


def batch(name: str) -> Matte:
    return replace(matte(name), priority="batch")


def ahead(bench: ServiceBench) -> list[tuple[int, str]]:
    return [(worker, job.request.id) for worker, job in bench.pool.ahead]


def started(bench: ServiceBench) -> list[str]:
    return [job.request.id for job in bench.pool.jobs]


def test_one_frame_is_read_ahead_and_an_interactive_one_still_goes_first(bench: ServiceBench) -> None:
    for name in "abc":
        bench.send(ANNA, batch(name))
    assert ahead(bench) == [(0, "b")]
    bench.send(BEN, matte("now"))
    # The frame that is being read ahead stays, and no second one is read.
    assert ahead(bench) == [(0, "b")]
    bench.finish()
    assert started(bench) == ["a", "now"] and ahead(bench) == [(0, "b")]
    bench.finish()
    assert started(bench) == ["a", "now", "b"] and ahead(bench) == [(0, "b"), (0, "c")]


def test_a_frame_that_is_cancelled_is_not_read_further_and_the_next_one_is(bench: ServiceBench) -> None:
    for name in "abc":
        bench.send(ANNA, batch(name))
    bench.send(ANNA, Cancel(id="x", target="b"))
    assert bench.pool.cancelled == [2]
    # As the pool does when it passes a cancel on.
    bench.pool.states[0].ahead = 0
    list(bench.service.tick())
    assert ahead(bench) == [(0, "b"), (0, "c")]


def test_a_worker_gets_the_frame_that_it_has_read(bench: ServiceBench) -> None:
    bench.pool.states.append(WorkerState(device="cpu", ready=True))
    for name in "abcde":
        bench.send(ANNA, batch(name))
    assert ahead(bench) == [(0, "c"), (1, "d")]
    # The second worker is done first; c is next, but d is what it holds.
    (bench.spool.folder / bench.pool.jobs[1].result).write_bytes(b"exr")
    bench.pool.states[1].job = 0
    list(bench.service.worker_event(FrameFinished(number=bench.pool.jobs[1].number, output="", diagnostics={})))
    assert started(bench) == ["a", "b", "d"]
    assert bench.pool.states[0].ahead == 3
    bench.pool.jobs.append(bench.pool.jobs[0])
    bench.finish()
    assert started(bench)[-1] == "c"


def test_a_frame_that_was_read_is_no_other_priority_than_the_one_whose_turn_it_is(bench: ServiceBench) -> None:
    """After eight interactive frames a batch frame goes, not the interactive one that the worker has read."""
    for name in "abcdefg":
        bench.send(ANNA, matte(name))
    bench.send(ANNA, batch("farm"))
    for name in "hi":
        bench.finish()
        bench.send(ANNA, matte(name))
    while started(bench)[-1] != "h":
        bench.finish()
    assert ahead(bench)[-1] == (0, "i")
    bench.finish()
    assert started(bench)[-1] == "farm"
    bench.finish()
    assert started(bench)[-1] == "i"


def test_where_frames_follow_each_other_a_worker_reads_the_one_beside_its_own(bench: ServiceBench) -> None:
    bench.pool.states.append(WorkerState(device="cpu", ready=True))
    smooth = MatteOptions(temporal=0.5)

    def asked(frame: int, priority: str = "batch") -> None:
        request = replace(matte(f"f{frame}"), frame=frame, shot="s", options=smooth, priority=priority)
        bench.send(BEN if priority == "interactive" else ANNA, request)

    def ended(worker: int) -> None:
        [job] = [job for job in bench.pool.jobs if job.number == bench.pool.states[worker].job]
        (bench.spool.folder / job.result).write_bytes(b"exr")
        bench.pool.states[worker].job = 0
        list(bench.service.worker_event(FrameFinished(number=job.number, output="", diagnostics={})))

    for frame in (1, 51, 2, 52, 3, 53, 4, 54):
        asked(frame)
    assert started(bench) == ["f1", "f51"] and ahead(bench) == [(0, "f2"), (1, "f52")]
    ended(1)
    assert started(bench)[2:] == ["f52"] and ahead(bench)[2:] == [(1, "f53")]
    ended(0)
    assert started(bench)[3:] == ["f2"] and ahead(bench)[3:] == [(0, "f3")]
    # An artist who waits comes before that.
    asked(7, "interactive")
    ended(1)
    assert started(bench)[4:] == ["f7"]
    ended(1)
    assert started(bench)[5:] == ["f53"] and ahead(bench)[4:] == [(1, "f54")]


def test_the_frame_that_killed_while_it_was_read_fails_and_the_one_beside_it_does_not(bench: ServiceBench) -> None:
    for name in ("good", "killer", "later"):
        bench.send(ANNA, batch(name))
    state = bench.pool.states[0]
    state.job = state.ahead = 0
    sent = list(
        bench.service.worker_event(
            WorkerExited(number=1, code="worker_died", reason="It crashed.", writing=(), ahead=2)
        )
    )
    # Clients only hear that a frame starts again. From now on each of the two is computed by itself.
    assert [type(message) for _, message in sent] == [Progress]
    assert ahead(bench) == [(0, "killer")]
    ends: dict[str, str] = {}
    while len(ends) < 2:
        job = bench.pool.jobs[-1]
        state.job = 0
        if job.request.id == "killer":
            events = list(
                bench.service.worker_event(
                    WorkerExited(number=job.number, code="worker_died", reason="It crashed.")
                )
            )
        else:
            (bench.spool.folder / job.result).write_bytes(b"exr")
            state.writing.add(job.number)
            computed = list(bench.service.worker_event(FrameComputed(job.number)))
            assert computed == [], "no other frame may start beside one that is tried again"
            state.writing.remove(job.number)
            events = list(bench.service.worker_event(FrameFinished(number=job.number, output="", diagnostics={})))
        ends.update({m.id: type(m).__name__ for _, m in events if not isinstance(m, Progress)})
    assert ends == {"good": "MatteReply", "killer": "Failure"}
    assert started(bench)[-1] == "later"


def test_a_frame_that_kills_each_time_fails_although_another_was_read(bench: ServiceBench) -> None:
    for name in ("killer", "good"):
        bench.send(ANNA, batch(name))
    state = bench.pool.states[0]
    answers = []
    for died in (WorkerExited(number=1, code="worker_died", reason="", writing=(), ahead=2), None, None):
        job = bench.pool.jobs[-1]
        state.job = state.ahead = 0
        if job.request.id == "killer":
            events = bench.service.worker_event(
                died or WorkerExited(number=job.number, code="worker_died", reason="")
            )
        else:
            (bench.spool.folder / job.result).write_bytes(b"exr")
            events = bench.service.worker_event(FrameFinished(number=job.number, output="", diagnostics={}))
        answers += [message for _, message in events if not isinstance(message, Progress)]
    assert {answer.id: type(answer).__name__ for answer in answers} == {"killer": "Failure", "good": "MatteReply"}


def test_a_hung_worker_is_its_own_frames_fault(bench: ServiceBench) -> None:
    for name in "ab":
        bench.send(ANNA, batch(name))
    bench.pool.states[0].job = bench.pool.states[0].ahead = 0
    sent = list(
        bench.service.worker_event(WorkerExited(number=1, code="worker_hung", reason="", writing=(), ahead=2))
    )
    assert isinstance(sent[0][1], Failure) and sent[0][1].id == "a"
    assert started(bench) == ["a", "b"]


def test_nothing_is_read_beside_a_frame_that_needs_the_memory_to_itself(bench: ServiceBench) -> None:
    for name in "abc":
        bench.send(ANNA, batch(name))
    bench.pool.states[0].job = 0
    list(bench.service.worker_event(SolveFailed(number=1, code="out_of_memory", message="Too little.")))
    assert started(bench) == ["a", "a"] and ahead(bench) == [(0, "b")]
    bench.pool.states[0].ahead = 0
    list(bench.service.tick())
    assert ahead(bench) == [(0, "b")]


def test_a_client_that_fetches_nothing_is_not_served_before_another_because_its_frame_was_read_ahead(
    bench: ServiceBench,
) -> None:
    bench.send(ANNA, batch("a"))
    bench.send(BEN, batch("b"))
    bench.send(ANNA, batch("c"))
    assert ahead(bench) == [(0, "b")]
    bench.unsent[BEN] = LIMITS.unsent + 1
    bench.finish()
    assert started(bench) == ["a", "c"]
