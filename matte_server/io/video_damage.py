"""Which pictures of a video may be wrong although they can be decoded.

They lie in a part of the file that is known to be damaged, or are predicted from a damaged or missing picture."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from .ffv1 import checksums_are_right
from .matroska import damaged_clusters

_PREDICTED = "Pictures that follow a damaged or missing one of the video, up to its next key frame, may be wrong."
_IN_DAMAGED_PART = "A part of the video's file is damaged, and pictures in it may be wrong."
_HOLE = "The video has no picture for {} of its times, first after frame {}."
_MOST_HOLES = 0.01
"""Part of the pictures. A video with more holes leaves pictures out on purpose, as screen recorders do."""
_TWO_WAYS = 3
"""PyAV's number for a B-frame, which is predicted from pictures that are shown before and after it."""
LONGEST_RUN = 8
"""B-frames between two others that are looked ahead; few encoders make more."""


class PacketCheck:
    """Finds damaged packets while a file is read once."""

    def __init__(self, path: Path, container: Any, stream: Any) -> None:
        self._parts = damaged_clusters(path) if "matroska" in container.format.name else []
        self._is_ffv1 = stream.codec_context.name == "ffv1"
        self._has_checksums = False

    def is_suspect(self, packet: Any) -> bool:
        """Whether a packet lies in a damaged part of the file, or data before it are missing."""
        at = packet.pos or 0
        return bool(packet.is_corrupt) or any(begin <= at < end for begin, end in self._parts)

    def is_damaged(self, packet: Any) -> bool:
        """Whether a packet has a checksum that is not its own, or none where those before it had one."""
        if not self._is_ffv1:
            return False
        is_right = checksums_are_right(bytes(packet))
        self._has_checksums = self._has_checksums or is_right is not None
        return self._has_checksums and not is_right


class KnownDamage:
    """What is known of a video's pictures, by their index in the order shown.

    ``damaged``: pictures whose own data are. ``suspect``: those in damaged parts of the file. ``times``: of all
    pictures, in any unit; ``rounding``: by how much these may be wrong; ``held``: those at which the picture before
    is shown on, as the file says."""

    def __init__(
        self,
        damaged: Iterable[int],
        suspect: Iterable[int],
        times: Sequence[int],
        rounding: Fraction,
        held: Iterable[int] = (),
    ) -> None:
        self._suspect = frozenset(suspect)
        self._holes = _holes(times, rounding, held)
        self._damaged = {*damaged, *self._suspect}
        self._keys: set[int] = set()
        self._anchors: set[int] = set()

    def note(self, index: int, frame: Any) -> None:
        """Records a decoded picture."""
        if frame.key_frame:
            self._keys.add(index)
        if is_anchor(frame):
            self._anchors.add(index)
        if frame.is_corrupt:
            self._damaged.add(index)

    def note_missing(self, index: int) -> None:
        """Records a picture that the decoder left out."""
        self._damaged.add(index)

    def doubts(self, index: int) -> tuple[str, ...]:
        """Why a picture may be wrong, a sentence for each cause. All pictures from the key frame before it to the
        next one that is no B-frame must have been noted."""
        found = [_IN_DAMAGED_PART] if index in self._suspect else []
        if self._is_predicted_from_damaged(index):
            found.append(_PREDICTED)
        if index in self._holes:
            found.append(_HOLE.format(sum(self._holes.values()), min(self._holes)))
        return tuple(found)

    def _is_predicted_from_damaged(self, index: int) -> bool:
        if not (self._damaged or self._holes):
            return False
        key = max((key for key in self._keys if key <= index), default=0)
        last = index
        if index not in self._anchors:
            last = min((anchor for anchor in self._anchors if anchor > index), default=index + LONGEST_RUN)
        is_after_hole = any(key < first <= index for first in self._holes)
        return is_after_hole or any(key <= at <= last and at != index for at in self._damaged)


def is_anchor(frame: Any) -> bool:
    """Whether a picture is not predicted from one that is shown after it."""
    return int(frame.pict_type) != _TWO_WAYS


def _holes(times: Sequence[int], rounding: Fraction, held: Iterable[int]) -> dict[int, int]:
    """Index of the first picture after a gap -> how many pictures there would be room for. Empty unless all other
    pictures are equally far apart and there are few gaps."""
    filled = sorted({*times, *held})
    steps = [later - earlier for earlier, later in pairwise(filled)]
    step = sorted(steps)[len(steps) // 2] if steps else 0
    if step <= 4 * rounding:
        return {}
    found = {}
    for each, behind in zip(steps, filled[1:], strict=True):
        index, count = bisect.bisect_left(times, behind), round(each / step)
        if count < 1 or abs(each - count * step) > 2 * rounding * count:
            return {}
        if count > 1:
            found[index] = count - 1
    return found if len(found) <= max(1, _MOST_HOLES * len(times)) else {}
