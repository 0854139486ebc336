"""Connections that send a message without end, on real sockets."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
import zmq

from matte_server.server import connections
from matte_server.server.connections import Connections

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bytes are counted by Linux")
_MIB = 1 << 20


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield made
    made.destroy(linger=0)


class Bench:
    """A ROUTER that is watched, and what it has received."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._context = context
        self._router = context.socket(zmq.ROUTER)
        self.watched = Connections(self._router)
        self.port = self._router.bind_to_random_port("tcp://127.0.0.1")
        self.messages: list[bytes] = []

    def peer(self) -> zmq.Socket[bytes]:
        made = self._context.socket(zmq.DEALER)
        made.connect(f"tcp://127.0.0.1:{self.port}")
        return made

    def has_message(self, milliseconds: int) -> bool:
        return bool(self._router.poll(milliseconds))

    def turn(self) -> None:
        """As the server's loop does."""
        if self.has_message(20):
            frames = self._router.recv_multipart(copy=False)
            assert self.watched.received(bytes(frames[0].buffer), frames[-1])
            self.messages.append(bytes(frames[1].buffer))
        self.watched.check()

    def until(self, question: Callable[[], bool]) -> None:
        """Goes on until the answer is yes, and then for ten turns."""
        deadline = time.monotonic() + 30
        while not question():
            assert time.monotonic() < deadline, "waited in vain"
            self.turn()
        for _ in range(10):
            self.turn()


def _endless(bench: Bench) -> socket.socket:
    """A peer that speaks ZMTP by hand: ZeroMQ's own sends nothing before a message has its end."""
    peer = socket.create_connection(("127.0.0.1", bench.port), timeout=10)
    peer.sendall(b"\xff" + b"\0" * 8 + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32)
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
    peer.sendall(b"\x04" + bytes([len(ready)]) + ready)
    return peer


def _is_shut(peer: socket.socket) -> bool:
    """Whether the other side has ended the connection; takes what it sent."""
    peer.setblocking(False)
    with contextlib.suppress(ConnectionError):
        try:
            while peer.recv(4096):
                pass
        except BlockingIOError:
            return False
    return True


def test_a_message_without_end_costs_its_connection_and_no_other(
    context: zmq.Context[zmq.Socket[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_LARGEST_MESSAGE", 4 * _MIB)
    bench = Bench(context)
    honest, endless = bench.peer(), _endless(bench)
    lost = honest.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    honest.send(b"first")
    bench.until(lambda: len(bench.messages) == 1)
    with contextlib.suppress(OSError):
        for _ in range(8):
            # A long frame after which more follow.
            endless.sendall(b"\x03" + struct.pack(">Q", _MIB) + bytes(_MIB))
    # Larger than the limit altogether, but each message has an end.
    for count in range(2, 8):
        honest.send(bytes(_MIB))
        bench.until(lambda: len(bench.messages) == count)  # noqa: B023 - asked within this turn
    bench.until(lambda: _is_shut(endless))
    assert not lost.poll(0)
    assert bench.messages[0] == b"first"


def test_a_message_that_is_taken_before_its_connection_was_looked_at_is_whole(
    context: zmq.Context[zmq.Socket[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_LARGEST_MESSAGE", 2 * _MIB)
    bench = Bench(context)
    peer = bench.peer()
    lost = peer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    peer.send(bytes(3 * _MIB))
    # The first turn of the loop takes the whole message, and only then looks for connections.
    assert bench.has_message(30_000)
    bench.until(lambda: bool(bench.messages))
    assert [len(message) for message in bench.messages] == [3 * _MIB]
    assert not lost.poll(0)


def test_many_small_parts_are_seen_by_the_memory_they_take(
    context: zmq.Context[zmq.Socket[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_SUSPECT", 1 << 16)
    monkeypatch.setattr(connections, "_MOST_MEMORY", 8 * _MIB)
    bench = Bench(context)
    endless = _endless(bench)
    bench.until(lambda: len(bench.watched) == 1)
    # ZeroMQ takes 64 bytes for each of these.
    endless.sendall(b"\x01\x01x" * 400_000)
    bench.until(lambda: _is_shut(endless))


def test_connections_that_end_are_forgotten(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    bench = Bench(context)
    peers = [bench.peer() for _ in range(5)]
    bench.until(lambda: len(bench.watched) == 5)
    for peer in peers:
        peer.close(linger=0)
    bench.until(lambda: len(bench.watched) == 0)


def test_own_memory_leaves_out_what_files_and_other_processes_share() -> None:
    facts = psutil.Process().memory_info()
    assert facts.shared > 0
    assert connections._own_memory() < facts.rss - facts.shared / 2
