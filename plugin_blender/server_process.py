"""The matting server that this Blender started: a process that ends with Blender. Does not import bpy.

It is private, as the command line's own is: it listens on a free port of this machine and admits only who has the
keys that it prints for us. On loopback any user of the machine could connect otherwise.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .matte_link.endpoint import Endpoint
from .matte_link.ready_line import (
    STOP_WITH_STDIN,
    ReadyLine,
    ServerNotStarted,
    ServerReady,
    exit_reason,
    parse_ready_line,
)
from .plan import NodeError

_PRIVATE = ("--private", "--bind", "tcp://127.0.0.1:*")
_STOP_S = 10.0
START_S = 600.0
"""A server that is not ready by then will not be: a first start loads its model, from a slow disk maybe."""


@dataclass
class _Server:
    """The process, and the folder of its output: files, because a full pipe would stop it."""

    process: subprocess.Popen[str]
    command: str
    folder: tempfile.TemporaryDirectory[str]
    begun: float
    answer_read: ReadyLine | None = None

    def output(self, stream: str) -> str:
        """What the process has written to ``out`` or ``log`` so far."""
        return Path(self.folder.name, stream).read_text(encoding="utf-8", errors="replace").strip()

    @property
    def answer(self) -> ReadyLine | None:
        """Whether it is ready, or why it did not start; None where it has not said so yet. Panels ask this often:
        the file is read until the line is there."""
        if self.answer_read is None:
            self.answer_read = parse_ready_line(self.output("out").partition("\n")[0])
        return self.answer_read

    @property
    def last_words(self) -> str:
        """The last line of its log, which mostly says why it ended; else how it did."""
        log = self.output("log").splitlines()
        return f"{log[-1].rstrip('.')}." if log else exit_reason(self.process.returncode)


_server: _Server | None = None


def start(command: str) -> None:
    """Starts ``cleanplate serve``; :func:`poll` returns its endpoint when it is ready. Raises ``NodeError``."""
    global _server
    if is_running():
        raise NodeError("This Blender already runs a server.")
    found = shutil.which(command)
    if not found:
        raise NodeError(f"There is no command {command!r}.", "Name the 'cleanplate' command in the preferences.")
    stop()
    folder = tempfile.TemporaryDirectory(prefix="cleanplate-")
    with Path(folder.name, "out").open("wb") as out, Path(folder.name, "log").open("wb") as log:
        process = subprocess.Popen(
            [found, "serve", *_PRIVATE],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=log,
            text=True,
            env={**os.environ, STOP_WITH_STDIN: "1"},
        )
    _server = _Server(process=process, command=command, folder=folder, begun=time.monotonic())


def is_running() -> bool:
    """Whether our server's process is alive."""
    return _server is not None and _server.process.poll() is None


def has_died() -> bool:
    """Whether we have started a server, and its process has ended by itself."""
    return _server is not None and not is_running()


def start_again() -> None:
    """Starts our server again, which has died. Raises ``NodeError``."""
    if _server is not None:
        start(_server.command)


def endpoint() -> Endpoint | None:
    """Where our server listens, with the keys for it; None where it does not run, or is not ready yet."""
    answer = _server.answer if _server and is_running() else None
    return Endpoint.with_keys(answer.address, answer.client_keys) if isinstance(answer, ServerReady) else None


def poll() -> Endpoint | None:
    """The endpoint once our server is ready, None while it starts; raises ``NodeError`` where it has ended, or
    starts for too long."""
    if _server is None:
        raise NodeError("This Blender runs no server.")
    if is_running():
        found = endpoint()
        if found is None and time.monotonic() - _server.begun > START_S:
            raise NodeError(
                f"The server was not ready after {START_S:g} s.", "Stop it, and run 'cleanplate doctor'."
            )
        return found
    answer = _server.answer
    if isinstance(answer, ServerNotStarted):
        raise NodeError(f"The server did not start: {answer.message}", answer.hint)
    if isinstance(answer, ServerReady):
        words = f"The server that this Blender started has stopped: {_server.last_words}"
        raise NodeError(words, "Start it again.")
    raise NodeError(f"The server did not start: {_server.last_words}", "Look at Command in the preferences.")


def wait() -> Endpoint:
    """The endpoint as soon as the server is ready; raises ``NodeError``."""
    found = poll()
    while not found:
        time.sleep(0.05)
        found = poll()
    return found


def describe() -> str:
    """One line for panels; empty where we run none. Says why, where our server has ended by itself."""
    if _server is None:
        return ""
    try:
        found = poll()
    except NodeError as error:
        return str(error)
    return f"{found.address}: started by this Blender" if found else "The server is starting"


def stop() -> None:
    """Ends our server, where there is one, and waits until it has ended."""
    begin_stop().join()


def begin_stop() -> threading.Thread:
    """Ends our server, where there is one, on the thread that is returned: one that hangs is killed after ten
    seconds, and no window waits for that."""
    global _server
    server, _server = _server, None
    thread = threading.Thread(target=_end, args=(server,), name="cleanplate-stop")
    thread.start()
    return thread


def _end(server: _Server | None) -> None:
    if server is None:
        return
    if server.process.stdin:
        server.process.stdin.close()
    try:
        server.process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
    server.folder.cleanup()
