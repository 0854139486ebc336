"""The table of a frame's states: complete, closed, and each of its transitions seen on a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from matte_link.messages import Cancel

from matte_server.server.dispatcher import QueuedFrame
from matte_server.server.frame_state import TRANSITIONS, FrameEvent, FrameState, FrameStateError, next_state
from matte_server.server.worker_pool import WorkerExited, WorkerState
from matte_server.worker.messages import FrameFinished, SolveFailed

from .service_bench import ANNA, BEN, LIMITS, ServiceBench, matte

Transition = tuple[FrameState, FrameEvent]
S, E = FrameState, FrameEvent


@pytest.mark.parametrize("state", FrameState)
@pytest.mark.parametrize("event", FrameEvent)
def test_every_pair_is_a_transition_or_an_error(state: FrameState, event: FrameEvent) -> None:
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(FrameStateError, match=f"{event.name} cannot happen to a frame that is {state.name}"):
            next_state(state, event)


def test_every_state_is_reached_and_only_the_last_one_is_never_left() -> None:
    assert set(TRANSITIONS.values()) | {S.QUEUED} == set(FrameState)
    assert {state for state, _ in TRANSITIONS} == set(FrameState) - {S.ENDED}
    # Exactly the frames that a worker has are ended by one.
    for state in FrameState:
        assert state.is_running == (TRANSITIONS.get((state, E.END)) is S.ENDED), state


def test_a_frame_that_has_ended_takes_no_event() -> None:
    assert not [event for event in FrameEvent if (S.ENDED, event) in TRANSITIONS]


# -- each transition on a service


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ServiceBench]:
    made = ServiceBench(tmp_path, replace(LIMITS, frames_per_client=8, frames=16))
    yield made
    made.spool.close()


def run_out_of_memory(bench: ServiceBench, number: int = 1) -> None:
    bench.pool.states[0].job = 0
    list(bench.service.worker_event(SolveFailed(number=number, code="out_of_memory", message="No room.")))


def die(bench: ServiceBench, number: int, writing: tuple[int, ...] = (), ahead: int = 0) -> None:
    """The worker dies, and its successor is not ready yet."""
    state = bench.pool.states[0]
    state.ready, state.job, state.ahead = False, 0, 0
    exited = WorkerExited(number=number, code="worker_died", reason="It crashed.", writing=writing, ahead=ahead)
    list(bench.service.worker_event(exited))


def two_frames(bench: ServiceBench) -> None:
    """ "a" runs; "b" is read ahead."""
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, matte("b"))


def start_while_queued(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))


def abandon_while_queued(bench: ServiceBench) -> None:
    two_frames(bench)
    bench.send(ANNA, matte("c"))
    bench.send(ANNA, Cancel(id="x", target="c"))


def start_after_read_ahead(bench: ServiceBench) -> None:
    two_frames(bench)
    bench.finish()


def isolate_while_read_ahead(bench: ServiceBench) -> None:
    two_frames(bench)
    die(bench, 1, ahead=2)


def abandon_while_read_ahead(bench: ServiceBench) -> None:
    two_frames(bench)
    bench.send(ANNA, Cancel(id="x", target="b"))


def isolate_while_running(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    run_out_of_memory(bench)


def abandon_while_running(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, Cancel(id="x", target="a"))


def end_while_running(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.finish()


def wait_isolated(bench: ServiceBench) -> None:
    """ "a" ran out of memory and waits for "b", which a second worker computes."""
    bench.pool.states.append(WorkerState(device="cpu", ready=True))
    bench.send(ANNA, matte("a"))
    bench.send(BEN, matte("b"))
    run_out_of_memory(bench)


def abandon_while_isolated(bench: ServiceBench) -> None:
    wait_isolated(bench)
    bench.send(ANNA, Cancel(id="x", target="a"))


def isolate_again(bench: ServiceBench) -> None:
    """Alone for want of memory, and lost while it was written."""
    isolate_while_running(bench)
    die(bench, 0, writing=(1,))


def abandon_while_alone(bench: ServiceBench) -> None:
    isolate_while_running(bench)
    bench.send(ANNA, Cancel(id="x", target="a"))


def end_while_alone(bench: ServiceBench) -> None:
    isolate_while_running(bench)
    bench.finish()


def end_after_abandoning(bench: ServiceBench) -> None:
    abandon_while_running(bench)
    bench.finish()


def end_after_abandoning_alone(bench: ServiceBench) -> None:
    abandon_while_alone(bench)
    bench.finish()


SCENARIOS: dict[Transition, Callable[[ServiceBench], None]] = {
    (S.QUEUED, E.READ_AHEAD): two_frames,
    (S.QUEUED, E.START): start_while_queued,
    (S.QUEUED, E.ABANDON): abandon_while_queued,
    (S.READ_AHEAD, E.START): start_after_read_ahead,
    (S.READ_AHEAD, E.ISOLATE): isolate_while_read_ahead,
    (S.READ_AHEAD, E.ABANDON): abandon_while_read_ahead,
    (S.RUNNING, E.ISOLATE): isolate_while_running,
    (S.RUNNING, E.ABANDON): abandon_while_running,
    (S.RUNNING, E.END): end_while_running,
    (S.ISOLATED_WAITING, E.START): isolate_while_running,
    (S.ISOLATED_WAITING, E.ABANDON): abandon_while_isolated,
    (S.ISOLATED_RUNNING, E.ISOLATE): isolate_again,
    (S.ISOLATED_RUNNING, E.ABANDON): abandon_while_alone,
    (S.ISOLATED_RUNNING, E.END): end_while_alone,
    (S.ABANDONED, E.END): end_after_abandoning,
    (S.ISOLATED_ABANDONED, E.END): end_after_abandoning_alone,
}


def test_there_is_a_scenario_for_each_transition() -> None:
    assert set(SCENARIOS) == set(TRANSITIONS)


@pytest.mark.parametrize(
    "transition", SCENARIOS, ids=lambda pair: f"{pair[0].name}-{pair[1].name}".lower().replace("_", " ")
)
def test_each_transition_happens_on_a_service(
    transition: Transition, bench: ServiceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Transition] = []
    advance = QueuedFrame.advance

    def record(frame: QueuedFrame, event: FrameEvent) -> None:
        seen.append((frame.state, event))
        advance(frame, event)

    monkeypatch.setattr(QueuedFrame, "advance", record)
    SCENARIOS[transition](bench)
    assert transition in seen


def test_one_retry_for_each_reason_and_then_the_frame_fails(bench: ServiceBench) -> None:
    isolate_again(bench)
    bench.pool.states[0].ready = True
    list(bench.service.tick())
    assert len(bench.pool.jobs) == 3
    run_out_of_memory(bench)
    state = bench.service.state()
    assert (state["frames"]["failed"], state["errors"][-1]["code"]) == (1, "out_of_memory")
    assert len(bench.pool.jobs) == 3 and bench.files() == 0


def test_nothing_starts_beside_an_isolated_frame_that_was_cancelled_until_its_worker_stops(
    bench: ServiceBench,
) -> None:
    bench.pool.states.append(WorkerState(device="cpu", ready=True))
    abandon_while_alone(bench)
    bench.send(BEN, matte("b"))
    assert [job.request.id for job in bench.pool.jobs] == ["a", "a"]
    bench.pool.states[0].job = 0
    list(bench.service.worker_event(SolveFailed(number=1, code="cancelled", message="The matte was cancelled.")))
    assert [job.request.id for job in bench.pool.jobs] == ["a", "a", "b"]


def test_a_worker_cannot_end_a_frame_that_it_does_not_have(bench: ServiceBench) -> None:
    """A worker decodes files of untrusted clients: what it reports about a frame in the queue is ignored."""
    two_frames(bench)
    assert list(bench.service.worker_event(FrameFinished(number=2, output="/somewhere/else.exr"))) == []
    bench.finish()
    [(to, answer)] = bench.finish()
    assert (to, answer.id) == (ANNA, "b")
