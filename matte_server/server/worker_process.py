"""How a worker's process begins."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from ..worker.loop import run_worker
from ..worker.settings import WorkerSettings


def start_worker(index: int, settings: WorkerSettings) -> tuple[Connection, BaseProcess]:
    """A new process, and our end of its pipe. Raises ``OSError`` where the system has none to spare."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    name = f"cleanplate-worker-{index}"
    process = context.Process(target=run_worker, args=(settings, theirs), name=name, daemon=True)
    with _terminal_signals_kept_away():
        process.start()
    theirs.close()
    return ours, process


@contextlib.contextmanager
def _terminal_signals_kept_away() -> Iterator[None]:
    """Has a process that is started meanwhile never hear of Ctrl+C, although it is imported for seconds before it
    could ignore that: a terminal tells all processes, and the server decides when its workers end."""
    if sys.platform == "win32":
        yield
        return
    # Its first start would let them through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
