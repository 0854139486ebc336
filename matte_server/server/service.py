"""What the server decides: a client's message in, messages to clients out. Owns no socket and no process.

The rules:

* A request is known by its client and id. Sent again with the same content it is the same request: it goes on
  where it is, or is answered again from a short memory. With other content it is refused.
* Nothing grows: each client has a limit of waiting frames, all together have one, pictures have a budget in
  bytes. Beyond it the answer is ``busy``, and the client asks again later.
* A frame whose worker died fails with a code and is not tried again: it may be what killed it. Only where that
  worker was also reading another one ahead of its turn, both are computed once more, each by itself.
* A frame that ran out of memory is computed once more, while no other frame is under way, before it fails.
* Where no matting process can be started, frames fail with the reason instead of waiting for ever.
* A client that does not fetch its results gets no further ones computed.
* A client that cannot be reached loses its place; one that comes back sends what it still wants.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from matte_link.messages import (
    Accepted,
    Blob,
    Cancel,
    Digest,
    Failure,
    Inline,
    Matte,
    MatteReply,
    Message,
    Ping,
    Pong,
    Progress,
    Source,
    Status,
    StatusReply,
    Store,
    Stored,
    digest_of,
    sources_of,
    with_sources,
)
from matte_link.wire import WIRE_VERSION, WireError

from ..errors import ErrorReport, MatteError, report_of
from ..worker.messages import (
    FrameFinished,
    FrameJob,
    SolveFailed,
    SpooledPicture,
    StageStarted,
    WorkerMessage,
    role_in_words,
)
from . import structured_log as journal
from .dispatcher import Dispatcher, Pool, QueuedFrame
from .fair_queue import Client
from .reply_cache import CachedReply, ReplyCache, blobs_of, fingerprint_of
from .spool import Spool
from .store import PictureStore, suffix_of
from .worker_pool import WorkerExited, WorkerState

Outgoing = tuple[Client, Message]
_EMPTY = digest_of(b"")
_ERRORS_KEPT = 20
_RATE_WINDOW_S = 60.0
_STARTS_TRIED = 3
_NO_WORKER_HINT = "Look into the server's log, or run 'cleanplate doctor' there."
_WAS_ALONE = "Memory was short: the frame was computed again while no other one was under way."


@dataclass(frozen=True)
class ServiceLimits:
    """How much is taken on before the answer is ``busy``. Bytes and frames."""

    frames_per_client: int = 32
    frames: int = 1024
    clients: int = 512
    spool: int = 4 << 30
    store: int = 2 << 30
    unsent: int = 256 << 20
    """Finished mattes that a client has not fetched yet; beyond it, its further frames wait."""
    replies: int = 64 << 20
    """Finished mattes remembered for clients that ask again."""
    reply_s: float = 60.0


@dataclass
class _Counts:
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    refused: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    finished_at: deque[float] = field(default_factory=lambda: deque(maxlen=4096))


class Service:
    """The state of one server. Called by one thread. ``unsent`` says how many bytes of replies still wait for
    a client's connection; ``clock`` is monotonic seconds."""

    def __init__(
        self,
        pool: Pool,
        spool: Spool,
        limits: ServiceLimits | None = None,
        unsent: Callable[[Client], int] = lambda client: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits or ServiceLimits()
        self.instance = uuid.uuid4().hex
        # Once: it reads files, for which a server under siege may have no descriptor left.
        self.version = version("cleanplate")
        self.counts = _Counts()
        self._pool = pool
        self._spool = spool
        self._clock = clock
        self._started = clock()
        self._store = PictureStore(spool, self.limits.store)
        self._by_number: dict[int, QueuedFrame] = {}
        self._turns = Dispatcher(pool, self._by_number, lambda client: unsent(client) < self.limits.unsent)
        self._by_id: dict[tuple[Client, str], QueuedFrame] = {}
        self._answers = ReplyCache(self.limits.replies, self.limits.reply_s, clock)
        self._last_number = 0
        self._errors: deque[dict[str, Any]] = deque(maxlen=_ERRORS_KEPT)
        self._busy_at = self._started

    # -- messages of clients

    def receive(self, client: Client, message: Message) -> Iterator[Outgoing]:
        """Handles a message; yields what to send, in order."""
        self._busy_at = self._clock()
        try:
            yield from self._handle(client, message)
        except Exception as error:  # noqa: BLE001 - one message must not end a server; unknown errors are logged
            yield client, self._refusal(client, message.id, report_of(error), error)
        yield from self._dispatch()

    def malformed(self, client: Client, error: WireError) -> Iterator[Outgoing]:
        """Answers what could not be decoded."""
        yield client, self._refusal(client, error.request_id, report_of(error), error)

    def _refusal(self, client: Client, request_id: str, trouble: ErrorReport, error: Exception) -> Failure:
        self.counts.refused += 1
        if trouble.code != "busy":
            self._note(client, request_id, trouble, trace=error if trouble.code == "internal" else None)
        return Failure(request_id, trouble.code, trouble.message, trouble.hint)

    def _handle(self, client: Client, message: Message) -> Iterator[Outgoing]:
        if isinstance(message, Matte):
            yield from self._matte(client, message)
        elif isinstance(message, Store):
            yield client, self._keep(message)
        elif isinstance(message, Cancel):
            yield from self._cancel(client, message.target)
        elif isinstance(message, Ping):
            pool = self._pool
            yield client, Pong(message.id, self.version, WIRE_VERSION, pool.models, self.instance, pool.weights)
        elif isinstance(message, Status):
            yield client, StatusReply(message.id, self.state())
        else:
            raise MatteError("protocol", f"A server does not take {type(message).__name__} messages.")

    def _keep(self, message: Store) -> Stored | Failure:
        if not message.data and message.digest != _EMPTY and message.digest not in self._store:
            # A question, and an ordinary answer: nothing went wrong here.
            return Failure(
                message.id, "clean_plate_unknown", "The server does not hold this picture.", "Store it first."
            )
        self._store.add(message.digest, message.data, message.name)
        self.counts.bytes_in += len(message.data)
        return Stored(message.id, message.digest)

    def _matte(self, client: Client, request: Matte) -> Iterator[Outgoing]:
        fingerprint = fingerprint_of(request)
        known = self._by_id.get((client, request.id)) or self._answers.get(client, request.id)
        if known and known.fingerprint != fingerprint:
            raise MatteError(
                "id_reused", f"Request {request.id} was sent before with other content.", "Give each its own id."
            )
        if isinstance(known, CachedReply):
            yield client, known.reply
        elif known and known.wanted:
            yield client, Accepted(request.id)
        else:
            yield client, self._admit(client, request, fingerprint)

    def _admit(self, client: Client, request: Matte, fingerprint: int) -> Accepted:
        self._check_room(client, request)
        frame = QueuedFrame(client, self._job(request), fingerprint, self._clock())
        self._by_number[frame.job.number] = frame
        self._by_id[client, request.id] = frame
        position = self._turns.queue.push(client, frame, request.priority == "interactive")
        return Accepted(request.id, position)

    def _check_room(self, client: Client, request: Matte) -> None:
        waiting = [frame for frame in self._by_number.values() if frame.wanted]
        mine = sum(frame.client == client for frame in waiting)
        clients = {frame.client for frame in waiting} | {client}
        size = sum(len(blob) for blob in blobs_of(request))
        if words := self._hopeless():
            raise MatteError("no_worker", words, _NO_WORKER_HINT)
        if mine >= self.limits.frames_per_client or len(waiting) >= self.limits.frames:
            raise MatteError("busy", f"The server has {len(waiting)} frames waiting.", "Send it again shortly.")
        if len(clients) > self.limits.clients:
            raise MatteError("busy", f"The server has {len(clients) - 1} clients.", "Send it again shortly.")
        if not self._spool.fits(size):
            raise MatteError("busy", "The server has no room for another picture now.", "Send it again shortly.")

    def _job(self, request: Matte) -> FrameJob:
        self._last_number += 1
        pictures: dict[str, SpooledPicture] = {}
        try:
            for role, source in sources_of(request).items():
                picture = self._picture(role, source)
                if picture:
                    pictures[role] = picture
        except MatteError:
            self._release(pictures)
            raise
        # The blobs now lie in the spool; the request must not keep the socket's memory alive.
        emptied = with_sources(request, {role: Inline(b"", picture.name) for role, picture in pictures.items()})
        return FrameJob(self._last_number, emptied, pictures, f"result-{self._last_number}.exr")

    def _picture(self, role: str, source: Source) -> SpooledPicture | None:
        if isinstance(source, Digest):
            picture = self._store.hold(source.digest)
            if picture is None:
                what = role_in_words(role)
                raise MatteError(f"{role}_unknown", f"The server does not hold the {what}.", "Store it first.")
            return picture
        if isinstance(source, Inline):
            self.counts.bytes_in += len(source.data)
            return SpooledPicture(str(self._spool.write(source.data, suffix_of(source.name))), source.name)
        return None

    def _release(self, pictures: Mapping[str, SpooledPicture]) -> None:
        for picture in pictures.values():
            if picture.digest:
                self._store.release(picture.digest)
            else:
                self._spool.remove(Path(picture.path))

    def _cancel(self, client: Client, request_id: str) -> Iterator[Outgoing]:
        frame = self._by_id.get((client, request_id))
        if frame and frame.wanted:
            self._abandon(frame)
            self.counts.cancelled += 1
            yield client, Failure(request_id, "cancelled", "The matte was cancelled.")

    def _abandon(self, frame: QueuedFrame) -> None:
        if frame.running:
            frame.wanted = False
            del self._by_id[frame.client, frame.id]
            self._pool.cancel(frame.job.number)
        else:
            if frame in self._turns.alone:
                self._turns.alone.remove(frame)
            self._turns.queue.remove(frame.client, frame)
            if frame.ahead:
                self._pool.cancel(frame.job.number)
            self._forget(frame)

    def client_lost(self, client: Client) -> Iterator[Outgoing]:
        """The client cannot be reached: what it wanted is dropped."""
        lost = [frame for frame in self._by_number.values() if frame.client == client and frame.wanted]
        for frame in lost:
            self._abandon(frame)
        if lost:
            journal.note("client lost", logging.WARNING, client=_shown(client), frames=len(lost))
        yield from self._dispatch()

    # -- events of workers

    def worker_event(self, what: WorkerMessage | WorkerExited) -> Iterator[Outgoing]:
        """Handles what a worker said; yields what to send."""
        suspect = isinstance(what, WorkerExited) and self._was_ahead(what)
        if isinstance(what, WorkerExited):
            for lost in [self._by_number[number] for number in what.writing if number in self._by_number]:
                yield from self._lost_with_another(lost, what)
        frame = self._by_number.get(getattr(what, "number", 0))
        if frame and isinstance(what, WorkerExited) and suspect:
            yield from self._lost_with_another(frame, what)
        elif frame:
            yield from self._frame_event(frame, what)
        if isinstance(what, WorkerExited) and (words := self._hopeless()):
            yield from self._give_up(words)
        yield from self._dispatch()

    def _was_ahead(self, died: WorkerExited) -> bool:
        """Whether a frame that was read ahead may be what killed the worker. It then waits for a turn by itself, so
        that it takes no other one with it a second time. Reading is not what a hung worker waits for."""
        frame = self._by_number.get(died.ahead)
        if died.code != "worker_died" or frame is None or not self._turns.queue.remove(frame.client, frame):
            return False
        frame.again = True
        self._turns.alone.append(frame)
        return True

    def _lost_with_another(self, frame: QueuedFrame, died: WorkerExited) -> Iterator[Outgoing]:
        """Most often it was the other frame that killed the worker: this one is computed again, once."""
        if frame.again or not frame.wanted:
            yield from self._frame_event(frame, died)
            return
        frame.running, frame.again = False, True
        self._spool.remove_result(frame.job.result)
        self._turns.alone.append(frame)
        journal.note("lost with another", logging.WARNING, client=_shown(frame.client), id=frame.id, then="again")

    def _hopeless(self) -> str:
        """Why nothing can be computed here, where every matting process keeps ending before it is ready."""
        states = self._pool.states
        if not states or any(state.failed_starts < _STARTS_TRIED for state in states):
            return ""
        return f"The server's matting process does not start. {states[0].last_words}"

    def _give_up(self, words: str) -> Iterator[Outgoing]:
        trouble = ErrorReport("no_worker", words, _NO_WORKER_HINT)
        for frame in [frame for frame in self._by_number.values() if not frame.running]:
            self._abandon(frame)
            yield frame.client, self._failure(frame, trouble)

    def _frame_event(self, frame: QueuedFrame, what: WorkerMessage | WorkerExited) -> Iterator[Outgoing]:
        if isinstance(what, StageStarted) and frame.wanted:
            yield frame.client, Progress(frame.id, what.stage, what.done, what.total)
        elif isinstance(what, SolveFailed) and what.code == "out_of_memory" and frame.wanted and not frame.alone:
            yield self._later_alone(frame)
        elif isinstance(what, FrameFinished | SolveFailed | WorkerExited):
            answer = self._answer(frame, what) if frame.wanted else None
            self._forget(frame)
            if answer:
                yield frame.client, answer

    def _answer(self, frame: QueuedFrame, what: FrameFinished | SolveFailed | WorkerExited) -> MatteReply | Failure:
        if isinstance(what, FrameFinished):
            try:
                return self._reply(frame, what)
            except OSError:
                trouble = ErrorReport(
                    "worker_died", "The process that computed this frame lost its result.", "Try again."
                )
        elif isinstance(what, WorkerExited):
            trouble = _death(what)
        else:
            trouble = ErrorReport(what.code, what.message, what.hint)
        return self._failure(frame, trouble)

    def _failure(self, frame: QueuedFrame, trouble: ErrorReport) -> Failure:
        self.counts.failed += 1
        self._note(frame.client, frame.id, trouble, frame.job.request.frame)
        return Failure(frame.id, trouble.code, trouble.message, trouble.hint)

    def _later_alone(self, frame: QueuedFrame) -> Outgoing:
        frame.running, frame.alone = False, True
        self._spool.remove_result(frame.job.result)
        self._turns.alone.append(frame)
        journal.note("out of memory", logging.WARNING, client=_shown(frame.client), id=frame.id, then="alone")
        return frame.client, Progress(frame.id, "memory", 0, 1)

    def _reply(self, frame: QueuedFrame, what: FrameFinished) -> MatteReply:
        data: Blob = b"" if what.output else self._spool.take(self._result(frame))
        request = frame.job.request
        diagnostics = dict(what.diagnostics)
        if frame.alone:
            diagnostics["warnings"] = [*diagnostics.get("warnings", ()), _WAS_ALONE]
        reply = MatteReply(frame.id, request.frame, data, what.output, diagnostics)
        self.counts.done += 1
        self.counts.bytes_out += len(data)
        self.counts.finished_at.append(self._clock())
        self._answers.keep(frame.client, reply, frame.fingerprint)
        journal.note(
            "done",
            client=_shown(frame.client),
            id=frame.id,
            frame=request.frame,
            shot=request.shot or None,
            seconds=round(self._clock() - frame.arrived, 3),
            computed=what.diagnostics.get("seconds"),
        )
        return reply

    def _dispatch(self) -> Iterator[Outgoing]:
        for frame in self._turns.begun():
            yield frame.client, Progress(frame.id, "start", 0, 1)

    def tick(self) -> Iterator[Outgoing]:
        """Called now and then: lets go of what has grown old, and starts what had to wait."""
        self._answers.forget()
        yield from self._dispatch()

    def _result(self, frame: QueuedFrame) -> Path:
        path = self._spool.folder / frame.job.result
        self._spool.adopt(path)
        return path

    @property
    def idle_s(self) -> float:
        """How long nobody has asked for anything, nothing was under way and no matting process was starting."""
        starting = any(not state.ready and state.failed_starts < _STARTS_TRIED for state in self._pool.states)
        if self._by_number or starting:
            self._busy_at = self._clock()
        return self._clock() - self._busy_at

    def _forget(self, frame: QueuedFrame) -> None:
        self._release(frame.job.pictures)
        self._spool.remove_result(frame.job.result)
        self._by_number.pop(frame.job.number, None)
        if self._by_id.get((frame.client, frame.id)) is frame:
            del self._by_id[frame.client, frame.id]

    def _note(
        self,
        client: Client,
        request_id: str,
        trouble: ErrorReport,
        frame: int | None = None,
        trace: Exception | None = None,
    ) -> None:
        entry = {"id": request_id, "frame": frame, "code": trouble.code, "message": trouble.message}
        self._errors.append({"at": time.time(), **entry})
        journal.note("failed", logging.WARNING, trace, client=_shown(client), **entry)

    def state(self) -> dict[str, Any]:
        """The figures of StatusReply; JSON values only."""
        now = self._clock()
        frames = list(self._by_number.values())
        recent = sum(now - at <= _RATE_WINDOW_S for at in self.counts.finished_at)
        return {
            "version": self.version,
            "instance": self.instance,
            "uptime_s": round(now - self._started, 1),
            "queue": {"interactive": self._turns.queue.interactive, "batch": self._turns.queue.batch},
            "running": sum(frame.running for frame in frames),
            "clients": len({frame.client for frame in frames if frame.wanted}),
            "frames": {
                "done": self.counts.done,
                "failed": self.counts.failed,
                "cancelled": self.counts.cancelled,
                "refused": self.counts.refused,
                "per_second": round(recent / min(max(now - self._started, 1.0), _RATE_WINDOW_S), 3),
            },
            "bytes": {"in": self.counts.bytes_in, "out": self.counts.bytes_out},
            "store": {"pictures": len(self._store), "bytes": self._store.used, "budget": self.limits.store},
            "spool": {"bytes": self._spool.used, "budget": self._spool.budget},
            "workers": [_worker_state(state) for state in self._pool.states],
            "errors": list(self._errors),
        }


def _shown(client: Client) -> str:
    """A client's name for the log."""
    return client.decode("ascii", "backslashreplace")[:48]


def _worker_state(state: WorkerState) -> dict[str, Any]:
    busy_s = round(time.monotonic() - state.since, 1) if state.job else 0.0
    return {
        "device": state.device,
        "pid": state.pid,
        "ready": state.ready,
        "stage": state.stage,
        "busy_s": busy_s,
        "memory": _memory(state.pid),
        "frames": state.frames,
        "deaths": state.deaths,
    }


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss) if pid else 0
    except (psutil.Error, OSError):
        return 0


def _death(died: WorkerExited) -> ErrorReport:
    if died.code == "worker_hung":
        return ErrorReport(
            "worker_hung",
            f"The process that computed this frame hung and was replaced. {died.reason}",
            "Try the frame again; where it hangs again, use a smaller picture or another model.",
        )
    return ErrorReport(
        "worker_died",
        f"The process that computed this frame died and was replaced. {died.reason}",
        "Try the frame again; where it dies again, the picture or the machine's memory is the cause.",
    )
