"""The worker process's loop: takes one frame after another from its pipe until the server closes it.

While one frame is computed, earlier ones are encoded on writer threads, and the pictures of the frame that probably
comes next are decoded on a reader thread.

The server imports this module to start the process, so nothing heavy is imported at the top.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, TypeVar

from ..errors import MatteCancelled, report_of
from .learning_turn import LearningTurn
from .machine import writers_beside
from .messages import (
    CANCEL,
    LEARN,
    READ_AHEAD,
    FrameComputed,
    FrameFinished,
    FrameJob,
    Heartbeat,
    LearningJob,
    SolveFailed,
    StageStarted,
    StartupFailed,
    WorkerMessage,
    decode_job,
    decode_learning,
    encode_message,
)
from .settings import WorkerSettings

if TYPE_CHECKING:
    from ..frame.inputs import FrameInputs
    from .solver import FrameSolver

log = logging.getLogger(__name__)
_HEARTBEAT_S = 1.0
_BATCH_PROGRESS_S = 0.25
"""The shortest time between two progress messages about a batch frame."""
_PIPE_CLOSED = (EOFError, BrokenPipeError, ConnectionResetError)
Result = TypeVar("Result")


def run_worker(settings: WorkerSettings, pipe: Connection) -> None:
    """The process's main function; returns when the server closes the pipe or has ended."""
    # The server decides when its workers end; a terminal sends these to all of them.
    for name in ("SIGINT", "SIGHUP", "SIGQUIT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    # The server's standard output carries only its ready line.
    os.dup2(2, 1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(process)d %(levelname)s %(message)s")
    channel = WorkerChannel(pipe)
    try:
        solver = _create_solver(settings)
    except Exception as error:
        report = report_of(error)
        if report.code == "internal":
            log.exception("This worker cannot start.")
        channel.send(StartupFailed(code=report.code, message=report.message, hint=report.hint))
        return
    loop = WorkerLoop(solver, channel, writers_beside(solver.device))
    try:
        channel.send(solver.ready())
        while True:
            loop.handle(pipe.recv_bytes())
    except _PIPE_CLOSED:
        log.debug("The server closed the pipe.")


def _create_solver(settings: WorkerSettings) -> FrameSolver:
    # Imported here: torch takes seconds and hundreds of megabytes, and the server does not need it. It makes
    # 190,000 objects that stay: to search them for garbage takes 0.3 s while they are made, and 0.1 s each time
    # later.
    gc.disable()
    try:
        from .solver import FrameSolver
    finally:
        gc.enable()
    gc.freeze()
    # OpenImageIO's binding says of what is not collected at the end that it leaked.
    atexit.register(gc.unfreeze)
    return FrameSolver.create(settings)


class WorkerChannel:
    """The worker's end of the pipe. One thread receives; several send."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def send(self, message: WorkerMessage) -> None:
        with self._lock:
            self._pipe.send_bytes(encode_message(message))

    def receive(self, wait_s: float) -> bytes | None:
        """The next command; None where none arrives in that time."""
        return self._pipe.recv_bytes() if self._pipe.poll(wait_s) else None

    def cancel_check(self, number: int, handle_control: Callable[[bytes], bool]) -> Callable[[], None]:
        """The function that the pipeline calls between stages and tiles. It sends heartbeats, passes commands on to
        ``handle_control``, and raises ``MatteCancelled`` where frame ``number`` was cancelled."""
        sent_at = time.monotonic()

        def check() -> None:
            nonlocal sent_at
            while self._pipe.poll(0):
                command = self._pipe.recv_bytes()
                handle_control(command)
                if command == CANCEL + b"%d" % number:
                    raise MatteCancelled
            if time.monotonic() - sent_at > _HEARTBEAT_S:
                sent_at = time.monotonic()
                self.send(Heartbeat(number=number))

        return check


class WorkerLoop:
    """Computes one frame at a time, while up to ``writers`` earlier ones are encoded and written, and one that may
    come next is decoded."""

    def __init__(self, solver: FrameSolver, channel: WorkerChannel, writers: int = 1) -> None:
        self._solver = solver
        self._channel = channel
        self._writers = writers
        self._writer = ThreadPoolExecutor(writers, "writer")
        self._writing: deque[Future[None]] = deque()
        self._reader = ThreadPoolExecutor(1, "reader")
        self._ahead: tuple[int, Future[FrameInputs]] | None = None
        self._needs_recovery = threading.Event()
        self._learning = 0
        """The learning job that runs; 0: none."""
        self._learning_cancelled = False

    def handle(self, command: bytes) -> None:
        """Carries out any command."""
        if command.startswith(LEARN):
            self.learn(decode_learning(command[len(LEARN) :]))
        elif not self.handle_control(command):
            self.solve(decode_job(command))

    def handle_control(self, command: bytes) -> bool:
        """Carries out a command to read a frame ahead or to cancel one; returns False for a frame to compute."""
        if command.startswith(READ_AHEAD):
            self._read_ahead(decode_job(command[len(READ_AHEAD) :]))
        elif command.startswith(CANCEL):
            number = int(command[len(CANCEL) :])
            self._learning_cancelled = self._learning_cancelled or number == self._learning
            if reading := self._take_ahead(number):
                reading.cancel()
        else:
            return False
        return True

    def _read_ahead(self, job: FrameJob) -> None:
        self._drop_ahead()
        # Memory that ran short once will run short again for frames of this kind.
        if not self._solver.memory_ran_short:
            self._ahead = job.number, self._reader.submit(self._solver.read, job)

    def _take_ahead(self, number: int) -> Future[FrameInputs] | None:
        """The pictures that are being read ahead, removed from here; None where they are not this frame's."""
        if self._ahead is None or self._ahead[0] != number:
            return None
        (_, reading), self._ahead = self._ahead, None
        return reading

    def _drop_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead[1].cancel()
            self._ahead = None

    def _inputs(self, job: FrameJob, reading: Future[FrameInputs] | None) -> FrameInputs:
        """The frame's pictures. An error while reading ahead is ignored: reading again raises it, or succeeds."""
        # Reading that has not started yet is cancelled and done here.
        if reading is not None and not reading.cancel():
            with contextlib.suppress(Exception):
                return reading.result()
        return self._solver.read(job)

    def solve(self, job: FrameJob) -> None:
        """Computes one frame; returns once a writer thread can take it."""
        if self._needs_recovery.is_set():
            self._wait_for_writers(0)
            self._drop_ahead()
            self._needs_recovery.clear()
            self._solver.recover()
        write = self._or_report(job, lambda: self._compute(job))
        self._wait_for_writers(self._writers - 1)
        if write is not None:
            self._channel.send(FrameComputed(number=job.number))
            self._writing.append(self._writer.submit(self._write, job, write))

    @property
    def is_learning_cancelled(self) -> bool:
        """Whether the learning job that runs was cancelled."""
        return self._learning_cancelled

    def learn(self, job: LearningJob) -> None:
        """Learns a shot; frames that arrive meanwhile are computed between the parts of its steps."""
        self._learning, self._learning_cancelled = job.number, False
        turn = LearningTurn(job.number, self._channel, self)
        ended = self._or_report(job, lambda: self._solver.learn(job, turn, self._channel.send))
        self._learning = 0
        turn.finish()
        self._wait_for_writers(0)
        self._solver.release()
        if ended is not None:
            self._channel.send(ended)

    def _wait_for_writers(self, remaining: int) -> None:
        """Waits until at most ``remaining`` frames are being written; raises where the pipe was closed
        meanwhile."""
        while len(self._writing) > remaining:
            self._writing.popleft().result()

    def _compute(self, job: FrameJob) -> Callable[[], FrameFinished]:
        # Taken before anything is sent: the check after the first message may receive the next read-ahead command.
        reading = self._take_ahead(job.number)
        # Where this process ends from here on, the frame may be the cause.
        self._channel.send(Heartbeat(number=job.number))
        check = self._channel.cancel_check(job.number, self.handle_control)
        is_watched = job.request.priority == "interactive"
        sent_at = time.monotonic()

        def on_stage(stage: str, done: int, total: int) -> None:
            nonlocal sent_at
            if is_watched or time.monotonic() - sent_at > _BATCH_PROGRESS_S:
                sent_at = time.monotonic()
                self._channel.send(StageStarted(number=job.number, stage=stage, done=done, total=total))
            check()

        return self._solver.solve(job, lambda: self._inputs(job, reading), check, on_stage)

    def _write(self, job: FrameJob, write: Callable[[], FrameFinished]) -> None:
        finished = self._or_report(job, write)
        if finished:
            self._channel.send(finished)

    def _or_report(self, job: FrameJob | LearningJob, work: Callable[[], Result]) -> Result | None:
        """The result of ``work``; None where it failed, after its failure has been sent."""
        try:
            return work()
        except _PIPE_CLOSED:
            raise
        except Exception as error:
            report = report_of(error)
            if report.code == "internal":
                log.exception("Request %s failed.", job.request.id)
            if report.code == "out_of_memory":
                self._needs_recovery.set()
            failed = SolveFailed(number=job.number, code=report.code, message=report.message, hint=report.hint)
        self._channel.send(failed)
        return None
