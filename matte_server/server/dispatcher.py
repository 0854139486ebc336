"""Decides which worker computes which frame, and which frame it reads ahead meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from ..worker.messages import FrameJob, LearningJob
from .fair_queue import Client, FairQueue
from .frame_state import FrameEvent, FrameState, next_state
from .result_room import ResultRoom
from .worker_pool import WorkerState


class Pool(Protocol):
    """The part of the worker pool that service and dispatcher use."""

    states: list[WorkerState]
    models: tuple[str, ...]
    weights: Mapping[str, str]

    def idle(self) -> int | None: ...

    def submit(self, worker: int, job: FrameJob) -> None: ...

    def read_ahead(self, worker: int, job: FrameJob) -> None: ...

    def learn(self, worker: int, job: LearningJob) -> None: ...

    def cancel(self, number: int) -> None: ...


MOST_NOT_BEGUN = 3
"""How often a frame is given out again because its worker never began it: several workers may die at once."""


class RetryReason(Enum):
    """Why a frame is computed again, by itself. Each reason but one is good for one retry of a frame."""

    OUT_OF_MEMORY = auto()
    DISK_FULL = auto()
    """There was no room for its result."""
    WORKER_DIED = auto()
    """Its worker died while it also had another frame, which may have been the cause."""
    NOT_BEGUN = auto()
    """Its worker was dead, or hung, before it began the frame. Good for ``MOST_NOT_BEGUN`` retries."""


@dataclass(eq=False)
class QueuedFrame:
    """One frame that a client has requested and not yet received. ``arrived``: seconds of the service's clock."""

    client: Client
    job: FrameJob
    fingerprint: int
    arrived: float
    state: FrameState = FrameState.QUEUED
    retried_for: set[RetryReason] = field(default_factory=set)
    not_begun: int = 0
    """How many workers ended that had been given it and had not begun it."""

    @property
    def id(self) -> str:
        """The id of the client's request."""
        return self.job.request.id

    def advance(self, event: FrameEvent) -> None:
        """Changes the state. Raises ``FrameStateError``."""
        self.state = next_state(self.state, event)


class Dispatcher:
    """Hands waiting frames to the workers of ``pool``: those in ``queue`` in fair order, those in ``isolated`` one
    by one while nothing else runs. ``frames``: every frame on the server by number, kept by the service;
    ``may_start``: whether a client's frames may start now; ``results``: the room for what they give."""

    def __init__(
        self,
        pool: Pool,
        frames: Mapping[int, QueuedFrame],
        may_start: Callable[[Client], bool],
        results: ResultRoom,
    ) -> None:
        self.queue: FairQueue[QueuedFrame] = FairQueue()
        self.isolated: deque[QueuedFrame] = deque()
        self._pool = pool
        self._frames = frames
        self._may_start = may_start
        self._results = results

    def isolate(self, frame: QueuedFrame, reason: RetryReason) -> None:
        """Queues a frame to be computed again by itself."""
        self.queue.remove(frame.client, frame)
        frame.advance(FrameEvent.ISOLATE)
        frame.retried_for.add(reason)
        self.isolated.append(frame)

    def remove(self, frame: QueuedFrame) -> None:
        """Takes a waiting frame out of its queue."""
        self.queue.remove(frame.client, frame)
        if frame in self.isolated:
            self.isolated.remove(frame)

    def start_frames(self) -> Iterator[QueuedFrame]:
        """Gives the next frames to idle workers and yields those; then lets busy workers read ahead."""
        while (worker := self._pool.idle()) is not None:
            frame = self._next(worker)
            if frame is None:
                break
            frame.advance(FrameEvent.START)
            self._results.begin(frame.job.result)
            self._pool.submit(worker, frame.job)
            yield frame
        self._read_ahead()

    def _running(self) -> list[QueuedFrame]:
        """The frames that workers compute or write. Few, while thousands may wait: this is looked at for every
        message."""
        numbers = (number for state in self._pool.states for number in (state.job, *state.writing))
        return [frame for number in numbers if (frame := self._frames.get(number))]

    def _next(self, worker: int) -> QueuedFrame | None:
        """Takes the frame whose turn it is, or the one that this worker has read ahead for that client. None while
        an isolated frame runs, or waits for the others to end, and while there is no room for the frame's
        result."""
        running = self._running()
        if any(frame.state.is_isolated for frame in running) or (self.isolated and running):
            return None
        first = self.isolated[0] if self.isolated else self.queue.peek(self._may_start)
        if first is None:
            return None
        read = self._read_by(worker, first)
        for frame in (read, first) if read else (first,):
            if self._results.may_begin(frame.job.result, is_alone=not running):
                self._take(frame, first)
                return frame
        return None

    def _read_by(self, worker: int, first: QueuedFrame) -> QueuedFrame | None:
        """Another batch frame of the same client, which this worker has read ahead and may compute before
        ``first``."""
        ahead = self._frames.get(self._pool.states[worker].ahead)
        if ahead is None or ahead is first or ahead.state is not FrameState.READ_AHEAD:
            return None
        if first.state is FrameState.ISOLATED_WAITING or ahead.client != first.client:
            return None
        return None if "interactive" in (_priority(first), _priority(ahead)) else ahead

    def _take(self, frame: QueuedFrame, first: QueuedFrame) -> None:
        """Takes a frame out of its queue, of which ``first`` is the first. That one keeps the place of a ``frame``
        that goes before it."""
        if first.state is FrameState.ISOLATED_WAITING:
            self.isolated.popleft()
            return
        if frame is not first:
            self.queue.exchange(first.client, first, frame)
        self.queue.pop(self._may_start)

    def _read_ahead(self) -> None:
        """Lets each busy worker read one frame that will probably be next."""
        if self.isolated or any(frame.state.is_isolated for frame in self._running()):
            return
        for worker, state in enumerate(self._pool.states):
            if state.ready and state.job and not state.ahead:
                upcoming = self.queue.upcoming(self._may_start)
                waiting = (frame for frame in upcoming if frame.state is FrameState.QUEUED)
                first = next(waiting, None)
                if first is None:
                    return
                frame = _nearest(self._frames.get(state.job), first, waiting)
                frame.advance(FrameEvent.READ_AHEAD)
                self._pool.read_ahead(worker, frame.job)


def _priority(frame: QueuedFrame) -> str:
    return frame.job.request.priority


def _nearest(current: QueuedFrame | None, first: QueuedFrame, others: Iterable[QueuedFrame]) -> QueuedFrame:
    """The frame that a worker reads while it computes ``current``: the ``first`` in the queue. In a shot that is
    smoothed in time it is the waiting frame nearest to ``current``, where the first belongs to the same client: the
    worker then already has one of its neighbours."""
    if current is None or first.client != current.client:
        return first
    request = current.job.request
    if not request.options.temporal or _priority(first) == "interactive":
        return first
    own = (frame for frame in (first, *others) if frame.client == current.client)
    same_shot = (frame for frame in own if frame.job.request.shot == request.shot)
    return min(same_shot, key=lambda frame: abs(frame.job.request.frame - request.frame), default=first)
