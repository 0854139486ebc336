"""The TCP connections behind the ROUTER: whose they are, and which have sent too much of a message without an end.

ZeroMQ hands over a message when its last part has arrived, and keeps what came before in memory. It limits the size
of a part, but not how many parts a message has. So the bytes that each connection has received since its last whole
message are looked at from outside, where the system counts them (Linux), and a connection beyond the limit is shut:
ZeroMQ then frees what it kept.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import zmq
from matte_link.traffic import bytes_moved
from matte_link.wire import DEFAULT_LIMITS
from zmq.utils.monitor import recv_monitor_message

from .structured_log import log_event

_LARGEST_MESSAGE = DEFAULT_LIMITS.blob + (64 << 20)
_MOST_NAMES = 10_000
_SUSPECT = 16 << 20
"""Bytes of an unfinished message from which on the process's memory is looked at."""
_MOST_MEMORY = 2 << 30
"""Bytes by which the process may grow meanwhile: a message of many small parts takes more memory than its bytes."""


@dataclass(eq=False)
class _Connection:
    """One TCP connection. ``whole``: how many bytes it had received when its last whole message was taken. The
    system gives its descriptor to another connection once it is no longer open."""

    descriptor: int
    whole: int = 0
    is_open: bool = True


@dataclass(frozen=True, eq=False)
class _Sender:
    """Who sent under a client's name last: the connection (None if it had already ended), and the public key."""

    connection: _Connection | None
    key: str

    @property
    def is_connected(self) -> bool:
        """Whether the connection is still open."""
        return self.connection is not None and self.connection.is_open


class Connections:
    """The open connections of ``router``, by descriptor. ``admits`` says whether a public key is still admitted;
    None where the server has no keys. Belongs to the server's loop.

    With keys a client's name belongs to its key: a reply goes out only while the connection lasts from which the
    name was used, so that somebody who takes the name afterwards gets nothing.
    """

    def __init__(self, router: zmq.Socket[bytes], admits: Callable[[str], bool] | None = None) -> None:
        self._router = router
        self._admits = admits
        self._open: dict[int, _Connection] = {}
        """By descriptor."""
        self._senders: dict[bytes, _Sender] = {}
        self._monitor = router.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED)
        self._baseline = _own_memory()

    def __len__(self) -> int:
        return len(self._open)

    def received(self, client: bytes, frame: zmq.Frame) -> bool:
        """Notes that a whole message of ``client``, of which ``frame`` is a part, was taken. Returns whether it may
        be handled: not where the key was revoked, where the name is that of another key's client, or where the
        connection that it came from is unknown."""
        # First: the connection may be new, and its first message must count as whole.
        self._follow()
        try:
            descriptor = int(frame.get(zmq.SRCFD))
        except zmq.ZMQError:
            # A peer that greets as ZeroMQ 2 and 3 did has no descriptor. No client of ours does, but a third of all
            # noise reads like such a greeting.
            return False
        connection = self._open.get(descriptor)
        if connection is not None:
            connection.whole = bytes_moved(descriptor)[1]
        if self._admits is None:
            return True
        key = str(frame.get("User-Id"))
        earlier = self._senders.get(client)
        if not self._admits(key) or (earlier is not None and earlier.key != key):
            log_event("connection shut", logging.WARNING, reason="its key may not use this name", key=key[:8])
            shut(descriptor)
            return False
        self._senders[client] = _Sender(connection=connection, key=key)
        return True

    def may_send(self, client: bytes) -> bool:
        """Whether the connection from which this client last sent is still open."""
        if self._admits is None:
            return True
        self._follow()
        sender = self._senders.get(client)
        return sender is not None and sender.is_connected and self._admits(sender.key)

    def owner_of(self, client: bytes) -> bytes:
        """Who uses this name: the public key, or the name itself where there are no keys."""
        sender = self._senders.get(client)
        return client if sender is None else sender.key.encode()

    def check(self) -> None:
        """Shuts connections that send without end; called several times a second."""
        self._follow()
        self._shut_revoked()
        pending = {each: bytes_moved(each)[1] - connection.whole for each, connection in self._open.items()}
        too_much = [each for each, size in pending.items() if size > _LARGEST_MESSAGE]
        if max(pending.values(), default=0) > _SUSPECT:
            if _own_memory() - self._baseline > _MOST_MEMORY:
                too_much.append(max(pending, key=lambda each: pending[each]))
        elif not pending:
            self._baseline = _own_memory()
        for descriptor in set(too_much):
            log_event("connection shut", logging.WARNING, reason="a message without end", bytes=pending[descriptor])
            shut(descriptor)

    def _shut_revoked(self) -> None:
        """Ends connections whose key is no longer admitted; forgets names that nobody has used for long."""
        if self._admits is None:
            return
        for client, sender in list(self._senders.items()):
            if sender.connection is not None and sender.connection.is_open:
                if not self._admits(sender.key):
                    log_event("connection shut", logging.WARNING, reason="its key was revoked", key=sender.key[:8])
                    shut(sender.connection.descriptor)
            elif len(self._senders) > _MOST_NAMES:
                del self._senders[client]

    def _follow(self) -> None:
        """Reads which connections were opened and which have ended."""
        # poll would make a poller, for every message.
        while int(self._monitor.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            event = recv_monitor_message(self._monitor)
            descriptor = int(event["value"])
            ended = self._open.pop(descriptor, None)
            if ended is not None:
                ended.is_open = False
            if event["event"] == zmq.EVENT_ACCEPTED:
                self._open[descriptor] = _Connection(descriptor)

    def close(self) -> None:
        """Stops watching."""
        self._router.disable_monitor()
        self._monitor.close(linger=0)


def shut(descriptor: int) -> None:
    """Ends a connection; for ZeroMQ it is as if the peer had. Does nothing where the descriptor is not a socket."""
    with contextlib.suppress(OSError):
        connection = socket.socket(fileno=descriptor)
        try:
            connection.shutdown(socket.SHUT_RDWR)
        finally:
            # ZeroMQ closes it. It is not duplicated: Windows duplicates files alone.
            connection.detach()


def _own_memory() -> int:
    """Bytes of this process that it shares with no file and no other process."""
    facts = psutil.Process().memory_info()
    return int(facts.rss - getattr(facts, "shared", 0))
