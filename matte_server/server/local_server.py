"""Runs a matting server of one's own: a child process that listens on a free loopback port."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from matte_link.client import MatteClient
from matte_link.endpoint import ADDRESS_VARIABLE, Endpoint
from matte_link.errors import LinkError
from matte_link.port_owner import why_not_trusted
from matte_link.ready_line import (
    STOP_WITH_STDIN,
    ReadyLine,
    ServerNotStarted,
    ServerReady,
    exit_reason,
    parse_ready_line,
)

from ..errors import MatteError
from .startup_watchdog import LIMIT_S, StartupWatchdog

PRIVATE = "--private"
"""Has a server admit nobody but whoever started it: on loopback any user of the machine can connect."""
_STOP_S = 10.0
_NAMED_S, _UNNAMED_S = 2.0, 0.5
"""For how long a server is asked that the environment names, and one that may run at the default address."""
_LONG_SHOT = 30
"""From this many frames on, a shot's own server starts several workers where there is no GPU. Each costs some
seconds of CPU time to start and saves a tenth of a second per frame."""


class LocalServer:
    """``with LocalServer() as server:`` runs ``cleanplate serve``; ``server.endpoint`` is where it listens.

    ``arguments`` are passed on to ``cleanplate serve``. The server stops when the block ends, and when this process
    dies for any reason. A slow start is waited for as long as the server is working, up to ``start_s`` seconds;
    ``on_progress`` is called with a message meanwhile. Raises ``MatteError``: with the server's own code where it
    refuses to start, no_server where it does not get ready.
    """

    def __init__(
        self,
        arguments: Sequence[str] = (),
        start_s: float = LIMIT_S,
        on_progress: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.arguments = tuple(arguments)
        self.start_s = start_s
        self._on_progress = on_progress
        self.endpoint = Endpoint()
        self.metrics = ""
        """Where the server's figures for Prometheus are served; empty where it serves none."""
        self._log: deque[str] = deque(maxlen=200)
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> LocalServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The server's process id; 0 where it does not run."""
        return self._process.pid if self._process else 0

    @property
    def log(self) -> str:
        """The last lines of the server's log."""
        return "\n".join(self._log)

    def start(self) -> None:
        """Starts the server and waits until it is ready."""
        bind = () if "--bind" in self.arguments else ("--bind", "tcp://127.0.0.1:*")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "matte_server", "serve", *bind, *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A byte that is no UTF-8, as libraries print it, must not end the thread that reads the log.
            encoding="utf-8",
            errors="replace",
            env={**os.environ, STOP_WITH_STDIN: "1"},
        )
        lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Both pipes are read for as long as the server runs, because a full pipe would block it.
        self._readers = [
            read_lines(self._process.stdout, lines.put),
            read_lines(self._process.stderr, self._keep_log_line),
        ]
        try:
            self._await_ready(self._process, lines)
        except BaseException:
            # Ctrl+C, for one: a notebook keeps the exception, and with it the pipe that the server lives by.
            self.stop()
            raise

    def _keep_log_line(self, line: str | None) -> None:
        if line is not None:
            self._log.append(line)

    def _await_ready(self, process: subprocess.Popen[str], lines: queue.SimpleQueue[str | None]) -> None:
        watchdog = StartupWatchdog(
            process.pid, self.start_s, lambda state: self._on_progress(f"The matting server is {state}.")
        )
        answer = await_ready_line(lines, watchdog)
        if isinstance(answer, ServerReady):
            self.endpoint = Endpoint.with_keys(answer.address, answer.client_keys, is_own=True)
            self.metrics = answer.metrics
            return
        self.stop()
        if isinstance(answer, ServerNotStarted):
            raise MatteError(answer.code, answer.message, answer.hint)
        reason = answer or (self._log[-1] if self._log else exit_reason(process.returncode))
        raise MatteError("no_server", f"The matting server did not start: {reason}", "Run 'cleanplate doctor'.")

    def stop(self) -> None:
        """Stops the server, which deletes its spool."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # The pipes close with the server, or with a worker of it that lives a moment longer.
        for reader in self._readers:
            reader.join(_STOP_S)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def read_lines(stream: Any, on_line: Callable[[str | None], None]) -> threading.Thread:
    """Reads a server's output on a thread of its own: ``on_line`` is called with each line, and with None at the
    end."""

    def read() -> None:
        with contextlib.suppress(ValueError):
            for line in stream:
                on_line(line.rstrip("\n"))
        on_line(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return reader


def await_ready_line(lines: queue.SimpleQueue[str | None], watchdog: StartupWatchdog) -> ReadyLine | str:
    """The first of the ``lines`` that a starting server prints, which says that it is ready or why it is not; None
    among them is the end of its output. Where there is no such line: why ``watchdog`` gave the server up, or an
    empty text where it ended by itself."""
    while not (given_up := watchdog.failure()):
        with contextlib.suppress(queue.Empty):
            # The end of the process is not looked at: its last line may still be on its way through the pipe.
            line = lines.get(timeout=0.1)
            return (parse_ready_line(line) or "") if line is not None else ""
    return given_up


def endpoint_of(address: str = "", keys: str = "") -> Endpoint:
    """The server that was named, as in :meth:`Endpoint.resolve`; raises ``MatteError("bad_address", ...)``."""
    try:
        return Endpoint.resolve(address, keys)
    except ValueError as error:
        raise MatteError("bad_address", str(error)) from None


@contextmanager
def server_for(
    address: str,
    keys: str = "",
    files: Sequence[Path] = (),
    frames: int = 1,
    on_progress: Callable[[str], None] = lambda message: None,
) -> Iterator[Endpoint]:
    """The server at ``address``; where that is empty, one that already runs at the default address, or else one of
    our own, which nobody else can use and which may read ``files``. ``frames``: how many the caller wants; a long
    shot gains from several workers. ``on_progress`` is called with a message while a server starts, and where one
    was to be expected that cannot be taken. Raises ``MatteError``: bad_address, no_server, or one of the server's
    own codes."""
    endpoint = endpoint_of(address, keys)
    problem = None if address else _why_not(endpoint)
    if problem is None:
        yield endpoint
        return
    if problem:
        on_progress(f"{problem} A server of this run's own is started instead.")
    readable = [part for file in files for part in ("--read", str(file))]
    shared = ["--cpu-workers", "0"] if frames >= _LONG_SHOT else []
    with LocalServer([PRIVATE, *readable, *shared], on_progress=on_progress) as own:
        yield own.endpoint


def _why_not(endpoint: Endpoint) -> str | None:
    """Why a server that nobody named on the command line is not to be asked: a sentence, empty where nobody expects
    one there; None where it answers and is to be trusted with pictures."""
    is_named = bool(os.environ.get(ADDRESS_VARIABLE))
    with MatteClient(endpoint) as client:
        try:
            client.ping(_NAMED_S if is_named else _UNNAMED_S)
        except LinkError as error:
            return error.message if is_named else ""
    problem = why_not_trusted(endpoint)
    return f"{problem} --server {endpoint.address} sends them there." if problem else None
