"""Reads and writes the attributes of EXR headers as bytes, and says which attributes a result inherits.

Every attribute is kept as the bytes that the source file has: whatever its type, size or text encoding, it comes
back unchanged. The layout is that of "OpenEXR File Layout": magic number, version and flags, then for each part a
list of (name, type, size, value) that ends with an empty name, then the offset tables.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import BinaryIO

MAGIC_BYTES = struct.pack("<i", 20000630)
TILED, LONG_NAMES, DEEP, MULTI_PART = 0x200, 0x400, 0x800, 0x1000
_SHORT_NAME = 31
LONGEST_NAME = 255
ATTRIBUTE_LIMIT = 1 << 28
"""Bytes of the largest attribute that is read; Cryptomatte manifests take megabytes."""
UNPREMULTIPLIED = "cleanplate:unpremultiplied"
"""Attribute of an EXR whose colour is not multiplied by its alpha; the format has no standard way to say so."""
# Attributes that describe how a file is stored, not what it shows. A writer sets its own.
_STRUCTURAL = frozenset(
    (
        UNPREMULTIPLIED,
        "channels",
        "chunkCount",
        "compression",
        "dataWindow",
        "displayWindow",
        "lineOrder",
        "pixelAspectRatio",
        "tiles",
        "type",
        # Promises an ACES container: half floats, uncompressed, AP0.
        "acesImageContainerFlag",
    )
)
# What every EXR has besides.
_NEEDED = frozenset(("screenWindowCenter", "screenWindowWidth"))
# Names of a part among others; in a file of a single part they are attributes like any other.
_OF_PARTS = frozenset(("name", "view"))
# The list of the file's views, and a small copy of the source picture.
_STRUCTURAL_TYPES = {"multiView": "stringvector", "preview": "preview"}


@dataclass(frozen=True)
class RawAttribute:
    """One attribute as stored in the file: the name of its type, and the bytes of its value."""

    type: str
    data: bytes


def inherited(attributes: Mapping[str, RawAttribute], is_multi_part: bool) -> dict[str, RawAttribute]:
    """Those attributes of a part that a result made from it inherits: all but those that describe how it is
    stored."""
    dropped = _STRUCTURAL | _OF_PARTS if is_multi_part else _STRUCTURAL
    return {
        name: value
        for name, value in attributes.items()
        if name not in dropped and value.type != _STRUCTURAL_TYPES.get(name)
    }


def parts(data: bytes) -> list[dict[str, RawAttribute]]:
    """The attributes of each part of an EXR's bytes, as :func:`read_parts` returns them."""
    return read_parts(io.BytesIO(data))


def read_parts(file: BinaryIO) -> list[dict[str, RawAttribute]]:
    """The attributes of each part, read from a file that is at its start. Empty if it is no EXR; stops before the
    first part whose header is damaged or incomplete."""
    magic = file.read(8)
    if len(magic) < 8 or magic[:4] != MAGIC_BYTES:
        return []
    multi_part = bool(struct.unpack_from("<I", magic, 4)[0] & MULTI_PART)
    found: list[dict[str, RawAttribute]] = []
    with contextlib.suppress(ValueError, struct.error):
        while attributes := _one_part(file):
            found.append(attributes)
            if not multi_part:
                break
    return found


def decoded_string_vector(value: RawAttribute) -> tuple[str, ...]:
    """The texts of an attribute of type stringvector; empty if it has another type or is damaged."""
    found, at = [], 0
    with contextlib.suppress(struct.error):
        while value.type == "stringvector" and at < len(value.data):
            (size,) = struct.unpack_from("<i", value.data, at)
            if size < 0:
                break
            found.append(value.data[at + 4 : at + 4 + size].decode("utf-8", "replace"))
            at += 4 + size
    return tuple(found)


def chunk_offsets(data: bytes | mmap) -> tuple[int, ...] | None:
    """Where the chunks of an EXR begin, whose bytes are ``data``; empty where its table makes no sense. None where
    it has several parts, tiles or deep pixels, whose chunks are laid out otherwise."""
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    magic = file.read(8)
    if len(magic) < 8 or magic[:4] != MAGIC_BYTES:
        return ()
    if struct.unpack_from("<I", magic, 4)[0] & (MULTI_PART | TILED | DEEP):
        return None
    try:
        _one_part(file)
        table = file.tell()
        (first,) = struct.unpack_from("<Q", data, table)
        count, rest = divmod(first - table, 8)
        if rest or count < 1 or first > len(data):
            return ()
        offsets = struct.unpack_from(f"<{count}Q", data, table)
        # A renderer that was ended leaves zeros for the chunks that it did not come to.
        return offsets if min(offsets) >= first else ()
    except (ValueError, struct.error):
        return ()


def for_pixels(attributes: Mapping[str, RawAttribute]) -> dict[str, RawAttribute]:
    """Those attributes of a part that a file of it alone needs to be decoded, and a pixel aspect of 1."""
    needed = (_STRUCTURAL | _NEEDED) - {"chunkCount"}
    kept = {name: value for name, value in attributes.items() if name in needed}
    if "pixelAspectRatio" in kept:
        kept["pixelAspectRatio"] = RawAttribute(type="float", data=struct.pack("<f", 1.0))
    return kept


def without_attributes(data: bytes) -> bytes | None:
    """The bytes of a single-part scanline EXR with no other attributes than those that its pixels need, and a pixel
    aspect of 1. None for other EXRs."""
    offsets = chunk_offsets(data)
    if not offsets:
        return None
    attributes = _one_part(io.BytesIO(data[8:]))
    kept = for_pixels(attributes)
    shift = len(packed(kept)) - len(packed(attributes))
    table = 8 + len(packed(attributes)) + 1
    moved = struct.pack(f"<{len(offsets)}Q", *(offset + shift for offset in offsets))
    return data[:8] + packed(kept) + b"\0" + moved + data[table + len(moved) :]


def _one_part(file: BinaryIO | mmap) -> dict[str, RawAttribute]:
    """The attributes of the part whose header starts here. Raises ``ValueError`` if it is incomplete."""
    found = {}
    while name := _text(file):
        kind = _text(file)
        (size,) = struct.unpack("<i", file.read(4))
        if not 0 <= size <= ATTRIBUTE_LIMIT:
            raise ValueError(f"the attribute {name} has {size} bytes")
        data = file.read(size)
        if len(data) < size:
            raise ValueError("the header ends inside an attribute")
        found[name] = RawAttribute(type=kind, data=data)
    return found


def _text(file: BinaryIO | mmap) -> str:
    """A name, which ends with a zero byte; in Latin-1, so that any bytes survive."""
    found = bytearray()
    while (byte := file.read(1)) != b"\0":
        if not byte or len(found) > LONGEST_NAME:
            raise ValueError("the header is incomplete")
        found += byte
    return found.decode("latin-1")


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
    head = file.read(8)
    present = _one_part(file)
    kept = packed({placeholder: present[placeholder]}) if placeholder in present else b""
    if not kept or len(kept) != len(own):
        raise ValueError(f"the header has no placeholder {placeholder} of {len(own)} bytes")
    (flags,) = struct.unpack_from("<I", head, 4)
    if any(len(text) > _SHORT_NAME for name, value in attributes.items() for text in (name, value.type)):
        flags |= LONG_NAMES
    place = 8
    for name, value in present.items():
        if name == placeholder:
            break
        place += len(packed({name: value}))
    file.seek(4)
    file.write(struct.pack("<I", flags))
    file.seek(place)
    file.write(own)
