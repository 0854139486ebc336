"""Fetches a result in parts where its connection broke, so that a break costs a part and no more. No sockets.

The server sends a result in one piece when it is done. A client whose connection broke while it waited asks first
what there is, and keeps a few parts on their way, so that it does not wait for a distant server::

    client                                      server
    FetchResult(target, offset=0)       ->
                                        <-  ResultPart(result, size, data)   the first bytes
                                        <-  ResultPart(result="")            there is none: Matte is sent again
    FetchResult(target, offset=n)       ->
                                        <-  ResultPart(result, size, data)   the bytes that follow

After another break the client goes on from there, with parts as :mod:`.part_size` says. A server that does not
know these messages answers with a Failure: the request is then sent again, as it is where there is no result yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from .messages import FetchResult, Matte, MatteReply, Message, ResultPart, new_id
from .part_size import PartSize

PART = 1 << 20
"""Bytes of a part at first: small, as the connection has broken before."""
_ON_THE_WAY = 8


class ResultDownload:
    """The result of one request. ``send`` puts a message on the wire, or drops it while there is no connection."""

    def __init__(self, request: Matte, send: Callable[[Message], None]) -> None:
        self._request = request
        self._send = send
        self._asked: set[str] = set()
        """The ids of the questions on their way."""
        self._result = ""
        self._data = bytearray()
        self._next = 0
        """The offset of the next question."""
        self._part = PartSize(PART)
        self._first = ResultPart("")
        self.reply: Optional[MatteReply] = None
        """The whole result, once it is here."""

    @property
    def is_under_way(self) -> bool:
        """Whether an answer of the server is still to come."""
        return bool(self._asked)

    def begin(self) -> None:
        """Asks for what follows what is here."""
        self._asked.clear()
        self._part.reconnected()
        self._part.first_sent()
        self._next = len(self._data)
        self._ask()

    def takes(self, message: Message) -> bool:
        """Whether a message of the server answers this download. Asks for the parts that follow. Where it is no
        longer under way then, it is complete, or the server has no such result."""
        if message.id not in self._asked:
            return False
        self._asked.discard(message.id)
        self._part.got_through()
        if not isinstance(message, ResultPart) or not message.result:
            self._asked.clear()
            self._data.clear()
            return True
        if message.result != self._result and message.offset > 0:
            # Computed again: what is here belongs to another result.
            self._data.clear()
            self.begin()
        elif message.offset in (0, len(self._data)):
            self._keep(message)
        return True

    def _keep(self, part: ResultPart) -> None:
        if part.offset == 0:
            self._result, self._first = part.result, part
            self._data.clear()
            self._next = len(part.data)
        self._data += part.data
        if len(self._data) >= part.size:
            self._asked.clear()
            self.reply = MatteReply(
                id=self._request.id,
                frame=self._request.frame,
                data=bytes(self._data),
                diagnostics=self._first.diagnostics,
            )
        while len(self._asked) < _ON_THE_WAY and self._next < part.size:
            self._ask()

    def _ask(self) -> None:
        question = FetchResult(id=new_id(), target=self._request.id, length=self._part.bytes, offset=self._next)
        self._asked.add(question.id)
        self._next += self._part.bytes
        self._send(question)
