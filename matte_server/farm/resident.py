"""The matting server that stays on a worker while a farm's session lasts: started, found again, stopped.

The session's own processes come and go, so the server is told to nobody but a small state file. It outlives
the command that started it; a session that ends without a word leaves a server that stops by itself when it
has been idle for long enough.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from matte_link.client import MatteClient
from matte_link.files import write_atomically
from matte_link.ready_line import STOP_WITH_STDIN, ServerNotStarted, ServerReady

from ..errors import MatteError
from ..server.local_server import await_ready_line, endpoint_of
from ..server.startup_watchdog import StartupWatchdog

IDLE_S = 1800.0
_STOP_S = 20.0
_ANSWER_S = 60.0


@dataclass(frozen=True)
class Resident:
    """A server that a session uses. ``pid`` 0: somebody else's, which is left alone. ``started`` is the
    process's start time, so that another process under the same number is never stopped."""

    address: str
    keys: str = ""
    pid: int = 0
    started: float = 0.0
    log: str = ""


def use_shared(state: Path, address: str, keys: str) -> Resident:
    """Notes the server that all workers share, once it has answered. Raises ``LinkError`` where it does not, and
    ``MatteError`` where the address or the keys are unusable."""
    with MatteClient(endpoint_of(address, keys)) as client:
        client.ping(_ANSWER_S)
    resident = Resident(address, keys)
    _write(state, resident)
    return resident


def start(
    state: Path, arguments: tuple[str, ...] = (), say: Callable[[str], None] = lambda words: None
) -> Resident:
    """Starts a server on a free loopback port, or finds the one that ``state`` tells of. ``arguments`` are
    further ones of ``cleanplate serve``; ``say`` hears that a slow start is waited for. Raises
    ``MatteError("no_server", ...)`` with the server's reason."""
    there = read(state)
    if there and _process(there):
        return there
    log = state.with_suffix(".log")
    state.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "matte_server", "serve", "--bind", "tcp://127.0.0.1:*", "--log", "json"]
    command += ["--stop-when-idle", f"{IDLE_S:g}", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != STOP_WITH_STDIN}
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env=environment,
            # The farm ends what its action left behind by process group, or waits for it.
            start_new_session=True,
        )
    starting = StartupWatchdog(process.pid, on_progress=lambda words: say(f"The matting server is {words}."))
    answer = await_ready_line(_first_line(process), lambda: process.poll() is not None, starting)
    if not isinstance(answer, ServerReady):
        process.kill()
        process.wait()
        reason = (answer.message if isinstance(answer, ServerNotStarted) else answer) or _last_line(log)
        raise MatteError("no_server", f"The matting server did not start: {reason}", f"See {log}.")
    started = psutil.Process(process.pid).create_time()
    resident = Resident(address=answer.address, pid=process.pid, started=started, log=str(log))
    _write(state, resident)
    return resident


def _first_line(process: subprocess.Popen[str]) -> queue.SimpleQueue[str]:
    """What the server prints first, as soon as it does. Nothing where it ends before."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    output = process.stdout
    assert output is not None

    def read_line() -> None:
        if line := output.readline():
            lines.put(line)
        output.close()

    threading.Thread(target=read_line, daemon=True).start()
    return lines


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing."


def stop(state: Path) -> Resident | None:
    """Stops the session's server and forgets it; None where there is none. One that somebody else runs stays."""
    resident = read(state)
    if resident is None:
        return None
    process = _process(resident)
    if process:
        _end(process)
    state.unlink(missing_ok=True)
    return resident


def _end(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        workers = process.children(recursive=True)
        process.terminate()
        _, alive = psutil.wait_procs([process, *workers], timeout=_STOP_S)
        for left in alive:
            left.kill()
        psutil.wait_procs(alive, timeout=_STOP_S)


def read(state: Path) -> Resident | None:
    """What the state file tells; None where there is none, or it is damaged."""
    try:
        return Resident(**json.loads(state.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _process(resident: Resident) -> psutil.Process | None:
    if not resident.pid:
        return None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(resident.pid)
        if abs(process.create_time() - resident.started) < 1.0 and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _write(state: Path, resident: Resident) -> None:
    write_atomically(str(state), json.dumps(asdict(resident)).encode())
