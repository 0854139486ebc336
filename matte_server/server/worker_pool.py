"""Inference processes: each is watched by a thread, may die at any moment, and is then replaced.

The pool lives in the server's loop: ``submit`` and ``cancel`` only hand bytes to a watching thread, and what
the threads see comes back as :class:`WorkerEvent` through ``post``. A worker counts as hung when it gave no
sign (stage begun, or a check inside a stage) for ``hang_s`` seconds while it had a frame. One that starts is waited
for as long as it works (:mod:`matte_server.server.startup_watchdog`).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from ..worker.loop import run_worker
from ..worker.machine import workers_on
from ..worker.messages import (
    CANCEL,
    READ_AHEAD,
    FrameComputed,
    FrameFinished,
    FrameJob,
    SolveFailed,
    StageStarted,
    StartupFailed,
    WorkerMessage,
    WorkerReady,
    decode_message,
    encode_job,
)
from ..worker.settings import WorkerSettings
from . import structured_log as journal
from .startup_watchdog import LIMIT_S, StartupWatchdog

_LONGEST_BACKOFF_S = 30.0
_STEADY_S = 60.0
_TICK_S = 0.5


@dataclass(frozen=True)
class WorkerExited:
    """The process is gone, and with it the frame that it computed (0: none) and those it was writing. ``ahead``:
    the one that it was reading or had read ahead of its turn (0: none)."""

    number: int
    code: str
    reason: str
    writing: tuple[int, ...] = ()
    ahead: int = 0


@dataclass(frozen=True)
class WorkerEvent:
    """What a worker said, or that it died."""

    worker: int
    what: WorkerMessage | WorkerExited


@dataclass
class WorkerState:
    """What the loop knows of one worker."""

    device: str = ""
    pid: int = 0
    ready: bool = False
    job: int = 0
    """The frame that it computes."""
    writing: set[int] = field(default_factory=set)
    """Frames that are computed and not yet written."""
    ahead: int = 0
    """The frame that it was told to read ahead of its turn."""
    stage: str = ""
    since: float = 0.0
    frames: int = 0
    deaths: int = 0
    failed_starts: int = 0
    """How often in a row it ended before it was ready."""
    last_words: str = ""


@dataclass(frozen=True)
class PoolPlan:
    """How many workers, on what, and how patient one is with them. ``workers`` 0: one per GPU, else
    ``cpu_workers``."""

    spool: Path
    device: str = "auto"
    workers: int = 0
    cpu_workers: int = 1
    threads: int = 0
    roots: tuple[Path, ...] = ()
    hang_s: float = 300.0
    start_s: float = LIMIT_S
    memory: int = 0
    """Bytes that all may take for their frames together; 0: most of the machine's."""


class WorkerPool:
    """The workers of one server. Every method is called from the server's loop only."""

    def __init__(self, plan: PoolPlan, post: Callable[[WorkerEvent], None]) -> None:
        self.plan = plan
        self.states: list[WorkerState] = []
        self.models: tuple[str, ...] = ()
        self.weights: Mapping[str, str] = {}
        self._post = post
        self._watchers: list[_Watcher] = []
        self._planned = False

    def start(self) -> None:
        """Starts the first worker; it knows how many devices there are, and the others follow its Ready."""
        self._add(self.plan.device)

    def _add(self, device: str) -> None:
        settings = WorkerSettings(
            spool=str(self.plan.spool),
            device=device,
            threads=self.plan.threads,
            roots=tuple(str(root) for root in self.plan.roots),
            memory=self.plan.memory,
            workers=self.plan.workers,
            cpu_workers=self.plan.cpu_workers,
        )
        self.states.append(WorkerState(device=device))
        watcher = _Watcher(len(self._watchers), settings, self.plan, self._post)
        self._watchers.append(watcher)
        watcher.start()

    def observe(self, event: WorkerEvent) -> WorkerMessage | WorkerExited:
        """Brings the states up to date and returns what to act on; called once for every event, first."""
        state, what = self.states[event.worker], event.what
        if isinstance(what, WorkerReady):
            state.ready, state.device, state.failed_starts = True, what.device, 0
            state.pid = self._watchers[event.worker].pid
            self.models, self.weights = what.models, what.weights
            self._add_the_others(what)
        elif isinstance(what, StageStarted):
            state.stage = what.stage
        elif isinstance(what, FrameComputed) and what.number == state.job:
            state.job, state.stage = 0, ""
            state.writing.add(what.number)
        elif isinstance(what, FrameFinished | SolveFailed) and what.number == state.job:
            state.job, state.stage, state.frames = 0, "", state.frames + 1
        elif isinstance(what, FrameFinished | SolveFailed) and what.number in state.writing:
            state.writing.remove(what.number)
            state.frames += 1
        elif isinstance(what, WorkerExited):
            # The loop knows better which frame is lost: it may have handed one to a process already dead.
            what = replace(what, number=state.job, writing=tuple(sorted(state.writing)), ahead=state.ahead)
            state.writing.clear()
            state.ahead = 0
            state.failed_starts, state.last_words = state.failed_starts + (not state.ready), what.reason
            state.job, state.stage, state.ready = 0, "", False
            state.deaths += 1
        return what

    def _add_the_others(self, first: WorkerReady) -> None:
        if self._planned:
            return
        self._planned = True
        kind = first.device.partition(":")[0]
        spread = kind == "cuda" and ":" not in self.plan.device
        shared = workers_on(kind, self.plan.workers, self.plan.cpu_workers)
        count = first.devices if spread and not self.plan.workers else shared
        for index in range(1, count):
            self._add(f"cuda:{index % first.devices}" if spread else self.plan.device)

    def idle(self) -> int | None:
        """A worker without a frame, or None."""
        free = (index for index, state in enumerate(self.states) if state.ready and not state.job)
        return next(free, None)

    def submit(self, worker: int, job: FrameJob) -> None:
        """Gives an idle worker a frame."""
        state = self.states[worker]
        state.job, state.since = job.number, time.monotonic()
        if state.ahead == job.number:
            state.ahead = 0
        self._watchers[worker].tell(encode_job(job), job.number)

    def read_ahead(self, worker: int, job: FrameJob) -> None:
        """Lets a busy worker decode a frame that it has not been given yet. A hint: it may be given another one
        next, and this one to another worker."""
        self.states[worker].ahead = job.number
        self._watchers[worker].tell(READ_AHEAD + encode_job(job))

    def cancel(self, number: int) -> None:
        """Tells whoever has frame ``number``, or reads it ahead, to leave it at the next check."""
        for worker, state in enumerate(self.states):
            if number in (state.job, state.ahead):
                self._watchers[worker].tell(CANCEL + b"%d" % number)
            if state.ahead == number:
                state.ahead = 0

    def close(self) -> None:
        """Ends all workers, at once."""
        for watcher in self._watchers:
            watcher.stop()
        for watcher in self._watchers:
            watcher.join()


class _Watcher(threading.Thread):
    """Keeps one worker process alive and carries the words between it and the pool."""

    def __init__(
        self, index: int, settings: WorkerSettings, plan: PoolPlan, post: Callable[[WorkerEvent], None]
    ) -> None:
        super().__init__(name=f"worker-{index}", daemon=True)
        self._index = index
        self._settings = settings
        self._plan = plan
        self._post = post
        self._stopping = threading.Event()
        self._orders: deque[tuple[bytes, int]] = deque()
        self._wake_out, self._wake_in = multiprocessing.Pipe(duplex=False)
        self._number = 0
        self._writing: set[int] = set()
        self._heard = 0.0
        self._starting: StartupWatchdog | None = None
        """None once it is ready."""
        self.pid = 0

    def tell(self, order: bytes, number: int = 0) -> None:
        self._orders.append((order, number))
        self._wake_in.send_bytes(b".")

    def stop(self) -> None:
        self._stopping.set()
        self._wake_in.send_bytes(b".")

    def run(self) -> None:
        backoff = 0.0
        while not self._stopping.wait(backoff):
            started = time.monotonic()
            try:
                ended = self._one_life()
            except OSError as error:
                # The system has no process or memory to give now; the loop goes on and so does this thread.
                ended = WorkerExited(0, "worker_died", f"It cannot be started: {error.strerror or error}.")
            self._post(WorkerEvent(self._index, ended))
            steady = time.monotonic() - started > _STEADY_S
            backoff = 0.0 if steady else min(max(backoff * 2, 0.25), _LONGEST_BACKOFF_S)

    def _one_life(self) -> WorkerExited:
        ours, process = self._spawn()
        self._number, self._heard = 0, time.monotonic()
        self._writing.clear()
        self._starting = StartupWatchdog(self.pid, self._plan.start_s, self._say_starting)
        # Orders for the worker before this one went down with it.
        self._orders.clear()
        verdict: WorkerExited | None = None
        try:
            while verdict is None and not self._stopping.is_set():
                verdict = self._attend(ours, process)
        except (EOFError, OSError, ValueError):
            # It hung up, or says what no worker of ours says; its exit code tells more in a moment.
            process.join(5.0)
        finally:
            process.kill()
            process.join()
            ours.close()
        return verdict or WorkerExited(self._number, "worker_died", _last_words(process.exitcode))

    def _spawn(self) -> tuple[Connection, BaseProcess]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        name = f"cleanplate-worker-{self._index}"
        process = context.Process(target=run_worker, args=(self._settings, theirs), name=name, daemon=True)
        process.start()
        theirs.close()
        self.pid = process.pid or 0
        return ours, process

    def _say_starting(self, words: str) -> None:
        journal.note("starting", worker=self._index, words=words)

    def _attend(self, ours: Connection, process: BaseProcess) -> WorkerExited | None:
        ready = wait([ours, self._wake_out, process.sentinel], _TICK_S)
        if self._wake_out in ready:
            self._wake_out.recv_bytes()
            self._pass_on_orders(ours)
        if ours in ready:
            return self._hear(decode_message(ours.recv_bytes()))
        if process.sentinel in ready:
            raise EOFError
        return self._overdue()

    def _pass_on_orders(self, ours: Connection) -> None:
        while self._orders:
            order, number = self._orders.popleft()
            self._number = number or self._number
            self._heard = time.monotonic()
            ours.send_bytes(order)

    def _hear(self, said: WorkerMessage) -> WorkerExited | None:
        self._heard = time.monotonic()
        if isinstance(said, FrameComputed):
            self._writing.add(said.number)
        elif isinstance(said, FrameFinished | SolveFailed):
            self._writing.discard(said.number)
        if isinstance(said, FrameComputed | FrameFinished | SolveFailed) and said.number == self._number:
            self._number = 0
        if isinstance(said, WorkerReady):
            self._starting = None
        self._post(WorkerEvent(self._index, said))
        return WorkerExited(0, said.code, said.message) if isinstance(said, StartupFailed) else None

    def _overdue(self) -> WorkerExited | None:
        silent_s = time.monotonic() - self._heard
        if self._starting and (trouble := self._starting.trouble()):
            return WorkerExited(0, "worker_hung", trouble)
        if (self._number or self._writing) and silent_s > self._plan.hang_s:
            return WorkerExited(
                self._number, "worker_hung", f"It gave no sign of life for {self._plan.hang_s:g} s."
            )
        return None


def _last_words(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = str(-exitcode)
        with contextlib.suppress(ValueError):
            name = signal.Signals(-exitcode).name
        if name == "SIGKILL":
            return "It was killed (SIGKILL); most often the system does that when memory runs out."
        return f"It crashed ({name})."
    return f"It ended with exit code {exitcode}."
