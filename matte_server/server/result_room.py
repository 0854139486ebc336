"""Room in the spool for results. It is kept before a frame is computed, so that no result meets a full spool.

Each frame at a worker has its own room. The frames that wait have one room together, as large as the largest of
them needs: pictures of further frames never take it, and so one frame can always be computed.
"""

from __future__ import annotations

import struct
from collections import Counter
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
        self._waiting_sizes: Counter[int] = Counter()
        """How many frames wait that need so much: thousands may wait, of few sizes."""

    def beyond_waiting(self, size: int) -> int:
        """The bytes to keep for a frame that joins those that wait, beside what is kept for these."""
        return max(0, size - self._largest)

    @property
    def _largest(self) -> int:
        return max(self._waiting_sizes, default=0)

    def add(self, name: str, size: int) -> None:
        """A frame waits whose result may have ``size`` bytes."""
        self._sizes[name] = size
        self.wait(name)

    def wait(self, name: str) -> None:
        """The frame waits (again)."""
        self._spool.release(name)
        if name not in self._waiting:
            self._waiting.add(name)
            self._waiting_sizes[self._sizes[name]] += 1
            self._spool.reserve(_NEXT, self._largest)

    def may_begin(self, name: str, is_alone: bool) -> bool:
        """Whether there is room for this frame's result. A frame that ``is_alone`` begins also where what is on its
        way out will not make the room: other programs fill the disk, and the frame says so."""
        size = self._sizes[name]
        self._spool.release(_NEXT)
        may_begin = self._make_way(size) or (is_alone and not self._spool.will_have_room(size))
        self._spool.reserve(_NEXT, self._largest)
        return may_begin

    def begin(self, name: str) -> None:
        """A worker gets the frame: the room is its own now."""
        self._wait_no_longer(name)
        self._spool.reserve(name, self._sizes[name])

    def forget(self, name: str) -> None:
        """The frame has ended."""
        self._wait_no_longer(name)
        self._spool.release(name)
        del self._sizes[name]

    def _wait_no_longer(self, name: str) -> None:
        if name not in self._waiting:
            return
        self._waiting.remove(name)
        size = self._sizes[name]
        self._waiting_sizes[size] -= 1
        if not self._waiting_sizes[size]:
            del self._waiting_sizes[size]
        self._spool.reserve(_NEXT, self._largest)
