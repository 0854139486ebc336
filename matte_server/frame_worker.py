"""The inference process: takes one frame after another from its pipe until the pipe closes.

Nothing heavy is imported at the top, because the server imports this module to start the process.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from .errors import MatteCancelled
from .failures import trouble_of
from .worker_link import Alive, Begun, Failed, FrameJob, Said, Unfit, decode_job, encode_said

if TYPE_CHECKING:
    from .frame_solver import FrameSolver

log = logging.getLogger(__name__)
_ALIVE_S = 1.0


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is told at birth. ``threads`` 0 leaves the choice to the libraries."""

    spool: str
    device: str = "auto"
    threads: int = 0
    roots: tuple[str, ...] = ()
    memory: int = 0
    """Bytes that frames may take; 0: this one's share of the machine's among ``workers``."""
    workers: int = 1


def run_worker(settings: WorkerSettings, pipe: Connection) -> None:
    """The process's main function; ends when the server closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The server's standard output belongs to its readiness line.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker %(process)d %(levelname)s %(message)s")
    try:
        solver = _solver(settings)
    except Exception as error:
        log.exception("This worker cannot work.")
        trouble = trouble_of(error)
        _say(pipe, Unfit(trouble.code, trouble.message, trouble.hint))
        return
    try:
        _say(pipe, solver.ready())
        while True:
            order = pipe.recv_bytes()
            if not order.startswith(b"cancel "):
                _one_frame(solver, decode_job(order), pipe)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        log.debug("The server closed the pipe.")


def _solver(settings: WorkerSettings) -> FrameSolver:
    # Imported here: torch takes seconds and hundreds of megabytes, which the server itself does without.
    from .frame_solver import FrameSolver

    return FrameSolver.create(settings)


def _one_frame(solver: FrameSolver, job: FrameJob, pipe: Connection) -> None:
    check = _checker(job.number, pipe)

    def begun(stage: str, done: int, total: int) -> None:
        _say(pipe, Begun(job.number, stage, done, total))
        check()

    try:
        said: Said = solver.solve(job, check, begun)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        trouble = trouble_of(error)
        if trouble.code == "internal":
            log.exception("Frame %s of request %s failed.", job.request.frame, job.request.id)
        said = Failed(job.number, trouble.code, trouble.message, trouble.hint)
        if trouble.code == "out_of_memory":
            solver.recover()
    _say(pipe, said)


def _checker(number: int, pipe: Connection) -> Callable[[], None]:
    """What the pipeline calls between stages and tiles: raises where the frame was cancelled."""
    said_at = time.monotonic()

    def check() -> None:
        nonlocal said_at
        while pipe.poll(0):
            if pipe.recv_bytes() == b"cancel %d" % number:
                raise MatteCancelled
        if time.monotonic() - said_at > _ALIVE_S:
            said_at = time.monotonic()
            _say(pipe, Alive(number))

    return check


def _say(pipe: Connection, said: Said) -> None:
    pipe.send_bytes(encode_said(said))
