"""The segments of a JPEG (ITU-T T.81, annex B): whether it is whole, has a gain map, and what its inks mean.

A gain map makes an HDR picture of an SDR one (ISO 21496-1; Android's Ultra HDR). OpenImageIO applies it and still
names the colour of the picture without it, so its decoder gets that picture alone.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from ..errors import MatteError

JPEG_MAGIC = b"\xff\xd8\xff"
_END, _SCAN, _APP1, _APP2, _APP14 = 0xD9, 0xDA, 0xE1, 0xE2, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segment that states how many components there are."""
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_AFTER_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""The next marker behind compressed data; 0 stuffs them, and D0 to D7 restart the decoder."""
_OF_GAIN_MAPS = {_APP1: b"hdrgm:Version", _APP2: b"urn:iso:std:iso:ts:21496:-1\0"}
_INKS = 4
_JFIF_UNIT = 13
_MP_ENTRIES, _SMALL_COPY = 0xB002, 1
"""The tag that lists a file's pictures, 16 bytes each; the class of those that are small copies of another."""


def jpeg_is_cut(data: bytes) -> bool:
    """Whether a JPEG, ``data``, lacks its end. Of a progressive one OpenImageIO would show the scans that are
    there, which are coarse."""
    if data.endswith(b"\xff\xd9"):
        return False  # and nothing behind it, to look for which takes a while
    return all(marker != _END for marker, _, _ in _segments(data, past_scans=True))


def states_pixels_per_length(path: Path) -> bool:
    """Whether a JPEG says how many pixels there are to an inch or a centimetre (JFIF 1.02), and not directly which
    aspect a pixel has: OpenImageIO takes both for the latter. Raises ``OSError``."""
    with path.open("rb") as file:
        head = file.read(_JFIF_UNIT + 1)
    return head[6:11] == b"JFIF\0" and head[_JFIF_UNIT:] in (b"\1", b"\2")


def has_profile(path: Path) -> bool:
    """Whether a JPEG has a part of an ICC profile. Raises ``OSError``."""
    data = path.read_bytes()
    return any(marker == _APP2 and data.startswith(b"ICC_PROFILE\0", begin) for marker, begin, _ in _segments(data))


def first_picture(data: bytes) -> bytes | None:
    """The bytes of a JPEG, ``data``, up to the end of its first picture, where it has a gain map; None for all
    others."""
    contents = ((_OF_GAIN_MAPS.get(marker), data[begin:end]) for marker, begin, end in _segments(data))
    if not any(mark is not None and mark in content for mark, content in contents):
        return None
    *_, (marker, _, last) = _segments(data, past_scans=True)
    return data[:last] if marker == _END else data


def holds_several(data: bytes) -> bool:
    """Whether a JPEG, ``data``, has other pictures than small copies of its first one behind it (CIPA DC-007), as a
    stereo camera writes them."""
    contents = (data[begin:end] for marker, begin, end in _segments(data) if marker == _APP2)
    index = next((content[4:] for content in contents if content.startswith(b"MPF\0")), b"")
    with contextlib.suppress(struct.error):
        order = "<" if index.startswith(b"II") else ">"
        (at,) = struct.unpack_from(f"{order}I", index, 4)
        (count,) = struct.unpack_from(f"{order}H", index, at)
        for entry in range(count):
            tag, _, size, place = struct.unpack_from(f"{order}HHII", index, at + 2 + 12 * entry)
            if tag == _MP_ENTRIES:
                kinds = (struct.unpack_from(f"{order}I", index, place + here)[0] for here in range(16, size, 16))
                return any(kind >> 16 & 0xFF != _SMALL_COPY for kind in kinds)
    return False


def refuse_unsaid_inks(data: bytes, label: str) -> None:
    """Raises ``MatteError("unreadable", ...)`` for a CMYK JPEG without Adobe's segment: whether 0 is no ink or all
    of it is not said, and programs differ."""
    found = {marker: data[begin:end] for marker, begin, end in _segments(data)}
    has_inks = any(content[5:6] == bytes((_INKS,)) for marker, content in found.items() if marker in _FRAMES)
    if has_inks and not found.get(_APP14, b"").startswith(b"Adobe"):
        raise MatteError(
            "unreadable",
            f"{label} is a CMYK JPEG that does not say whether 0 means no ink or all of it.",
            "Convert it to RGB first.",
        )


def _segments(data: bytes, past_scans: bool = False) -> Iterator[tuple[int, int, int]]:
    """The marker of each segment, and where its content begins and ends: those before the first scan, or all of the
    first picture."""
    at = 2
    while (found := _MARKER.match(data, at)) is not None:
        marker, begin = found[1][0], found.end()
        if marker == _END:
            yield marker, begin, begin
            return
        (size,) = struct.unpack(">H", data[begin : begin + 2].rjust(2, b"\0"))
        end = begin + max(size, 2)
        yield marker, begin + 2, end
        if marker == _SCAN:
            if not past_scans or (following := _AFTER_SCAN.search(data, end)) is None:
                return
            end = following.start()
        at = end
