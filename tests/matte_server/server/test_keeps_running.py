"""What must not stop a server: a worker that hangs while its pipe is full, a log that nobody reads and odd bytes in
it, closed streams, a closed terminal."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from matte_link.client import MatteClient
from matte_link.endpoint import Endpoint
from matte_link.messages import Answer, Cancel, Failure, Inline, Matte, MatteReply, new_id
from matte_link.wire import encode

from matte_server.server.local_server import LocalServer
from matte_server.server.spool import default_parent
from tests.matte_server.server.conftest import make_pictures, stopped_in
from tests.matte_server.server.test_security import dealer

Make = Callable[..., Matte]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")
_COMMAND = [sys.executable, "-m", "matte_server", "serve", "--device", "cpu", "--bind"]
_SERVE = [*_COMMAND, "tcp://127.0.0.1:*"]


def test_a_hung_worker_is_replaced_although_its_pipe_is_full(request_for: Make) -> None:
    """A frame is read ahead whose command is larger than a pipe holds; then an artist asks and takes back frames,
    each of which is a command, too."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(LocalServer(["--device", "cpu", "--hang-seconds", "4"]))
        client = stack.enter_context(MatteClient(server.endpoint))
        worker, first_id = stack.enter_context(stopped_in(client, request_for))
        began = time.monotonic()
        client.submit(request_for(hints={"note": ["x" * 60_000], "more": list(range(15_000))}, priority="batch"))
        with dealer(server) as artist:
            answers: list[Answer] = []
            # 4 s of silence, and some for a busy machine; each frame taken back used to start the time anew.
            while len(answers) < 1 and time.monotonic() - began < 60:
                request = request_for()
                artist.send_multipart([bytes(part) for part in encode(request)])
                artist.send_multipart([bytes(part) for part in encode(Cancel(id=new_id(), target=request.id))])
                answers += [answer] if (answer := client.receive(0.3)) else []
        assert isinstance(answers[0], Failure) and (answers[0].id, answers[0].code) == (first_id, "worker_hung")
        assert not worker.is_running()
        assert isinstance(client.receive(120), MatteReply)


@contextlib.contextmanager
def _serving(**streams: object) -> Iterator[tuple[subprocess.Popen[bytes], Endpoint]]:
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [*_SERVE, "--log", "json"],
        stdout=subprocess.PIPE,
        **streams,  # type: ignore[call-overload]
    )
    try:
        assert process.stdout
        yield process, Endpoint(json.loads(process.stdout.readline())["address"])
    finally:
        process.kill()
        process.wait()


def _free_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@contextlib.contextmanager
def _starting(**streams: object) -> Iterator[tuple[subprocess.Popen[bytes], MatteClient]]:
    """A server that answers, and whose worker has been started and is not ready yet: that takes ten times as
    long."""
    address = _free_address()
    process: subprocess.Popen[bytes] = subprocess.Popen(
        [*_COMMAND, address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **streams,  # type: ignore[call-overload]
    )
    try:
        with MatteClient(Endpoint(address)) as client:
            client.ping(120)
            _until(lambda: any("spawn_main" in " ".join(each.cmdline()) for each in _below(process)))
            yield process, client
    finally:
        process.kill()
        process.wait()


def _below(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_a_log_that_nobody_reads_stops_nothing(request_for: Make) -> None:
    with _serving(stderr=subprocess.PIPE) as (process, endpoint), MatteClient(endpoint) as client:
        refused = request_for(plate=Inline(data=b"no picture", name="n" * 200))
        # Each leaves a line of 400 bytes or more in the log; a pipe holds 64 KiB.
        for _ in range(400):
            client.submit(Matte(id=new_id(), frame=1, plate=refused.plate, clean_plate=refused.clean_plate))
            assert isinstance(client.receive(30), Failure)
        assert client.matte(request_for(), timeout_s=60).data and client.ping(5)
        process.terminate()
        assert process.wait(20) == 0


def test_what_is_logged_arrives_and_the_last_words_too() -> None:
    with _serving(stderr=subprocess.PIPE) as (process, _):
        below = _below(process)
        process.terminate()
        _, log = process.communicate(timeout=20)
        assert process.returncode == 0 and below and psutil.wait_procs(below, timeout=20)[1] == []
        assert not list(default_parent().glob(f"cleanplate-server-{process.pid}-*"))
    events = [json.loads(line)["event"] for line in log.splitlines() if line.startswith(b"{")]
    # On a busy machine the log says first that the worker is still starting.
    assert next(event for event in events if event != "starting") == "ready" and events[-1] == "stopped"


def test_a_byte_that_is_no_text_does_not_end_the_reading_of_the_log(server: LocalServer) -> None:
    odd = "caf\N{REPLACEMENT CHARACTER}"
    Path(f"/proc/{server.pid}/fd/2").write_bytes(b"some library prints caf\xe9\n")
    _until(lambda: odd in server.log)
    with dealer(server) as peer:
        for number in range(200):
            peer.send_multipart([b"CPM1", b'{"type":"nonsense","id":"%d"}' % number])
            assert peer.poll(20_000)
            peer.recv_multipart()
    # Each left a line, and the log keeps the last 200.
    _until(lambda: odd not in server.log)
    assert len(server.log.splitlines()) == 200


def _until(has_come: Callable[[], bool]) -> None:
    """Waits for what other threads and processes do; longer than any busy machine takes."""
    deadline = time.monotonic() + 60
    while not has_come():
        assert time.monotonic() < deadline
        time.sleep(0.01)


_ENDS = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGALRM")
"""Each ends a process that does not handle it."""


@pytest.mark.parametrize("name", ["SIGHUP", "SIGQUIT", "SIGINT", "SIGUSR1"])
def test_a_signal_that_ends_a_server_ends_all_of_it(name: str) -> None:
    """Here while its worker starts; :func:`test_what_is_logged_arrives_and_the_last_words_too` ends one that is
    ready. Those of a terminal, and one of the others: that these are handled too is asked of the system."""
    number = getattr(signal, name)

    def by_default() -> None:
        """A job in the background hands on that it ignores some, and the server would keep to that."""
        for each in _ENDS:
            signal.signal(getattr(signal, each), signal.SIG_DFL)

    with _starting(preexec_fn=by_default) as (process, _):
        below = _below(process)
        if sys.platform == "linux":
            status = Path(f"/proc/{process.pid}/status").read_text()
            handled = int(status.split("SigCgt:")[1].split()[0], 16)
            assert [each for each in _ENDS if not handled >> (getattr(signal, each) - 1) & 1] == []
        process.send_signal(number)
        assert process.wait(20) == 0
        assert psutil.wait_procs(below, timeout=20)[1] == []
        assert not list(default_parent().glob(f"cleanplate-server-{process.pid}-*"))


def test_ctrl_c_in_a_terminal_reaches_a_server_once_and_its_workers_never() -> None:
    """A terminal tells all processes; a worker that was being imported then printed a traceback."""
    by_default = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), "start_new_session": True}
    with _starting(**by_default) as (process, client):
        [worker] = [each for each in _below(process) if "spawn_main" in " ".join(each.cmdline())]
        worker.send_signal(signal.SIGINT)
        worker.send_signal(signal.SIGHUP)
        _until(lambda: bool(client.ping(20).models))
        assert client.status(20).state["workers"][0]["pid"] == worker.pid
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 0
        assert not worker.is_running()


def test_under_nohup_a_closed_terminal_changes_nothing() -> None:
    with _starting(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as (process, client):
        process.send_signal(signal.SIGHUP)
        assert client.ping(10)
        assert process.poll() is None


def test_closed_streams_are_not_taken_for_sockets() -> None:
    """``cleanplate serve >&- 2>&- <&-``: nothing is printed into a client's connection."""
    address = _free_address()
    process = subprocess.Popen(["sh", "-c", 'exec "$@" >&- 2>&- <&-', "sh", *_COMMAND, address])
    try:
        with MatteClient(Endpoint(address), patience_s=60) as client:
            assert client.ping(60)
            pair = make_pictures((48, 64))
            request = Matte(id="r", frame=1, plate=Inline(data=pair.plate), clean_plate=Inline(data=pair.clean))
            assert client.matte(request, timeout_s=120).data
    finally:
        process.terminate()
        assert process.wait(20) == 0
