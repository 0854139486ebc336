"""Elements of Matroska and WebM files: the file's end, damaged clusters, what players leave out.

By RFC 9559 and RFC 8794."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

_SEGMENT, _CLUSTER, _CHECKSUM = 0x18538067, 0x1F43B675, 0xBF
"""The element that holds all others but the EBML header; one that holds some seconds of packets; CRC-32, which is
an element's first child where its writer adds one, as FFmpeg does."""
_TRACKS, _TRACK, _VIDEO = 0x1654AE6B, 0xAE, 0xE0
_LEFT_AND_RIGHT, _TOP_AND_BOTTOM = (0x54CC, 0x54DD), (0x54BB, 0x54AA)
_CHECKSUM_SIZE = 6
_PIECE = 1 << 22


def end_of_segment(file: BinaryIO) -> int:
    """Where the segment ends, as its head states; 0 if it does not."""
    size = _enter_segment(file)
    return file.tell() + size if size else 0


def damaged_clusters(path: Path) -> list[tuple[int, int]]:
    """The first byte, and the first byte behind, of each cluster whose checksum is not that of its data."""
    with path.open("rb") as file:
        return [
            (begin, behind)
            for kind, begin, behind in _elements(file, end_of_segment(file))
            if kind == _CLUSTER and not _is_right(file, behind - file.tell())
        ]


def cropping(path: Path) -> tuple[int, int]:
    """How many pixels players leave out of the width and the height of a file's first video track that says so."""
    with path.open("rb") as file:
        for video_end in _inside(file, end_of_segment(file), (_TRACKS, _TRACK, _VIDEO)):
            sides = {}
            for name, _, behind in _elements(file, video_end):
                if name in (*_LEFT_AND_RIGHT, *_TOP_AND_BOTTOM):
                    sides[name] = int.from_bytes(file.read(behind - file.tell()), "big")
            if any(sides.values()):
                left, right = _LEFT_AND_RIGHT
                top, bottom = _TOP_AND_BOTTOM
                return sides.get(left, 0) + sides.get(right, 0), sides.get(top, 0) + sides.get(bottom, 0)
    return 0, 0


def _inside(file: BinaryIO, end: int, kinds: Sequence[int]) -> Iterator[int]:
    """The end of each element that these identifiers lead to, before any cluster; meanwhile the file is at its
    data."""
    for kind, _, behind in _elements(file, end):
        if kind == _CLUSTER:
            return
        if kind == kinds[0]:
            yield from _inside(file, behind, kinds[1:]) if kinds[1:] else (behind,)


def _elements(file: BinaryIO, end: int) -> Iterator[tuple[int, int, int]]:
    """Identifier, first byte, and first byte behind, of each element from the file's place to ``end``; meanwhile
    the file is at the element's data. Stops at one of unknown size."""
    while (begin := file.tell()) < end:
        kind, size = _variable_number(file, keeps_marker=True), _variable_number(file, keeps_marker=False)
        if not size:
            return
        behind = file.tell() + size
        yield kind, begin, behind
        file.seek(behind)


def _is_right(file: BinaryIO, size: int) -> bool:
    """Whether an element's data, at which the file is, have the checksum that they begin with, if they have one."""
    head = file.read(_CHECKSUM_SIZE)
    if head[:2] != bytes((_CHECKSUM, 0x80 | 4)):
        return True
    left, checksum = size - len(head), 0
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        checksum = zlib.crc32(piece, checksum)
        left -= len(piece)
    return checksum == int.from_bytes(head[2:], "little")


def _enter_segment(file: BinaryIO) -> int:
    """Goes to the segment's data and returns their size; 0 if that is unknown, or if there is no segment."""
    _variable_number(file, keeps_marker=True)
    header = _variable_number(file, keeps_marker=False)
    file.seek(header, 1)
    if _variable_number(file, keeps_marker=True) != _SEGMENT:
        return 0
    return _variable_number(file, keeps_marker=False)


def _variable_number(file: BinaryIO, keeps_marker: bool) -> int:
    """An identifier or size of EBML (RFC 8794, 4): the leading zero bits of its first byte count its further bytes.
    0 for the size that means unknown, and at the file's end."""
    first = file.read(1)
    if not first or not first[0]:
        return 0
    further = 8 - first[0].bit_length()
    number = int.from_bytes(first + file.read(further), "big")
    if keeps_marker:
        return number
    number -= 1 << (7 * (further + 1))
    return 0 if number == (1 << (7 * (further + 1))) - 1 else number
