"""What the boxes of an MP4 or QuickTime file (ISO 14496-12) say of a track, and FFmpeg does not follow."""

from __future__ import annotations

import itertools
import os
import struct
from pathlib import Path

from .boxes import boxes, find, inside, outermost

_LARGEST_HEADER = 1 << 28
"""Bytes of the largest moov box that is read: a day of video takes some ten millions."""
_NORMAL_RATE, _EMPTY = 0x10000, -1
"""The rate of an edit at normal speed; the media time of one that shows nothing."""
_VISUAL_ENTRY = 8 + 78
"""Bytes of a video's sample entry before the boxes in it."""


def track_boxes(path: Path, track: int) -> bytes:
    """The content of the box of the track with this ID; empty where there is none. Raises ``OSError``."""
    header = _header(path)
    for kind, begin, end in boxes(header):
        content = header[begin:end]
        if kind == b"trak" and (head := inside(content, b"tkhd")) and _track_id(head) == track:
            return content
    return b""


def has_odd_edits(track: bytes) -> bool:
    """Whether a track's edit list leaves a gap behind its first picture, holds a picture or changes the speed.
    FFmpeg shows other pictures there."""
    edits = inside(track, b"edts", b"elst")
    if len(edits) < 8:
        return False
    layout = ">QqI" if edits[0] == 1 else ">IiI"
    (count,) = struct.unpack_from(">I", edits, 4)
    size = struct.calcsize(layout)
    count = min(count, len(edits[8:]) // size)
    found = [struct.unpack_from(layout, edits, 8 + size * index) for index in range(count)]
    shown = itertools.dropwhile(lambda edit: edit[1] == _EMPTY, found)
    is_interrupted = any(begin == _EMPTY for _, begin, _ in shown)
    return is_interrupted or any(rate != _NORMAL_RATE for _, begin, rate in found if begin != _EMPTY)


def clean_aperture(track: bytes) -> tuple[float, float] | None:
    """Width and height of the part of a track's pictures that players show, in pixels; None if it is not stated."""
    aperture = _of_sample_entry(track, b"clap")
    if len(aperture) < 32:
        return None
    width, of_width, height, of_height = struct.unpack_from(">4I", aperture)
    return (width / of_width, height / of_height) if of_width and of_height else None


def pixel_aspect(track: bytes) -> float:
    """Width of a stored pixel divided by its height; 0 if it is not stated."""
    width, height = struct.unpack(">2I", _of_sample_entry(track, b"pasp")[:8].ljust(8, b"\0"))
    return width / height if height else 0.0


def _of_sample_entry(track: bytes, kind: bytes) -> bytes:
    """The content of the box of this type in what describes a track's pictures; empty if there is none."""
    return find(inside(track, b"mdia", b"minf", b"stbl", b"stsd")[8:], kind, _VISUAL_ENTRY)


def _header(path: Path) -> bytes:
    """The content of the moov box; empty where there is none."""
    with path.open("rb") as file:
        for kind, begin, behind in outermost(file, file.seek(0, os.SEEK_END)):
            if kind == b"moov":
                file.seek(begin)
                return file.read(min(behind - begin, _LARGEST_HEADER))
    return b""


def _track_id(head: bytes) -> int:
    """The ID that a tkhd box states; 0 where it is cut."""
    at = 20 if head[0] == 1 else 12
    return int.from_bytes(head[at : at + 4], "big")
