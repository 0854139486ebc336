"""The service's decisions, without sockets and processes: messages and worker events in, messages out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from matte_link.messages import (
    Accepted,
    Cancel,
    Digest,
    Failure,
    Inline,
    Matte,
    MatteReply,
    Message,
    Neighbour,
    Progress,
    Store,
    Stored,
    digest_of,
)

from matte_server.server.fair_queue import Client
from matte_server.server.service import Service, ServiceLimits
from matte_server.server.spool import Spool
from matte_server.server.worker_pool import WorkerExited, WorkerState
from matte_server.worker.messages import (
    FrameComputed,
    FrameFinished,
    FrameJob,
    SolveFailed,
    StageStarted,
    decode_job,
    encode_job,
)

ANNA, BEN = b"anna", b"ben"


class HandPool:
    """Workers, one unless a test adds some, moved by the test's hand."""

    def __init__(self) -> None:
        self.states = [WorkerState("cpu", ready=True)]
        self.models: tuple[str, ...] = ("difference",)
        self.weights: Mapping[str, str] = {"difference": ""}
        self.jobs: list[FrameJob] = []
        self.cancelled: list[int] = []
        self.ahead: list[tuple[int, FrameJob]] = []

    def idle(self) -> int | None:
        return next((index for index, state in enumerate(self.states) if state.ready and not state.job), None)

    def submit(self, worker: int, job: FrameJob) -> None:
        state = self.states[worker]
        state.job = job.number
        if state.ahead == job.number:
            state.ahead = 0
        self.jobs.append(job)

    def read_ahead(self, worker: int, job: FrameJob) -> None:
        self.states[worker].ahead = job.number
        self.ahead.append((worker, job))

    def cancel(self, number: int) -> None:
        self.cancelled.append(number)


class ServiceBench:
    """A service, its pool, and what it said."""

    def __init__(self, folder: Path, limits: ServiceLimits) -> None:
        self.pool = HandPool()
        self.spool = Spool(limits.spool, folder)
        self.now = 0.0
        self.unsent: dict[Client, int] = {}
        self.service = Service(
            self.pool, self.spool, limits, lambda client: self.unsent.get(client, 0), lambda: self.now
        )

    def say(self, client: Client, message: Message) -> list[Message]:
        """What this client hears in reply."""
        return [said for to, said in self.service.receive(client, message) if to == client]

    def end(self, result: bytes = b"exr") -> list[tuple[Client, Message]]:
        """The worker finishes its frame."""
        job = self.pool.jobs[-1]
        (self.spool.folder / job.result).write_bytes(result)
        self.pool.states[0].job = 0
        return list(self.service.worker_event(FrameFinished(job.number, "", {"n": 1})))

    def files(self) -> int:
        return len(list(self.spool.folder.iterdir()))


LIMITS = ServiceLimits(frames_per_client=3, frames=5, clients=2, spool=1000, store=400, unsent=100, replies=50)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ServiceBench]:
    made = ServiceBench(tmp_path, LIMITS)
    yield made
    made.spool.close()


def matte(name: str, plate: bytes = b"plate", clean: bytes = b"clean") -> Matte:
    return Matte(name, 1, Inline(plate, "p.exr"), Inline(clean, "c.exr"))


def test_a_frame_from_request_to_reply(desk: ServiceBench) -> None:
    assert desk.say(ANNA, matte("a")) == [Accepted("a"), Progress("a", "start", 0, 1)]
    job = desk.pool.jobs[0]
    assert Path(job.pictures["plate"].path).read_bytes() == b"plate"
    assert list(desk.service.worker_event(StageStarted(job.number, "align", 1, 7))) == [
        (ANNA, Progress("a", "align", 1, 7))
    ]
    [(to, reply)] = desk.end()
    assert to == ANNA and isinstance(reply, MatteReply)
    assert (reply.id, bytes(reply.data), reply.diagnostics) == ("a", b"exr", {"n": 1})
    assert desk.files() == 0 and desk.spool.used == 0


def test_sent_again_it_is_the_same_request(desk: ServiceBench) -> None:
    desk.say(ANNA, matte("a"))
    assert desk.say(ANNA, matte("a")) == [Accepted("a")]
    desk.end()
    [again] = desk.say(ANNA, matte("a"))
    assert isinstance(again, MatteReply) and bytes(again.data) == b"exr"
    assert len(desk.pool.jobs) == 1


def with_neighbours(name: str, before: bytes = b"before", alignment: Mapping[str, object] | None = None) -> Matte:
    """The frame before inline, the one after by its digest."""
    around = Neighbour(Inline(before, "b.exr"), alignment=alignment or {})
    return replace(matte(name), before=around, after=Neighbour(Digest(digest_of(b"after"))))


def test_neighbours_lie_in_the_spool_while_their_frame_is_at_work(desk: ServiceBench) -> None:
    [unknown] = desk.say(ANNA, with_neighbours("a"))
    assert isinstance(unknown, Failure) and unknown.code == "after_plate_unknown"
    assert desk.files() == 0 and desk.spool.used == 0
    desk.say(ANNA, Store("s", digest_of(b"after"), b"after", "a.exr"))
    assert desk.say(ANNA, with_neighbours("a"))[0] == Accepted("a")
    job = desk.pool.jobs[0]
    assert {role: Path(picture.path).read_bytes() for role, picture in job.pictures.items()} == {
        "plate": b"plate", "clean_plate": b"clean", "before_plate": b"before", "after_plate": b"after"
    }  # fmt: skip
    assert decode_job(encode_job(job)) == job
    desk.end()
    # The stored one stays, as a clean plate does.
    assert desk.files() == 1


@pytest.mark.parametrize(
    "other",
    [
        with_neighbours("a", before=b"another"),
        with_neighbours("a", alignment={"kind": "none"}),
        replace(with_neighbours("a"), after=None),
    ],
)
def test_other_neighbours_are_other_content(desk: ServiceBench, other: Matte) -> None:
    desk.say(ANNA, Store("s", digest_of(b"after"), b"after", "a.exr"))
    desk.say(ANNA, with_neighbours("a"))
    assert desk.say(ANNA, with_neighbours("a")) == [Accepted("a")]
    [answer] = desk.say(ANNA, other)
    assert isinstance(answer, Failure) and answer.code == "id_reused"


def test_an_old_answer_is_forgotten_and_computed_again(desk: ServiceBench) -> None:
    desk.say(ANNA, matte("a"))
    desk.end()
    desk.now = 61.0
    list(desk.service.tick())
    assert desk.say(ANNA, matte("a"))[0] == Accepted("a")
    assert len(desk.pool.jobs) == 2


def test_answers_are_remembered_within_a_budget(desk: ServiceBench) -> None:
    for name in ("a", "b"):
        desk.say(ANNA, matte(name))
        desk.end(b"x" * 40)
    assert isinstance(desk.say(ANNA, matte("b"))[0], MatteReply)
    assert desk.say(ANNA, matte("a"))[0] == Accepted("a")


@pytest.mark.parametrize(
    "other",
    [matte("a", plate=b"other"), matte("a", clean=b"other"), Matte("a", 2, Inline(b"plate"), Inline(b"clean"))],
)
def test_an_id_is_not_used_for_something_else(desk: ServiceBench, other: Matte) -> None:
    desk.say(ANNA, matte("a"))
    for _ in range(2):
        [answer] = desk.say(ANNA, other)
        assert isinstance(answer, Failure) and answer.code == "id_reused"
        desk.end()


def test_ids_belong_to_their_client(desk: ServiceBench) -> None:
    desk.say(ANNA, matte("a"))
    assert desk.say(BEN, matte("a", plate=b"other")) == [Accepted("a", 0)]
    assert desk.say(BEN, Cancel("c", "a"))[0].id == "a"
    assert [to for to, _ in desk.end()] == [ANNA]


def test_limits_answer_busy(desk: ServiceBench) -> None:
    for name in "abc":
        assert desk.say(ANNA, matte(name))[0] == Accepted(name, max(0, "abc".index(name) - 1))
    assert _code(desk.say(ANNA, matte("d"))) == "busy"
    desk.say(BEN, matte("a"))
    assert _code(desk.say(b"carl", matte("a"))) == "busy"
    desk.say(BEN, matte("b"))
    assert _code(desk.say(BEN, matte("c"))) == "busy"
    desk.end()
    assert desk.say(BEN, matte("c"))[0] == Accepted("c", 3)


def test_a_picture_beyond_the_room_is_refused_and_leaves_nothing(desk: ServiceBench) -> None:
    assert _code(desk.say(ANNA, matte("a", plate=b"x" * 1001))) == "busy"
    assert desk.files() == 0


def _code(answers: list[Message]) -> str:
    [answer] = answers
    assert isinstance(answer, Failure)
    return answer.code


def test_a_stored_clean_plate_is_used_and_makes_room(desk: ServiceBench) -> None:
    clean = b"c" * 300
    digest = digest_of(clean)
    assert desk.say(ANNA, Store("s", digest, clean)) == [Stored("s", digest)]
    assert desk.say(ANNA, Matte("a", 1, Inline(b"p"), Digest(digest)))[0] == Accepted("a")
    other = b"d" * 300
    # The first is in use, so there is no room; after the frame it gives way.
    assert _code(desk.say(BEN, Store("s", digest_of(other), other))) == "busy"
    desk.end()
    assert desk.say(BEN, Store("s", digest_of(other), other)) == [Stored("s", digest_of(other))]
    assert _code(desk.say(ANNA, Matte("b", 1, Inline(b"p"), Digest(digest)))) == "clean_plate_unknown"
    assert desk.files() == 1 and desk.spool.used == 300


def test_a_store_without_data_only_asks(desk: ServiceBench) -> None:
    clean = b"c" * 300
    question = Store("q", digest_of(clean), b"")
    assert _code(desk.say(ANNA, question)) == "clean_plate_unknown"
    desk.say(ANNA, Store("s", digest_of(clean), clean))
    assert desk.say(BEN, question) == [Stored("q", digest_of(clean))]
    # Nothing went wrong, so nobody is told that it did; and only what was sent counts as received.
    state = desk.service.state()
    assert (state["errors"], state["frames"]["refused"], state["bytes"]["in"]) == ([], 0, 300)


def test_the_next_frame_starts_while_one_is_written(desk: ServiceBench) -> None:
    desk.say(ANNA, matte("a"))
    desk.say(ANNA, matte("b"))
    first, state = desk.pool.jobs[-1], desk.pool.states[0]
    # As the pool does when its worker says Computed.
    state.job = 0
    assert [type(message) for _, message in desk.service.worker_event(FrameComputed(first.number))] == [Progress]
    assert [job.request.id for job in desk.pool.jobs] == ["a", "b"]
    (desk.spool.folder / first.result).write_bytes(b"exr")
    [(_, answer)] = desk.service.worker_event(FrameFinished(first.number, "", {}))
    assert isinstance(answer, MatteReply) and answer.id == "a"


def test_a_frame_that_is_lost_in_writing_is_computed_once_more(desk: ServiceBench) -> None:
    desk.say(ANNA, matte("a"))
    desk.say(ANNA, matte("b"))
    first, state = desk.pool.jobs[-1], desk.pool.states[0]
    state.job = 0
    list(desk.service.worker_event(FrameComputed(first.number)))
    second = desk.pool.jobs[-1]
    state.job = 0
    said = list(
        desk.service.worker_event(WorkerExited(second.number, "worker_died", "It crashed.", (first.number,)))
    )
    # Only the one that was computed is to blame; the other one starts again, and nobody is bothered with it.
    assert [(message.id, type(message)) for _, message in said] == [("b", Failure), ("a", Progress)]
    state.job = 0
    [(_, answer)] = desk.service.worker_event(WorkerExited(0, "worker_died", "It crashed.", (first.number,)))
    assert isinstance(answer, Failure) and (answer.id, answer.code) == ("a", "worker_died")
    assert desk.files() == 0


def test_an_unknown_guide_releases_what_was_taken(desk: ServiceBench) -> None:
    request = Matte("a", 1, Inline(b"p"), Inline(b"c"), core=Digest("0" * 64))
    assert _code(desk.say(ANNA, request)) == "core_unknown"
    assert desk.files() == 0 and desk.spool.used == 0


def test_cancelling_a_running_frame_answers_at_once_and_waits_for_the_worker(desk: ServiceBench) -> None:
    desk.say(ANNA, matte("a"))
    assert _code(desk.say(ANNA, Cancel("c", "a"))) == "cancelled"
    assert desk.pool.cancelled == [1]
    assert desk.say(ANNA, matte("b")) == [Accepted("b", 0)]
    assert [type(message) for _, message in desk.end()] == [Progress]
    assert desk.pool.jobs[-1].request.id == "b"


def test_cancelling_what_is_unknown_says_nothing(desk: ServiceBench) -> None:
    assert desk.say(ANNA, Cancel("c", "nothing")) == []


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (WorkerExited(1, "worker_died", "It was killed."), "worker_died"),
        (WorkerExited(1, "worker_hung", "It hung."), "worker_hung"),
        (SolveFailed(1, "not_finite", "There are NaNs."), "not_finite"),
    ],
)
def test_a_frame_that_fails_has_a_code_and_leaves_nothing(
    desk: ServiceBench, end: WorkerExited | SolveFailed, code: str
) -> None:
    desk.say(ANNA, matte("a"))
    half = desk.spool.folder / ".result-1.12ab34cd.tmp.exr"
    half.write_bytes(b"half-written")
    desk.pool.states[0].job = 0
    [(_, answer)] = desk.service.worker_event(end)
    assert isinstance(answer, Failure) and answer.code == code
    assert desk.files() == 0
    assert desk.service.state()["errors"][-1]["code"] == code


def test_a_lost_client_frees_its_place(desk: ServiceBench) -> None:
    for name in "abc":
        desk.say(ANNA, matte(name))
    desk.say(BEN, matte("b"))
    list(desk.service.client_lost(ANNA))
    # The one that was computed, and the one that was read ahead of its turn.
    assert desk.pool.cancelled == [1, 2]
    assert [(to, message.id) for to, message in desk.end()] == [(BEN, "b")]
    assert desk.service.state()["clients"] == 1


def test_who_does_not_fetch_waits_while_others_go_on(desk: ServiceBench) -> None:
    desk.say(ANNA, matte("a"))
    desk.say(ANNA, matte("b"))
    desk.say(BEN, matte("b"))
    desk.unsent[ANNA] = 100
    desk.end()
    assert desk.pool.jobs[-1].request.id == "b" and desk.service.state()["queue"]["interactive"] == 1
    assert [to for to, _ in desk.end()] == [BEN]
    assert len(desk.pool.jobs) == 2
    desk.unsent[ANNA] = 0
    assert [(to, message.id) for to, message in desk.service.tick()] == [(ANNA, "b")]


def test_a_reply_is_no_request(desk: ServiceBench) -> None:
    assert _code(desk.say(ANNA, Accepted("a"))) == "protocol"


def test_a_frame_without_memory_runs_again_alone_and_says_so(desk: ServiceBench) -> None:
    desk.pool.states.append(WorkerState("cpu", ready=True))
    desk.say(ANNA, matte("big"))
    desk.say(BEN, matte("small"))
    desk.say(BEN, matte("next"))
    big, small = desk.pool.jobs
    desk.pool.states[0].job = 0
    # While another frame is under way it waits, and nobody overtakes it.
    [(to, said)] = desk.service.worker_event(SolveFailed(big.number, "out_of_memory", "No room."))
    assert (to, said) == (ANNA, Progress("big", "memory", 0, 1))
    desk.pool.states[1].job = 0
    (desk.spool.folder / small.result).write_bytes(b"exr")
    list(desk.service.worker_event(FrameFinished(small.number, "", {})))
    assert [job.number for job in desk.pool.jobs] == [big.number, small.number, big.number]
    # Alone means alone: the second worker gets nothing meanwhile.
    assert list(desk.service.tick()) == []
    desk.pool.states[0].job = 0
    (desk.spool.folder / big.result).write_bytes(b"exr")
    answers = list(desk.service.worker_event(FrameFinished(big.number, "", {"warnings": ["thin"]})))
    reply = answers[0][1]
    assert isinstance(reply, MatteReply)
    assert reply.diagnostics["warnings"][0] == "thin" and "no other one" in reply.diagnostics["warnings"][1]
    assert answers[1] == (BEN, Progress("next", "start", 0, 1))


def test_a_frame_without_memory_twice_fails(desk: ServiceBench) -> None:
    desk.say(ANNA, matte("a"))
    number = desk.pool.jobs[0].number
    for _ in range(2):
        desk.pool.states[0].job = 0
        answers = list(desk.service.worker_event(SolveFailed(number, "out_of_memory", "No room.")))
    assert _code([message for _, message in answers]) == "out_of_memory"
    assert len(desk.pool.jobs) == 2 and desk.files() == 0


def test_a_frame_that_waits_for_memory_can_be_cancelled(desk: ServiceBench) -> None:
    desk.pool.states.append(WorkerState("cpu", ready=True))
    desk.say(ANNA, matte("big"))
    desk.say(BEN, matte("small"))
    desk.pool.states[0].job = 0
    list(desk.service.worker_event(SolveFailed(1, "out_of_memory", "No room.")))
    assert _code(desk.say(ANNA, Cancel("c", "big"))) == "cancelled"
    desk.pool.states[1].job = 0
    (desk.spool.folder / desk.pool.jobs[1].result).write_bytes(b"exr")
    assert [to for to, _ in desk.service.worker_event(FrameFinished(2, "", {}))] == [BEN]
    assert len(desk.pool.jobs) == 2 and desk.files() == 0


def test_frames_do_not_wait_for_workers_that_never_start(desk: ServiceBench) -> None:
    state = desk.pool.states[0]
    desk.say(ANNA, matte("a"))
    desk.say(BEN, matte("b"))
    state.ready, state.job, state.failed_starts, state.last_words = False, 99, 3, "It ended with exit code 1."
    answers = [
        message for _, message in desk.service.worker_event(WorkerExited(1, "worker_died", "It was killed."))
    ]
    assert [message.code for message in answers if isinstance(message, Failure)] == ["worker_died", "no_worker"]
    [refused] = desk.say(ANNA, matte("c"))
    assert isinstance(refused, Failure) and refused.code == "no_worker" and "exit code 1" in refused.message
    # As soon as one is ready again, frames are taken again.
    state.ready, state.job, state.failed_starts = True, 0, 0
    assert desk.say(ANNA, matte("d"))[0] == Accepted("d")


def test_the_server_knows_how_long_it_has_been_idle(desk: ServiceBench) -> None:
    desk.now = 10.0
    assert desk.service.idle_s == 10.0
    desk.say(ANNA, matte("a"))
    desk.now = 50.0
    assert desk.service.idle_s == 0.0
    desk.end()
    desk.now = 60.0
    assert desk.service.idle_s == 10.0
