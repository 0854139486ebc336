"""A matting server of one's own: started on a free loopback port as its own process, and stopped again."""

from __future__ import annotations

import contextlib
import json
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
from matte_link.endpoint import Endpoint
from matte_link.errors import LinkError

from ..errors import MatteError
from .serve import PARENT_VARIABLE
from .startup_watchdog import LIMIT_S, StartupWatchdog

_STOP_S = 10.0
_LONG = 30
"""Frames from which on a shot's own server starts more than one matting process where there is no GPU: each takes
some seconds of the processor to start and gains a tenth of a second a frame."""


class LocalServer:
    """``with LocalServer() as server:`` runs ``cleanplate serve``; ``server.endpoint`` is where it listens.

    ``arguments`` are further ones of ``cleanplate serve``. The server stops when the block ends, and when
    this process dies in whatever way. One that is slow to start is waited for as long as it works, up to
    ``start_s`` seconds, and ``say`` hears that. Raises ``MatteError`` with the server's own code where it refuses
    to start, or ``no_server`` where it does not get ready.
    """

    def __init__(
        self,
        arguments: Sequence[str] = (),
        start_s: float = LIMIT_S,
        say: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.arguments = tuple(arguments)
        self.start_s = start_s
        self._say = say
        self.endpoint = Endpoint()
        self.facts: dict[str, Any] = {}
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
        """The server's process; 0 where it does not run."""
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
            env={**os.environ, PARENT_VARIABLE: "1"},
        )
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        # Both pipes are read for as long as the server runs: a full one would stop it.
        self._follow(self._process.stdout, lines.put)
        self._follow(self._process.stderr, self._log.append)
        self._await_ready(self._process, lines)

    def _follow(self, stream: Any, take: Any) -> None:
        def read() -> None:
            with contextlib.suppress(ValueError):
                for line in stream:
                    take(line.rstrip("\n"))

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self._readers.append(reader)

    def _await_ready(self, process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
        starting = StartupWatchdog(
            process.pid, self.start_s, lambda words: self._say(f"The matting server is {words}.")
        )
        while not (trouble := starting.trouble()):
            with contextlib.suppress(queue.Empty):
                self.facts = json.loads(lines.get(timeout=0.1))
                break
            if process.poll() is not None and lines.empty():
                break
        if self.facts.get("ready"):
            self.endpoint = Endpoint(self.facts["address"])
            return
        self.stop()
        if self.facts:
            raise MatteError(self.facts["code"], self.facts["message"], self.facts["hint"])
        reason = trouble or (self._log[-1] if self._log else "It said nothing.")
        raise MatteError("no_server", f"The matting server did not start: {reason}", "Run 'cleanplate doctor'.")

    def stop(self) -> None:
        """Ends the server; it deletes what it kept."""
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
        # The pipes end with the server, or with a worker of it that lives a moment longer.
        for reader in self._readers:
            reader.join(_STOP_S)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


@contextmanager
def server_for(
    address: str,
    keys: str = "",
    folders: Sequence[Path] = (),
    frames: int = 1,
    say: Callable[[str], None] = lambda words: None,
) -> Iterator[Endpoint]:
    """The server named, else one that already runs on the default address, else one of our own, which may touch
    ``folders``. ``frames`` is how many the caller wants: a long shot gains from several matting processes. ``say``
    hears that a server is still starting. Raises ``MatteError``: bad_address, no_server or what the server says."""
    try:
        endpoint = Endpoint.resolve(address, keys)
    except ValueError as error:
        raise MatteError("bad_address", str(error)) from None
    if address or _answers(endpoint):
        yield endpoint
        return
    roots = [part for folder in folders for part in ("--root", str(folder))]
    shared = ["--cpu-workers", "0"] if frames >= _LONG else []
    with LocalServer([*roots, *shared], say=say) as own:
        yield own.endpoint


def _answers(endpoint: Endpoint) -> bool:
    with MatteClient(endpoint) as client:
        try:
            client.ping(0.5)
        except LinkError:
            return False
        return True
