"""The service's decisions about workers' events: results, failures, deaths, retries."""

from __future__ import annotations

import sys
import time

import pytest
from matte_link.messages import (
    Accepted,
    Cancel,
    Failure,
    MatteReply,
    Progress,
)

from matte_server.server.worker_pool import WorkerExited, WorkerState
from matte_server.worker.messages import (
    FrameComputed,
    FrameFinished,
    SolveFailed,
)

from .service_bench import ANNA, BEN, ServiceBench, code_of, matte


def test_the_next_frame_starts_while_one_is_written(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, matte("b"))
    first, state = bench.pool.jobs[-1], bench.pool.states[0]
    # As the pool does at FrameComputed.
    state.job = 0
    assert [type(message) for _, message in bench.service.worker_event(FrameComputed(first.number))] == [Progress]
    assert [job.request.id for job in bench.pool.jobs] == ["a", "b"]
    (bench.spool.folder / first.result).write_bytes(b"exr")
    [(_, answer)] = bench.service.worker_event(FrameFinished(number=first.number, output="", diagnostics={}))
    assert isinstance(answer, MatteReply) and answer.id == "a"


def test_a_frame_that_is_lost_in_writing_is_computed_once_more(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, matte("b"))
    first, state = bench.pool.jobs[-1], bench.pool.states[0]
    state.job = 0
    list(bench.service.worker_event(FrameComputed(first.number)))
    second = bench.pool.jobs[-1]
    state.job = 0
    sent = list(
        bench.service.worker_event(
            WorkerExited(number=second.number, code="worker_died", reason="It crashed.", writing=(first.number,))
        )
    )
    # The one that was being computed fails; the one that was being written starts again.
    assert [(message.id, type(message)) for _, message in sent] == [("b", Failure), ("a", Progress)]
    state.job = 0
    [(_, answer)] = bench.service.worker_event(
        WorkerExited(number=0, code="worker_died", reason="It crashed.", writing=(first.number,))
    )
    assert isinstance(answer, Failure) and (answer.id, answer.code) == ("a", "worker_died")
    assert bench.files() == 0


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (WorkerExited(number=1, code="worker_died", reason="It was killed."), "worker_died"),
        (WorkerExited(number=1, code="worker_hung", reason="It hung."), "worker_hung"),
        (SolveFailed(number=1, code="not_finite", message="There are NaNs."), "not_finite"),
    ],
)
def test_a_frame_that_fails_has_a_code_and_leaves_nothing(
    bench: ServiceBench, end: WorkerExited | SolveFailed, code: str
) -> None:
    bench.send(ANNA, matte("a"))
    half = bench.spool.folder / ".result-1.12ab34cd.tmp.exr"
    half.write_bytes(b"half-written")
    bench.pool.states[0].job = 0
    [(_, answer)] = bench.service.worker_event(end)
    assert isinstance(answer, Failure) and answer.code == code
    assert bench.files() == 0
    assert bench.service.state()["errors"][-1]["code"] == code


def test_a_clock_beyond_what_python_holds_ends_nothing(
    bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the year 2262 on Python's clock raises this, and every record of a log asks it."""

    def beyond() -> float:
        raise OverflowError("timestamp too large to convert to C _PyTime_t")

    with monkeypatch.context() as patched:
        patched.setattr(time, "time", beyond)
        patched.setattr(time, "time_ns", beyond)
        bench.send(ANNA, matte("a"))
        bench.pool.states[0].job = 0
        [(_, answer)] = bench.service.worker_event(SolveFailed(number=1, code="not_finite", message="NaNs."))
        bench.send(ANNA, matte("b"))
        [(_, reply)] = bench.finish()
        at = bench.service.state()["errors"][-1]["at"]
    assert isinstance(answer, Failure) and isinstance(reply, MatteReply) and at == 0.0


@pytest.mark.parametrize("code", ["worker_died", "worker_hung"])
def test_a_frame_that_its_worker_had_not_begun_is_given_out_again_three_times(
    bench: ServiceBench, code: str
) -> None:
    """Of several workers that the system kills, none may be seen to have died before the frame has met them all."""
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, matte("b"))
    bench.pool.states[0].ahead = 2
    exited = WorkerExited(number=1, code=code, reason="It was killed.", ahead=2, has_begun=False)
    for _ in range(3):
        bench.pool.states[0].job = bench.pool.states[0].ahead = 0
        sent = [message for _, message in bench.service.worker_event(exited)]
        assert sent == [Progress(id="a", stage="start", done=0, total=1)]
    # What it was to read ahead was not begun either, and keeps its place.
    assert [job.request.id for job in bench.pool.jobs] == ["a"] * 4
    bench.pool.states[0].job = 0
    failed, started = (message for _, message in bench.service.worker_event(exited))
    assert isinstance(failed, Failure) and (failed.id, failed.code) == ("a", code)
    assert started == Progress(id="b", stage="start", done=0, total=1)


def test_a_frame_that_was_taken_back_before_its_dead_worker_began_it_is_over(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, Cancel(id="c", target="a"))
    bench.pool.states[0].job = 0
    exited = WorkerExited(number=1, code="worker_died", reason="It was killed.", has_begun=False)
    assert list(bench.service.worker_event(exited)) == []
    assert len(bench.pool.jobs) == 1 and bench.files() == 0 and bench.service.state()["running"] == 0


@pytest.mark.parametrize("end", ["cancelled", "lost", "computed"])
def test_a_frame_that_waits_to_be_given_out_again_is_answered_once_and_leaves_nothing(
    bench: ServiceBench, end: str
) -> None:
    """It waits for another worker's frame. Sent again meanwhile, it is the same frame."""
    bench.pool.states.append(WorkerState(device="cpu", ready=True))
    bench.send(ANNA, matte("a"))
    bench.send(BEN, matte("b"))
    bench.pool.states[0].job = 0
    exited = WorkerExited(number=1, code="worker_died", reason="It was killed.", has_begun=False)
    assert list(bench.service.worker_event(exited)) == []
    assert bench.send(ANNA, matte("a")) == [Accepted(id="a")]
    results = bench.service._admission.results
    assert results._waiting == {bench.pool.jobs[0].result}
    if end == "cancelled":
        assert code_of(bench.send(ANNA, Cancel(id="c", target="a"))) == "cancelled"
    elif end == "lost":
        assert list(bench.service.client_lost(ANNA)) == []
    bench.pool.states[1].job = 0
    (bench.spool.folder / bench.pool.jobs[1].result).write_bytes(b"exr")
    sent = list(bench.service.worker_event(FrameFinished(number=2, output="", diagnostics={})))
    assert [type(message) for client, message in sent if client == BEN] == [MatteReply]
    if end == "computed":
        assert [job.request.id for job in bench.pool.jobs] == ["a", "b", "a"]
        [(client, reply)] = bench.finish()
        assert client == ANNA and isinstance(reply, MatteReply)
    else:
        assert [job.request.id for job in bench.pool.jobs] == ["a", "b"]
        assert all(client == BEN for client, _ in sent)
    state = bench.service.state()
    assert state["running"] == bench.files() == 0
    assert not results._sizes and not results._waiting


def test_a_frame_that_runs_out_of_memory_is_computed_again_alone_and_says_so(bench: ServiceBench) -> None:
    bench.pool.states.append(WorkerState(device="cpu", ready=True))
    bench.send(ANNA, matte("big"))
    bench.send(BEN, matte("small"))
    bench.send(BEN, matte("next"))
    big, small = bench.pool.jobs
    bench.pool.states[0].job = 0
    # It waits until the other frame has ended, and no frame overtakes it.
    [(to, progress)] = bench.service.worker_event(
        SolveFailed(number=big.number, code="out_of_memory", message="No room.")
    )
    assert (to, progress) == (ANNA, Progress(id="big", stage="memory", done=0, total=1))
    bench.pool.states[1].job = 0
    (bench.spool.folder / small.result).write_bytes(b"exr")
    list(bench.service.worker_event(FrameFinished(number=small.number, output="", diagnostics={})))
    assert [job.number for job in bench.pool.jobs] == [big.number, small.number, big.number]
    # The second worker gets nothing meanwhile.
    assert list(bench.service.tick()) == []
    bench.pool.states[0].job = 0
    (bench.spool.folder / big.result).write_bytes(b"exr")
    answers = list(
        bench.service.worker_event(FrameFinished(number=big.number, output="", diagnostics={"warnings": ["thin"]}))
    )
    reply = answers[0][1]
    assert isinstance(reply, MatteReply)
    assert (
        reply.diagnostics["warnings"][0] == "thin" and "no other frame running" in reply.diagnostics["warnings"][1]
    )
    assert answers[1] == (BEN, Progress(id="next", stage="start", done=0, total=1))


def test_a_frame_that_runs_out_of_memory_twice_fails(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    number = bench.pool.jobs[0].number
    for _ in range(2):
        bench.pool.states[0].job = 0
        answers = list(
            bench.service.worker_event(SolveFailed(number=number, code="out_of_memory", message="No room."))
        )
    assert code_of([message for _, message in answers]) == "out_of_memory"
    assert len(bench.pool.jobs) == 2 and bench.files() == 0


def test_a_frame_that_waits_for_memory_can_be_cancelled(bench: ServiceBench) -> None:
    bench.pool.states.append(WorkerState(device="cpu", ready=True))
    bench.send(ANNA, matte("big"))
    bench.send(BEN, matte("small"))
    bench.pool.states[0].job = 0
    list(bench.service.worker_event(SolveFailed(number=1, code="out_of_memory", message="No room.")))
    assert code_of(bench.send(ANNA, Cancel(id="c", target="big"))) == "cancelled"
    bench.pool.states[1].job = 0
    (bench.spool.folder / bench.pool.jobs[1].result).write_bytes(b"exr")
    assert [to for to, _ in bench.service.worker_event(FrameFinished(number=2, output="", diagnostics={}))] == [BEN]
    assert len(bench.pool.jobs) == 2 and bench.files() == 0


def test_frames_do_not_wait_for_workers_that_never_start(bench: ServiceBench) -> None:
    state = bench.pool.states[0]
    bench.send(ANNA, matte("a"))
    bench.send(BEN, matte("b"))
    state.ready, state.job, state.failed_starts, state.last_exit_reason = False, 99, 3, "It ended with exit code 1."
    answers = [
        message
        for _, message in bench.service.worker_event(
            WorkerExited(number=1, code="worker_died", reason="It was killed.")
        )
    ]
    assert [message.code for message in answers if isinstance(message, Failure)] == ["worker_died", "no_worker"]
    [refused] = bench.send(ANNA, matte("c"))
    assert isinstance(refused, Failure) and refused.code == "no_worker" and "exit code 1" in refused.message
    # As soon as one is ready again, frames are taken again.
    state.ready, state.job, state.failed_starts = True, 0, 0
    assert bench.send(ANNA, matte("d"))[0] == Accepted(id="d")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_result_that_cannot_be_opened_now_is_asked_for_again_and_keeps_no_room(bench: ServiceBench) -> None:
    """A server with too many connections said that its worker had died."""
    import resource

    bench.send(ANNA, matte("a"))
    job = bench.pool.jobs[0]
    (bench.spool.folder / job.result).write_bytes(b"exr")
    bench.pool.states[0].job = 0
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        events = list(bench.service.worker_event(FrameFinished(number=job.number, output="", diagnostics={})))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    [(client, answer)] = events
    assert client == ANNA and isinstance(answer, Failure)
    assert (answer.code, answer.message) == ("busy", "The server has too many connections and files open now.")
    assert not (bench.spool.folder / job.result).exists()
