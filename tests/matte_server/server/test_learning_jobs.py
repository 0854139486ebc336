"""The service's decisions about learning, on workers that the test moves by hand."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from matte_link.messages import (
    Accepted,
    Cancel,
    Digest,
    Failure,
    Inline,
    Learn,
    LearnFrame,
    LearnProgress,
    LearnReply,
    Message,
    OnDisk,
    Progress,
    Store,
    digest_of,
)
from matte_link.options import MatteOptions

from matte_server.cli.status_view import describe_state
from matte_server.server.fair_queue import Client
from matte_server.server.learning_shelf import key_of
from matte_server.server.worker_pool import WorkerExited, WorkerState
from matte_server.worker.messages import FramePrepared, LearningEnded, LearningJob, SolveFailed, StepTaken

from .service_bench import ANNA, BEN, LIMITS, ServiceBench, code_of, matte

WEIGHTS = b"learnt weights"


def learn(name: str, plate: bytes = b"plate", **changes: object) -> Learn:
    frame = LearnFrame(
        frame=1, plate=Inline(plate, "p.exr"), clean_plate=Inline(b"clean", "c.exr"), key=Inline(b"key", "k.png")
    )
    return replace(Learn(id=name, frames=(frame,), steps=20), **changes)  # type: ignore[arg-type]


def step(job: LearningJob, number: int, is_resumed: bool = False) -> StepTaken:
    return StepTaken(
        number=job.number, step=number, steps=20, error=0.25, first_error=0.5, left_s=9.0, is_resumed=is_resumed
    )


def end(bench: ServiceBench, job: LearningJob, **changes: object) -> list[tuple[Client, Message]]:
    """The worker has learnt."""
    Path(job.weights).write_bytes(WEIGHTS)
    ended = LearningEnded(
        number=job.number,
        steps=20,
        first_error=0.5,
        error=0.25,
        has_gained=True,
        is_complete=True,
        model="cleanplate",
    )
    bench.pool.states[0].learning = 0
    return list(bench.service.worker_event(replace(ended, **changes)))  # type: ignore[arg-type]


def die(bench: ServiceBench, job: LearningJob) -> list[tuple[Client, Message]]:
    bench.pool.states[0].learning = 0
    exited = WorkerExited(number=0, code="worker_died", reason="It was killed.", learning=job.number)
    return list(bench.service.worker_event(exited))


def test_a_shot_is_learnt_and_its_client_hears_of_it(bench: ServiceBench, caplog: pytest.LogCaptureFixture) -> None:
    started = bench.send(ANNA, learn("a", shot="sh010"))
    assert started == [Accepted(id="a"), Progress(id="a", stage="start", done=0, total=1)]
    [job] = bench.pool.learnt
    assert Path(job.pictures["1_key"].path).read_bytes() == b"key"
    assert list(bench.service.worker_event(FramePrepared(number=job.number, done=1, total=1))) == [
        (ANNA, Progress(id="a", stage="frames", done=1, total=1))
    ]
    [(to, progress)] = bench.service.worker_event(step(job, 3))
    assert (to, progress) == (
        ANNA, LearnProgress(id="a", stage="step", done=3, total=20, error=0.25, first_error=0.5, left_s=9.0)
    )  # fmt: skip
    assert bench.service.state()["learning"] == [
        {
            "shot": "sh010", "frames": 1, "step": 3, "steps": 20, "error": 0.25, "first_error": 0.5, "left_s": 9.0,
            "worker": 0, "clients": 1,
        }
    ]  # fmt: skip
    bench.now = 5.0
    assert bench.service.idle_s == 0.0
    with caplog.at_level(logging.INFO, "matte_server"):
        [(to, reply)] = end(bench, job)
    assert "learnt" in caplog.messages
    assert to == ANNA and isinstance(reply, LearnReply)
    assert (reply.data, reply.digest, reply.has_gained, reply.model) == (
        WEIGHTS,
        digest_of(WEIGHTS),
        True,
        "cleanplate",
    )
    assert bench.service.state()["learning"] == []
    # Nothing holds the pictures any longer: others may take their room.
    for number in range(4):
        assert code_of_or_type(bench.send(BEN, store(b"x" * 90 + b"%d" % number))) == "Stored"
    assert code_of_or_type(bench.send(BEN, store(b"x" * 400))) == "Stored"


def store(data: bytes) -> Store:
    return Store(id="s", digest=digest_of(data), data=data)


def code_of_or_type(answers: list[Message]) -> str:
    return code_of(answers) if isinstance(answers[0], Failure) else type(answers[0]).__name__


def test_the_status_page_shows_how_far_learning_has_come(bench: ServiceBench) -> None:
    bench.pool.states[0].ready = False
    bench.send(ANNA, learn("a", shot="sh010"))
    assert "learning sh010 from 1 frame: waits" in describe_state(bench.service.state(), "here")
    assert [job["worker"] for job in bench.service.state()["learning"]] == [-1]
    bench.pool.states[0].ready = True
    list(bench.service.tick())
    assert "on worker 0: reads its frames, clients that wait: 1" in describe_state(bench.service.state(), "here")
    list(bench.service.worker_event(step(bench.pool.learnt[0], 3)))
    page = describe_state(bench.service.state(), "here")
    assert "step 3 of 20, error x 1000: 500.00 -> 250.00, 9 s left" in page


def test_the_same_request_of_another_client_joins_the_job(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    [job] = bench.pool.learnt
    list(bench.service.worker_event(step(job, 7)))
    joined = bench.send(BEN, learn("b"))
    assert isinstance(joined[0], Accepted) and isinstance(joined[1], LearnProgress) and joined[1].done == 7
    # Sent again after a broken connection it is not waited for twice.
    bench.send(BEN, learn("b"))
    assert len(bench.pool.learnt) == 1
    answers = end(bench, job)
    assert [(to, message.id) for to, message in answers] == [(ANNA, "a"), (BEN, "b")]


def test_a_job_whose_clients_left_goes_on_and_its_result_is_kept(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    [job] = bench.pool.learnt
    list(bench.service.client_lost(ANNA))
    assert bench.pool.cancelled == []
    assert end(bench, job) == []
    [reply] = bench.send(BEN, learn("b"))
    assert isinstance(reply, LearnReply) and reply.data == WEIGHTS and len(bench.pool.learnt) == 1


def test_a_result_is_not_kept_for_files_that_may_have_changed(bench: ServiceBench) -> None:
    on_disk = LearnFrame(frame=1, plate=OnDisk("/shot/p.exr"), clean_plate=OnDisk("/shot/c.exr"))
    bench.send(ANNA, learn("a", frames=(on_disk,)))
    end(bench, bench.pool.learnt[0])
    bench.send(ANNA, learn("b", frames=(on_disk,)))
    assert len(bench.pool.learnt) == 2


def test_a_new_job_makes_room_on_the_shelf(bench: ServiceBench) -> None:
    old = bench.spool.folder / "learning" / "old.learned"
    old.parent.mkdir()
    with old.open("wb") as file:
        file.truncate((2 << 30) + 1)
    bench.send(ANNA, learn("a"))
    assert not old.exists()


def test_a_result_is_not_kept_for_weights_that_the_server_names(bench: ServiceBench) -> None:
    options = MatteOptions(model="cleanplate", weights="mine.safetensors")
    bench.send(ANNA, learn("a", options=options))
    end(bench, bench.pool.learnt[0])
    bench.send(ANNA, learn("b", options=options))
    assert len(bench.pool.learnt) == 2


def test_sixteen_shots_are_on_a_server_at_most(bench: ServiceBench) -> None:
    for number in range(16):
        client = ANNA if number < 8 else BEN
        assert isinstance(bench.send(client, learn(f"a{number}", seed=number))[0], Accepted)
    assert code_of(bench.send(b"cleo", learn("b", seed=16))) == "busy"
    # Whoever wants one of the sixteen joins it.
    assert isinstance(bench.send(BEN, learn("b", seed=3))[0], Accepted)


def test_one_owner_waits_for_eight_of_them_at_most_under_whatever_names(bench: ServiceBench) -> None:
    bench.owners = {ANNA: b"key", BEN: b"key"}
    for number in range(8):
        assert isinstance(bench.send(ANNA if number % 2 else BEN, learn(f"a{number}", seed=number))[0], Accepted)
    assert code_of(bench.send(BEN, learn("b", seed=8))) == "busy"
    assert isinstance(bench.send(b"cleo", learn("c", seed=8))[0], Accepted)
    # What runs or waits already is joined.
    assert isinstance(bench.send(BEN, learn("d", seed=8))[0], Accepted)


def test_jobs_that_nobody_waits_for_block_nobody(bench: ServiceBench) -> None:
    for number in range(16):
        client = ANNA if number < 8 else b"cleo"
        bench.send(client, learn(f"a{number}", seed=number))
    for client in (ANNA, b"cleo"):
        bench.service.learning.client_lost(client)
    # The first one runs, and goes on. Of the others, the oldest give way; what is wanted goes first.
    assert isinstance(bench.send(BEN, learn("b", seed=16))[0], Accepted)
    [answer] = bench.send(BEN, learn("c", seed=17))
    assert isinstance(answer, Accepted) and answer.position == 1
    assert len(bench.service.learning) == 16 and len(bench.pool.learnt) == 1
    end(bench, bench.pool.learnt[0])
    assert [job.request.seed for job in bench.pool.learnt] == [0, 16]
    [again] = bench.send(BEN, learn("d", seed=3))
    # 1 and 2 have given way, 3 has not: it is joined.
    assert isinstance(again, Accepted) and len(bench.service.learning) == 15


def test_clients_of_jobs_that_wait_hear_how_many_go_first(bench: ServiceBench) -> None:
    for number in range(3):
        bench.send(ANNA, learn(f"a{number}", seed=number))
    bench.send(BEN, learn("b", seed=2))
    bench.now = 4.0
    assert list(bench.service.tick()) == []
    # A client that left is only known to be gone when something is sent to it.
    bench.now = 6.0
    told = [(client, message.id, message.position) for client, message in bench.service.tick()]  # type: ignore[union-attr]
    assert told == [(ANNA, "a1", 0), (ANNA, "a2", 1), (BEN, "b", 1)]
    assert list(bench.service.tick()) == []


def test_pictures_of_jobs_that_nobody_waits_for_make_room(bench: ServiceBench) -> None:
    for number, size in enumerate((40, 50, 60)):
        bench.send(ANNA, learn(f"a{number}", plate=bytes([number]) * size))
    bench.service.learning.client_lost(ANNA)
    # All take half of the store's 400 bytes at most: 40 of the running job, then 50 and 60, and 8 that all share.
    assert isinstance(bench.send(BEN, learn("b", plate=b"y" * 70))[0], Accepted)
    assert [len(bench.service.learning), len(bench.pool.learnt)] == [3, 1]
    assert code_of(bench.send(BEN, learn("c", plate=b"z" * 90))) == "busy"


def test_a_kept_result_is_not_sent_to_a_client_that_does_not_fetch_it(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    end(bench, bench.pool.learnt[0])
    bench.unsent[ANNA] = LIMITS.unsent
    assert code_of(bench.send(ANNA, learn("b"))) == "busy"
    assert isinstance(bench.send(BEN, learn("c"))[0], LearnReply)
    bench.unsent[ANNA] = LIMITS.unsent - 1
    assert isinstance(bench.send(ANNA, learn("b"))[0], LearnReply)


def test_no_more_than_some_hundreds_wait_for_a_job_and_all_get_the_same_bytes(bench: ServiceBench) -> None:
    for number in range(256):
        assert isinstance(bench.send(ANNA, learn(f"a{number}"))[0], Accepted)
    assert code_of(bench.send(ANNA, learn("more"))) == "busy"
    # Whoever waits already may send its request again.
    assert isinstance(bench.send(ANNA, learn("a7"))[0], Accepted)
    answers = [message for _, message in end(bench, bench.pool.learnt[0])]
    assert [answer.id for answer in answers] == [f"a{number}" for number in range(256)]
    assert len({id(answer.data) for answer in answers if isinstance(answer, LearnReply)}) == 1


def test_what_gained_nothing_has_no_weights(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    [(_, reply)] = end(bench, bench.pool.learnt[0], has_gained=False)
    assert isinstance(reply, LearnReply) and not reply.has_gained and reply.data == b"" and reply.digest == ""


def test_a_cancelled_job_answers_with_the_best_so_far(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    [job] = bench.pool.learnt
    assert bench.send(ANNA, Cancel(id="c", target="a")) == []
    assert bench.pool.cancelled == [job.number]
    [(_, reply)] = end(bench, job, is_complete=False)
    assert isinstance(reply, LearnReply) and reply.data == WEIGHTS and not reply.is_complete
    # It is no complete result, so the same request goes on learning.
    bench.send(ANNA, learn("b"))
    assert len(bench.pool.learnt) == 2


def test_a_job_that_is_cancelled_before_it_gained_fails(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    [job] = bench.pool.learnt
    bench.send(ANNA, Cancel(id="c", target="a"))
    bench.pool.states[0].learning = 0
    failed = SolveFailed(number=job.number, code="cancelled", message="The matte was cancelled.")
    [(_, failure)] = bench.service.worker_event(failed)
    assert isinstance(failure, Failure) and failure.code == "cancelled" and "before anything" in failure.message
    assert bench.service.state()["frames"]["failed"] == 0


def test_a_job_that_waits_is_cancelled_at_once(bench: ServiceBench) -> None:
    bench.pool.states[0].ready = False
    bench.send(ANNA, learn("a"))
    assert code_of(bench.send(ANNA, Cancel(id="c", target="a"))) == "cancelled"
    assert bench.service.state()["learning"] == []


def test_a_job_that_another_client_wants_is_not_stopped(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    bench.send(BEN, learn("b"))
    assert code_of(bench.send(ANNA, Cancel(id="c", target="a"))) == "cancelled"
    assert bench.pool.cancelled == []
    assert [to for to, _ in end(bench, bench.pool.learnt[0])] == [BEN]


def test_who_joins_a_job_that_is_being_stopped_gets_it_whole(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    [job] = bench.pool.learnt
    bench.send(ANNA, Cancel(id="c", target="a"))
    bench.send(BEN, learn("b"))
    answers = end(bench, job, is_complete=False)
    assert [(to, type(message)) for to, message in answers] == [(ANNA, LearnReply), (BEN, Progress)]
    assert len(bench.pool.learnt) == 2
    [(to, reply)] = end(bench, bench.pool.learnt[1])
    assert to == BEN and isinstance(reply, LearnReply) and reply.is_complete


def test_a_cancel_of_another_client_changes_nothing(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    assert bench.send(BEN, Cancel(id="c", target="a")) == [] and bench.pool.cancelled == []


@pytest.mark.parametrize("is_cancelled_first", [True, False])
def test_a_cancel_around_the_death_of_its_worker_says_both(bench: ServiceBench, is_cancelled_first: bool) -> None:
    bench.send(ANNA, learn("a"))
    [job] = bench.pool.learnt
    list(bench.service.worker_event(step(job, 7)))
    # No other worker is free at once.
    bench.pool.states[0].ready = False
    if is_cancelled_first:
        assert bench.send(ANNA, Cancel(id="c", target="a")) == []
        answers = [message for _, message in die(bench, job)]
    else:
        die(bench, job)
        answers = bench.send(ANNA, Cancel(id="c", target="a"))
    assert code_of(answers) == "cancelled"
    [answer] = answers
    assert isinstance(answer, Failure) and "cancelled, and the process that learned has died" in answer.message
    assert "last checkpoint" in answer.hint and bench.service.state()["errors"] == []


def test_a_job_whose_worker_died_goes_on_and_says_so(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    [job] = bench.pool.learnt
    list(bench.service.worker_event(step(job, 7)))
    told = [message for _, message in die(bench, job)]
    assert isinstance(told[0], LearnProgress) and "died and is replaced. It was killed." in told[0].message
    assert [again.number for again in bench.pool.learnt] == [job.number, job.number]
    [(_, resumed)] = bench.service.worker_event(step(job, 5, is_resumed=True))
    assert isinstance(resumed, LearnProgress) and resumed.message == "A new process goes on from step 5."
    # It comes no further than before: it fails, so that it cannot kill one worker after another.
    [(_, failure)] = die(bench, job)
    assert isinstance(failure, Failure) and failure.code == "worker_died" and "that learned died" in failure.message
    [error] = bench.service.state()["errors"]
    assert (error["code"], error["message"]) == ("worker_died", failure.message)


def test_a_job_that_dies_twice_before_its_first_step_is_given_up(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    [job] = bench.pool.learnt
    assert not [message for _, message in die(bench, job) if isinstance(message, Failure)]
    [(_, failure)] = die(bench, job)
    assert isinstance(failure, Failure) and failure.code == "worker_died"


def test_a_job_that_gets_further_each_time_is_never_given_up(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    [job] = bench.pool.learnt
    for number in (3, 8, 15):
        list(bench.service.worker_event(step(job, number)))
        assert not [message for _, message in die(bench, job) if isinstance(message, Failure)]
    assert len(bench.pool.learnt) == 4


def test_a_job_of_an_earlier_server_says_where_it_goes_on(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    [(_, progress)] = bench.service.worker_event(step(bench.pool.learnt[0], 12, is_resumed=True))
    assert isinstance(progress, LearnProgress) and "from step 12, where it was interrupted" in progress.message


def test_one_job_runs_on_a_device_at_a_time(bench: ServiceBench) -> None:
    bench.pool.states = [
        WorkerState(device="cuda:0", ready=True),
        WorkerState(device="cuda:0", ready=True),
        WorkerState(device="cuda:1", ready=True),
    ]
    for number in range(3):
        bench.send(ANNA, learn(f"a{number}", plate=b"plate %d" % number))
    assert [state.learning != 0 for state in bench.pool.states] == [True, False, True]
    assert len(bench.pool.learnt) == 2
    end(bench, bench.pool.learnt[0])
    assert len(bench.pool.learnt) == 3


def test_a_worker_that_learns_still_takes_frames_but_others_are_asked_first(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    bench.send(BEN, matte("b"))
    assert [job.request.id for job in bench.pool.jobs] == ["b"]


def test_learning_begins_although_frames_never_end(bench: ServiceBench) -> None:
    bench.send(BEN, matte("b1"))
    bench.send(BEN, matte("b2"))
    bench.send(ANNA, learn("a"))
    assert bench.pool.learnt == []
    bench.finish()
    assert len(bench.pool.learnt) == 1 and len(bench.pool.jobs) == 2


def test_pictures_that_are_not_there_are_named(bench: ServiceBench) -> None:
    lacking = LearnFrame(frame=-4, plate=Digest("0a" * 32), clean_plate=Inline(b"clean"))
    [failure] = bench.send(ANNA, learn("a", frames=(lacking,)))
    assert isinstance(failure, Failure) and failure.code == "-4_plate_unknown"
    assert failure.message == "The server does not hold the plate of frame -4."


def test_more_than_a_server_keeps_for_learning_is_refused_in_words(bench: ServiceBench) -> None:
    # Half of the store of 400 bytes.
    [failure] = bench.send(ANNA, learn("a", plate=b"x" * 250))
    assert isinstance(failure, Failure) and failure.code == "too_large" and "for learning" in failure.message
    bench.send(ANNA, learn("b", plate=b"y" * 150))
    assert code_of(bench.send(ANNA, learn("c", plate=b"z" * 150))) == "busy"
    assert len(bench.pool.learnt) == 1


def test_a_server_whose_workers_do_not_start_says_so(bench: ServiceBench) -> None:
    bench.send(ANNA, learn("a"))
    bench.pool.states = [WorkerState(device="cpu", failed_starts=3, last_exit_reason="No device.")]
    [_, (_, failure)] = die(bench, bench.pool.learnt[0])
    assert isinstance(failure, Failure) and failure.code == "no_worker"
    assert code_of(bench.send(ANNA, learn("b"))) == "no_worker"


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 30},
        {"seed": 2},
        {"options": MatteOptions(align="none")},
        {"options": MatteOptions(weights="v2.pth")},
        {"weights": Digest("0b" * 32)},
        {"hints": {"colourspace": "acescg"}},
        {"view": "left"},
        {"frames": (LearnFrame(frame=1, plate=Digest("0a" * 32), clean_plate=Digest("0a" * 32)),)},
        {"frames": (LearnFrame(frame=2, plate=Digest("0a" * 32), clean_plate=Digest("0b" * 32)),)},
        {
            "frames": (
                LearnFrame(
                    frame=1, plate=Digest("0a" * 32), clean_plate=Digest("0b" * 32), alignment={"kind": "none"}
                ),
            )
        },
    ],
)
def test_a_job_is_another_one_where_its_result_would_be(changes: dict[str, object]) -> None:
    frame = LearnFrame(frame=1, plate=Digest("0a" * 32), clean_plate=Digest("0b" * 32))
    own = Learn(id="a", frames=(frame,))
    assert key_of(replace(own, **changes), "1") != key_of(own, "1")  # type: ignore[arg-type]


def test_a_job_is_the_same_whoever_wants_it_and_with_which_edges() -> None:
    frame = LearnFrame(frame=1, plate=Digest("0a" * 32), clean_plate=Digest("0b" * 32))
    own = Learn(id="a", frames=(frame,))
    other = replace(own, id="b", shot="sh020", hints={"host": "nuke"}, options=MatteOptions(erode=2.0))
    assert key_of(own, "1") == key_of(other, "1") != key_of(own, "2")
