"""The inference process: takes one frame after another from its pipe until the pipe closes. While one is computed,
the one before it is encoded (several, where a GPU computes them faster than that), and the pictures of the one that
is likely next are decoded.

Nothing heavy is imported at the top, because the server imports this module to start the process.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, TypeVar

from ..errors import MatteCancelled, report_of
from .machine import writers_beside
from .messages import (
    AHEAD,
    CANCEL,
    FrameComputed,
    FrameFinished,
    FrameJob,
    Heartbeat,
    SolveFailed,
    StageStarted,
    StartupFailed,
    WorkerMessage,
    decode_job,
    encode_message,
)
from .settings import WorkerSettings

if TYPE_CHECKING:
    from .reader import FrameInputs
    from .solver import FrameSolver

log = logging.getLogger(__name__)
_ALIVE_S = 1.0
_TOLD_S = 0.25
"""Between stages of a shot's frame that are told of: nobody watches each of them."""
_HUNG_UP = (EOFError, BrokenPipeError, ConnectionResetError)
Done = TypeVar("Done")


def run_worker(settings: WorkerSettings, pipe: Connection) -> None:
    """The process's main function; ends when the server closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The server's standard output belongs to its readiness line.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(process)d %(levelname)s %(message)s")
    line = WorkerChannel(pipe)
    try:
        solver = _solver(settings)
    except Exception as error:
        log.exception("This worker cannot work.")
        trouble = report_of(error)
        line.say(StartupFailed(trouble.code, trouble.message, trouble.hint))
        return
    desk = WorkerLoop(solver, line, writers_beside(solver.device))
    try:
        line.say(solver.ready())
        while True:
            order = pipe.recv_bytes()
            if not desk.aside(order):
                desk.take(decode_job(order))
    except _HUNG_UP:
        log.debug("The server closed the pipe.")


def _solver(settings: WorkerSettings) -> FrameSolver:
    # Imported here: torch takes seconds and hundreds of megabytes, which the server itself does without.
    from .solver import FrameSolver

    return FrameSolver.create(settings)


class WorkerChannel:
    """The worker's end of the pipe: one thread listens, two speak."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def say(self, said: WorkerMessage) -> None:
        with self._lock:
            self._pipe.send_bytes(encode_message(said))

    def checker(self, number: int, aside: Callable[[bytes], bool]) -> Callable[[], None]:
        """What the pipeline calls between stages and tiles: raises where the frame was cancelled, and passes on
        what else the server orders meanwhile."""
        said_at = time.monotonic()

        def check() -> None:
            nonlocal said_at
            while self._pipe.poll(0):
                order = self._pipe.recv_bytes()
                aside(order)
                if order == CANCEL + b"%d" % number:
                    raise MatteCancelled
            if time.monotonic() - said_at > _ALIVE_S:
                said_at = time.monotonic()
                self.say(Heartbeat(number))

        return check


class WorkerLoop:
    """Computes one frame while at most ``writers`` before it are encoded and written and one that may come next is
    decoded; no other one is here."""

    def __init__(self, solver: FrameSolver, line: WorkerChannel, writers: int = 1) -> None:
        self._solver = solver
        self._line = line
        self._writers = writers
        self._writer = ThreadPoolExecutor(writers, "writer")
        self._writing: deque[Future[None]] = deque()
        self._reader = ThreadPoolExecutor(1, "reader")
        self._ahead: tuple[int, Future[FrameInputs]] | None = None
        self._is_short = threading.Event()

    def aside(self, order: bytes) -> bool:
        """Does what is no frame to compute, and says whether it was that: a picture to read ahead, or one that is
        not wanted any more."""
        if order.startswith(AHEAD):
            self._read_ahead(decode_job(order[len(AHEAD) :]))
        elif order.startswith(CANCEL):
            if reading := self._claim(int(order[len(CANCEL) :])):
                reading.cancel()
        else:
            return False
        return True

    def _read_ahead(self, job: FrameJob) -> None:
        self._drop_ahead()
        # Memory that was short once is so again for frames of this kind.
        if not self._solver.was_short:
            self._ahead = job.number, self._reader.submit(self._solver.read, job)

    def _claim(self, number: int) -> Future[FrameInputs] | None:
        """What is read ahead, where it is that frame's: it is then no longer here."""
        if self._ahead is None or self._ahead[0] != number:
            return None
        (_, reading), self._ahead = self._ahead, None
        return reading

    def _drop_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead[1].cancel()
            self._ahead = None

    def _inputs(self, job: FrameJob, reading: Future[FrameInputs] | None) -> FrameInputs:
        """The frame's pictures. Whatever went wrong ahead of its turn goes wrong again here, or does not matter."""
        # One that has not begun yet is read here and now.
        if reading is not None and not reading.cancel():
            with contextlib.suppress(Exception):
                return reading.result()
        return self._solver.read(job)

    def take(self, job: FrameJob) -> None:
        """One frame, until it is computed and there is a writer for it."""
        if self._is_short.is_set():
            self._wait(0)
            self._drop_ahead()
            self._is_short.clear()
            self._solver.recover()
        write = self._tried(job, lambda: self._computed(job))
        self._wait(self._writers - 1)
        if write is not None:
            self._line.say(FrameComputed(job.number))
            self._writing.append(self._writer.submit(self._write, job, write))

    def _wait(self, left: int) -> None:
        """Until no more than ``left`` frames are being written; raises where the server hung up meanwhile."""
        while len(self._writing) > left:
            self._writing.popleft().result()

    def _computed(self, job: FrameJob) -> Callable[[], FrameFinished]:
        # First of all: the next frame's order to be read ahead may come with the first word that is said.
        reading = self._claim(job.number)
        check = self._line.checker(job.number, self.aside)
        is_watched = job.request.priority == "interactive"
        told_at = time.monotonic()

        def begun(stage: str, done: int, total: int) -> None:
            nonlocal told_at
            if is_watched or time.monotonic() - told_at > _TOLD_S:
                told_at = time.monotonic()
                self._line.say(StageStarted(job.number, stage, done, total))
            check()

        return self._solver.solve(job, lambda: self._inputs(job, reading), check, begun)

    def _write(self, job: FrameJob, write: Callable[[], FrameFinished]) -> None:
        finished = self._tried(job, write)
        if finished:
            self._line.say(finished)

    def _tried(self, job: FrameJob, work: Callable[[], Done]) -> Done | None:
        """What the work gives, or None once its failure was told."""
        try:
            return work()
        except _HUNG_UP:
            raise
        except Exception as error:
            trouble = report_of(error)
            if trouble.code == "internal":
                log.exception("Frame %s of request %s failed.", job.request.frame, job.request.id)
            if trouble.code == "out_of_memory":
                self._is_short.set()
            said = SolveFailed(job.number, trouble.code, trouble.message, trouble.hint)
        self._line.say(said)
        return None
