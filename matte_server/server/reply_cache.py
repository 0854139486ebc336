"""Answers requests that are sent again: tells whether two are the same, and caches the replies."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from matte_link.messages import Blob, FetchResult, Inline, Matte, MatteReply, ResultPart, new_id
from matte_link.roles import sources_of

from .fair_queue import Client

_LARGEST_PART = 4 << 20
"""Bytes of a reply that are sent at once to a client that fetches it in parts."""


@dataclass(frozen=True)
class CachedReply:
    """The reply to a request, the request's fingerprint, and when it was sent last, in seconds of the cache's
    clock."""

    reply: MatteReply
    fingerprint: int
    at: float
    name: str = field(default_factory=new_id)
    """Tells it from the reply to the same request when that is computed again."""


class ReplyCache:
    """The most recent replies: at most ``max_bytes`` of them or the last one alone, however large, and none older
    than ``max_age_s`` by ``clock``. So a large reply that is cut is sent again and not computed again.

    A client that fetches it in parts keeps it here: each part starts ``max_age_s`` anew."""

    def __init__(self, max_bytes: int, max_age_s: float, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._entries: OrderedDict[tuple[Client, str], CachedReply] = OrderedDict()
        self._bytes = 0

    def get(self, client: Client, request_id: str) -> CachedReply | None:
        """The reply to this client's request, or None where it is not cached (any more)."""
        return self._entries.get((client, request_id))

    def add(self, client: Client, reply: MatteReply, fingerprint: int) -> None:
        """Caches a reply; older ones make room for it."""
        self._entries[client, reply.id] = CachedReply(reply=reply, fingerprint=fingerprint, at=self._clock())
        self._bytes += len(reply.data)
        self.expire()

    def drop(self, client: Client, request_id: str) -> None:
        """Forgets the reply to a request that its client has taken back, and may send in another form."""
        if dropped := self._entries.pop((client, request_id), None):
            self._bytes -= len(dropped.reply.data)

    def part(self, client: Client, question: FetchResult) -> ResultPart:
        """The part of a reply's data that a client asks for; one without data where it is not cached (any more)."""
        cached = self.get(client, question.target)
        if cached is None:
            return ResultPart(question.id)
        self._entries[client, question.target] = replace(cached, at=self._clock())
        self._entries.move_to_end((client, question.target))
        data = memoryview(cached.reply.data).cast("B")
        return ResultPart(
            id=question.id,
            result=cached.name,
            size=len(data),
            offset=question.offset,
            data=data[question.offset : question.offset + min(question.length, _LARGEST_PART)],
            diagnostics={} if question.offset else cached.reply.diagnostics,
        )

    def forget_oldest(self) -> bool:
        """Drops the oldest reply, whose bytes are needed for something else; returns whether there was one."""
        if not self._entries:
            return False
        _, oldest = self._entries.popitem(last=False)
        self._bytes -= len(oldest.reply.data)
        return True

    def expire(self) -> None:
        """Drops replies that are too old or too many."""
        while self._entries:
            oldest = next(iter(self._entries.values()))
            is_expired = self._clock() - oldest.at > self._max_age_s
            if not is_expired and (self._bytes <= self._max_bytes or len(self._entries) == 1):
                return
            self.forget_oldest()


def blobs_of(request: Matte) -> list[Blob]:
    """The pictures that a request carries itself."""
    return [source.data for source in sources_of(request).values() if isinstance(source, Inline)]


def fingerprint_of(request: Matte) -> int:
    """A checksum that tells a request that is sent again from a different one with the same id."""
    value = 0
    for blob in blobs_of(request):
        value = zlib.crc32(blob, value)
    # The content of inline pictures is in the checksum already; here only their roles count.
    named = {role: None if isinstance(one, Inline) else one for role, one in sources_of(request).items()}
    alignments = [dict(each.alignment) for each in (request, request.before, request.after) if each is not None]
    first = (request.frame, named, request.options.to_dict(), request.output, request.plate_layer)
    second = (request.clean_layer, request.view, dict(request.hints), request.priority, alignments)
    return zlib.crc32(repr((first, second)).encode(), value)
