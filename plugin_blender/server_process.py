"""The matting server that this Blender started: a process that ends with Blender. Does not import bpy."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .matte_link.endpoint import Endpoint
from .matte_link.ready_line import STOP_WITH_STDIN, ServerNotStarted, ServerReady, parse_ready_line
from .plan import NodeError

_STOP_S = 10.0


@dataclass
class _Server:
    """The process, and the folder of its output: files, because a full pipe would stop it."""

    process: subprocess.Popen[str]
    command: str
    endpoint: Endpoint
    folder: tempfile.TemporaryDirectory[str]

    def output(self, stream: str) -> str:
        """What the process has written to ``out`` or ``log`` so far."""
        return Path(self.folder.name, stream).read_text(encoding="utf-8", errors="replace").strip()


_server: _Server | None = None


def start(command: str, endpoint: Endpoint) -> None:
    """Starts ``cleanplate serve``; :func:`poll` returns its address when it is ready. Raises ``NodeError``."""
    global _server
    if is_running():
        raise NodeError("This Blender already runs a server.")
    stop()
    if not endpoint.is_loopback or endpoint.encrypted:
        raise NodeError(
            f"{endpoint.address} is not on this machine, or needs keys.",
            "Start that server where it belongs, with 'cleanplate serve'.",
        )
    found = shutil.which(str(Path(command).expanduser()))
    if not found:
        raise NodeError(f"There is no command {command!r}.", "Name the 'cleanplate' command in the preferences.")
    folder = tempfile.TemporaryDirectory(prefix="cleanplate-")
    with Path(folder.name, "out").open("w") as out, Path(folder.name, "log").open("w") as log:
        process = subprocess.Popen(
            [found, "serve", "--bind", endpoint.address],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=log,
            text=True,
            env={**os.environ, STOP_WITH_STDIN: "1"},
        )
    _server = _Server(process=process, command=command, endpoint=endpoint, folder=folder)


def is_running() -> bool:
    """Whether our server's process is alive."""
    return _server is not None and _server.process.poll() is None


def restart_if_it_died() -> bool:
    """Starts our server again where its process has ended by itself; whether it did."""
    if _server is None or is_running():
        return False
    command, endpoint = _server.command, _server.endpoint
    start(command, endpoint)
    return True


def is_ready() -> bool:
    """Whether our server has said that it takes frames."""
    answer = parse_ready_line(_server.output("out").partition("\n")[0]) if _server else None
    return isinstance(answer, ServerReady)


def poll() -> str:
    """The address once our server is ready, empty while it starts; raises ``NodeError`` where it has ended."""
    if _server is None:
        raise NodeError("This Blender runs no server.")
    ended = not is_running()
    answer = parse_ready_line(_server.output("out").partition("\n")[0])
    if isinstance(answer, ServerReady) and not ended:
        return answer.address
    if ended and isinstance(answer, ServerNotStarted):
        raise NodeError(f"The server did not start: {answer.message}", answer.hint)
    if ended:
        log = _server.output("log").splitlines()
        raise NodeError(f"The server did not start: {log[-1] if log else 'it printed nothing.'}")
    return ""


def wait(timeout_s: float) -> str:
    """The address as soon as the server is ready; raises ``NodeError``."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        address = poll()
        if address:
            return address
        time.sleep(0.05)
    raise NodeError(f"The server was not ready after {timeout_s:g} s.", "Run 'cleanplate doctor'.")


def describe() -> str:
    """One line for the preferences; empty where we run none."""
    return (
        f"Server {_server.endpoint.address} runs (process {_server.process.pid})"
        if _server and is_running()
        else ""
    )


def stop() -> None:
    """Ends our server, where there is one."""
    global _server
    server, _server = _server, None
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
