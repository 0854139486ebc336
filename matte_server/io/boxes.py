"""Boxes, of which MP4, QuickTime, JPEG 2000 and JPEG XL files are made (ISO 14496-12, 4.2; ISO 15444-1, I.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO


def _length_of(data: bytes, at: int, rest: int) -> tuple[int, int, bytes]:
    """The length of the box at ``at``, that of its own head, and its type; a length of 0 reaches to the end,
    ``rest`` bytes away. The length is 0 where there is no box."""
    if len(data) < at + 8:
        return 0, 8, b""
    length, kind = struct.unpack_from(">I4s", data, at)
    if length == 1 and len(data) >= at + 16:
        return int(struct.unpack_from(">Q", data, at + 8)[0]), 16, kind
    return length or rest, 8, kind


def outermost(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, first byte of the content, and first byte behind, of each outermost box of a file of ``size`` bytes.
    The last may reach beyond the file's end. Stops where there is no box."""
    at = 0
    while at < size:
        file.seek(at)
        length, own, kind = _length_of(file.read(16), 0, size - at)
        if length < own:
            return
        yield kind, at + own, at + length
        at += length


def boxes(data: bytes, begin: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Type, and begin and end of the content, of each box from ``begin`` on. Of one that is cut, what is there."""
    end = len(data)
    while begin < end:
        length, own, kind = _length_of(data, begin, end - begin)
        if length < own:
            return
        yield kind, begin + own, min(begin + length, end)
        begin += length


def find(data: bytes, kind: bytes, begin: int = 0) -> bytes:
    """The content of the first box of this type among those from ``begin`` on; empty if there is none."""
    return next((data[start:end] for found, start, end in boxes(data, begin) if found == kind), b"")


def inside(data: bytes, *kinds: bytes) -> bytes:
    """The content of the box that these types lead to, from the outermost; empty if there is none."""
    for kind in kinds:
        data = find(data, kind)
    return data
