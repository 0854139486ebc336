"""Decides about learning: who waits for which job, which worker learns, what a job's end means. Owns no socket.

The rules:

* A job is known by what it learns from, not by its client. The same request again, by whichever client, joins the
  job that runs, goes on from its checkpoint, or gets its result.
* What is kept is not sent to a client that does not fetch it. At most some hundreds wait for a job, and one owner,
  under however many names, for half of the jobs.
* A job goes on when its clients leave. It stops when the last client that waits for it cancels it, and answers with
  the best so far.
* Jobs that somebody waits for go first. Where there is no room for another one, the oldest that nobody waits for
  gives way, unless it runs; its checkpoint stays.
* One job runs on a device at a time. Frames are computed between its steps: see ``worker/learning_turn.py``.
* A job whose worker died goes on from its checkpoint on the next worker. If it then gets no further than before, it
  fails.
* Its pictures stay in the store while it runs. All jobs together may take half of the store.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from matte_link.messages import (
    Accepted,
    Digest,
    Inline,
    Learn,
    Message,
    OnDisk,
    Progress,
    digest_of,
)
from matte_link.roles import sources_of, with_sources

from ..errors import ErrorReport, MatteError, report_of
from ..worker.messages import (
    FramePrepared,
    LearningEnded,
    LearningJob,
    SolveFailed,
    SpooledPicture,
    StepTaken,
    WorkerMessage,
    role_in_words,
)
from .admission import Admission
from .fair_queue import Client
from .learning_messages import progress_of, resumed_sentence
from .learning_shelf import LearningShelf, key_of
from .status_figures import ServerStatistics
from .structured_log import log_event
from .worker_failures import (
    LEARNING_CANCELLED,
    LEARNING_CANCELLED_AND_DIED,
    LEARNING_OTHERS_WANT_IT,
    exit_report,
    failure,
    no_worker_report,
)
from .worker_pool import WorkerExited, WorkerState

_MOST_JOBS, _MOST_PER_OWNER = 16, 8
_MOST_WAITING = 256
"""Requests that wait for one job: each of them hears of every step."""
_STORE_SHARE = 2
"""One part in this many of the store is open to what jobs learn from."""
Outgoing = tuple[Client, Message]


class LearningPool(Protocol):
    """The part of the worker pool that learning uses."""

    states: list[WorkerState]

    def learn(self, worker: int, job: LearningJob) -> None: ...

    def cancel(self, number: int) -> None: ...


@dataclass(eq=False)
class _Learning:
    """One job, who waits for it (client and request id), and how far it has come."""

    key: str
    job: LearningJob
    waiting: dict[tuple[Client, str], bool] = field(default_factory=dict)
    """Whether each of them still wants it: one that cancelled waits for what was gained until then."""
    is_running: bool = False
    died_at: int = -1
    """The step at which its worker died last; -1: none did."""
    last: StepTaken | None = None

    @property
    def step(self) -> int:
        return self.last.step if self.last else 0

    @property
    def is_cancelled(self) -> bool:
        return bool(self.waiting) and not any(self.waiting.values())


class LearningJobs:
    """A server's learning jobs. ``fetches``: whether a client fetches results; ``owner_of``: whose its name is."""

    def __init__(
        self,
        pool: LearningPool,
        admission: Admission,
        shelf: LearningShelf,
        statistics: ServerStatistics,
        fetches: Callable[[Client], bool],
        owner_of: Callable[[Client], Client],
    ) -> None:
        self._pool = pool
        self._admission = admission
        self._shelf = shelf
        self._statistics = statistics
        self._fetches = fetches
        self._owner_of = owner_of
        self._jobs: dict[str, _Learning] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    # -- messages of clients

    def receive(self, client: Client, request: Learn) -> Iterator[Outgoing]:
        """Takes a request on, or answers it. Raises ``MatteError``: busy, too_large, <role>_unknown, no_worker."""
        request = self._with_stored_pictures(request)
        key = key_of(request, self._statistics.version)
        learning = self._jobs.get(key)
        if learning is None and not self._fetches(client):
            # A kept result is as large as weights are, and a request for it may be small.
            raise MatteError("busy", "The client has not fetched its earlier results.", "Try again later.")
        if learning is None and (reply := self._kept_reply(key, request)):
            yield client, reply
            return
        if learning is None:
            self._check_owner(client)
            learning = self._add(key, request)
        if len(learning.waiting) >= _MOST_WAITING and (client, request.id) not in learning.waiting:
            raise MatteError("busy", f"{len(learning.waiting)} requests wait for this shot.", "Try again later.")
        learning.waiting[client, request.id] = True
        yield client, Accepted(id=request.id, position=sum(each is not learning for each in self._queued()))
        if learning.last:
            yield client, progress_of(request.id, learning.last)

    def _check_owner(self, client: Client) -> None:
        owners = [{self._owner_of(waiter) for waiter, _ in each.waiting} for each in self._jobs.values()]
        if sum(self._owner_of(client) in each for each in owners) >= _MOST_PER_OWNER:
            raise MatteError("busy", f"You have {_MOST_PER_OWNER} shots to learn here.", "Try again later.")

    def _queued(self) -> list[_Learning]:
        """The jobs that somebody waits for and no worker has, the next one first."""
        return [each for each in self._jobs.values() if each.waiting and not each.is_running]

    def tell_positions(self) -> Iterator[Outgoing]:
        """Tells the clients of queued jobs how many go first. One that cannot be reached any more is then noticed,
        and its jobs may give way to others."""
        for position, learning in enumerate(self._queued()):
            for client, request_id in learning.waiting:
                yield client, Accepted(id=request_id, position=position)

    def _with_stored_pictures(self, request: Learn) -> Learn:
        """The request with what it carries itself put into the store, and named by digest."""
        stored = {}
        for role, source in sources_of(request).items():
            if isinstance(source, Inline):
                digest = digest_of(source.data)
                self._admission.store.add(digest, source.data, source.name)
                self._admission.bytes_in += len(source.data)
                stored[role] = Digest(digest)
        return with_sources(request, stored)

    def _kept_reply(self, key: str, request: Learn) -> Message | None:
        """The result of an earlier job, unless it was learnt from files that may have changed since."""
        if any(isinstance(source, OnDisk) for source in sources_of(request).values()) or request.options.weights:
            return None
        return self._shelf.reply(key, request.id)

    def _add(self, key: str, request: Learn) -> _Learning:
        if report := no_worker_report(self._pool.states):
            raise MatteError(report.code, report.message, report.hint)
        if len(self._jobs) >= _MOST_JOBS and not self._drop_abandoned():
            raise MatteError("busy", f"The server has {len(self._jobs)} shots to learn.", "Try again later.")
        self._shelf.open()
        job = LearningJob(
            number=self._admission.next_number(),
            request=request,
            pictures=self._held(request),
            weights=str(self._shelf.weights(key)),
            checkpoint=str(self._shelf.checkpoint(key)),
        )
        learning = self._jobs[key] = _Learning(key=key, job=job)
        log_event("learning", shot=request.shot or None, frames=len(request.frames), key=key[:8])
        return learning

    def _held(self, request: Learn) -> dict[str, SpooledPicture]:
        """The request's stored pictures by role, held until they are released. Raises ``MatteError``."""
        store, held = self._admission.store, {}
        try:
            for role, source in sources_of(request).items():
                if isinstance(source, Digest):
                    picture = store.hold(source.digest)
                    if picture is None:
                        what = role_in_words(role)
                        raise MatteError(
                            f"{role}_unknown", f"The server does not hold the {what}.", "Store it first."
                        )
                    held[role] = picture
            self._check_share(held)
        except MatteError:
            self._admission.release(held)
            raise
        return held

    def _check_share(self, held: Mapping[str, SpooledPicture]) -> None:
        store = self._admission.store
        own = {picture.digest for picture in held.values()}
        others = {picture.digest for each in self._jobs.values() for picture in each.job.pictures.values()}
        size, room = sum(map(store.size_of, own)), store.budget // _STORE_SHARE
        if sum(map(store.size_of, own | others)) <= room:
            return
        if size > room:
            raise MatteError(
                "too_large",
                f"The frames take {size / 1e9:.2f} GB, and the server keeps {room / 1e9:.2f} GB for learning.",
                "Learn from fewer or smaller frames, or give the server a larger store.",
            )
        if self._drop_abandoned():
            self._check_share(held)
            return
        raise MatteError("busy", "Other shots that are being learnt take all the room.", "Try again later.")

    def _drop_abandoned(self) -> bool:
        """Forgets the oldest job that nobody waits for and that does not run; returns whether there was one."""
        for learning in self._jobs.values():
            if not learning.waiting and not learning.is_running:
                log_event("learning dropped", logging.WARNING, key=learning.key[:8], reason="nobody waits for it")
                self._forget(learning)
                return True
        return False

    def cancel(self, client: Client, request_id: str) -> Iterator[Outgoing]:
        """Ends a client's wait; the job stops once nobody waits for it any more. A client that waited alone gets
        what was gained until then, as soon as the worker has stopped."""
        learning = self._waited_for(client, request_id)
        if learning is None:
            return
        learning.waiting[client, request_id] = False
        if not learning.is_cancelled:
            del learning.waiting[client, request_id]
            yield client, failure(request_id, LEARNING_OTHERS_WANT_IT)
        elif learning.is_running:
            self._pool.cancel(learning.job.number)
        else:
            has_died = learning.died_at >= 0
            yield from self._fail(learning, LEARNING_CANCELLED_AND_DIED if has_died else LEARNING_CANCELLED)

    def _waited_for(self, client: Client, request_id: str) -> _Learning | None:
        found = (each for each in self._jobs.values() if (client, request_id) in each.waiting)
        return next(found, None)

    def client_lost(self, client: Client) -> None:
        """A client that cannot be reached does not wait any longer. What it wanted to be learnt goes on."""
        for learning in self._jobs.values():
            waiting = learning.waiting.items()
            learning.waiting = {waiter: wants for waiter, wants in waiting if waiter[0] != client}

    # -- workers

    def start(self) -> Iterator[Outgoing]:
        """Gives waiting jobs to workers that compute nothing now, one to a device."""
        waiting = [each for each in self._jobs.values() if not each.is_running]
        for learning in sorted(waiting, key=lambda each: not each.waiting):
            worker = self._free_worker()
            if worker is None:
                return
            learning.is_running = True
            self._shelf.make_room(self._jobs)
            self._pool.learn(worker, learning.job)
            yield from self._tell(learning, lambda name: Progress(id=name, stage="start", done=0, total=1))

    def _free_worker(self) -> int | None:
        taken = {state.device for state in self._pool.states if state.learning}
        free = (
            index
            for index, state in enumerate(self._pool.states)
            if state.ready and not state.job and state.device not in taken
        )
        return next(free, None)

    def worker_event(self, event: WorkerMessage | WorkerExited) -> Iterator[Outgoing]:
        """Handles what a worker reports of its learning job, or its end; other events are ignored."""
        number = event.learning if isinstance(event, WorkerExited) else getattr(event, "number", 0)
        learning = next((each for each in self._jobs.values() if number and each.job.number == number), None)
        if learning is not None:
            yield from self._handle(learning, event)
        if isinstance(event, WorkerExited) and (report := no_worker_report(self._pool.states)):
            for waiting in list(self._jobs.values()):
                yield from self._fail(waiting, report)

    def _handle(self, learning: _Learning, event: WorkerMessage | WorkerExited) -> Iterator[Outgoing]:
        if isinstance(event, FramePrepared):
            yield from self._tell(
                learning, lambda name: Progress(id=name, stage="frames", done=event.done, total=event.total)
            )
        elif isinstance(event, StepTaken):
            message = resumed_sentence(event.step, learning.died_at >= 0) if event.is_resumed else ""
            learning.last = event
            yield from self._tell(learning, lambda name: progress_of(name, event, message))
        elif isinstance(event, LearningEnded):
            yield from self._end(learning, event)
        elif isinstance(event, SolveFailed) and event.code == "cancelled":
            yield from self._stopped(
                learning, {waiter: failure(waiter[1], LEARNING_CANCELLED) for waiter in learning.waiting}
            )
        elif isinstance(event, SolveFailed):
            report = ErrorReport(code=event.code, message=event.message, hint=event.hint)
            yield from self._fail(learning, report)
        elif isinstance(event, WorkerExited):
            yield from self._worker_exited(learning, event)

    def _worker_exited(self, learning: _Learning, exited: WorkerExited) -> Iterator[Outgoing]:
        learning.is_running = False
        has_moved = learning.died_at < learning.step or learning.died_at < 0
        if learning.is_cancelled or not has_moved:
            report = exit_report(exited, "learned", "Learn")
            yield from self._fail(learning, LEARNING_CANCELLED_AND_DIED if learning.is_cancelled else report)
            return
        learning.died_at = learning.step
        log_event("retry", logging.WARNING, key=learning.key[:8], step=learning.step, reason=exited.reason)
        message = f"The process that learned died and is replaced. {exited.reason} Learning goes on."
        last = learning.last or StepTaken(number=0, step=0, steps=0, error=-1.0, first_error=-1.0, left_s=-1.0)
        yield from self._tell(learning, lambda name: progress_of(name, last, message))

    def _end(self, learning: _Learning, ended: LearningEnded) -> Iterator[Outgoing]:
        try:
            if ended.is_complete:
                self._shelf.keep(learning.key, ended)
            reply = self._shelf.reply_of(learning.key, learning.job.request.id, ended)
        except OSError as error:
            yield from self._fail(learning, report_of(error))
            return
        # Each has the same bytes: weights are read once, however many wait for them.
        replies = {waiter: replace(reply, id=waiter[1]) for waiter in learning.waiting}
        log_event("learnt", key=learning.key[:8], steps=ended.steps, gained=ended.has_gained, error=ended.error)
        if ended.is_complete:
            self._forget(learning)
            yield from ((waiter[0], reply) for waiter, reply in replies.items())
        else:
            yield from self._stopped(learning, replies)

    def _stopped(self, learning: _Learning, replies: Mapping[tuple[Client, str], Message]) -> Iterator[Outgoing]:
        """The job was cancelled: answers those that cancelled it. If another client has joined, it goes on."""
        for waiter, reply in replies.items():
            if not learning.waiting[waiter]:
                del learning.waiting[waiter]
                yield waiter[0], reply
        learning.is_running = False
        if not learning.waiting:
            self._forget(learning)

    def _fail(self, learning: _Learning, report: ErrorReport) -> Iterator[Outgoing]:
        self._forget(learning)
        if report.code != "cancelled":
            self._statistics.failed += 1
            self._statistics.add_error({"code": report.code, "message": report.message})
        log_event("learning failed", logging.WARNING, key=learning.key[:8], code=report.code, words=report.message)
        yield from self._tell(learning, lambda name: failure(name, report))

    def _forget(self, learning: _Learning) -> None:
        self._admission.release(learning.job.pictures)
        del self._jobs[learning.key]

    def _tell(self, learning: _Learning, message: Any) -> Iterator[Outgoing]:
        for client, request_id in learning.waiting:
            yield client, message(request_id)

    def figures(self) -> Sequence[Mapping[str, Any]]:
        """What the status says of each job; JSON values."""
        return [self._figures(learning) for learning in self._jobs.values()]

    def _figures(self, learning: _Learning) -> Mapping[str, Any]:
        last = learning.last
        workers = (at for at, state in enumerate(self._pool.states) if state.learning == learning.job.number)
        return {
            "shot": learning.job.request.shot,
            "frames": len(learning.job.request.frames),
            "step": learning.step,
            "steps": last.steps if last else 0,
            "error": last.error if last else -1.0,
            "first_error": last.first_error if last else -1.0,
            "left_s": round(last.left_s, 1) if last else -1.0,
            "worker": next(workers, -1),
            "clients": len(learning.waiting),
        }
