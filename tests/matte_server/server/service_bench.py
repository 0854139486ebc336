"""A service on workers that the test moves by hand, for tests without sockets and processes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matte_link.messages import (
    Failure,
    Inline,
    Matte,
    Message,
)

from matte_server.server.fair_queue import Client
from matte_server.server.limits import ServiceLimits
from matte_server.server.service import Service
from matte_server.server.spool import Spool
from matte_server.server.worker_pool import WorkerState
from matte_server.worker.messages import (
    FrameFinished,
    FrameJob,
    LearningJob,
)

ANNA, BEN = b"anna", b"ben"


class HandPool:
    """Workers that a test moves by hand: one, unless the test adds some."""

    def __init__(self) -> None:
        self.states = [WorkerState(device="cpu", ready=True)]
        self.models: tuple[str, ...] = ("difference",)
        self.weights: Mapping[str, str] = {"difference": ""}
        self.jobs: list[FrameJob] = []
        self.cancelled: list[int] = []
        self.learnt: list[LearningJob] = []
        self.ahead: list[tuple[int, FrameJob]] = []

    def idle(self) -> int | None:
        return next((index for index, state in enumerate(self.states) if state.ready and not state.job), None)

    def submit(self, worker: int, job: FrameJob) -> None:
        state = self.states[worker]
        state.job = job.number
        for each in self.states:
            if each.ahead == job.number:
                each.ahead = 0
        self.jobs.append(job)

    def read_ahead(self, worker: int, job: FrameJob) -> None:
        self.states[worker].ahead = job.number
        self.ahead.append((worker, job))

    def learn(self, worker: int, job: LearningJob) -> None:
        self.states[worker].learning = job.number
        self.learnt.append(job)

    def cancel(self, number: int) -> None:
        self.cancelled.append(number)


class ServiceBench:
    """A service on a hand-moved pool, with a clock of its own."""

    def __init__(self, folder: Path, limits: ServiceLimits) -> None:
        self.pool = HandPool()
        self.spool = Spool(limits.spool, folder)
        self.now = 0.0
        self.unsent: dict[Client, int] = {}
        self.owners: dict[Client, Client] = {}
        """The keys that clients' names belong to."""
        self.service = Service(
            self.pool,
            self.spool,
            limits,
            lambda client: self.unsent.get(client, 0),
            lambda: self.now,
            owner_of=lambda client: self.owners.get(client, client),
        )

    def send(self, client: Client, message: Message) -> list[Message]:
        """The replies to this client."""
        return [reply for to, reply in self.service.receive(client, message) if to == client]

    def finish(self, result: bytes = b"exr") -> list[tuple[Client, Message]]:
        """The worker finishes its frame."""
        job = self.pool.jobs[-1]
        (self.spool.folder / job.result).write_bytes(result)
        self.pool.states[0].job = 0
        return list(self.service.worker_event(FrameFinished(number=job.number, output="", diagnostics={"n": 1})))

    def files(self) -> int:
        return len(list(self.spool.folder.iterdir()))


LIMITS = ServiceLimits(frames_per_client=3, frames=5, clients=2, spool=1000, store=400, unsent=100, replies=50)


def matte(name: str, plate: bytes = b"plate", clean: bytes = b"clean") -> Matte:
    return Matte(
        id=name, frame=1, plate=Inline(data=plate, name="p.exr"), clean_plate=Inline(data=clean, name="c.exr")
    )


def code_of(answers: list[Message]) -> str:
    [answer] = answers
    assert isinstance(answer, Failure)
    return answer.code
