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
from matte_server.server.limits import ServiceLimits
from matte_server.server.service import Service
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
    """Workers that a test moves by hand: one, unless the test adds some."""

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
    """A service on a hand-moved pool, with a clock of its own."""

    def __init__(self, folder: Path, limits: ServiceLimits) -> None:
        self.pool = HandPool()
        self.spool = Spool(limits.spool, folder)
        self.now = 0.0
        self.unsent: dict[Client, int] = {}
        self.service = Service(
            self.pool, self.spool, limits, lambda client: self.unsent.get(client, 0), lambda: self.now
        )

    def send(self, client: Client, message: Message) -> list[Message]:
        """The replies to this client."""
        return [reply for to, reply in self.service.receive(client, message) if to == client]

    def finish(self, result: bytes = b"exr") -> list[tuple[Client, Message]]:
        """The worker finishes its frame."""
        job = self.pool.jobs[-1]
        (self.spool.folder / job.result).write_bytes(result)
        self.pool.states[0].job = 0
        return list(self.service.worker_event(FrameFinished(job.number, "", {"n": 1})))

    def files(self) -> int:
        return len(list(self.spool.folder.iterdir()))


LIMITS = ServiceLimits(frames_per_client=3, frames=5, clients=2, spool=1000, store=400, unsent=100, replies=50)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ServiceBench]:
    made = ServiceBench(tmp_path, LIMITS)
    yield made
    made.spool.close()


def matte(name: str, plate: bytes = b"plate", clean: bytes = b"clean") -> Matte:
    return Matte(name, 1, Inline(plate, "p.exr"), Inline(clean, "c.exr"))


def test_a_frame_from_request_to_reply(bench: ServiceBench) -> None:
    assert bench.send(ANNA, matte("a")) == [Accepted("a"), Progress("a", "start", 0, 1)]
    job = bench.pool.jobs[0]
    assert Path(job.pictures["plate"].path).read_bytes() == b"plate"
    assert list(bench.service.worker_event(StageStarted(job.number, "align", 1, 7))) == [
        (ANNA, Progress("a", "align", 1, 7))
    ]
    [(to, reply)] = bench.finish()
    assert to == ANNA and isinstance(reply, MatteReply)
    assert (reply.id, bytes(reply.data), reply.diagnostics) == ("a", b"exr", {"n": 1})
    assert bench.files() == 0 and bench.spool.used == 0


def test_sent_again_it_is_the_same_request(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    assert bench.send(ANNA, matte("a")) == [Accepted("a")]
    bench.finish()
    [again] = bench.send(ANNA, matte("a"))
    assert isinstance(again, MatteReply) and bytes(again.data) == b"exr"
    assert len(bench.pool.jobs) == 1


def with_neighbours(name: str, before: bytes = b"before", alignment: Mapping[str, object] | None = None) -> Matte:
    """The frame before inline, the one after by its digest."""
    around = Neighbour(Inline(before, "b.exr"), alignment=alignment or {})
    return replace(matte(name), before=around, after=Neighbour(Digest(digest_of(b"after"))))


def test_neighbours_lie_in_the_spool_while_their_frame_is_at_work(bench: ServiceBench) -> None:
    [unknown] = bench.send(ANNA, with_neighbours("a"))
    assert isinstance(unknown, Failure) and unknown.code == "after_plate_unknown"
    assert bench.files() == 0 and bench.spool.used == 0
    bench.send(ANNA, Store("s", digest_of(b"after"), b"after", "a.exr"))
    assert bench.send(ANNA, with_neighbours("a"))[0] == Accepted("a")
    job = bench.pool.jobs[0]
    assert {role: Path(picture.path).read_bytes() for role, picture in job.pictures.items()} == {
        "plate": b"plate", "clean_plate": b"clean", "before_plate": b"before", "after_plate": b"after"
    }  # fmt: skip
    assert decode_job(encode_job(job)) == job
    bench.finish()
    # The stored picture stays, as a clean plate does.
    assert bench.files() == 1


@pytest.mark.parametrize(
    "other",
    [
        with_neighbours("a", before=b"another"),
        with_neighbours("a", alignment={"kind": "none"}),
        replace(with_neighbours("a"), after=None),
    ],
)
def test_other_neighbours_are_other_content(bench: ServiceBench, other: Matte) -> None:
    bench.send(ANNA, Store("s", digest_of(b"after"), b"after", "a.exr"))
    bench.send(ANNA, with_neighbours("a"))
    assert bench.send(ANNA, with_neighbours("a")) == [Accepted("a")]
    [answer] = bench.send(ANNA, other)
    assert isinstance(answer, Failure) and answer.code == "id_reused"


def test_an_old_answer_is_forgotten_and_computed_again(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.finish()
    bench.now = 61.0
    list(bench.service.tick())
    assert bench.send(ANNA, matte("a"))[0] == Accepted("a")
    assert len(bench.pool.jobs) == 2


def test_answers_are_remembered_within_a_budget(bench: ServiceBench) -> None:
    for name in ("a", "b"):
        bench.send(ANNA, matte(name))
        bench.finish(b"x" * 40)
    assert isinstance(bench.send(ANNA, matte("b"))[0], MatteReply)
    assert bench.send(ANNA, matte("a"))[0] == Accepted("a")


@pytest.mark.parametrize(
    "other",
    [matte("a", plate=b"other"), matte("a", clean=b"other"), Matte("a", 2, Inline(b"plate"), Inline(b"clean"))],
)
def test_an_id_is_not_used_for_something_else(bench: ServiceBench, other: Matte) -> None:
    bench.send(ANNA, matte("a"))
    for _ in range(2):
        [answer] = bench.send(ANNA, other)
        assert isinstance(answer, Failure) and answer.code == "id_reused"
        bench.finish()


def test_ids_belong_to_their_client(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    assert bench.send(BEN, matte("a", plate=b"other")) == [Accepted("a", 0)]
    assert bench.send(BEN, Cancel("c", "a"))[0].id == "a"
    assert [to for to, _ in bench.finish()] == [ANNA]


def test_an_id_of_another_client_cannot_be_cancelled(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, matte("b"))
    for name in "ab":
        assert list(bench.service.receive(BEN, Cancel(id="c", target=name))) == []
    assert bench.pool.cancelled == []
    assert [(to, type(message)) for to, message in bench.finish()] == [(ANNA, MatteReply), (ANNA, Progress)]


def test_limits_answer_busy(bench: ServiceBench) -> None:
    for name in "abc":
        assert bench.send(ANNA, matte(name))[0] == Accepted(name, max(0, "abc".index(name) - 1))
    assert _code(bench.send(ANNA, matte("d"))) == "busy"
    bench.send(BEN, matte("a"))
    assert _code(bench.send(b"carl", matte("a"))) == "busy"
    bench.send(BEN, matte("b"))
    assert _code(bench.send(BEN, matte("c"))) == "busy"
    bench.finish()
    assert bench.send(BEN, matte("c"))[0] == Accepted("c", 3)


def test_a_picture_beyond_the_room_is_refused_and_leaves_nothing(bench: ServiceBench) -> None:
    assert _code(bench.send(ANNA, matte("a", plate=b"x" * 1001))) == "busy"
    assert bench.files() == 0


def _code(answers: list[Message]) -> str:
    [answer] = answers
    assert isinstance(answer, Failure)
    return answer.code


def test_a_stored_clean_plate_is_used_and_makes_room(bench: ServiceBench) -> None:
    clean = b"c" * 300
    digest = digest_of(clean)
    assert bench.send(ANNA, Store("s", digest, clean)) == [Stored("s", digest)]
    assert bench.send(ANNA, Matte("a", 1, Inline(b"p"), Digest(digest)))[0] == Accepted("a")
    other = b"d" * 300
    # The first is in use, so there is no room; after the frame it gives way.
    assert _code(bench.send(BEN, Store("s", digest_of(other), other))) == "busy"
    bench.finish()
    assert bench.send(BEN, Store("s", digest_of(other), other)) == [Stored("s", digest_of(other))]
    assert _code(bench.send(ANNA, Matte("b", 1, Inline(b"p"), Digest(digest)))) == "clean_plate_unknown"
    assert bench.files() == 1 and bench.spool.used == 300


def test_a_store_without_data_only_asks(bench: ServiceBench) -> None:
    clean = b"c" * 300
    question = Store("q", digest_of(clean), b"")
    assert _code(bench.send(ANNA, question)) == "clean_plate_unknown"
    bench.send(ANNA, Store("s", digest_of(clean), clean))
    assert bench.send(BEN, question) == [Stored("q", digest_of(clean))]
    # The question is neither an error nor a refusal, and only the bytes that were sent count as received.
    state = bench.service.state()
    assert (state["errors"], state["frames"]["refused"], state["bytes"]["in"]) == ([], 0, 300)


def test_the_next_frame_starts_while_one_is_written(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, matte("b"))
    first, state = bench.pool.jobs[-1], bench.pool.states[0]
    # As the pool does at FrameComputed.
    state.job = 0
    assert [type(message) for _, message in bench.service.worker_event(FrameComputed(first.number))] == [Progress]
    assert [job.request.id for job in bench.pool.jobs] == ["a", "b"]
    (bench.spool.folder / first.result).write_bytes(b"exr")
    [(_, answer)] = bench.service.worker_event(FrameFinished(first.number, "", {}))
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
        bench.service.worker_event(WorkerExited(second.number, "worker_died", "It crashed.", (first.number,)))
    )
    # The one that was being computed fails; the one that was being written starts again.
    assert [(message.id, type(message)) for _, message in sent] == [("b", Failure), ("a", Progress)]
    state.job = 0
    [(_, answer)] = bench.service.worker_event(WorkerExited(0, "worker_died", "It crashed.", (first.number,)))
    assert isinstance(answer, Failure) and (answer.id, answer.code) == ("a", "worker_died")
    assert bench.files() == 0


def test_an_unknown_guide_releases_what_was_taken(bench: ServiceBench) -> None:
    request = Matte("a", 1, Inline(b"p"), Inline(b"c"), core=Digest("0" * 64))
    assert _code(bench.send(ANNA, request)) == "core_unknown"
    assert bench.files() == 0 and bench.spool.used == 0


def test_cancelling_a_running_frame_answers_at_once_and_waits_for_the_worker(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    assert _code(bench.send(ANNA, Cancel("c", "a"))) == "cancelled"
    assert bench.pool.cancelled == [1]
    assert bench.send(ANNA, matte("b")) == [Accepted("b", 0)]
    assert [type(message) for _, message in bench.finish()] == [Progress]
    assert bench.pool.jobs[-1].request.id == "b"


def test_cancelling_what_is_unknown_says_nothing(bench: ServiceBench) -> None:
    assert bench.send(ANNA, Cancel("c", "nothing")) == []


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (WorkerExited(1, "worker_died", "It was killed."), "worker_died"),
        (WorkerExited(1, "worker_hung", "It hung."), "worker_hung"),
        (SolveFailed(1, "not_finite", "There are NaNs."), "not_finite"),
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


def test_a_lost_client_frees_its_place(bench: ServiceBench) -> None:
    for name in "abc":
        bench.send(ANNA, matte(name))
    bench.send(BEN, matte("b"))
    list(bench.service.client_lost(ANNA))
    # The one that was computed, and the one that was read ahead of its turn.
    assert bench.pool.cancelled == [1, 2]
    assert [(to, message.id) for to, message in bench.finish()] == [(BEN, "b")]
    assert bench.service.state()["clients"] == 1


def test_a_client_that_fetches_nothing_waits_while_others_go_on(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    bench.send(ANNA, matte("b"))
    bench.send(BEN, matte("b"))
    bench.unsent[ANNA] = 100
    bench.finish()
    assert bench.pool.jobs[-1].request.id == "b" and bench.service.state()["queue"]["interactive"] == 1
    assert [to for to, _ in bench.finish()] == [BEN]
    assert len(bench.pool.jobs) == 2
    bench.unsent[ANNA] = 0
    assert [(to, message.id) for to, message in bench.service.tick()] == [(ANNA, "b")]


def test_a_reply_is_refused_as_a_request(bench: ServiceBench) -> None:
    assert _code(bench.send(ANNA, Accepted("a"))) == "protocol"


def test_a_frame_that_runs_out_of_memory_is_computed_again_alone_and_says_so(bench: ServiceBench) -> None:
    bench.pool.states.append(WorkerState("cpu", ready=True))
    bench.send(ANNA, matte("big"))
    bench.send(BEN, matte("small"))
    bench.send(BEN, matte("next"))
    big, small = bench.pool.jobs
    bench.pool.states[0].job = 0
    # It waits until the other frame has ended, and no frame overtakes it.
    [(to, progress)] = bench.service.worker_event(SolveFailed(big.number, "out_of_memory", "No room."))
    assert (to, progress) == (ANNA, Progress("big", "memory", 0, 1))
    bench.pool.states[1].job = 0
    (bench.spool.folder / small.result).write_bytes(b"exr")
    list(bench.service.worker_event(FrameFinished(small.number, "", {})))
    assert [job.number for job in bench.pool.jobs] == [big.number, small.number, big.number]
    # The second worker gets nothing meanwhile.
    assert list(bench.service.tick()) == []
    bench.pool.states[0].job = 0
    (bench.spool.folder / big.result).write_bytes(b"exr")
    answers = list(bench.service.worker_event(FrameFinished(big.number, "", {"warnings": ["thin"]})))
    reply = answers[0][1]
    assert isinstance(reply, MatteReply)
    assert (
        reply.diagnostics["warnings"][0] == "thin" and "no other frame running" in reply.diagnostics["warnings"][1]
    )
    assert answers[1] == (BEN, Progress("next", "start", 0, 1))


def test_a_frame_that_runs_out_of_memory_twice_fails(bench: ServiceBench) -> None:
    bench.send(ANNA, matte("a"))
    number = bench.pool.jobs[0].number
    for _ in range(2):
        bench.pool.states[0].job = 0
        answers = list(bench.service.worker_event(SolveFailed(number, "out_of_memory", "No room.")))
    assert _code([message for _, message in answers]) == "out_of_memory"
    assert len(bench.pool.jobs) == 2 and bench.files() == 0


def test_a_frame_that_waits_for_memory_can_be_cancelled(bench: ServiceBench) -> None:
    bench.pool.states.append(WorkerState("cpu", ready=True))
    bench.send(ANNA, matte("big"))
    bench.send(BEN, matte("small"))
    bench.pool.states[0].job = 0
    list(bench.service.worker_event(SolveFailed(1, "out_of_memory", "No room.")))
    assert _code(bench.send(ANNA, Cancel("c", "big"))) == "cancelled"
    bench.pool.states[1].job = 0
    (bench.spool.folder / bench.pool.jobs[1].result).write_bytes(b"exr")
    assert [to for to, _ in bench.service.worker_event(FrameFinished(2, "", {}))] == [BEN]
    assert len(bench.pool.jobs) == 2 and bench.files() == 0


def test_frames_do_not_wait_for_workers_that_never_start(bench: ServiceBench) -> None:
    state = bench.pool.states[0]
    bench.send(ANNA, matte("a"))
    bench.send(BEN, matte("b"))
    state.ready, state.job, state.failed_starts, state.last_exit_reason = False, 99, 3, "It ended with exit code 1."
    answers = [
        message for _, message in bench.service.worker_event(WorkerExited(1, "worker_died", "It was killed."))
    ]
    assert [message.code for message in answers if isinstance(message, Failure)] == ["worker_died", "no_worker"]
    [refused] = bench.send(ANNA, matte("c"))
    assert isinstance(refused, Failure) and refused.code == "no_worker" and "exit code 1" in refused.message
    # As soon as one is ready again, frames are taken again.
    state.ready, state.job, state.failed_starts = True, 0, 0
    assert bench.send(ANNA, matte("d"))[0] == Accepted("d")


def test_the_server_knows_how_long_it_has_been_idle(bench: ServiceBench) -> None:
    bench.now = 10.0
    assert bench.service.idle_s == 10.0
    bench.send(ANNA, matte("a"))
    bench.now = 50.0
    assert bench.service.idle_s == 0.0
    bench.finish()
    bench.now = 60.0
    assert bench.service.idle_s == 10.0
