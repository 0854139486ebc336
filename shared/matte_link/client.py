"""The host's end of the wire: calls to one matting server that wait for its replies with a limit.

What a :class:`MatteClient` sends and when is decided in :mod:`matte_link.outstanding` and
:mod:`matte_link.offered_pictures`, which own no socket; :mod:`matte_link.connection` is the socket, and this module
waits for it::

    with MatteClient() as client:
        print(client.ping().version)
        reply = client.matte(Matte(new_id(), frame=1001, plate=Inline(plate), clean_plate=Inline(clean)))

Whoever waits gets an error with one sentence after ``patience_s`` seconds without any sign of life from the server;
a Ping goes out after two silent seconds, so a server that computes for minutes is not mistaken for a dead one.
Bytes that move are a sign of life, too: a large picture may take long on a slow link.

A client belongs to one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Optional, Union, cast

from .connection import REFUSED_KEY, Connection
from .endpoint import Endpoint
from .errors import CancelledError, RemoteError, TimeoutError, UnavailableError
from .link_speed import LinkSpeed
from .messages import (
    Answer,
    Blob,
    Digest,
    Failure,
    Inline,
    Job,
    Learn,
    LearnReply,
    Matte,
    MatteReply,
    Message,
    Ping,
    Pong,
    Status,
    StatusReply,
    Store,
    new_id,
)
from .offered_pictures import OfferedPictures
from .outstanding import OutstandingRequests, ProgressCallback
from .roles import WEIGHTS, with_sources
from .weights_files import WeightsFiles, without_path
from .wire import too_large

_POLL_S = 0.1
_PING_AFTER_S = 2.0
_UNSEEN_S = 1.0
"""Of a time in which the client did not look at its socket no more than this counts as the server's silence."""
_KEY_HINT = "Have it added with 'cleanplate keys client', and name its file with --keys or CLEANPLATE_KEYS."


@dataclass
class _Question:
    """The one Ping, Status or Store that a call waits for, and its reply."""

    id: str = ""
    reply: Optional[Message] = None


class MatteClient:
    """Talks to one matting server. Use it as a context manager, or call :meth:`close`.

    ``endpoint`` is the server's address and keys (default: from the environment, else the default address).
    ``patience_s`` is how long the server may give no sign of life before a call raises ``UnavailableError`` (it was
    not reachable) or ``TimeoutError`` (it was, but stayed silent).
    """

    def __init__(self, endpoint: Optional[Endpoint] = None, patience_s: float = 30.0) -> None:
        self.endpoint = endpoint or Endpoint.resolve()
        self.patience_s = patience_s
        self._connection = Connection(self.endpoint)
        self._speed = LinkSpeed(self.endpoint)
        self._pictures = OfferedPictures(self._send, lambda: self._speed.largest_whole)
        self._requests = OutstandingRequests(self._pictures, self._send)
        self._weights = WeightsFiles()
        self._question = _Question()
        self._heard_at = self._looked_at = time.monotonic()
        self._is_pinged = False

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
        """Cancels outstanding mattes and closes the socket at once; learning goes on. May be called twice."""
        for request_id in self._requests.ids:
            if not self._requests.is_learning(request_id):
                self.cancel(request_id)
            self._requests.forget(request_id)
        self._connection.close()

    def _send(self, message: Message) -> None:
        if self._connection.is_up:
            self._speed.sent(message)
        self._connection.send(message)

    # -- questions with one reply

    def ping(self, timeout_s: float = 2.0) -> Pong:
        """The server's versions. Raises ``UnavailableError`` or ``TimeoutError`` without a reply in time."""
        return cast(Pong, self._ask(Ping(new_id()), timeout_s))

    def status(self, timeout_s: float = 2.0) -> StatusReply:
        """The server's state. Raises ``UnavailableError`` or ``TimeoutError`` without a reply in time."""
        return cast(StatusReply, self._ask(Status(new_id()), timeout_s))

    def store(self, data: Blob, name: str = "", timeout_s: float = 60.0) -> Digest:
        """Puts a picture on the server and returns its digest; sends no bytes that the server already has.

        Raises ``RemoteError``, ``UnavailableError`` or ``TimeoutError``. A picture that is too large for any server
        is not sent.
        """
        picture = Inline(data, name)
        if reason := too_large([picture]):
            raise RemoteError(reason.code, reason.message, reason.hint)
        named = self.hold(picture)
        self._pictures.forget_unused(self._requests.digests)
        if self._pictures.is_large(named.digest):
            self._await(lambda: self._is_kept(named.digest), time.monotonic() + timeout_s, timeout_s)
            return named
        if not self._pictures.is_stored(named.digest) and not self._has(named.digest, name, timeout_s):
            self._ask(Store(new_id(), digest=named.digest, data=data, name=name), timeout_s)
        self._pictures.mark_stored(named.digest)
        return named

    def _is_kept(self, digest: str) -> bool:
        """Whether the server has all parts of a large picture; sends them where it lacks some."""
        failure = self._pictures.failure_of(digest)
        if failure:
            raise RemoteError(failure.code, failure.message, failure.hint)
        return self._connection.is_up and not self._pictures.ask_for_missing([digest])

    def _has(self, digest: str, name: str, timeout_s: float) -> bool:
        try:
            self._ask(Store(new_id(), digest=digest, data=b"", name=name), timeout_s)
        except RemoteError:
            return False
        return True

    def hold(self, picture: Inline) -> Digest:
        """Keeps a picture's bytes here and returns its digest, for requests to name. The bytes are sent if the
        server turns out to lack them. They are kept while an outstanding request names them, and a little
        longer."""
        return self._pictures.hold(picture)

    def _ask(self, message: Union[Ping, Status, Store], timeout_s: float) -> Message:
        question = self._question = _Question(message.id)
        deadline = time.monotonic() + timeout_s
        self._await(lambda: self._connection.is_up, deadline, timeout_s)
        self._send(message)
        self._await(lambda: question.reply is not None, deadline, timeout_s)
        reply = cast(Message, question.reply)
        if isinstance(reply, Failure):
            raise RemoteError(reply.code, reply.message, reply.hint)
        return reply

    def _await(self, is_done: Callable[[], bool], deadline: float, timeout_s: float) -> None:
        while not is_done():
            if self._connection.refusal == REFUSED_KEY:
                # The server answered, and will answer the same again.
                raise self._refused()
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                if not self._connection.is_moving():
                    raise self._silence(timeout_s)
                deadline = time.monotonic() + timeout_s
            self._pump(min(_POLL_S, remaining_s))
            deadline += self._unseen_s()

    def _silence(self, seconds: float) -> Union[UnavailableError, TimeoutError]:
        if self._connection.is_up:
            return TimeoutError(
                f"The matting server at {self.endpoint.address} did not answer within {seconds:g} s.",
                "It may be overloaded or hung; look at 'cleanplate status', or restart it.",
            )
        if self._connection.refusal:
            return self._refused()
        if self.endpoint.is_own:
            return UnavailableError(
                "The matting server that was started for this run has ended too early: it was killed, or had no "
                "memory left.",
                "What is finished stays: start again to make the rest.",
            )
        if self._connection.was_up:
            return UnavailableError(
                f"No matting server answers at {self.endpoint.address} any longer: it has ended or is cut off.",
                "What is finished stays: start one with 'cleanplate serve', and start again to make the rest.",
            )
        return UnavailableError(
            f"No matting server answers at {self.endpoint.address}.",
            "Start one with 'cleanplate serve', or correct the address.",
        )

    def _refused(self) -> UnavailableError:
        """Why the server did not take the connection: the reason that ZeroMQ gives, or the likely one."""
        address, is_encrypted = self.endpoint.address, self.endpoint.encrypted
        if self._connection.refusal == REFUSED_KEY:
            return UnavailableError(f"The server at {address} refused this key.", _KEY_HINT)
        if is_encrypted:
            return UnavailableError(
                f"The server at {address} does not take the keys of this key file.",
                "It has other keys or none; name the key file that was made for it.",
            )
        return UnavailableError(f"The server at {address} may want a key, or is no matting server.", _KEY_HINT)

    # -- mattes

    def matte(
        self,
        request: Matte,
        on_progress: Optional[ProgressCallback] = None,
        cancelled: Callable[[], bool] = lambda: False,
        timeout_s: Optional[float] = None,
    ) -> MatteReply:
        """Has one frame computed and waits for it, at most ``timeout_s`` seconds. ``cancelled`` is called ten times
        a second and stops the wait by returning True.

        Raises ``CancelledError``, ``RemoteError`` (with the server's code and message), ``TimeoutError`` or
        ``UnavailableError``.
        """
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        self._check_new(request)
        try:
            self.submit(request, on_progress)
            while True:
                answer = self.receive(_POLL_S)
                if answer is not None and answer.id == request.id:
                    return cast(MatteReply, _reply(answer))
                if cancelled():
                    raise CancelledError("The matte was cancelled.")
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"The matte took longer than the {timeout_s:g} s allowed.")
        finally:
            # Nobody wants it any more, as after Ctrl+C: unless it was answered, the server need not go on.
            if request.id in self._requests.ids:
                self.cancel(request.id)
            self._requests.forget(request.id)

    def learn(
        self,
        request: Learn,
        on_progress: Optional[ProgressCallback] = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> LearnReply:
        """Has a shot learnt and waits for it. ``on_progress`` gets Accepted, Progress while the frames are read,
        then a LearnProgress for each step. Where ``cancelled``, called ten times a second, returns True, the server
        stops after its current step and answers with the best so far.

        Whoever stops to wait, by an error or by closing the client, does not stop the learning. Raises
        ``CancelledError`` (nothing was gained yet), and as :meth:`matte` does.
        """
        is_cancelled = False
        self.submit(request, on_progress)
        try:
            while True:
                answer = self.receive(_POLL_S)
                if answer is not None and answer.id == request.id:
                    return cast(LearnReply, _reply(answer))
                if not is_cancelled and cancelled():
                    is_cancelled = True
                    self.cancel(request.id)
        finally:
            self._requests.forget(request.id)

    def submit(
        self, request: Job, on_progress: Optional[ProgressCallback] = None, name_clean_plate: bool = True
    ) -> None:
        """Requests a frame without waiting for it; :meth:`receive` returns its answer.

        A safetensors file that ``options.weights`` names on this machine goes along, once, and is named by its
        digest; so is an inline clean plate, and so are all pictures of a Learn and of a request with neighbours.
        Hashing takes 30 ms for a picture in HD; with ``name_clean_plate`` False the pictures go along with the
        request and are not hashed, but for those that are too large to be sent in one piece. Raises ``ValueError``
        if a request with this id is outstanding.
        """
        self._check_new(request)
        weights = self._weights.of(request.options)
        if weights and not request.weights:
            request = with_sources(without_path(request), {WEIGHTS: self._pictures.hold(weights)})
        if name_clean_plate:
            request = self._pictures.name_pictures(request)
        if not self._requests.ids:
            self._heard_at = time.monotonic()
        self._requests.add(request, on_progress)

    def _check_new(self, request: Job) -> None:
        if request.id in self._requests.ids:
            raise ValueError(f"request {request.id} is still outstanding.")

    def receive(self, timeout_s: float) -> Optional[Answer]:
        """The next answer to any outstanding request, or None after ``timeout_s`` seconds.

        Raises ``TimeoutError`` or ``UnavailableError`` if something is outstanding and the server gave no sign of
        life for ``patience_s``. The requests stay outstanding, so the caller may go on receiving.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self._requests.next_answer()
            if answer is not None:
                return answer
            now = time.monotonic()
            if self._requests.ids:
                self._check_alive(now)
            if now >= deadline:
                return None
            self._pump(min(_POLL_S, deadline - now))
            self._requests.send_due()

    def cancel(self, request_id: str) -> None:
        """Asks the server to stop a request; its answer, Failure("cancelled"), still arrives."""
        self._requests.cancel(request_id)

    @property
    def outstanding(self) -> tuple[str, ...]:
        """The ids of the requests without an answer, oldest first."""
        return self._requests.ids

    def _check_alive(self, now: float) -> None:
        self._heard_at = min(now, self._heard_at + self._unseen_s())
        self._looked_at = now
        if now - self._heard_at > _PING_AFTER_S and self._connection.is_moving():
            self._heard_at = now
        silent_s = now - self._heard_at
        if silent_s > self.patience_s:
            self._heard_at = now
            raise self._silence(self.patience_s)
        if silent_s > _PING_AFTER_S and self._connection.is_up and not self._is_pinged:
            self._is_pinged = True
            self._connection.send(Ping(new_id()))

    def _unseen_s(self) -> float:
        """For how long nobody looked at the socket (Ctrl-Z, a machine that slept, a busy caller), so that nothing
        could be heard, but for the second that is silence."""
        return max(0.0, time.monotonic() - self._looked_at - _UNSEEN_S)

    def _pump(self, timeout_s: float) -> None:
        """Waits for the socket once and takes in what it brings."""
        until = time.monotonic() + timeout_s
        came_up = self._connection.wait(timeout_s)
        if came_up or not self._connection.is_up:
            # At once: how long a server is away says nothing of the link.
            self._speed.broke()
        if came_up:
            self._is_pinged = False
            self._requests.send_all()
        for message in self._connection.received():
            self._heard_at = time.monotonic()
            self._is_pinged = False
            self._deliver(message)
        # A wait that took longer than it was to, as one in which Ctrl-Z was pressed, saw nothing in the rest of it.
        self._looked_at = min(time.monotonic(), until)
        self._speed.looked()

    def _deliver(self, message: Message) -> None:
        self._speed.heard_of(message.id)
        if message.id == self._question.id and self._question.reply is None:
            self._question.reply = message
        self._requests.deliver(message)


def _reply(answer: Answer) -> Union[MatteReply, LearnReply]:
    if isinstance(answer, Failure):
        if answer.code == "cancelled":
            raise CancelledError(answer.message, answer.hint)
        raise RemoteError(answer.code, answer.message, answer.hint)
    return answer
