"""A server that speaks the wire over real TCP and misbehaves on command.

The real server has its own tests; this one does what a healthy server rarely does: it drops, repeats, refuses,
forgets and vanishes.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import zmq
from matte_link.endpoint import Endpoint
from matte_link.messages import (
    Accepted,
    Cancel,
    Digest,
    Failure,
    Inline,
    Matte,
    MatteReply,
    Message,
    Ping,
    Pong,
    Status,
    StatusReply,
    Store,
    Stored,
)
from matte_link.roles import sources_of
from matte_link.wire import decode, encode

Behaviour = Callable[["ScriptedServer", Message], list[Message] | None]


class HeldPort:
    """A port of loopback that nobody else gets until it is closed. It is bound and does not listen, so nobody
    answers there until a server of ours listens on it, and another after that one is gone."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        # What ZeroMQ sets too: both may be bound to one port while at most one of them listens.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = int(self._socket.getsockname()[1])
        self.address = f"tcp://127.0.0.1:{self.number}"

    def __enter__(self) -> HeldPort:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


class ScriptedServer:
    """A ROUTER on loopback. ``behaviour`` returns its answers to a message, or None for a healthy server's."""

    def __init__(
        self, behaviour: Behaviour = lambda server, message: None, port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        self.heard: list[Message] = []
        self.heard_at: list[float] = []
        """When each message of ``heard`` arrived, by the clock of ``time.monotonic``."""
        self.digests: set[str] = set()
        self.behaviour = behaviour
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.IPV6, int("[" in host))
        self._socket.bind(f"tcp://{host}:{port or '*'}")
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.address)

    def count(self, kind: type[Any]) -> int:
        """How many messages of a kind have arrived."""
        return sum(isinstance(message, kind) for message in self.heard)

    @property
    def mattes(self) -> list[Matte]:
        """The requests that have arrived, in order."""
        return [message for message in self.heard if isinstance(message, Matte)]

    @property
    def cancelled(self) -> list[str]:
        """The ids that cancels named, in order."""
        return [message.target for message in self.heard if isinstance(message, Cancel)]

    @property
    def uploads(self) -> int:
        """How often a picture's bytes were sent by themselves; a Store without data only asks."""
        return sum(isinstance(message, Store) and bool(message.data) for message in self.heard)

    def _loop(self) -> None:
        while not self._stop.is_set():
            if self._socket.poll(20):
                sender, *parts = self._socket.recv_multipart()
                message = decode(parts)
                self.heard_at.append(time.monotonic())
                self.heard.append(message)
                answers = self.behaviour(self, message)
                for answer in self._healthy(message) if answers is None else answers:
                    self._socket.send_multipart([sender, *encode(answer)])
        self._socket.close()
        self._context.term()

    def _healthy(self, message: Message) -> list[Message]:
        if isinstance(message, Ping):
            return [Pong(message.id, version="test", wire=1)]
        if isinstance(message, Status):
            return [StatusReply(message.id, state={"queue": 0})]
        if isinstance(message, Store):
            if not message.data and message.digest not in self.digests:
                return [Failure(message.id, code="clean_plate_unknown", message="The clean plate is not stored.")]
            self.digests.add(message.digest)
            return [Stored(message.id, digest=message.digest)]
        return self._computed(message) if isinstance(message, Matte) else []

    def _computed(self, message: Matte) -> list[Message]:
        for role, source in sources_of(message).items():
            if isinstance(source, Digest) and source.digest not in self.digests:
                return [Failure(message.id, code=f"{role}_unknown", message="The picture is not stored.")]
        return [Accepted(message.id), MatteReply(message.id, frame=message.frame, data=b"exr")]

    def close(self) -> None:
        """Stops at once, without a word to its clients."""
        self._stop.set()
        self._thread.join()


def never_computes(server: ScriptedServer, message: Message) -> list[Message] | None:
    """The behaviour of a server that hears requests and never answers them."""
    return [] if isinstance(message, Matte) else None


def request(name: str = "r1", frame: int = 1, clean_plate: bytes = b"clean") -> Matte:
    """A frame with both pictures inline."""
    return Matte(name, frame=frame, plate=Inline(b"plate"), clean_plate=Inline(clean_plate))
