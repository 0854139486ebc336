"""The TCP connections behind the ROUTER: which have sent too much of a message that does not end.

ZeroMQ hands over a message when its last part has arrived, and keeps what came before in memory. It limits the size
of a part, but not how many parts a message has. So the bytes that each connection has received since its last whole
message are looked at from outside, where the system counts them (Linux), and a connection beyond the limit is shut:
ZeroMQ then frees what it kept.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket

import psutil
import zmq
from matte_link.traffic import bytes_moved
from matte_link.wire import DEFAULT_LIMITS
from zmq.utils.monitor import recv_monitor_message

from .structured_log import log_event

_LARGEST_MESSAGE = DEFAULT_LIMITS.blob + (64 << 20)
_SUSPECT = 16 << 20
"""Bytes of an unfinished message from which on the process's memory is looked at."""
_MOST_MEMORY = 2 << 30
"""Bytes by which the process may grow meanwhile: a message of many small parts takes more memory than its bytes."""


class Connections:
    """The open connections of ``router``, by descriptor. Belongs to the server's loop."""

    def __init__(self, router: zmq.Socket[bytes]) -> None:
        self._router = router
        self._monitor = router.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED)
        self._whole: dict[int, int] = {}
        """Per descriptor: how many bytes it had received when its last whole message was taken."""
        self._baseline = _own_memory()

    def __len__(self) -> int:
        return len(self._whole)

    def received(self, frame: zmq.Frame) -> None:
        """Notes that a whole message, of which ``frame`` is a part, was taken."""
        descriptor = int(frame.get(zmq.SRCFD))
        if descriptor in self._whole:
            self._whole[descriptor] = bytes_moved(descriptor)[1]

    def check(self) -> None:
        """Shuts connections that send without end; called several times a second."""
        self._follow()
        pending = {each: bytes_moved(each)[1] - whole for each, whole in self._whole.items()}
        too_much = [each for each, size in pending.items() if size > _LARGEST_MESSAGE]
        if max(pending.values(), default=0) > _SUSPECT:
            if _own_memory() - self._baseline > _MOST_MEMORY:
                too_much.append(max(pending, key=lambda each: pending[each]))
        elif not pending:
            self._baseline = _own_memory()
        for descriptor in set(too_much):
            log_event("connection shut", logging.WARNING, reason="a message without end", bytes=pending[descriptor])
            shut(descriptor)

    def _follow(self) -> None:
        """Takes in which connections have come and gone."""
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)
            if event["event"] == zmq.EVENT_ACCEPTED:
                self._whole[event["value"]] = 0
            else:
                self._whole.pop(event["value"], None)

    def close(self) -> None:
        """Stops watching."""
        self._router.disable_monitor()
        self._monitor.close(linger=0)


def shut(descriptor: int) -> None:
    """Ends a connection; for ZeroMQ it is as if the peer had. Does nothing where the descriptor is not a socket."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)


def _own_memory() -> int:
    """Bytes of this process that it shares with no file and no other process."""
    facts = psutil.Process().memory_info()
    return int(facts.rss - getattr(facts, "shared", 0))
