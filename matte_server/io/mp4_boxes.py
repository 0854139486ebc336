"""What the boxes of an MP4 or QuickTime file (ISO 14496-12) say of a track, and FFmpeg does not follow."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

_LARGEST_HEADER = 1 << 28
"""Bytes of the largest moov box that is read: a day of video takes some ten millions."""
_NORMAL_RATE, _EMPTY = 0x10000, -1
"""The rate of an edit at normal speed; the media time of one that shows nothing."""
_VISUAL_ENTRY = 8 + 78
"""Bytes of a video's sample entry before the boxes in it."""


def track_boxes(path: Path, track: int) -> bytes:
    """The content of the box of the track with this ID; empty where there is none. Raises ``OSError``."""
    header = _header(path)
    for kind, begin, end in _boxes(header, 0, len(header)):
        content = header[begin:end]
        if kind == b"trak" and (head := _inside(content, b"tkhd")) and _track_id(head) == track:
            return content
    return b""


def has_odd_edits(track: bytes) -> bool:
    """Whether a track's edit list leaves a gap that is not at its begin, holds a picture or changes the speed.
    FFmpeg shows other pictures there."""
    edits = _inside(track, b"edts", b"elst")
    if len(edits) < 8:
        return False
    layout = ">QqI" if edits[0] == 1 else ">IiI"
    (count,) = struct.unpack_from(">I", edits, 4)
    size = struct.calcsize(layout)
    count = min(count, len(edits[8:]) // size)
    found = [struct.unpack_from(layout, edits, 8 + size * index) for index in range(count)]
    is_interrupted = any(begin == _EMPTY for _, begin, _ in found[1:])
    return is_interrupted or any(rate != _NORMAL_RATE for _, begin, rate in found if begin != _EMPTY)


def clean_aperture(track: bytes) -> tuple[float, float] | None:
    """Width and height of the part of a track's pictures that players show, in pixels; None if it is not stated."""
    entries = _inside(track, b"mdia", b"minf", b"stbl", b"stsd")[8:]
    aperture = _find(entries, b"clap", _VISUAL_ENTRY)
    if len(aperture) < 32:
        return None
    width, of_width, height, of_height = struct.unpack_from(">4I", aperture)
    return (width / of_width, height / of_height) if of_width and of_height else None


def _header(path: Path) -> bytes:
    """The content of the moov box; empty where there is none."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        at = 0
        while at < size:
            file.seek(at)
            head = file.read(16)
            length, own, kind = _length(head, 0, size - at)
            if length < own:
                break
            if kind == b"moov":
                file.seek(at + own)
                return file.read(min(length - own, _LARGEST_HEADER))
            at += length
    return b""


def _length(data: bytes, at: int, rest: int) -> tuple[int, int, bytes]:
    """The length of the box at ``at``, that of its own head, and its type; a length of 0 reaches to the end,
    ``rest`` bytes away. The length is 0 where there is no box."""
    if len(data) < at + 8:
        return 0, 8, b""
    length, kind = struct.unpack_from(">I4s", data, at)
    if length == 1 and len(data) >= at + 16:
        return int(struct.unpack_from(">Q", data, at + 8)[0]), 16, kind
    return length or rest, 8, kind


def _boxes(data: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, and begin and end of the content, of each box."""
    while begin < end:
        length, own, kind = _length(data, begin, end - begin)
        if length < own:
            return
        yield kind, begin + own, min(begin + length, end)
        begin += length


def _find(data: bytes, kind: bytes, begin: int = 0) -> bytes:
    """The content of the first box of this type among those from ``begin`` on; empty if there is none."""
    return next((data[start:end] for found, start, end in _boxes(data, begin, len(data)) if found == kind), b"")


def _inside(data: bytes, *kinds: bytes) -> bytes:
    """The content of the box that these types lead to, from the outermost; empty if there is none."""
    for kind in kinds:
        data = _find(data, kind)
    return data


def _track_id(head: bytes) -> int:
    """The ID that a tkhd box states; 0 where it is cut."""
    at = 20 if head[0] == 1 else 12
    return int.from_bytes(head[at : at + 4], "big")
