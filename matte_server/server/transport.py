"""The ROUTER loop: carries messages between clients, service and workers, and makes no decisions.

Other threads reach the loop through its :class:`EventQueue`; stopping it is an event, too.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import zmq
from matte_link.connection import keep_alive
from matte_link.messages import Blob
from matte_link.wire import DEFAULT_LIMITS, WireError, WireLimits, decode, encode

from .connections import Connections
from .fair_queue import Client
from .service import Outgoing, Service
from .structured_log import log_event
from .worker_pool import WorkerEvent, WorkerPool

_TICK_MS = 1000
_POLL_MS = 100
_MAX_BURST = 64
_REQUESTS_WAITING = 4
# A client has at most some tens of frames on the server, with some ten messages each. One that lets more than this
# pile up has stopped reading. Replies with pictures are limited in bytes as well: see UnsentBytes.
_MESSAGES_WAITING = 2000
_STALLED_MS = 30_000
_CLIENTS_OF_AN_OWNER = 4
"""All clients of one key together may have as much unsent as this many clients."""
_HANDSHAKE_MS = 10_000


class Stop:
    """Ends the loop."""


class EventQueue:
    """A thread-safe queue that a poller can wait for, on every system."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[WorkerEvent | Stop] = queue.SimpleQueue()
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)

    def fileno(self) -> int:
        """The file descriptor to poll."""
        return self._ours.fileno()

    def put(self, event: WorkerEvent | Stop) -> None:
        """Adds an event; may be called from any thread and from a signal handler."""
        self._events.put(event)
        # A full socket buffer already wakes the loop.
        with contextlib.suppress(BlockingIOError, OSError):
            self._theirs.send(b".")

    def take_all(self) -> list[WorkerEvent | Stop]:
        """Removes and returns all events."""
        with contextlib.suppress(BlockingIOError):
            while self._ours.recv(4096):
                pass
        events = []
        with contextlib.suppress(queue.Empty):
            while True:
                events.append(self._events.get_nowait())
        return events

    def close(self) -> None:
        """Closes the sockets."""
        self._ours.close()
        self._theirs.close()


def open_router(context: zmq.Context[zmq.Socket[bytes]], limits: WireLimits = DEFAULT_LIMITS) -> zmq.Socket[bytes]:
    """An unbound ROUTER that limits sizes before it allocates, notices dead peers, and never waits for slow
    ones."""
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.LINGER, 500)
    # A client that reconnects under its name replaces its old connection. Sending to an unknown client is an error.
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.MAXMSGSIZE, limits.blob)
    router.setsockopt(zmq.SNDHWM, _MESSAGES_WAITING)
    # A peer that reads nothing for this long loses its connection and the messages that wait for it.
    router.setsockopt(zmq.TCP_MAXRT, _STALLED_MS)
    router.setsockopt(zmq.RCVHWM, _REQUESTS_WAITING)
    router.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    # ZeroMQ's own heartbeat would end a connection on which one message takes longer than its timeout.
    keep_alive(router)
    return router


class UnsentBytes:
    """Counts, per client, the bytes of pictures in replies that the socket has not sent yet.

    ``owner_of`` says whose a client's name is: one owner may use many names, and all of them together have the
    limit of a few."""

    def __init__(self, owner_of: Callable[[Client], Client] = lambda client: client) -> None:
        self._owner_of = owner_of
        self._waiting: dict[Client, list[tuple[zmq.MessageTracker, int]]] = {}

    def __call__(self, client: Client) -> int:
        """What counts against the client's limit: its own bytes, or its share of its owner's where that is more."""
        if not self._waiting:
            return 0
        owner = self._owner_of(client)
        owned = sum(self._of(other) for other in self._waiting if self._owner_of(other) == owner)
        return max(self._of(client), owned // _CLIENTS_OF_AN_OWNER)

    def _of(self, client: Client) -> int:
        return sum(size for _, size in self._waiting.get(client, ()))

    def add(self, client: Client, tracker: zmq.MessageTracker, size: int) -> None:
        """Counts ``size`` bytes that were handed to the socket."""
        self._waiting.setdefault(client, []).append((tracker, size))

    def update(self) -> None:
        """Stops counting what has been sent."""
        for client, items in list(self._waiting.items()):
            left = [item for item in items if not item[0].done]
            if left:
                self._waiting[client] = left
            else:
                del self._waiting[client]

    def __len__(self) -> int:
        return len(self._waiting)


class Transport:
    """The loop around one bound ROUTER. ``observe`` is called with every worker event after the service has handled
    it, ``publish`` with the server's state once a second; the loop ends when ``is_over`` returns True."""

    def __init__(
        self,
        router: zmq.Socket[bytes],
        service: Service,
        pool: WorkerPool,
        events: EventQueue,
        unsent: UnsentBytes,
        observe: Callable[[WorkerEvent], None],
        connections: Connections | None = None,
        publish: Callable[[Mapping[str, Any]], None] | None = None,
        is_over: Callable[[], bool] = lambda: False,
        limits: WireLimits = DEFAULT_LIMITS,
    ) -> None:
        self._router = router
        self._service = service
        self._pool = pool
        self._events = events
        self._unsent = unsent
        self._observe = observe
        self._connections = connections
        self._publish = publish
        self._is_over = is_over
        self._limits = limits
        self._stopped = False

    def run(self) -> None:
        """Runs until a :class:`Stop` event."""
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._events.fileno(), zmq.POLLIN)
        ticked, published = time.monotonic(), 0.0
        while not self._stopped:
            # The socket does not report when it has sent something, so it is polled while something waits.
            poller.poll(_POLL_MS if len(self._unsent) else _TICK_MS)
            self._handle_events()
            self._read_clients()
            self._unsent.update()
            if time.monotonic() - ticked > _POLL_MS / 1000:
                ticked = time.monotonic()
                if self._connections is not None:
                    self._connections.check()
                self._send_all(self._service.tick())
                self._stopped |= self._is_over()
            if self._publish and time.monotonic() - published > _TICK_MS / 1000:
                published = time.monotonic()
                self._publish(self._service.state())

    def _handle_events(self) -> None:
        for event in self._events.take_all():
            if isinstance(event, Stop):
                self._stopped = True
            else:
                self._send_all(self._service.worker_event(self._pool.observe(event)))
                self._observe(event)

    def _read_clients(self) -> None:
        for _ in range(_MAX_BURST):
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            client, *parts = (cast(Any, frame).buffer for frame in frames)
            if self._connections is not None and not self._connections.received(bytes(client), frames[-1]):
                continue
            self._send_all(self._handle_message(bytes(client), parts))

    def _handle_message(self, client: Client, parts: list[memoryview]) -> Iterable[Outgoing]:
        try:
            message = decode(parts, self._limits)
        except WireError as error:
            return self._service.malformed(client, error)
        except Exception as error:  # noqa: BLE001 - no message may end the loop, whatever is wrong with it
            log_event("undecodable", logging.ERROR, error)
            return self._service.malformed(client, WireError("The message cannot be read."))
        return self._service.receive(client, message)

    def _send_all(self, outgoing: Iterable[Outgoing]) -> None:
        lost = set()
        for client, message in outgoing:
            if client not in lost and not self._send(client, message):
                lost.add(client)
        for client in lost:
            self._send_all(self._service.client_lost(client))

    def _encoded(self, client: Client, message: Any) -> list[Blob]:
        """The message's parts; of one that cannot be written down, those of a Failure in its place."""
        try:
            return encode(message)
        except Exception as error:  # noqa: BLE001 - no answer may end the loop, whatever is wrong with it
            return encode(self._service.unsendable(client, message, error))

    def _send(self, client: Client, message: Any) -> bool:
        if self._connections is not None and not self._connections.may_send(client):
            return False
        parts = self._encoded(client, message)
        size = sum(len(part) for part in parts[2:])
        try:
            tracker = self._router.send_multipart([client, *parts], zmq.NOBLOCK, copy=False, track=bool(size))
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        if size:
            self._unsent.add(client, cast(zmq.MessageTracker, tracker), size)
        return True
