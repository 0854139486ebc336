"""Servers that start, refuse to start, are killed and started again."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from matte_link import port_owner
from matte_link.client import MatteClient
from matte_link.endpoint import ADDRESS_VARIABLE, Endpoint
from matte_link.messages import (
    Answer,
    Inline,
    Matte,
    MatteReply,
)
from matte_link.options import MatteOptions
from matte_link.ready_line import ServerNotStarted, ServerReady, ready_line

from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.server import local_server
from matte_server.server.local_server import LocalServer, await_ready_line, read_lines, server_for
from matte_server.server.spool import default_parent
from matte_server.server.startup_watchdog import StartupWatchdog
from matte_server.worker.machine import workers_without_gpu
from tests.matte_server.workers_ready import until_ready

from .conftest import make_pictures

Make = Callable[..., Matte]
SLOW = (640, 960)
"""A size whose frame takes long enough (about a second here) to be caught at work."""


def test_a_taken_port_is_one_sentence(server: LocalServer) -> None:
    with pytest.raises(MatteError, match=r"^The address .* is already taken"):
        LocalServer(["--bind", server.endpoint.address]).start()


def test_other_machines_need_keys() -> None:
    with pytest.raises(MatteError, match="needs keys"):
        LocalServer(["--bind", "tcp://0.0.0.0:*"]).start()


def test_a_missing_device_is_one_sentence() -> None:
    with pytest.raises(MatteError, match="no device 'cuda:99'"):
        LocalServer(["--device", "cuda:99"]).start()


def test_a_server_that_ends_without_a_word_is_told_by_how_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the system kills it for its memory: "It printed nothing" helped nobody."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(MatteError, match=r"^The matting server did not start: It ended with exit code 1\."):
        LocalServer().start()


def test_a_failure_line_that_is_still_in_the_pipe_is_not_missed() -> None:
    """The process is long gone when its only line arrives: a busy machine runs the reading thread late."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    failure = ServerNotStarted(code="no_device", message="This machine has no device.")
    child = subprocess.Popen(
        [sys.executable, "-c", f"print({ready_line(failure)!r})"], stdout=subprocess.PIPE, text=True
    )
    child.wait()
    late = threading.Timer(0.5, read_lines, (child.stdout, lines.put))
    late.start()
    assert await_ready_line(lines, StartupWatchdog(child.pid)) == failure
    late.join()


@pytest.mark.parametrize(
    ("printed", "answer"),
    [
        ("", ""),
        ("print('no JSON')", ""),
        ("print('null')", ""),
        ('print(\'{"ready": true, "address": "tcp://127.0.0.1:1"}\')', ServerReady(address="tcp://127.0.0.1:1")),
    ],
)
def test_the_ready_line_is_the_first_one(printed: str, answer: object) -> None:
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    child = subprocess.Popen([sys.executable, "-c", printed], stdout=subprocess.PIPE, text=True)
    read_lines(child.stdout, lines.put)
    assert await_ready_line(lines, StartupWatchdog(child.pid)) == answer
    child.wait()


def test_a_server_that_prints_nothing_is_given_up_with_the_reason() -> None:
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    given_up = await_ready_line(lines, StartupWatchdog(os.getpid(), limit_s=0.3))
    assert given_up == "It did not start within 0.3 s."


def test_a_start_that_is_interrupted_leaves_no_server() -> None:
    started: list[int] = []
    server = LocalServer(on_progress=lambda state: None)

    def interrupt() -> None:
        started.append(server.pid)
        os.kill(os.getpid(), signal.SIGINT)

    # Python does not raise it where whoever started the tests has them ignore the signal, as in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.3, interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            server.start()
    finally:
        signal.signal(signal.SIGINT, before)
    assert started[0] and not psutil.pid_exists(started[0])


def test_a_server_that_does_not_stop_by_itself_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_server, "_STOP_S", 0.1)
    server = LocalServer()
    server._process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], stdin=subprocess.PIPE, text=True
    )
    process = psutil.Process(server.pid)
    server.stop()
    assert not process.is_running()


def test_a_long_shots_own_server_shares_the_processor_and_the_matte_is_the_same(
    client: MatteClient, request_for: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv(ADDRESS_VARIABLE, "")
    options = MatteOptions(model="cleanplate", bit_depth="float")
    alone = exr.read_image(bytes(client.matte(request_for(options=options)).data)).pixels
    with server_for("", frames=30) as endpoint, MatteClient(endpoint) as shared:
        assert endpoint.is_own
        count = workers_without_gpu()
        until_ready(shared, count)
        for number in range(4 * count):
            shared.submit(request_for(id=f"f{number}", options=options))
        answers = [shared.receive(60) for _ in range(4 * count)]
        assert all(worker["frames"] for worker in shared.status().state["workers"])
    for answer in answers:
        assert isinstance(answer, MatteReply)
        np.testing.assert_array_equal(exr.read_image(bytes(answer.data)).pixels, alone)


@pytest.fixture
def own_started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What :func:`server_for` says; in place of a server of its own it gives the default address."""

    @contextlib.contextmanager
    def start(*arguments: object, **named: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(endpoint=Endpoint())

    monkeypatch.setattr(local_server, "LocalServer", start)
    return []


def test_a_server_that_the_environment_names_and_that_is_gone_is_said(
    own_started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run went on with this machine's own processor, and nobody knew why it took so long."""
    monkeypatch.setattr(local_server, "_NAMED_S", 0.2)
    monkeypatch.setenv(ADDRESS_VARIABLE, "tcp://127.0.0.1:9")
    with server_for("", on_progress=own_started.append):
        assert own_started == [
            "No matting server answers at tcp://127.0.0.1:9. A server of this run's own is started instead."
        ]


@pytest.mark.parametrize("named_by", ["nobody", "option", "environment"])
def test_another_users_server_gets_pictures_only_where_it_is_named(
    server: LocalServer, own_started: list[str], monkeypatch: pytest.MonkeyPatch, named_by: str
) -> None:
    address = server.endpoint.address
    monkeypatch.setattr(port_owner, "is_another_users", lambda address: True)
    monkeypatch.setattr(local_server, "endpoint_of", lambda *named: server.endpoint)
    monkeypatch.setenv(ADDRESS_VARIABLE, address if named_by == "environment" else "")
    with server_for(address if named_by == "option" else "", on_progress=own_started.append) as endpoint:
        assert (endpoint == server.endpoint) == (named_by != "nobody")
    assert [f"at {address} is another user's" in sentence for sentence in own_started] == [True] * (
        named_by == "nobody"
    )


def test_a_server_that_is_killed_leaves_nothing_running_and_the_next_one_loses_nothing(request_for: Make) -> None:
    """Each frame arrives exactly once, whatever was under way, waiting or answered when the server was killed; and
    the next one cleans up."""
    first = LocalServer(["--device", "cpu"])
    first.start()
    address = first.endpoint.address
    small = make_pictures((48, 64))
    with MatteClient(first.endpoint, patience_s=120.0) as client:
        wanted = [
            request_for(id=f"f{number}", plate=Inline(data=small.plate), clean_plate=Inline(data=small.clean))
            for number in range(8)
        ]
        for request in wanted:
            client.submit(request)
        arrived: list[Answer] = []
        while len(arrived) < 2:
            arrived += [answer] if (answer := client.receive(1.0)) else []
        [worker] = [
            each for each in psutil.Process(first.pid).children() if "spawn_main" in " ".join(each.cmdline())
        ]
        left = list(default_parent().glob(f"cleanplate-server-{first.pid}-*"))
        assert len(left) == 1
        os.kill(first.pid, signal.SIGKILL)
        first.stop()
        psutil.wait_procs([worker], timeout=20)
        assert not worker.is_running()
        with LocalServer(["--device", "cpu", "--bind", address]) as other:
            assert not left[0].exists()
            process = psutil.Process(other.pid)
            deadline = time.monotonic() + 120
            while len(arrived) < len(wanted) and time.monotonic() < deadline:
                arrived += [answer] if (answer := client.receive(1.0)) else []
            assert client.receive(1.0) is None and client.outstanding == ()
        # Stopped by the time that the block ends, and its spool with it.
        assert not process.is_running()
        assert not list(default_parent().glob(f"cleanplate-server-{process.pid}-*"))
    assert all(isinstance(answer, MatteReply) for answer in arrived)
    assert sorted(answer.id for answer in arrived) == [request.id for request in wanted]
