"""The worker processes of a server: each is supervised by a thread, and replaced when it dies.

The pool belongs to the server's loop. Its methods only hand bytes to the thread that writes to a worker's pipe.
What the supervising threads observe comes back as :class:`WorkerEvent` through ``post``. A worker that has a frame
and sends nothing (stage or heartbeat) for ``hang_s`` seconds counts as hung and is killed. How long a worker may
take to start is decided by :mod:`matte_server.server.startup_watchdog`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from matte_link.ready_line import exit_reason

from ..worker.machine import workers_on
from ..worker.messages import (
    CANCEL,
    LEARN,
    READ_AHEAD,
    FrameComputed,
    FrameFinished,
    FrameJob,
    LearningEnded,
    LearningJob,
    SolveFailed,
    StageStarted,
    StartupFailed,
    WorkerMessage,
    WorkerReady,
    decode_message,
    encode_learning,
)
from ..worker.settings import WorkerSettings
from .command_sender import CommandSender
from .running_clock import LONGEST_STEP_S, RunningClock
from .startup_watchdog import LIMIT_S, StartupWatchdog
from .structured_log import log_event
from .worker_process import start_worker

_FIRST_BACKOFF_S = 0.25
_LONGEST_BACKOFF_S = 30.0
_TICK_S = 0.5


@dataclass(frozen=True)
class WorkerExited:
    """The process has ended, and with it the frame ``number`` that it computed (0: none), the frames that it was
    writing, and the frame that it read ``ahead`` (0: none)."""

    number: int
    code: str
    reason: str
    writing: tuple[int, ...] = ()
    ahead: int = 0
    learning: int = 0
    """The learning job that it had; 0: none."""
    has_begun: bool = True
    """Whether it had begun ``number``: else it was dead or hung before, and that frame is not the cause."""


@dataclass(frozen=True)
class WorkerEvent:
    """A worker's message, or its end."""

    worker: int
    event: WorkerMessage | WorkerExited


@dataclass
class WorkerState:
    """What the server's loop knows about one worker."""

    device: str = ""
    pid: int = 0
    ready: bool = False
    job: int = 0
    """The frame that it computes; 0: none."""
    has_begun: bool = False
    """Whether it has said that it begins that frame."""
    writing: set[int] = field(default_factory=set)
    """Frames that it has computed but not yet written."""
    ahead: int = 0
    """The frame that it reads ahead; 0: none."""
    learning: int = 0
    """The learning job that it works on between frames; 0: none."""
    stage: str = ""
    since: float = 0.0
    frames: int = 0
    deaths: int = 0
    failed_starts: int = 0
    """How many times in a row it ended before it was ready."""
    last_exit_reason: str = ""


@dataclass(frozen=True)
class PoolPlan:
    """How many workers run on which device, and how long they may take. ``workers`` 0: one per GPU, or
    ``cpu_workers`` on a CPU."""

    spool: Path
    device: str = "auto"
    workers: int = 0
    cpu_workers: int = 1
    threads: int = 0
    roots: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    hang_s: float = 300.0
    start_s: float = LIMIT_S
    memory: int = 0
    """Bytes that the frames of all workers may take together; 0: most of the machine's memory."""


class WorkerPool:
    """The workers of one server. Every method is called from the server's loop only."""

    def __init__(self, plan: PoolPlan, post: Callable[[WorkerEvent], None]) -> None:
        self.plan = plan
        self.states: list[WorkerState] = []
        self.models: tuple[str, ...] = ()
        self.weights: Mapping[str, str] = {}
        self._post = post
        self._supervisors: list[_Supervisor] = []
        self._planned = False

    def start(self) -> None:
        """Starts the first worker. Its ``WorkerReady`` says how many devices there are; then the others start."""
        self._add(self.plan.device)

    def _add(self, device: str) -> None:
        settings = WorkerSettings(
            spool=str(self.plan.spool),
            device=device,
            threads=self.plan.threads,
            roots=tuple(str(root) for root in self.plan.roots),
            readable=tuple(str(file) for file in self.plan.readable),
            memory=self.plan.memory,
            workers=self.plan.workers,
            cpu_workers=self.plan.cpu_workers,
        )
        self.states.append(WorkerState(device=device))
        supervisor = _Supervisor(len(self._supervisors), settings, self.plan, self._post)
        self._supervisors.append(supervisor)
        supervisor.start()

    def observe(self, event: WorkerEvent) -> WorkerMessage | WorkerExited:
        """Updates the states, and returns the event for the service with the frames that were lost filled in.
        Called once for every event, before anything else handles it."""
        state, what = self.states[event.worker], event.event
        if state.job and not isinstance(what, WorkerExited):
            state.has_begun = state.has_begun or getattr(what, "number", 0) == state.job
        if isinstance(what, WorkerReady):
            state.ready, state.device, state.failed_starts = True, what.device, 0
            state.pid = self._supervisors[event.worker].pid
            self.models, self.weights = what.models, what.weights
            self._add_others(what)
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
        elif isinstance(what, LearningEnded | SolveFailed) and what.number == state.learning:
            state.learning = 0
        elif isinstance(what, WorkerExited):
            # Only the loop knows for sure which frames are lost: it may have submitted one to a process already
            # dead.
            writing = tuple(sorted(state.writing))
            what = replace(
                what,
                number=state.job,
                writing=writing,
                ahead=state.ahead,
                learning=state.learning,
                has_begun=state.has_begun,
            )
            state.writing.clear()
            state.ahead = state.learning = 0
            state.failed_starts, state.last_exit_reason = state.failed_starts + (not state.ready), what.reason
            state.job, state.stage, state.ready = 0, "", False
            state.deaths += 1
        return what

    def _add_others(self, first: WorkerReady) -> None:
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
        """A worker without a frame, best one that does not learn; or None."""
        free = [index for index, state in enumerate(self.states) if state.ready and not state.job]
        return min(free, key=lambda index: bool(self.states[index].learning), default=None)

    def learn(self, worker: int, job: LearningJob) -> None:
        """Has a worker learn a shot; it still takes frames."""
        self.states[worker].learning = job.number
        self._supervisors[worker].send(LEARN + encode_learning(job))

    def submit(self, worker: int, job: FrameJob) -> None:
        """Has an idle worker compute a frame."""
        state = self.states[worker]
        state.job, state.has_begun, state.since = job.number, False, time.monotonic()
        for other, each in enumerate(self.states):
            if each.ahead == job.number:
                each.ahead = 0
                if other != worker:
                    # It can read another frame ahead, and needs no memory for this one any longer.
                    self._supervisors[other].send(CANCEL + b"%d" % job.number)
        self._supervisors[worker].send(job.command, job.number)

    def read_ahead(self, worker: int, job: FrameJob) -> None:
        """Has a busy worker decode a frame ahead of its turn. Only a hint: the worker may be given another frame
        next, and this one may go to another worker."""
        self.states[worker].ahead = job.number
        self._supervisors[worker].send(READ_AHEAD + job.command)

    def cancel(self, number: int) -> None:
        """Tells the worker that has frame ``number``, or reads it ahead, to stop at its next check."""
        for worker, state in enumerate(self.states):
            if number in (state.job, state.ahead, state.learning):
                self._supervisors[worker].send(CANCEL + b"%d" % number)
            if state.ahead == number:
                state.ahead = 0

    def close(self) -> None:
        """Ends all workers at the same time."""
        # One that the system refused to start has nothing to end.
        started = [supervisor for supervisor in self._supervisors if supervisor.ident is not None]
        for supervisor in started:
            supervisor.stop()
        for supervisor in started:
            supervisor.join()


class _Supervisor(threading.Thread):
    """Keeps one worker process running and passes messages between it and the pool."""

    def __init__(
        self, index: int, settings: WorkerSettings, plan: PoolPlan, post: Callable[[WorkerEvent], None]
    ) -> None:
        super().__init__(name=f"worker-{index}", daemon=True)
        self._index = index
        self._settings = settings
        self._plan = plan
        self._post = post
        self._stopping = threading.Event()
        self._wake_out, self._wake_in = Pipe(duplex=False)
        self._sender: CommandSender | None = None
        """None while there is no process."""
        self._number = 0
        self._writing: set[int] = set()
        self._is_learning = False
        self._has_worked = False
        """Whether this process has finished a frame, or a shot to learn."""
        # A short patience has shorter steps, so that one of them does not end it.
        self._clock = RunningClock(longest_step_s=min(LONGEST_STEP_S, max(plan.hang_s / 2, 2 * _TICK_S)))
        self._active_at = 0.0
        self._starting: StartupWatchdog | None = None
        """None once it is ready."""
        self.pid = 0

    def send(self, command: bytes, number: int = 0) -> None:
        """Passes a command on. Called by the server's loop: this thread need not wake up for it. ``number``: the
        frame that the worker computes from then on. Without a process there is nobody to take it; one that is not
        ready yet is sent only what was meant for the one before, whose end the loop has not seen yet."""
        if (sender := self._sender) is None or self._starting:
            return
        learns = command.startswith(LEARN)
        if number or learns:
            # Only a frame to compute or a shot to learn starts the time that it may take: a hung worker is not
            # given more of it by each frame that is to be read ahead or was cancelled.
            self._active_at = self._clock()
        self._number = number or self._number
        self._is_learning = self._is_learning or learns
        sender.send(command)

    def stop(self) -> None:
        self._stopping.set()
        self._wake_in.send_bytes(b".")

    def run(self) -> None:
        backoff = 0.0
        while not self._stopping.wait(backoff):
            self._has_worked = False
            try:
                exited = self._run_process()
            except (OSError, RuntimeError) as error:
                # The system has no process, thread or memory to spare now; this thread tries again later.
                reason = f"It cannot be started: {getattr(error, 'strerror', None) or error}."
                exited = WorkerExited(number=0, code="worker_died", reason=reason)
            self._post(WorkerEvent(worker=self._index, event=exited))
            # One that has worked will work again: the others may end over and over, as fast as they start.
            longer = min(max(backoff * 2, _FIRST_BACKOFF_S), _LONGEST_BACKOFF_S)
            backoff = 0.0 if self._has_worked else longer

    def _run_process(self) -> WorkerExited:
        pipe, process = start_worker(self._index, self._settings)
        self.pid = process.pid or 0
        self._number, self._active_at, self._is_learning = 0, self._clock(), False
        self._writing.clear()
        self._starting = StartupWatchdog(self.pid, self._plan.start_s, self._log_starting, clock=self._clock)
        sender = self._sender = CommandSender(pipe)
        exited: WorkerExited | None = None
        try:
            sender.start()
            while exited is None and not self._stopping.is_set():
                exited = self._wait_for_event(pipe, process)
        except (EOFError, OSError, ValueError):
            # The pipe was closed, or carried an unknown message. Soon the exit code says more.
            process.join(5.0)
        finally:
            # What the loop still sends to this process is obsolete.
            self._sender = None
            process.kill()
            process.join()
            sender.end()
            pipe.close()
        return exited or WorkerExited(number=self._number, code="worker_died", reason=exit_reason(process.exitcode))

    def _log_starting(self, message: str) -> None:
        log_event("starting", worker=self._index, words=message)

    def _wait_for_event(self, pipe: Connection, process: BaseProcess) -> WorkerExited | None:
        ready = wait([pipe, self._wake_out, process.sentinel], _TICK_S)
        if self._wake_out in ready:
            self._wake_out.recv_bytes()
        if pipe in ready:
            return self._handle_message(decode_message(pipe.recv_bytes()))
        if process.sentinel in ready:
            raise EOFError
        return self._overdue()

    def _handle_message(self, message: WorkerMessage) -> WorkerExited | None:
        self._active_at = self._clock()
        if isinstance(message, LearningEnded) or self._is_failed_learning(message):
            self._is_learning = False
        self._has_worked = self._has_worked or isinstance(message, FrameFinished | LearningEnded)
        if isinstance(message, FrameComputed):
            self._writing.add(message.number)
        elif isinstance(message, FrameFinished | SolveFailed):
            self._writing.discard(message.number)
        if isinstance(message, FrameComputed | FrameFinished | SolveFailed) and message.number == self._number:
            self._number = 0
        if isinstance(message, WorkerReady):
            self._starting = None
        self._post(WorkerEvent(worker=self._index, event=message))
        if isinstance(message, StartupFailed):
            return WorkerExited(number=0, code=message.code, reason=message.message)
        return None

    def _is_failed_learning(self, message: WorkerMessage) -> bool:
        return isinstance(message, SolveFailed) and message.number not in (self._number, *self._writing)

    def _overdue(self) -> WorkerExited | None:
        silent_s = self._clock() - self._active_at
        if self._starting and (failure := self._starting.failure()):
            return WorkerExited(number=0, code="worker_hung", reason=failure)
        if (self._number or self._writing or self._is_learning) and silent_s > self._plan.hang_s:
            reason = f"It gave no sign of life for {self._plan.hang_s:g} s."
            return WorkerExited(number=self._number, code="worker_hung", reason=reason)
        return None
