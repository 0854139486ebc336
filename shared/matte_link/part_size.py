"""How large the parts of a picture or of a result are. No sockets.

A connection that breaks costs the parts on their way. Where it broke before a single one got through, parts become
smaller, so that a link that is slow and breaks often lets one through.
"""

from __future__ import annotations

SMALLEST_PART = 64 << 10
"""Bytes of the smallest part: a link of 50 KB/s needs 1.3 s for it."""


def mebibytes(size: int) -> int:
    """A size in bytes as people are told of it: rounded up, so that what exceeds a limit is more than that."""
    return -(-size >> 20)


class PartSize:
    """The bytes of a part: ``first`` of them until connections break."""

    def __init__(self, first: int) -> None:
        self.bytes = first
        self._waits_for_first = False
        """Whether parts are on their way on this connection, and none has got through yet."""

    def reconnected(self) -> None:
        """There is a new connection."""
        if self._waits_for_first:
            self.bytes = max(self.bytes // 4, min(self.bytes, SMALLEST_PART))
        self._waits_for_first = False

    def first_sent(self) -> None:
        """The first part is on its way on this connection."""
        self._waits_for_first = True

    def got_through(self) -> None:
        """A part has got through, or was refused."""
        self._waits_for_first = False
