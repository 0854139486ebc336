"""Requests that are sent again: what makes two of them the same, and the answers remembered for them."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from matte_link.messages import Blob, Inline, Matte, MatteReply, sources_of

from .fair_queue import Client


@dataclass(frozen=True)
class CachedReply:
    """What a request was answered, when (seconds of the memory's clock), and its fingerprint."""

    reply: MatteReply
    fingerprint: int
    at: float


class ReplyCache:
    """The last answers, at most ``most`` bytes of them and none older than ``keep_s`` seconds of ``clock``."""

    def __init__(self, most: int, keep_s: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._keep_s = keep_s
        self._clock = clock
        self._kept: OrderedDict[tuple[Client, str], CachedReply] = OrderedDict()
        self._bytes = 0

    def get(self, client: Client, request_id: str) -> CachedReply | None:
        """What this client's request was answered, where that is not forgotten."""
        return self._kept.get((client, request_id))

    def keep(self, client: Client, reply: MatteReply, fingerprint: int) -> None:
        """Remembers an answer, at the cost of older ones."""
        self._kept[client, reply.id] = CachedReply(reply, fingerprint, self._clock())
        self._bytes += len(reply.data)
        self.forget()

    def forget(self) -> None:
        """Lets go of what is too old or too much."""
        while self._kept:
            oldest = next(iter(self._kept.values()))
            is_old = self._clock() - oldest.at > self._keep_s
            if not is_old and self._bytes <= self._most:
                return
            self._kept.popitem(last=False)
            self._bytes -= len(oldest.reply.data)


def blobs_of(request: Matte) -> list[Blob]:
    """The pictures that were sent along."""
    return [source.data for source in sources_of(request).values() if isinstance(source, Inline)]


def fingerprint_of(request: Matte) -> int:
    """Tells a request that is sent again from another one under the same id. Not a secret, so a checksum."""
    value = 0
    for blob in blobs_of(request):
        value = zlib.crc32(blob, value)
    # Inline pictures stand for themselves above; here only that they are there.
    named = {role: None if isinstance(one, Inline) else one for role, one in sources_of(request).items()}
    alignments = [dict(each.alignment) for each in (request, request.before, request.after) if each is not None]
    words = (request.frame, named, request.options.to_dict(), request.output, request.plate_layer)
    more = (request.clean_layer, request.view, dict(request.hints), request.priority, alignments)
    return zlib.crc32(repr((words, more)).encode(), value)
