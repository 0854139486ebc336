"""An EXR's header byte by byte, for the attributes that OpenImageIO does not carry: vendors' own types, doubles,
boxes, lists of texts. They are passed on as the bytes they came as. And which attributes are passed on at all.

The layout is the one of "OpenEXR File Layout": magic, version and flags, one list of (name, type, size, value)
per part, each ended by an empty name, then the table of offsets.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = 20000630
MULTI_PART, LONG_NAMES = 0x1000, 0x400
_SHORT_NAME = 31
HEADER_LIMIT = 1 << 20
"""More of a file is not searched for its headers."""
UNPREMULTIPLIED = "cleanplate:unpremultiplied"
"""Marks an EXR whose colour is not multiplied by its alpha, which the format itself cannot say."""
# Attributes that say how a file was stored, not what it shows: the writer makes its own.
_STRUCTURAL = frozenset(
    (
        UNPREMULTIPLIED,
        "compression",
        "PixelAspectRatio",
        "channels",
        "dataWindow",
        "displayWindow",
        "lineOrder",
        "pixelAspectRatio",
        "chunkCount",
        "tiles",
        "name",
        "type",
        "version",
        # Promises a container of ACES: half floats, uncompressed, AP0.
        "acesImageContainerFlag",
        "view",
        "multiView",
        "textureformat",
        "BitsPerSample",
        "Orientation",
        "planarconfig",
    )
)
_STRUCTURAL_FAMILIES = ("oiio:", "openexr:", "jpeg:", "png:", "dpx:", "tiff:", "ICCProfile")
# EXR types that OpenImageIO reads and writes without loss; a preview would show the wrong picture.
CARRIED = frozenset(
    (
        "string",
        "int",
        "float",
        "v2f",
        "v3f",
        "v2i",
        "v3i",
        "m33f",
        "m44f",
        "timecode",
        "keycode",
        "rational",
        "chromaticities",
        "preview",
    )
)


@dataclass(frozen=True)
class RawAttribute:
    """One attribute as it is stored: its type's name and its value's bytes."""

    type: str
    data: bytes


def structural(name: str) -> bool:
    """Whether an attribute says how a file is stored."""
    return name in _STRUCTURAL or name.startswith(_STRUCTURAL_FAMILIES)


def parts(head: bytes) -> list[dict[str, RawAttribute]]:
    """The attributes of every part, out of the file's first bytes; fewer where the bytes end or make no sense."""
    if len(head) < 8 or struct.unpack_from("<i", head)[0] != MAGIC:
        return []
    multi_part = bool(struct.unpack_from("<I", head, 4)[0] & MULTI_PART)
    found: list[dict[str, RawAttribute]] = []
    at = 8
    try:
        while True:
            attributes, at = _one_part(head, at)
            if not attributes:
                return found
            found.append(attributes)
            if not multi_part:
                return found
    except (ValueError, struct.error):
        return found


def _one_part(head: bytes, at: int) -> tuple[dict[str, RawAttribute], int]:
    """The attributes from ``at`` on and where the next part starts; ``ValueError`` where the bytes end before."""
    found = {}
    while head[at] if at < len(head) else _ended():
        name, at = _text(head, at)
        kind, at = _text(head, at)
        (size,) = struct.unpack_from("<i", head, at)
        at += 4
        if size < 0 or at + size > len(head):
            raise ValueError("the header's bytes end inside an attribute")
        found[name] = RawAttribute(kind, head[at : at + size])
        at += size
    return found, at + 1


def _ended() -> int:
    raise ValueError("the header's bytes end before the header does")


def _text(head: bytes, at: int) -> tuple[str, int]:
    end = head.index(b"\0", at, at + 256)
    return head[at:end].decode("latin-1"), end + 1


def packed(attributes: Mapping[str, RawAttribute]) -> bytes:
    """The attributes as a header holds them."""
    return b"".join(
        b"%s\0%s\0" % (name.encode("latin-1"), value.type.encode("latin-1"))
        + struct.pack("<i", len(value.data))
        + value.data
        for name, value in attributes.items()
    )


def fill(file: BinaryIO, room: str, attributes: Mapping[str, RawAttribute]) -> None:
    """Writes ``attributes`` over the one that is called ``room`` in a single-part file's header and takes just as
    many bytes as they do, packed. Nothing behind them moves. Raises ``ValueError`` where there is no such room."""
    own = packed(attributes)
    head = file.read(HEADER_LIMIT + len(own))
    there, _ = _one_part(head, 8)
    kept = packed({room: there[room]}) if room in there else b""
    if not kept or len(kept) != len(own):
        raise ValueError(f"the header has no {len(own)} bytes under the name {room}")
    (flags,) = struct.unpack_from("<I", head, 4)
    if any(len(text) > _SHORT_NAME for name, value in attributes.items() for text in (name, value.type)):
        flags |= LONG_NAMES
    file.seek(4)
    file.write(struct.pack("<I", flags))
    file.seek(head.index(kept, 8))
    file.write(own)
