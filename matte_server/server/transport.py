"""The ROUTER loop: carries messages between clients, service and workers, and decides nothing.

Whoever is not the loop's thread talks to it through :class:`Mailbox`; stopping is a message in it.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import zmq
from matte_link.wire import DEFAULT_LIMITS, WireError, WireLimits, decode, encode

from .fair_queue import Client
from .service import Outgoing, Service
from .worker_pool import WorkerEvent, WorkerPool

_TICK_MS = 1000
_LOOK_MS = 100
_BURST = 64
_REQUESTS_WAITING = 4
# A client has at most some tens of frames under way with some ten messages each; who lets more than this pile
# up has stopped listening. Replies with pictures are counted in bytes besides: see Unsent.
_MESSAGES_WAITING = 2000
_STALLED_MS = 30_000
_HEARTBEAT_MS = 2000
_HEARTBEAT_TIMEOUT_MS = 10_000


class Stop:
    """The loop ends when it finds this in its mailbox."""


class Mailbox:
    """A queue that a poller can wait for, on every system."""

    def __init__(self) -> None:
        self._letters: queue.SimpleQueue[WorkerEvent | Stop] = queue.SimpleQueue()
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)

    def fileno(self) -> int:
        """What to poll."""
        return self._ours.fileno()

    def post(self, letter: WorkerEvent | Stop) -> None:
        """From any thread, and from a signal handler."""
        self._letters.put(letter)
        # A full socket buffer already wakes the loop.
        with contextlib.suppress(BlockingIOError, OSError):
            self._theirs.send(b".")

    def collect(self) -> list[WorkerEvent | Stop]:
        """Everything posted so far."""
        with contextlib.suppress(BlockingIOError):
            while self._ours.recv(4096):
                pass
        letters = []
        with contextlib.suppress(queue.Empty):
            while True:
                letters.append(self._letters.get_nowait())
        return letters

    def close(self) -> None:
        """Lets go of the sockets."""
        self._ours.close()
        self._theirs.close()


def open_router(context: zmq.Context[zmq.Socket[bytes]], limits: WireLimits = DEFAULT_LIMITS) -> zmq.Socket[bytes]:
    """An unbound ROUTER: sizes limited before allocation, dead peers noticed, slow ones never waited for."""
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.LINGER, 500)
    # A client that reconnects under its name takes its old place; sending to nobody is an error we see.
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.MAXMSGSIZE, limits.blob)
    router.setsockopt(zmq.SNDHWM, _MESSAGES_WAITING)
    # A peer that reads nothing for so long loses its connection, and with it what waits for it.
    router.setsockopt(zmq.TCP_MAXRT, _STALLED_MS)
    router.setsockopt(zmq.RCVHWM, _REQUESTS_WAITING)
    router.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
    router.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
    router.setsockopt(zmq.HANDSHAKE_IVL, _HEARTBEAT_TIMEOUT_MS)
    return router


class Unsent:
    """Bytes of large replies that the socket has not passed on yet, by client."""

    def __init__(self) -> None:
        self._waiting: dict[Client, list[tuple[zmq.MessageTracker, int]]] = {}

    def __call__(self, client: Client) -> int:
        return sum(size for _, size in self._waiting.get(client, ()))

    def add(self, client: Client, tracker: zmq.MessageTracker, size: int) -> None:
        """``size`` bytes have been handed to the socket."""
        self._waiting.setdefault(client, []).append((tracker, size))

    def sweep(self) -> None:
        """Forgets what has been passed on."""
        for client, items in list(self._waiting.items()):
            left = [item for item in items if not item[0].done]
            if left:
                self._waiting[client] = left
            else:
                del self._waiting[client]

    def __len__(self) -> int:
        return len(self._waiting)


class Transport:
    """The loop around one bound ROUTER. ``observe`` hears every worker event after the service did;
    ``publish`` gets the server's state once a second; the loop ends when ``enough`` says so."""

    def __init__(
        self,
        router: zmq.Socket[bytes],
        service: Service,
        pool: WorkerPool,
        mailbox: Mailbox,
        unsent: Unsent,
        observe: Callable[[WorkerEvent], None],
        publish: Callable[[Mapping[str, Any]], None] | None = None,
        enough: Callable[[], bool] = lambda: False,
        limits: WireLimits = DEFAULT_LIMITS,
    ) -> None:
        self._router = router
        self._service = service
        self._pool = pool
        self._mailbox = mailbox
        self._unsent = unsent
        self._observe = observe
        self._publish = publish
        self._enough = enough
        self._limits = limits
        self._stopped = False

    def run(self) -> None:
        """Until a :class:`Stop` is posted."""
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._mailbox.fileno(), zmq.POLLIN)
        ticked, published = time.monotonic(), 0.0
        while not self._stopped:
            # The socket does not tell when it has passed something on: while something waits, look.
            poller.poll(_LOOK_MS if len(self._unsent) else _TICK_MS)
            self._read_mail()
            self._read_clients()
            self._unsent.sweep()
            if time.monotonic() - ticked > _LOOK_MS / 1000:
                ticked = time.monotonic()
                self._send_all(self._service.tick())
                self._stopped |= self._enough()
            if self._publish and time.monotonic() - published > _TICK_MS / 1000:
                published = time.monotonic()
                self._publish(self._service.state())

    def _read_mail(self) -> None:
        for letter in self._mailbox.collect():
            if isinstance(letter, Stop):
                self._stopped = True
            else:
                self._send_all(self._service.worker_event(self._pool.observe(letter)))
                self._observe(letter)

    def _read_clients(self) -> None:
        for _ in range(_BURST):
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            client, *parts = (cast(Any, frame).buffer for frame in frames)
            self._send_all(self._answers(bytes(client), parts))

    def _answers(self, client: Client, parts: list[memoryview]) -> Iterable[Outgoing]:
        try:
            message = decode(parts, self._limits)
        except WireError as error:
            return self._service.malformed(client, error)
        return self._service.receive(client, message)

    def _send_all(self, outgoing: Iterable[Outgoing]) -> None:
        lost = set()
        for client, message in outgoing:
            if client not in lost and not self._send(client, message):
                lost.add(client)
        for client in lost:
            self._send_all(self._service.client_lost(client))

    def _send(self, client: Client, message: Any) -> bool:
        parts = encode(message)
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
