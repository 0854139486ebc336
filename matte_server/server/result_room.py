"""Room in the spool for results. It is kept before a frame is computed, so that no result meets a full spool.

Each frame at a worker has its own room. The frames that wait have one room together, as large as the largest of
them needs: pictures of further frames never take it, and so one frame can always be computed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from matte_link.exr_header import header_attributes
from matte_link.messages import Matte

from .spool import Spool

HEADER_BYTES = 1 << 16
"""So many first bytes of a picture say how large its result may be."""
_NEXT = "next result"
_BESIDE_PIXELS = 1 << 16
"""Bytes of a result's header and tables."""


def largest_result(request: Matte, first: bytes) -> int:
    """The most bytes that the result of a frame can have, where its plate is an EXR with the ``first`` bytes; 0
    where it is none. A chunk of an EXR that does not become smaller is stored as it is."""
    try:
        window = next(each.place for each in header_attributes(first) if each.name == "dataWindow")
        left, top, right, bottom = struct.unpack("<iiii", first[window])
    except (ValueError, StopIteration, struct.error):
        return 0
    options = request.options
    layers = options.layer_clean + options.layer_confidence + options.layer_difference + options.layer_shadow
    channel_bytes = 2 if options.bit_depth == "half" else 4
    # R, G, B, A; layers are half floats of at most four channels.
    pixel_bytes = 4 * channel_bytes + 8 * layers
    width, height = max(0, int(right) - int(left) + 1), max(0, int(bottom) - int(top) + 1)
    return width * height * pixel_bytes + _BESIDE_PIXELS


class ResultRoom:
    """The results that are still to come, by the names of their files. ``make_way`` has pictures that nobody needs
    now give way, and returns whether the spool has room for so many bytes."""

    def __init__(self, spool: Spool, make_way: Callable[[int], bool]) -> None:
        self._spool = spool
        self._make_way = make_way
        self._sizes: dict[str, int] = {}
        """Of each frame on the server."""
        self._waiting: set[str] = set()

    def beyond_waiting(self, size: int) -> int:
        """The bytes to keep for a frame that joins those that wait, beside what is kept for these."""
        return max(0, size - self._largest)

    @property
    def _largest(self) -> int:
        return max((self._sizes[name] for name in self._waiting), default=0)

    def add(self, name: str, size: int) -> None:
        """A frame waits whose result may have ``size`` bytes."""
        self._sizes[name] = size
        self.wait(name)

    def wait(self, name: str) -> None:
        """The frame waits (again)."""
        self._waiting.add(name)
        self._spool.release(name)
        self._spool.reserve(_NEXT, self._largest)

    def may_begin(self, name: str, is_alone: bool) -> bool:
        """Whether there is room for this frame's result. If nothing will become free, a frame that ``is_alone``
        begins all the same: other programs fill the disk, and the frame says so."""
        self._spool.release(_NEXT)
        has_room = self._make_way(self._sizes[name])
        self._spool.reserve(_NEXT, self._largest)
        return has_room or (is_alone and not self._spool.on_their_way)

    def begin(self, name: str) -> None:
        """A worker gets the frame: the room is its own now."""
        self._waiting.discard(name)
        self._spool.reserve(_NEXT, self._largest)
        self._spool.reserve(name, self._sizes[name])

    def forget(self, name: str) -> None:
        """The frame has ended."""
        del self._sizes[name]
        self._waiting.discard(name)
        self._spool.release(name)
        self._spool.reserve(_NEXT, self._largest)
