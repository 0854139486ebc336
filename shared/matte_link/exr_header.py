"""Reads and writes the header of an EXR of one part with scan lines, for the hosts.

Neither Nuke's Python nor Blender's has an EXR library.

The layout is that of "OpenEXR File Layout": magic number, version and flags, then a list of (name, type, size,
value) that ends with an empty name. Windows are (x, y, width, height) in pixels, y down.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

EXR_MAGIC = struct.pack("<II", 20000630, 2)
HALF, FLOAT = 1, 2
"""Types of a channel."""
_BEFORE_VALUE = 5
"""The zero byte after the type's name, and the size of the value."""
PlaneWindow = tuple[int, int, int, int]


@dataclass(frozen=True)
class HeaderAttribute:
    """One attribute; ``place`` says where its value lies in the file."""

    name: str
    kind: str
    place: slice


def header_attributes(data: bytes) -> Iterator[HeaderAttribute]:
    """The attributes in the order of the file, whose first bytes are ``data``. Raises ``ValueError`` where that is
    no EXR, and after the last whole attribute where the header is damaged or goes on beyond ``data``."""
    if data[:4] != EXR_MAGIC[:4]:
        raise ValueError("this is no EXR")
    at = 8
    while data[at : at + 1] != b"\0":
        end = data.index(b"\0", at)
        start = data.index(b"\0", end + 1) + _BEFORE_VALUE
        size = int.from_bytes(data[start - 4 : start], "little", signed=True)
        if size < 0 or start + size > len(data):
            raise ValueError("the header of the EXR is damaged")
        name, kind = data[at:end].decode("latin-1"), data[end + 1 : start - _BEFORE_VALUE].decode("latin-1")
        yield HeaderAttribute(name=name, kind=kind, place=slice(start, start + size))
        at = start + size


def plain_header(
    channels: Sequence[str],
    channel_type: int,
    data: PlaneWindow,
    display: PlaneWindow,
    aspect: float = 1.0,
    texts: Iterable[tuple[str, str]] = (),
) -> bytes:
    """The header of an uncompressed file with these channels, which have to be in alphabetical order, all of one
    type (:data:`HALF` or :data:`FLOAT`). ``texts``: names and values of further attributes, of type string."""
    listed = b"".join(name.encode() + b"\0" + struct.pack("<iiii", channel_type, 0, 1, 1) for name in channels)
    attributes = (
        ("channels", "chlist", listed + b"\0"),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", _box(data)),
        ("displayWindow", "box2i", _box(display)),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", aspect)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
        *((name, "string", value.encode()) for name, value in texts),
    )
    return EXR_MAGIC + b"".join(_packed(*attribute) for attribute in attributes) + b"\0"


def _packed(name: str, kind: str, value: bytes) -> bytes:
    return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value


def _box(window: PlaneWindow) -> bytes:
    x, y, width, height = window
    return struct.pack("<iiii", x, y, x + width - 1, y + height - 1)
