"""The matting server that runs on a worker for as long as a farm's session: started, found again, stopped.

The session's own processes come and go, so a small state file says which server it is. The server outlives the
command that started it. Where a session ends without stopping it, it stops by itself after it has been idle for
``IDLE_S`` seconds.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import queue
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import BinaryIO

import psutil
from filelock import FileLock
from matte_link.client import MatteClient
from matte_link.files import disk_words, small_text, write_atomically
from matte_link.ready_line import STOP_WITH_STDIN, ServerNotStarted, ServerReady, exit_reason

from ..errors import MatteError
from ..server.keys import write_private
from ..server.local_server import PRIVATE, await_ready_line, endpoint_of, read_lines
from ..server.startup_watchdog import StartupWatchdog

STATE_VARIABLE = "CLEANPLATE_FARM_STATE"
"""Names the state file to the tasks of a session that has a server of its own."""
IDLE_S = 1800.0
_TOKEN = "CLEANPLATE_RESIDENT"
_STOP_S = 20.0
_ANSWER_S = 60.0


@dataclass(frozen=True)
class ResidentServer:
    """The server that a session uses. ``pid`` 0: somebody else runs it, so it is never stopped here. ``address`` is
    empty until it is ready. ``token`` is in the environment of the server's process, so that another process with
    the same pid is never stopped; times of start would change with the machine's clock."""

    address: str
    keys: str = ""
    pid: int = 0
    token: str = ""
    log: str = ""
    arguments: tuple[str, ...] = ()
    """Those of ``cleanplate serve`` with which it was started."""


def use_shared(state: Path, address: str, keys: str) -> ResidentServer:
    """Writes the server that all workers share into ``state``, once it has answered. Raises ``LinkError`` where it
    does not answer, and ``MatteError`` where the address, the keys or ``state`` cannot be used."""
    with _held(state):
        with MatteClient(endpoint_of(address, keys)) as client:
            client.ping(_ANSWER_S)
        resident = ResidentServer(address=address, keys=keys)
        _write(state, resident)
        return resident


def start(
    state: Path, arguments: tuple[str, ...] = (), on_progress: Callable[[str], None] = lambda message: None
) -> ResidentServer:
    """Starts a server on a free loopback port, or finds the one that ``state`` names, also where another process
    starts it now. ``arguments`` are further ones of ``cleanplate serve``; ``on_progress`` is called with a message
    while a slow start is waited for. Raises ``MatteError``: no_server with the server's reason, cannot_write where
    ``state`` cannot be written."""
    with _held(state):
        earlier = read(state)
        running = _process(earlier) if earlier else None
        if earlier and running and earlier.address:
            return earlier
        if running:
            # Whoever started it was killed before it was ready, and its keys are known to nobody.
            _end(running)
        log = state.with_suffix(".log")
        token = uuid.uuid4().hex
        with _writing("log", log):
            log_file = log.open("wb")
        with log_file:
            process = _serve(log_file, arguments, token)
        try:
            starting = ResidentServer(
                address="", pid=process.pid, token=token, log=str(log), arguments=tuple(arguments)
            )
            _write(state, starting)
            return _ready_server(process, state, starting, on_progress)
        except BaseException:
            # Whoever gives up to wait, as a farm that cancels its session, has no other way to find it again.
            with contextlib.suppress(psutil.NoSuchProcess):
                _end(psutil.Process(process.pid))
            _remove(state)
            raise


def for_task(state: Path, on_progress: Callable[[str], None]) -> ResidentServer | None:
    """The session's own server; where that was killed, another one with the same arguments, for the session's other
    tasks too. None where ``state`` names none. Raises as :func:`start` does."""
    resident = read(state)
    if not resident or not resident.pid:
        return None
    is_there = resident.address and _process(resident)
    return resident if is_there else start(state, resident.arguments, on_progress)


@contextlib.contextmanager
def _held(state: Path) -> Iterator[None]:
    """Lets one process at a time write ``state``. Raises ``MatteError`` where none can, before a server is started
    that nobody would find again."""
    with _writing("state file", state):
        state.parent.mkdir(parents=True, exist_ok=True)
        if state.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        lock = FileLock(state.with_name(f".{state.name}.lock"))
        lock.acquire()
    try:
        yield
    finally:
        _remove(Path(lock.lock_file))
        lock.release()


@contextlib.contextmanager
def _writing(kind: str, path: Path) -> Iterator[None]:
    """Says in a sentence why the state file, or what lies beside it, cannot be written."""
    try:
        yield
    except OSError as error:
        raise MatteError(
            "cannot_write",
            f"The {kind} {path} cannot be written: {disk_words(error)}",
            "Name a file with --state on a local disk that has room, in a folder that this user may write to.",
        ) from None


def _ready_server(
    process: subprocess.Popen[str], state: Path, starting: ResidentServer, on_progress: Callable[[str], None]
) -> ResidentServer:
    """The server once it is ready, written into ``state``."""
    ready = _await_ready(process, Path(starting.log), on_progress)
    keys = _keys_of(state)
    with _writing("key file", keys):
        write_private(keys, ready.client_keys)
    resident = replace(starting, address=ready.address, keys=str(keys))
    _write(state, resident)
    return resident


def _serve(log: BinaryIO, arguments: tuple[str, ...], token: str) -> subprocess.Popen[str]:
    """A new server process, whose log goes to ``log``. Other users of the worker's machine cannot use it."""
    command = [sys.executable, "-m", "matte_server", "serve", "--bind", "tcp://127.0.0.1:*", PRIVATE]
    command += ["--log", "json", "--stop-when-idle", f"{IDLE_S:g}", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != STOP_WITH_STDIN}
    environment[_TOKEN] = token
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environment,
        # The farm kills or waits for all processes in the group of the command that it ran.
        start_new_session=True,
    )


def _await_ready(process: subprocess.Popen[str], log: Path, on_progress: Callable[[str], None]) -> ServerReady:
    """Where the server listens, once it is ready."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    read_lines(process.stdout, lines.put)
    watchdog = StartupWatchdog(
        process.pid, on_progress=lambda state: on_progress(f"The matting server is {state}.")
    )
    answer = await_ready_line(lines, watchdog)
    if isinstance(answer, ServerReady):
        return answer
    reason = (answer.message if isinstance(answer, ServerNotStarted) else answer) or _how_it_ended(process, log)
    raise MatteError("no_server", f"The matting server did not start: {reason}", f"See {log}.")


def _how_it_ended(process: subprocess.Popen[str], log: Path) -> str:
    """The last line of its log, where it has one."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if lines:
        return lines[-1]
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    return exit_reason(process.returncode)


def stop(state: Path) -> ResidentServer | None:
    """Stops the session's server and deletes ``state``; None where there is none. A server that somebody else runs
    is not stopped. Raises ``MatteError`` where ``state`` does not say which one it is."""
    resident = read(state)
    if resident is None:
        if state.exists():
            raise MatteError(
                "bad_state",
                f"The state file {state} cannot be read, or is damaged: it names no server that could be stopped.",
                f"One that it named ends by itself once it has been idle for {IDLE_S / 60:.0f} minutes.",
            )
        return None
    process = _process(resident)
    if process:
        _end(process)
    if resident.pid:
        _remove(_keys_of(state))
    _remove(state)
    return resident


def _keys_of(state: Path) -> Path:
    """Where the keys of a session's own server lie. Not where the state says: what that names is not removed."""
    return state.with_suffix(".keys.json")


def _remove(path: Path) -> None:
    # A state that must stay names a server that is gone, as the next session sees.
    with contextlib.suppress(OSError):
        path.unlink()


def _end(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        workers = process.children(recursive=True)
        process.terminate()
        _, alive = psutil.wait_procs([process, *workers], timeout=_STOP_S)
        for left in alive:
            left.kill()
        psutil.wait_procs(alive, timeout=_STOP_S)


def read(state: Path) -> ResidentServer | None:
    """What the state file says; None where there is no such file, or it is damaged or no file. What another version
    wrote beside is left out."""
    try:
        facts = json.loads(small_text(str(state)))
        known = {each.name: facts[each.name] for each in fields(ResidentServer) if each.name in facts}
        resident = ResidentServer(**{**known, "arguments": tuple(known.get("arguments", ()))})
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts = (resident.address, resident.keys, resident.token, resident.log, *resident.arguments)
    is_sound = type(resident.pid) is int and resident.pid >= 0 and all(isinstance(each, str) for each in texts)
    return resident if is_sound else None


def _process(resident: ResidentServer) -> psutil.Process | None:
    if not resident.pid:
        return None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(resident.pid)
        is_running = process.status() != psutil.STATUS_ZOMBIE
        if is_running and resident.token and process.environ().get(_TOKEN) == resident.token:
            return process
    return None


def _write(state: Path, resident: ResidentServer) -> None:
    with _writing("state file", state):
        write_atomically(str(state), json.dumps(asdict(resident)).encode())
