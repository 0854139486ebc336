"""The host's end of the wire: one DEALER socket, resends, and patience with a limit.

The rules, because a plugin must never hang and never get a frame twice:

* A request is outstanding until its MatteReply or Failure arrived. Whenever the connection was lost and is
  back, every outstanding request is sent again; the server knows requests by id, so nothing runs twice.
* A second answer to the same id is dropped.
* Clean plates go over once, whoever sent them: the client names a clean plate by its digest first, and sends its
  bytes only to a server that does not hold it. One that has forgotten it (restarted, or out of space) says so,
  and gets it again. So go all pictures of a request with neighbours, because the next one needs most of them too.
* A server that is full answers "busy"; the client waits and asks again.
* Whoever waits hears one sentence after ``patience_s`` seconds without any sign of life.

A client belongs to one thread. ``zmq`` is imported here and nowhere else in this package.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Optional, Union, cast

import zmq
from zmq.utils.monitor import recv_monitor_message

from .endpoint import Endpoint
from .errors import CancelledError, RemoteError, TimeoutError, UnavailableError
from .messages import (
    Accepted,
    Blob,
    Cancel,
    Digest,
    Failure,
    Inline,
    Matte,
    MatteReply,
    Message,
    Ping,
    Pong,
    Progress,
    Status,
    StatusReply,
    Store,
    Stored,
    digest_of,
    sources_of,
    with_sources,
)
from .wire import WireError, decode, encode

ProgressCallback = Callable[[Union[Accepted, Progress]], None]
Answer = Union[MatteReply, Failure]

_HEARTBEAT_MS = 1000
_HEARTBEAT_TIMEOUT_MS = 5000
_RECONNECT_MS = 100
_POLL_S = 0.1
_PING_AFTER_S = 2.0
_FIRST_RETRY_S = 0.25
_LONGEST_RETRY_S = 4.0
_MOST_STORES = 3
_UNKNOWN = "_unknown"
_PICTURES_KEPT = 4


@dataclass
class _Outstanding:
    request: Matte
    on_progress: Optional[ProgressCallback]
    retry_at: float = 0.0
    retry_s: float = _FIRST_RETRY_S
    stores: dict[str, int] = field(default_factory=dict)
    """How often each picture was sent again for it, by digest."""
    cancelled: bool = False


@dataclass
class _OfferedPicture:
    """A picture that the server has, is to get, or is asked about: ``question`` is that question's id, ``sending``
    that of the message that brings it, ``no_room`` whether the server had none for it."""

    data: Blob
    name: str
    stored: bool = False
    question: str = ""
    sending: str = ""
    no_room: bool = False


@dataclass
class _Question:
    """One synchronous question (ping, status, store), its id and its reply."""

    id: str = ""
    reply: Optional[Message] = None


class MatteClient:
    """Talks to one matting server.

    ``endpoint`` says where (default: the environment, then the default address); ``patience_s`` is how long
    the server may give no sign of life before a call raises ``UnavailableError`` (never reached) or
    ``TimeoutError`` (fell silent). Use as a context manager, or call :meth:`close`.
    """

    def __init__(self, endpoint: Optional[Endpoint] = None, patience_s: float = 30.0) -> None:
        self.endpoint = endpoint or Endpoint.resolve()
        self.patience_s = patience_s
        self._identity = b"cp-" + uuid.uuid4().hex.encode()
        self._context = zmq.Context()
        self._outstanding: dict[str, _Outstanding] = {}
        self._answers: list[Answer] = []
        self._kept: dict[str, _OfferedPicture] = {}
        self._wait = _Question()
        self._connected = False
        self._heard = time.monotonic()
        self._pinged = False
        self._open()

    def __enter__(self) -> MatteClient:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up at once; the server drops what was outstanding."""
        if self._context.closed:
            return
        if self._connected:
            for request_id in list(self._outstanding):
                self._send(Cancel(_new_id(), request_id))
        self._monitor.close(linger=0)
        self._socket.disable_monitor()
        # A moment for the cancels: a server that is gone does not hold the host up longer than this.
        self._socket.close(linger=100)
        self._context.term()

    # -- questions with one answer

    def ping(self, timeout_s: float = 2.0) -> Pong:
        """The server's versions; raises ``UnavailableError`` where none answers in time."""
        return cast(Pong, self._ask(Ping(_new_id()), timeout_s))

    def status(self, timeout_s: float = 2.0) -> StatusReply:
        """The server's state; raises ``UnavailableError`` where none answers in time."""
        return cast(StatusReply, self._ask(Status(_new_id()), timeout_s))

    def store(self, data: Blob, name: str = "", timeout_s: float = 60.0) -> Digest:
        """Keeps a picture on the server and returns its name; sends nothing where it is there already."""
        named = self.hold(Inline(data, name))
        self._let_go()
        kept = self._kept[named.digest]
        if not kept.stored and not self._holds(named.digest, name, timeout_s):
            self._ask(Store(_new_id(), named.digest, data, name), timeout_s)
        kept.stored = True
        return named

    def _holds(self, digest: str, name: str, timeout_s: float) -> bool:
        try:
            self._ask(Store(_new_id(), digest, b"", name), timeout_s)
        except RemoteError:
            return False
        return True

    def hold(self, picture: Inline) -> Digest:
        """Has a picture ready for a server that turns out to lack it, where requests name it by digest. It is
        kept while one that is under way names it, and a little longer."""
        data = picture.data
        same = (digest for digest, kept in self._kept.items() if kept.data is data and isinstance(data, bytes))
        digest = next(same, "") or digest_of(data)
        # The latest stand last.
        kept = self._kept[digest] = self._kept.pop(digest, _OfferedPicture(data, picture.name))
        # The same bytes read again are known by themselves the next time, without counting them up.
        kept.data = data
        return Digest(digest)

    def _let_go(self) -> None:
        """A sequence of pictures does not pile up here."""
        in_use = {digest for item in self._outstanding.values() for digest in _named(item.request)}
        for old in list(self._kept)[:-_PICTURES_KEPT]:
            if old not in in_use:
                del self._kept[old]

    def _ask(self, question: Union[Ping, Status, Store], timeout_s: float) -> Message:
        wait = self._wait = _Question(question.id)
        deadline = time.monotonic() + timeout_s
        self._await_connection(deadline)
        self._send(question)
        while wait.reply is None:
            self._pump(min(_POLL_S, max(deadline - time.monotonic(), 0.0)))
            if wait.reply is None and time.monotonic() >= deadline:
                raise self._silence(timeout_s)
        if isinstance(wait.reply, Failure):
            raise RemoteError(wait.reply.code, wait.reply.message, wait.reply.hint)
        return wait.reply

    def _await_connection(self, deadline: float) -> None:
        started = time.monotonic()
        while not self._connected:
            if time.monotonic() >= deadline:
                raise self._silence(deadline - started)
            self._pump(min(_POLL_S, max(deadline - time.monotonic(), 0.0)))

    def _silence(self, seconds: float) -> Union[UnavailableError, TimeoutError]:
        if self._connected:
            return TimeoutError(
                f"The matting server at {self.endpoint.address} did not answer within {seconds:g} s.",
                "It may be overloaded or hung; look at 'cleanplate status', or restart it.",
            )
        return UnavailableError(
            f"No matting server answers at {self.endpoint.address}.",
            "Start one with 'cleanplate serve', or correct the address.",
        )

    # -- mattes

    def matte(
        self,
        request: Matte,
        on_progress: Optional[ProgressCallback] = None,
        cancelled: Callable[[], bool] = lambda: False,
        timeout_s: Optional[float] = None,
    ) -> MatteReply:
        """One frame, start to end. ``cancelled`` is asked ten times a second; ``timeout_s`` bounds the whole.

        Raises ``CancelledError``, ``RemoteError`` (the server's code and sentence), ``TimeoutError`` or
        ``UnavailableError``.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self.submit(request, on_progress)
        try:
            while True:
                answer = self.receive(_POLL_S)
                if answer is not None and answer.id == request.id:
                    return _reply(answer)
                if cancelled():
                    self.cancel(request.id)
                    raise CancelledError("The matte was cancelled.")
                if deadline is not None and time.monotonic() >= deadline:
                    self.cancel(request.id)
                    raise TimeoutError(f"The matte took longer than the {timeout_s:g} s allowed.")
        finally:
            self._outstanding.pop(request.id, None)

    def submit(
        self, request: Matte, on_progress: Optional[ProgressCallback] = None, name_clean_plate: bool = True
    ) -> None:
        """Asks for a frame without waiting; :meth:`receive` brings its answer. Inline clean plates are stored on
        the server and named by digest, and all pictures of a request with neighbours, but where
        ``name_clean_plate`` is False: naming one takes 30 ms at HD. Raises ``ValueError`` where the id is still
        outstanding."""
        if request.id in self._outstanding:
            raise ValueError(f"request {request.id} is still outstanding.")
        if name_clean_plate:
            in_sequence = request.before is not None or request.after is not None
            named = {
                role: self.hold(source)
                for role, source in sources_of(request).items()
                if isinstance(source, Inline) and (in_sequence or role == "clean_plate")
            }
            request = with_sources(request, named)
        if not self._outstanding:
            self._heard = time.monotonic()
        self._outstanding[request.id] = _Outstanding(request, on_progress)
        self._let_go()
        self._send_request(self._outstanding[request.id])

    def receive(self, timeout_s: float) -> Optional[Answer]:
        """The next answer to any outstanding request, or None after ``timeout_s`` seconds.

        Raises ``TimeoutError`` or ``UnavailableError`` where the server gave no sign of life for
        ``patience_s`` while something is outstanding; what is outstanding stays so, and the caller may go on.
        """
        deadline = time.monotonic() + timeout_s
        while not self._answers:
            now = time.monotonic()
            if self._outstanding:
                self._check_alive(now)
            if now >= deadline:
                return None
            self._pump(min(_POLL_S, deadline - now))
            self._retry()
        return self._answers.pop(0)

    def cancel(self, request_id: str) -> None:
        """Asks the server to stop a request; its answer, Failure("cancelled"), still arrives."""
        if request_id in self._outstanding:
            self._outstanding[request_id].cancelled = True
        if self._connected:
            self._send(Cancel(_new_id(), request_id))

    @property
    def outstanding(self) -> tuple[str, ...]:
        """Ids of the requests without an answer yet, oldest first."""
        return tuple(self._outstanding)

    def _send_request(self, item: _Outstanding) -> None:
        if not self._connected:
            return
        held = {digest: self._kept[digest] for digest in _named(item.request) if digest in self._kept}
        lacking = {digest: kept for digest, kept in held.items() if not kept.stored}
        if not lacking:
            self._send(item.request)
        for digest, kept in lacking.items():
            if not kept.question:
                # The request waits for the answer: what it brings along goes over once too.
                kept.question = _new_id()
                self._send(Store(kept.question, digest, b"", kept.name))

    def _send_waiting(self, digest: str, kept: _OfferedPicture, is_there: bool) -> None:
        """The server said whether it holds a picture: sends that where it must, and what waited for the answer."""
        kept.question = ""
        if not is_there:
            self._send_picture(digest, kept)
        kept.stored = True
        for item in self._outstanding.values():
            if digest in _named(item.request) and not item.retry_at:
                self._send_again(item)

    def _send_picture(self, digest: str, kept: _OfferedPicture) -> None:
        kept.sending = _new_id()
        self._send(Store(kept.sending, digest, kept.data, kept.name))
        kept.stored = True

    def _send_again(self, item: _Outstanding) -> None:
        self._send_request(item)
        if item.cancelled:
            self._send(Cancel(_new_id(), item.request.id))

    def _check_alive(self, now: float) -> None:
        silent_s = now - self._heard
        if silent_s > self.patience_s:
            self._heard = now
            raise self._silence(self.patience_s)
        if silent_s > _PING_AFTER_S and self._connected and not self._pinged:
            self._pinged = True
            self._send(Ping(_new_id()))

    def _retry(self) -> None:
        now = time.monotonic()
        for item in self._outstanding.values():
            if item.retry_at and now >= item.retry_at:
                item.retry_at = 0.0
                self._send_request(item)

    # -- the socket

    def _open(self) -> None:
        socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.IDENTITY, self._identity)
        socket.setsockopt(zmq.LINGER, 0)
        # Only to a finished connection: what a dead connection would swallow is sent again by us instead.
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _HEARTBEAT_TIMEOUT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        if self.endpoint.encrypted:
            socket.setsockopt(zmq.CURVE_SERVERKEY, self.endpoint.server_key.encode())
            socket.setsockopt(zmq.CURVE_PUBLICKEY, self.endpoint.public_key.encode())
            socket.setsockopt(zmq.CURVE_SECRETKEY, self.endpoint.secret_key.encode())
        self._socket = socket
        self._monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        self._poller = zmq.Poller()
        self._poller.register(self._monitor, zmq.POLLIN)
        self._poller.register(socket, zmq.POLLIN)
        socket.connect(self.endpoint.address)

    def _send(self, message: Message) -> None:
        try:
            self._socket.send_multipart(cast(Any, encode(message)), flags=zmq.NOBLOCK, copy=False)
        except zmq.Again:
            # The connection broke under us; the monitor is about to say so, and the resend follows.
            self._connected = False

    def _pump(self, timeout_s: float) -> None:
        # Rounded up: the last part of a millisecond would be spent on asking without end.
        ready = dict(self._poller.poll(math.ceil(timeout_s * 1000)))
        if self._monitor in ready:
            self._drain_monitor()
        if self._socket in ready:
            self._drain_socket()

    def _drain_monitor(self) -> None:
        while self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._reconnected()
            elif event == zmq.EVENT_DISCONNECTED:
                self._connected = False

    def _reconnected(self) -> None:
        self._connected = True
        self._pinged = False
        for kept in self._kept.values():
            kept.stored, kept.question, kept.no_room = False, "", False
        for item in self._outstanding.values():
            self._send_again(item)

    def _drain_socket(self) -> None:
        while self._socket.poll(0):
            frames = self._socket.recv_multipart(copy=False)
            self._heard = time.monotonic()
            self._pinged = False
            message = decode([cast(Any, frame).buffer for frame in frames])
            self._deliver(message)

    def _deliver(self, message: Message) -> None:
        if message.id == self._wait.id and self._wait.reply is None:
            self._wait.reply = message
        for digest, kept in list(self._kept.items()):
            if kept.question == message.id:
                self._send_waiting(digest, kept, isinstance(message, Stored))
            elif kept.sending == message.id:
                kept.no_room = isinstance(message, Failure) and message.code == "busy"
        item = self._outstanding.get(message.id)
        if item is None:
            return
        if isinstance(message, (Accepted, Progress)):
            if item.on_progress:
                item.on_progress(message)
        elif isinstance(message, Failure) and not item.cancelled and self._ask_again(item, message):
            return
        elif isinstance(message, (MatteReply, Failure)):
            del self._outstanding[message.id]
            self._answers.append(message)

    def _ask_again(self, item: _Outstanding, failure: Failure) -> bool:
        if failure.code == "busy":
            return self._ask_later(item)
        role = failure.code[: -len(_UNKNOWN)] if failure.code.endswith(_UNKNOWN) else ""
        source = sources_of(item.request).get(role)
        kept = self._kept.get(source.digest) if isinstance(source, Digest) else None
        if kept is None or not isinstance(source, Digest):
            return False
        if kept.no_room:
            kept.stored, kept.no_room = False, False
            return self._ask_later(item)
        item.stores[source.digest] = item.stores.get(source.digest, 0) + 1
        if item.stores[source.digest] > _MOST_STORES:
            return False
        self._send_picture(source.digest, kept)
        self._send_request(item)
        return True

    def _ask_later(self, item: _Outstanding) -> bool:
        item.retry_at = time.monotonic() + item.retry_s
        item.retry_s = min(item.retry_s * 2, _LONGEST_RETRY_S)
        return True


def _named(request: Matte) -> list[str]:
    """The digests that a request names."""
    return [source.digest for source in sources_of(request).values() if isinstance(source, Digest)]


def _new_id() -> str:
    return uuid.uuid4().hex


def _reply(answer: Answer) -> MatteReply:
    if isinstance(answer, Failure):
        if answer.code == "cancelled":
            raise CancelledError(answer.message, answer.hint)
        raise RemoteError(answer.code, answer.message, answer.hint)
    return answer


__all__ = ["Answer", "MatteClient", "ProgressCallback", "Stored", "WireError"]
