"""How large a picture is sent in one piece.

By where the server is, and by how fast the link turns out to be. No sockets.

A link to this machine may be a tunnel to one that is far away (``ssh -L``), and nothing says so but how long large
messages take. On such a link a picture in one piece cannot be stopped, and a break costs all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .endpoint import Endpoint
from .messages import Blob, Inline, Learn, Matte, Message, Store
from .roles import sources_of

LARGEST_WHOLE, LARGEST_WHOLE_HERE = 8 << 20, 64 << 20
"""Bytes of the largest picture that is sent in one piece: to another machine, or over a slow link, and on this
machine, where connections do not break and naming a picture by its content takes longer than to send it. The latter
holds a 4K plate of half floats."""
SLOW = 8 << 20
"""Bytes a second. This machine takes a hundred times as many; on a slower link a plate in 4K takes seconds."""


@dataclass(frozen=True)
class _Sent:
    """A message on its way: when it was sent, its bytes, and those that were on their way then, its own among
    them."""

    at: float
    size: int
    size_with_others: int


class LinkSpeed:
    """What the large messages to one server say about the link. ``clock``: seconds that never run backwards."""

    def __init__(self, endpoint: Endpoint, clock: Callable[[], float] = time.monotonic) -> None:
        self.largest_whole = LARGEST_WHOLE_HERE if endpoint.is_loopback else LARGEST_WHOLE
        """Bytes of the largest picture that is sent in one piece."""
        self._clock = clock
        self._looked_at = clock()
        self._sent: dict[str, _Sent] = {}
        """The large messages that nothing was heard of yet, by their ids."""

    def sent(self, message: Message) -> None:
        """A message was handed to the socket. Small ones say nothing: they take as long as the server is busy."""
        size = _bytes(message)
        if size > LARGEST_WHOLE:
            ahead = sum(other.size for other in self._sent.values())
            self._sent[message.id] = _Sent(at=self._clock(), size=size, size_with_others=size + ahead)

    def heard_of(self, message_id: str) -> None:
        """The server has answered a message, so that all of it has arrived."""
        if sent := self._sent.pop(message_id, None):
            self._judge(sent)

    def looked(self) -> None:
        """All that had arrived was taken in. What arrives from now on may wait unseen for as long as its client is
        busy with other things, which says nothing of the link."""
        self._looked_at = self._clock()

    def broke(self) -> None:
        """The connection is gone, and what was on its way is lost. It had not arrived at the last look."""
        for sent in self._sent.values():
            self._judge(sent)
        self._sent.clear()

    def _judge(self, sent: _Sent) -> None:
        if sent.size_with_others < SLOW * (self._looked_at - sent.at):
            self.largest_whole = LARGEST_WHOLE


def _bytes(message: Message) -> int:
    """Bytes of the pictures that a message carries in one piece."""
    blobs: list[Blob] = []
    if isinstance(message, Store):
        blobs = [message.data]
    elif isinstance(message, (Matte, Learn)):
        blobs = [source.data for source in sources_of(message).values() if isinstance(source, Inline)]
    return sum(memoryview(blob).nbytes for blob in blobs)
