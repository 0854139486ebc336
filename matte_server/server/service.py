"""Decides everything about frames: takes clients' messages and workers' events, and yields messages to clients.
Owns no socket and no process.

The rules:

* A request is known by its client and id. Sent again with the same content it is the same request: it continues, or
  is answered again from a short-lived cache. With other content it is refused.
* Nothing grows without bound: frames are limited per client and in total, pictures in bytes. A request beyond a
  limit is answered ``busy``, and the client sends it again later.
* A frame whose worker died fails and is not retried, as it may be what killed the worker. One that the worker had
  not begun is given out again. Frames that it was writing are computed once more, each by itself. Where it was
  reading another frame ahead, that one may be the cause too: both are computed once more, each by itself.
* A frame that ran out of memory, or whose result found no room, is computed once more by itself before it fails.
* A frame starts once there is room for its result.
* Where no worker can be started, frames fail with the reason instead of waiting for ever.
* A client that does not fetch its results has no further frames computed.
* A client that cannot be reached loses its frames; when it returns it sends what it still wants.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

from matte_link.messages import (
    Accepted,
    Blob,
    Cancel,
    Failure,
    FetchResult,
    Learn,
    Matte,
    MatteReply,
    Message,
    Ping,
    Pong,
    Progress,
    Status,
    StatusReply,
    Store,
    StorePart,
)
from matte_link.wire import WIRE_VERSION, WireError

from ..errors import ErrorReport, MatteError, report_of
from ..worker.messages import FrameFinished, SolveFailed, StageStarted, WorkerMessage
from .admission import Admission
from .dispatcher import Dispatcher, Pool, QueuedFrame, RetryReason
from .fair_queue import Client
from .frame_state import FrameEvent, FrameState
from .frame_table import FrameTable
from .learning_jobs import LearningJobs
from .learning_shelf import LearningShelf
from .limits import ServiceLimits
from .reply_cache import CachedReply, ReplyCache, fingerprint_of
from .spool import Spool
from .status_figures import ServerStatistics
from .structured_log import log_event
from .worker_failures import (
    MAX_FAILED_STARTS,
    RESULT_LOST,
    exit_report,
    failure,
    is_given_out_again,
    no_worker_report,
    reason_to_retry,
)
from .worker_pool import WorkerExited

Outgoing = tuple[Client, Message]
_POSITIONS_S = 5.0  # How often the clients of learning jobs that wait hear how many go first.
_RETRIED_FOR_LACK = {RetryReason.OUT_OF_MEMORY: "memory", RetryReason.DISK_FULL: "disk"}
"""The stage that its client hears of then."""
_COMPUTED_ALONE = "Memory was short: the frame was computed a second time, with no other frame running."


class Service:
    """The state of one server, used by one thread. ``unsent`` returns how many bytes of replies a client has not
    fetched yet; ``clock`` returns monotonic seconds. ``shelf`` keeps what was learnt (default: in the spool).
    ``owner_of`` names who a client belongs to."""

    def __init__(
        self,
        pool: Pool,
        spool: Spool,
        limits: ServiceLimits | None = None,
        unsent: Callable[[Client], int] = lambda client: 0,
        clock: Callable[[], float] = time.monotonic,
        shelf: LearningShelf | None = None,
        owner_of: Callable[[Client], Client] = lambda client: client,
    ) -> None:
        limits = limits or ServiceLimits()
        self._pool = pool
        self._clock = clock
        # The version is read from a file once, while there certainly is a file descriptor left for it.
        self._statistics = ServerStatistics(version("cleanplate"), uuid.uuid4().hex, clock)
        self._admission = Admission(spool, limits, clock, owner_of)
        shelf = shelf or LearningShelf(spool.folder / "learning")

        def fetches(client: Client) -> bool:
            return unsent(client) < limits.unsent

        self.learning = LearningJobs(pool, self._admission, shelf, self._statistics, fetches, owner_of)
        self._frames = FrameTable()
        self._dispatcher = Dispatcher(pool, self._frames.by_number, fetches, self._admission.results)
        self._replies = ReplyCache(limits.replies, limits.reply_s, clock)
        spool.forget_reply = self._replies.forget_oldest
        self._busy_at = self._positions_told_at = clock()

    # -- messages of clients

    def receive(self, client: Client, message: Message) -> Iterator[Outgoing]:
        """Handles a message; yields what to send, in order."""
        self._busy_at = self._clock()
        try:
            yield from self._handle(client, message)
        except Exception as error:  # noqa: BLE001 - one message must not end a server; unknown errors are logged
            yield client, self._refusal(client, message.id, error)
        yield from self._start_frames()

    def malformed(self, client: Client, error: WireError) -> Iterator[Outgoing]:
        """Answers a message that could not be decoded."""
        yield client, self._refusal(client, error.request_id, error)

    def unsendable(self, client: Client, message: Message, error: Exception) -> Failure:
        """What to send in place of an answer that cannot be encoded, which is a defect of ours."""
        return self._refusal(client, message.id, error)

    def _refusal(self, client: Client, request_id: str, error: Exception) -> Failure:
        report = report_of(error)
        self._statistics.refused += 1
        if report.code != "busy":
            self._log_failure(client, request_id, report, trace=error if report.code == "internal" else None)
        return failure(request_id, report)

    def _handle(self, client: Client, message: Message) -> Iterator[Outgoing]:
        if isinstance(message, Matte):
            yield client, self._matte(client, message)
        elif isinstance(message, Learn):
            yield from self.learning.receive(client, message)
        elif isinstance(message, Store):
            yield client, self._admission.keep(message)
        elif isinstance(message, StorePart):
            yield client, self._admission.keep_part(client, message)
        elif isinstance(message, FetchResult):
            yield client, self._replies.part(client, message)
        elif isinstance(message, Cancel):
            yield from self._cancel(client, message.target)
        elif isinstance(message, Ping):
            yield client, self._pong(message)
        elif isinstance(message, Status):
            yield client, StatusReply(id=message.id, state=self.state())
        else:
            raise MatteError("protocol", f"A server does not take {type(message).__name__} messages.")

    def _pong(self, ping: Ping) -> Pong:
        return Pong(
            id=ping.id,
            version=self._statistics.version,
            wire=WIRE_VERSION,
            models=self._pool.models,
            instance=self._statistics.instance,
            weights=self._pool.weights,
        )

    def _matte(self, client: Client, request: Matte) -> Accepted | MatteReply:
        fingerprint = fingerprint_of(request)
        known = self._frames.find(client, request.id) or self._replies.get(client, request.id)
        if known and known.fingerprint != fingerprint:
            raise MatteError(
                "id_reused",
                f"Request {request.id} was sent before with other content.",
                "Give each request its own id.",
            )
        if isinstance(known, CachedReply):
            return known.reply
        return Accepted(id=request.id) if known else self._admit(client, request, fingerprint)

    def _admit(self, client: Client, request: Matte, fingerprint: int) -> Accepted:
        if report := no_worker_report(self._pool.states):
            raise MatteError(report.code, report.message, report.hint)
        job = self._admission.admit(client, request, self._frames)
        frame = QueuedFrame(client=client, job=job, fingerprint=fingerprint, arrived=self._clock())
        self._frames.add(frame)
        position = self._dispatcher.queue.push(client, frame, request.priority == "interactive")
        return Accepted(id=request.id, position=position)

    def _cancel(self, client: Client, request_id: str) -> Iterator[Outgoing]:
        yield from self.learning.cancel(client, request_id)
        self._replies.drop(client, request_id)
        frame = self._frames.find(client, request_id)
        if frame:
            self._abandon(frame)
            self._statistics.cancelled += 1
            yield client, failure(request_id, ErrorReport(code="cancelled", message="The matte was cancelled."))

    def _abandon(self, frame: QueuedFrame) -> None:
        """Nobody wants the frame any more: forgets it, or where a worker has it, tells that worker to stop."""
        if frame.state is not FrameState.QUEUED:
            self._pool.cancel(frame.job.number)
        frame.advance(FrameEvent.ABANDON)
        if frame.state is FrameState.ENDED:
            self._dispatcher.remove(frame)
            self._forget(frame)
        else:
            self._frames.abandon(frame)

    def client_lost(self, client: Client) -> Iterator[Outgoing]:
        """Drops the frames of a client that cannot be reached."""
        self.learning.client_lost(client)
        lost = self._frames.of(client)
        for frame in lost:
            self._abandon(frame)
        if lost:
            log_event("client lost", logging.WARNING, client=_printable(client), frames=len(lost))
        yield from self._start_frames()

    # -- events of workers

    def worker_event(self, event: WorkerMessage | WorkerExited) -> Iterator[Outgoing]:
        """Handles a worker's message or its end; yields what to send."""
        yield from self.learning.worker_event(event)
        if isinstance(event, WorkerExited):
            yield from self._worker_exited(event)
        elif frame := self._running(getattr(event, "number", 0)):
            yield from self._worker_message(frame, event)
        yield from self._start_frames()

    def _running(self, number: int) -> QueuedFrame | None:
        """The frame of that number, where a worker has it: about other frames a worker has nothing to report."""
        frame = self._frames.by_number.get(number)
        return frame if frame and frame.state.is_running else None

    def _worker_message(self, frame: QueuedFrame, message: WorkerMessage) -> Iterator[Outgoing]:
        if isinstance(message, StageStarted) and not frame.state.is_abandoned:
            yield frame.client, Progress(id=frame.id, stage=message.stage, done=message.done, total=message.total)
        elif isinstance(message, SolveFailed) and (reason := reason_to_retry(frame, message)):
            self._retry(frame, reason)
            yield frame.client, Progress(id=frame.id, stage=_RETRIED_FOR_LACK[reason], done=0, total=1)
        elif isinstance(message, FrameFinished | SolveFailed):
            yield from self._end(frame, message)

    def _worker_exited(self, exited: WorkerExited) -> Iterator[Outgoing]:
        suspect = self._isolate_read_ahead(exited)
        for written in [frame for number in exited.writing if (frame := self._running(number))]:
            yield from self._retry_or_fail(written, exited)
        if frame := self._running(exited.number):
            frame.not_begun += not exited.has_begun
            if is_given_out_again(frame, exited):
                self._retry(frame, RetryReason.NOT_BEGUN)
            else:
                yield from self._retry_or_fail(frame, exited) if suspect else self._end(frame, exited)
        if report := no_worker_report(self._pool.states):
            yield from self._fail_waiting(report)

    def _isolate_read_ahead(self, exited: WorkerExited) -> bool:
        """Whether a frame that was being read ahead may have killed the worker. It then waits to be computed by
        itself, so that it cannot take another frame with it again. A worker that hung did not hang while reading
        ahead, which happens on another thread; one that had not begun its frame had not begun to read the next."""
        frame = self._frames.by_number.get(exited.ahead)
        is_suspect = exited.code == "worker_died" and exited.has_begun
        if not is_suspect or frame is None or frame.state is not FrameState.READ_AHEAD:
            return False
        self._dispatcher.isolate(frame, RetryReason.WORKER_DIED)
        return True

    def _retry_or_fail(self, frame: QueuedFrame, exited: WorkerExited) -> Iterator[Outgoing]:
        """For a frame whose worker died while it had another one: that one is the more likely cause, so this one is
        computed once more."""
        if RetryReason.WORKER_DIED in frame.retried_for or frame.state.is_abandoned:
            yield from self._end(frame, exited)
        else:
            self._retry(frame, RetryReason.WORKER_DIED)

    def _retry(self, frame: QueuedFrame, reason: RetryReason) -> None:
        self._dispatcher.isolate(frame, reason)
        self._admission.spool.remove_result(frame.job.result)
        self._admission.spool.remove_half_written(frame.job.result)
        self._admission.results.wait(frame.job.result)
        log_event(
            "retry", logging.WARNING, client=_printable(frame.client), id=frame.id, reason=reason.name.lower()
        )

    def _fail_waiting(self, report: ErrorReport) -> Iterator[Outgoing]:
        for frame in [frame for frame in self._frames.by_number.values() if not frame.state.is_running]:
            self._abandon(frame)
            yield frame.client, self._fail(frame, report)

    def _end(self, frame: QueuedFrame, event: FrameFinished | SolveFailed | WorkerExited) -> Iterator[Outgoing]:
        """The frame is over: answers its client, where it still wants it, and forgets it."""
        answer = None if frame.state.is_abandoned else self._answer(frame, event)
        if not isinstance(event, FrameFinished):
            self._admission.spool.remove_half_written(frame.job.result)
        frame.advance(FrameEvent.END)
        self._forget(frame)
        if answer:
            yield frame.client, answer

    def _answer(
        self, frame: QueuedFrame, event: FrameFinished | SolveFailed | WorkerExited
    ) -> MatteReply | Failure:
        if isinstance(event, WorkerExited):
            return self._fail(frame, exit_report(event))
        if isinstance(event, SolveFailed):
            return self._fail(frame, ErrorReport(code=event.code, message=event.message, hint=event.hint))
        try:
            return self._reply(frame, event)
        except FileNotFoundError:
            return self._fail(frame, RESULT_LOST)
        except OSError as error:
            # As one file too many is open. What the worker wrote is removed with the frame.
            return self._fail(frame, report_of(error))

    def _fail(self, frame: QueuedFrame, report: ErrorReport) -> Failure:
        self._statistics.failed += 1
        self._log_failure(frame.client, frame.id, report, frame.job.request.frame)
        return failure(frame.id, report)

    def _reply(self, frame: QueuedFrame, finished: FrameFinished) -> MatteReply:
        data: Blob = b"" if finished.output else self._admission.spool.take_result(frame.job.result)
        diagnostics = dict(finished.diagnostics)
        if RetryReason.OUT_OF_MEMORY in frame.retried_for:
            diagnostics["warnings"] = [*diagnostics.get("warnings", ()), _COMPUTED_ALONE]
        request = frame.job.request
        reply = MatteReply(
            id=frame.id, frame=request.frame, data=data, output=finished.output, diagnostics=diagnostics
        )
        self._statistics.count_reply(len(data))
        self._replies.add(frame.client, reply, frame.fingerprint)
        log_event(
            "done",
            client=_printable(frame.client),
            id=frame.id,
            frame=request.frame,
            shot=request.shot or None,
            seconds=round(self._clock() - frame.arrived, 3),
            computed=finished.diagnostics.get("seconds"),
        )
        return reply

    # -- time and state

    def _start_frames(self) -> Iterator[Outgoing]:
        # First, because a worker that always has a frame would never begin to learn. It takes frames all the same.
        yield from self.learning.start()
        for frame in self._dispatcher.start_frames():
            yield frame.client, Progress(id=frame.id, stage="start", done=0, total=1)

    def tick(self) -> Iterator[Outgoing]:
        """Called several times a second: drops expired replies and uploads, and starts frames that could not start
        before."""
        self._replies.expire()
        self._admission.uploads.expire()
        if self._clock() - self._positions_told_at >= _POSITIONS_S:
            self._positions_told_at = self._clock()
            yield from self.learning.tell_positions()
        yield from self._start_frames()

    @property
    def idle_s(self) -> float:
        """For how many seconds no client has sent anything, no frame was on the server, no worker was starting."""
        starting = any(not state.ready and state.failed_starts < MAX_FAILED_STARTS for state in self._pool.states)
        if self._frames.by_number or len(self.learning) or starting:
            self._busy_at = self._clock()
        return self._clock() - self._busy_at

    def state(self) -> dict[str, Any]:
        """The figures of ``StatusReply``; JSON values only."""
        waiting = {"interactive": self._dispatcher.queue.interactive, "batch": self._dispatcher.queue.batch}
        frames = self._frames.by_number.values()
        figures = self._statistics.figures(frames, waiting, self._admission, self._pool.states)
        return {**figures, "learning": self.learning.figures()}

    def _forget(self, frame: QueuedFrame) -> None:
        self._admission.release(frame.job.pictures)
        self._admission.spool.remove_result(frame.job.result)
        self._admission.results.forget(frame.job.result)
        self._frames.remove(frame)

    def _log_failure(
        self,
        client: Client,
        request_id: str,
        report: ErrorReport,
        frame: int | None = None,
        trace: Exception | None = None,
    ) -> None:
        facts = {"id": request_id, "frame": frame, "code": report.code, "message": report.message}
        self._statistics.add_error(facts)
        log_event("failed", logging.WARNING, trace, client=_printable(client), **facts)


def _printable(client: Client) -> str:
    """A client's name for the log."""
    return client.decode("ascii", "backslashreplace")[:48]
