"""Sends a large picture in parts, so that a connection that breaks costs a part and not the picture. No sockets.

The client asks how much the server has of the picture, and keeps a few parts on their way, so that a distant server
does not wait for them::

    client                                      server
    StorePart(digest, size, no data)    ->
                                        <-  PartStored(received=n)    it has the first n bytes, 0 at the first time
    StorePart(digest, size, offset=n)   ->
                                        <-  PartStored(received=...)  send the next part
                                        <-  Stored                    it has the whole picture

After a connection has broken, the client asks again and goes on from there, with parts as :mod:`.part_size` says. A
server keeps what it has of a picture for the client that sent it, for some minutes.
"""

from __future__ import annotations

from collections.abc import Callable

from .messages import Blob, Message, PartStored, StorePart, new_id
from .part_size import PartSize

PART = 4 << 20
"""Bytes of a part, until connections break."""
_ON_THE_WAY = 4


class PartUpload:
    """The upload of one picture. ``send`` puts a message on the wire, or drops it while there is no connection."""

    def __init__(self, digest: str, data: Blob, name: str, send: Callable[[Message], None]) -> None:
        self._digest = digest
        self.replace(data)
        self._name = name
        self._send = send
        self._question_id = ""
        self._parts: dict[str, int] = {}
        """Per part on its way, by the id of its message: the offset of its end."""
        self._sent = 0
        self._part = PartSize(PART)

    def replace(self, data: Blob) -> None:
        """Takes the same bytes from another object."""
        self._data = memoryview(data).cast("B")

    @property
    def is_under_way(self) -> bool:
        """Whether an answer of the server is still to come."""
        return bool(self._question_id or self._parts)

    def begin(self) -> None:
        """Asks how much the server has; :meth:`takes` then goes on."""
        self.stop()
        self._part.reconnected()
        self._question_id = new_id()
        self._send(self._message(self._question_id, 0, 0))

    def stop(self) -> None:
        """Sends no further parts; answers to what was sent are no longer taken."""
        self._question_id = ""
        self._parts.clear()

    def takes(self, message: Message) -> bool:
        """Whether a message of the server answers this upload. Sends the parts that follow; any other answer than
        ``PartStored`` ends the upload."""
        if message.id not in self._parts and message.id != (self._question_id or None):
            return False
        if not isinstance(message, PartStored):
            self.stop()
            self._part.got_through()
            return True
        if self._parts.pop(message.id, -1) == message.received:
            self._part.got_through()
        else:
            # It answers the question; or the server has lost what it had, and parts on their way come to nothing.
            self.stop()
            self._sent = message.received
            self._part.first_sent()
        self._send_parts()
        return True

    def _send_parts(self) -> None:
        while len(self._parts) < _ON_THE_WAY and self._sent < len(self._data):
            end = min(self._sent + self._part.bytes, len(self._data))
            part_id = new_id()
            self._parts[part_id] = end
            self._send(self._message(part_id, self._sent, end))
            self._sent = end

    def _message(self, message_id: str, start: int, end: int) -> StorePart:
        return StorePart(
            id=message_id,
            digest=self._digest,
            size=len(self._data),
            offset=start,
            data=self._data[start:end],
            name=self._name,
        )
