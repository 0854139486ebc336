"""The client's socket to one matting server: what arrives, whether it is up, whether bytes move."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator
from typing import Any, cast

import zmq
from zmq.utils.monitor import recv_monitor_message

from .endpoint import Endpoint
from .errors import UnavailableError
from .messages import Message, new_id
from .traffic import bytes_moved
from .wire import decode, encode

_IDLE_S, _PROBE_S, _PROBES = 10, 5, 4
"""TCP keepalive: idle seconds before the first probe, seconds between probes, and how many probes."""
_MOVING = 4096
"""This many more bytes are a sign of life; ZeroMQ's own heartbeat moves less in minutes."""
_RECONNECT_MS = 100
_LINGER_MS = 100
REFUSED_KEY = int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
_REFUSALS = (
    REFUSED_KEY,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
)


def keep_alive(socket: Any) -> None:
    """Has TCP find out that a peer is gone, without a limit on how long a message may take."""
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, _IDLE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, _PROBE_S)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, _PROBES)


class Connection:
    """One DEALER socket that reconnects by itself, and the monitor that tells when the server can be reached."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.is_up = False
        """Whether the server can be reached, as of the last :meth:`wait` or :meth:`send`."""
        self.was_up = False
        """Whether it was ever up: then the address is right."""
        self.refusal = 0
        """The event by which the last handshake failed, one of ``_REFUSALS``; 0 if it did not."""
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._configure(endpoint)
        self._monitor = self._socket.get_monitor_socket(
            zmq.EVENT_CONNECTED
            | zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_DISCONNECTED
        )
        self._descriptor = -1
        self._moved = 0
        self._poller = zmq.Poller()
        self._poller.register(self._monitor, zmq.POLLIN)
        self._poller.register(self._socket, zmq.POLLIN)
        self._socket.connect(endpoint.address)
        # Also for a connection that nobody closed, when it is collected: a context that is collected before its
        # sockets waits for them for ever. At the end of the process ZeroMQ waits for nothing.
        self._closing = weakref.finalize(self, _close, self._context, self._socket, self._monitor)
        self._closing.atexit = False

    def _configure(self, endpoint: Endpoint) -> None:
        socket = self._socket
        # The server knows its client by this name when the connection breaks and comes back.
        socket.setsockopt(zmq.IDENTITY, b"cp-" + new_id().encode())
        socket.setsockopt(zmq.LINGER, 0)
        # Queues nothing for a connection that is down: OutstandingRequests sends all of it again.
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        keep_alive(socket)
        # For numbers alone: of a name that has addresses of both kinds only one would be tried, the IPv6 one.
        socket.setsockopt(zmq.IPV6, int("[" in endpoint.address))
        socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        if endpoint.encrypted:
            socket.setsockopt(zmq.CURVE_SERVERKEY, endpoint.server_key.encode())
            socket.setsockopt(zmq.CURVE_PUBLICKEY, endpoint.public_key.encode())
            socket.setsockopt(zmq.CURVE_SECRETKEY, endpoint.secret_key.encode())

    def send(self, message: Message) -> None:
        """Sends a message; drops it while the connection is down, or closed."""
        if not self.is_up:
            return
        try:
            self._socket.send_multipart(cast(Any, encode(message)), flags=zmq.NOBLOCK, copy=False)
        except zmq.Again:
            # The connection has just broken, and the monitor will report it.
            self.is_up = False

    def wait(self, timeout_s: float) -> bool:
        """Waits until something arrives or the connection changes; returns whether it came up meanwhile. Raises
        ``UnavailableError`` once it is closed."""
        if not self._closing.alive:
            raise UnavailableError("This connection to the matting server is closed.", "Make a new client.")
        # Rounded up: with 0 ms poll returns at once, and the caller would spin through the last millisecond.
        ready = dict(self._poller.poll(math.ceil(timeout_s * 1000)))
        came_up = False
        while self._monitor in ready and self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)
            if event["event"] == zmq.EVENT_CONNECTED:
                self._descriptor, self._moved = int(event["value"]), 0
            elif event["event"] in _REFUSALS:
                self.refusal = int(event["event"])
            else:
                self.is_up = event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
                self.was_up = self.was_up or self.is_up
                self.refusal = 0 if self.is_up else self.refusal
                came_up = came_up or self.is_up
        return came_up

    def is_moving(self) -> bool:
        """Whether bytes have moved in either direction since this was last asked. False where the system does not
        say."""
        moved = sum(bytes_moved(self._descriptor)) if self.is_up else 0
        if moved - self._moved < _MOVING:
            return False
        self._moved = moved
        return True

    def received(self) -> Iterator[Message]:
        """The messages that have arrived. Raises ``ProtocolError``."""
        while self._socket.poll(0):
            frames = self._socket.recv_multipart(copy=False)
            yield decode([cast(Any, frame).buffer for frame in frames])

    def close(self) -> None:
        """Closes the socket; messages that were just sent get a moment to leave. May be called twice."""
        self.is_up = False
        self._closing()


def _close(context: zmq.Context[Any], dealer: zmq.Socket[Any], monitor: zmq.Socket[Any]) -> None:
    monitor.close(linger=0)
    dealer.disable_monitor()
    # Not longer than this, so that a server that is gone does not hold the host up.
    dealer.close(linger=_LINGER_MS)
    context.term()
