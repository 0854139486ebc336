"""The ROUTER loop: carries messages between clients, service and workers, and decides nothing.

Whoever is not the loop's thread talks to it through :class:`Mailbox`; stopping is a message in it.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any, cast

import zmq
from matte_link.wire import DEFAULT_LIMITS, Limits, WireError, decode, encode

from .service import Client, Outgoing, Service
from .workers import WorkerEvent, WorkerPool

_TICK_MS = 1000
_BURST = 64
_REPLIES_WAITING = 64
_REQUESTS_WAITING = 4
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


def open_router(context: zmq.Context[zmq.Socket[bytes]], limits: Limits = DEFAULT_LIMITS) -> zmq.Socket[bytes]:
    """An unbound ROUTER: sizes limited before allocation, dead peers noticed, slow ones never waited for."""
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.LINGER, 500)
    # A client that reconnects under its name takes its old place; sending to nobody is an error we see.
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.MAXMSGSIZE, limits.blob)
    router.setsockopt(zmq.SNDHWM, _REPLIES_WAITING)
    router.setsockopt(zmq.RCVHWM, _REQUESTS_WAITING)
    router.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
    router.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
    router.setsockopt(zmq.HANDSHAKE_IVL, _HEARTBEAT_TIMEOUT_MS)
    return router


class Transport:
    """The loop around one bound ROUTER. ``observe`` hears every worker event after the service did."""

    def __init__(
        self,
        router: zmq.Socket[bytes],
        service: Service,
        pool: WorkerPool,
        mailbox: Mailbox,
        observe: Callable[[WorkerEvent], None],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._router = router
        self._service = service
        self._pool = pool
        self._mailbox = mailbox
        self._observe = observe
        self._limits = limits
        self._stopped = False

    def run(self) -> None:
        """Until a :class:`Stop` is posted."""
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._mailbox.fileno(), zmq.POLLIN)
        ticked = time.monotonic()
        while not self._stopped:
            poller.poll(_TICK_MS)
            self._read_mail()
            self._read_clients()
            if time.monotonic() - ticked > _TICK_MS / 1000:
                ticked = time.monotonic()
                self._service.tick()

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
        try:
            self._router.send_multipart([client, *encode(message)], zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        return True
