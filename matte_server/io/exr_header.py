"""Reads and writes the attributes of an EXR header as bytes, and says which attributes a result inherits.

OpenImageIO loses attributes of some types (vendors' own types, doubles, boxes, string vectors); these are copied as
the bytes that the source file has. The layout is that of "OpenEXR File Layout": magic number, version and flags,
then for each part a list of (name, type, size, value) that ends with an empty name, then the offset tables.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import BinaryIO

MAGIC = 20000630
TILED, LONG_NAMES, DEEP, MULTI_PART = 0x200, 0x400, 0x800, 0x1000
_SHORT_NAME = 31
HEADER_LIMIT = 1 << 20
"""Only this many bytes at the start of a file are searched for headers."""
UNPREMULTIPLIED = "cleanplate:unpremultiplied"
"""Attribute of an EXR whose colour is not multiplied by its alpha; the format has no standard way to say so."""
# Attributes that describe how a file is stored, not what it shows. A writer sets its own.
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
        # Promises an ACES container: half floats, uncompressed, AP0.
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
# EXR types that need not be copied as bytes: OpenImageIO keeps them, and a preview would show the wrong picture.
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
    """One attribute as stored in the file: the name of its type, and the bytes of its value."""

    type: str
    data: bytes


def structural(name: str) -> bool:
    """Whether the attribute ``name`` describes how a file is stored; a result does not inherit it."""
    return name in _STRUCTURAL or name.startswith(_STRUCTURAL_FAMILIES)


def parts(head: bytes) -> list[dict[str, RawAttribute]]:
    """The attributes of each part, parsed from the first bytes of a file. Stops at the first part whose header is
    damaged or incomplete."""
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


def chunk_offsets(data: bytes | mmap) -> tuple[int, ...] | None:
    """Where the chunks of an EXR begin, whose bytes are ``data``; empty where its table makes no sense. None where
    it has several parts, tiles or deep pixels, whose chunks are laid out otherwise."""
    head = data[:HEADER_LIMIT]
    if len(head) < 8 or struct.unpack_from("<i", head)[0] != MAGIC:
        return ()
    if struct.unpack_from("<I", head, 4)[0] & (MULTI_PART | TILED | DEEP):
        return None
    try:
        _, table = _one_part(head, 8)
        (first,) = struct.unpack_from("<Q", data, table)
        count, rest = divmod(first - table, 8)
        if rest or count < 1 or first > len(data):
            return ()
        return struct.unpack_from(f"<{count}Q", data, table)
    except (ValueError, struct.error):
        return ()


def _one_part(head: bytes, at: int) -> tuple[dict[str, RawAttribute], int]:
    """The attributes of the part whose header starts at ``at``, and where that header ends. Raises ``ValueError``
    if it is incomplete."""
    found = {}
    while _byte(head, at):
        name, at = _text(head, at)
        kind, at = _text(head, at)
        (size,) = struct.unpack_from("<i", head, at)
        at += 4
        if size < 0 or at + size > len(head):
            raise ValueError("the header ends inside an attribute")
        found[name] = RawAttribute(type=kind, data=head[at : at + size])
        at += size
    return found, at + 1


def _byte(head: bytes, at: int) -> int:
    if at >= len(head):
        raise ValueError("the header is incomplete")
    return head[at]


def _text(head: bytes, at: int) -> tuple[str, int]:
    end = head.index(b"\0", at, at + 256)
    return head[at:end].decode("latin-1"), end + 1


def packed(attributes: Mapping[str, RawAttribute]) -> bytes:
    """The attributes encoded as in a header."""
    return b"".join(
        b"%s\0%s\0" % (name.encode("latin-1"), value.type.encode("latin-1"))
        + struct.pack("<i", len(value.data))
        + value.data
        for name, value in attributes.items()
    )


def replace_placeholder(file: BinaryIO, placeholder: str, attributes: Mapping[str, RawAttribute]) -> None:
    """Overwrites one attribute of a single-part file, named ``placeholder``, with ``attributes``. Both must have
    the same size when packed, so that nothing after them moves. Raises ``ValueError`` if they do not."""
    own = packed(attributes)
    head = file.read(HEADER_LIMIT + len(own))
    present, _ = _one_part(head, 8)
    kept = packed({placeholder: present[placeholder]}) if placeholder in present else b""
    if not kept or len(kept) != len(own):
        raise ValueError(f"the header has no placeholder {placeholder} of {len(own)} bytes")
    (flags,) = struct.unpack_from("<I", head, 4)
    if any(len(text) > _SHORT_NAME for name, value in attributes.items() for text in (name, value.type)):
        flags |= LONG_NAMES
    file.seek(4)
    file.write(struct.pack("<I", flags))
    file.seek(head.index(kept, 8))
    file.write(own)
