"""Which worker gets which frame, and which one it reads meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..worker.messages import FrameJob
from .fair_queue import Client, FairQueue
from .worker_pool import WorkerState


class Pool(Protocol):
    """The workers, as far as the service needs them."""

    states: list[WorkerState]
    models: tuple[str, ...]
    weights: Mapping[str, str]

    def idle(self) -> int | None: ...

    def submit(self, worker: int, job: FrameJob) -> None: ...

    def read_ahead(self, worker: int, job: FrameJob) -> None: ...

    def cancel(self, number: int) -> None: ...


@dataclass(eq=False)
class QueuedFrame:
    """One frame on its way."""

    client: Client
    job: FrameJob
    fingerprint: int
    arrived: float
    running: bool = False
    wanted: bool = True
    """False once cancelled: its worker is only waited for."""
    alone: bool = False
    """Ran out of memory once; now it runs while no other frame does."""
    again: bool = False
    """Its worker died while it had another frame too, which may be to blame; it is computed once more."""
    ahead: bool = False
    """A worker was told to read it ahead of its turn, whatever became of that."""

    @property
    def id(self) -> str:
        return self.job.request.id


class Dispatcher:
    """Frames that wait, in ``queue`` or for a time ``alone``, and how they reach the ``pool``'s workers.
    ``frames``: all that are on their way, by number, which others add and take away; ``fetches``: whether a client
    takes its results."""

    def __init__(self, pool: Pool, frames: Mapping[int, QueuedFrame], fetches: Callable[[Client], bool]) -> None:
        self.queue: FairQueue[QueuedFrame] = FairQueue()
        self.alone: deque[QueuedFrame] = deque()
        self._pool = pool
        self._frames = frames
        self._fetches = fetches

    def begun(self) -> Iterator[QueuedFrame]:
        """Gives idle workers what is next and yields that, then lets busy ones read ahead."""
        while (worker := self._pool.idle()) is not None:
            frame = self._next()
            if frame is None:
                break
            frame = self._read_already(worker, frame)
            frame.running = True
            self._pool.submit(worker, frame.job)
            yield frame
        self._read_ahead()

    def _next(self) -> QueuedFrame | None:
        """The frame whose turn it is; None while one needs the worker to itself, or has to wait for it."""
        running = [frame for frame in self._frames.values() if frame.running]
        if any(frame.alone or frame.again for frame in running) or (self.alone and running):
            return None
        return self.alone.popleft() if self.alone else self.queue.pop(self._fetches)

    def _read_already(self, worker: int, frame: QueuedFrame) -> QueuedFrame:
        """The batch frame that this worker read ahead, where it may as well go instead of its client's next one."""
        mine = self._frames.get(self._pool.states[worker].ahead)
        is_own = frame.again or frame.alone or frame.job.request.priority == "interactive"
        if mine is None or mine is frame or is_own or mine.client != frame.client:
            return frame
        return mine if self.queue.exchange(frame.client, frame, mine) else frame

    def _read_ahead(self) -> None:
        """Lets each worker that computes a frame read one that will probably be next."""
        running = (frame for frame in self._frames.values() if frame.running)
        if self.alone or any(frame.alone or frame.again for frame in running):
            return
        for worker, state in enumerate(self._pool.states):
            if state.ready and state.job and not state.ahead:
                waiting = (frame for frame in self.queue.upcoming(self._fetches) if not frame.ahead)
                first = next(waiting, None)
                if first is None:
                    return
                frame = _beside(self._frames.get(state.job), first, waiting)
                frame.ahead = True
                self._pool.read_ahead(worker, frame.job)


def _beside(current: QueuedFrame | None, first: QueuedFrame, others: Iterable[QueuedFrame]) -> QueuedFrame:
    """Of a shot that is smoothed in time, what is nearest to the ``current`` frame of a worker, where its client's
    turn is next: the worker already knows one of its neighbours. Else the ``first``."""
    if current is None or first.client != current.client:
        return first
    now = current.job.request
    if not now.options.temporal or first.job.request.priority == "interactive":
        return first
    waiting = (frame for frame in (first, *others) if frame.client == current.client)
    same = (frame for frame in waiting if frame.job.request.shot == now.shot)
    return min(same, key=lambda frame: abs(frame.job.request.frame - now.frame), default=first)
