"""Reads two attributes from the header of a result, and writes an empty picture.

Blender's Python has no EXR library.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

STAMP = "cleanplate:stamp"
DIAGNOSTICS = "cleanplate:diagnostics"
_MAGIC = b"v/1\x01"
_MOST_HEADER = 1 << 20


def read_result(path: str) -> tuple[str, dict[str, Any]]:
    """A result's stamp and diagnostics, from its header; empty where the file is no result or lacks them."""
    try:
        with Path(path).open("rb") as file:
            header = file.read(_MOST_HEADER)
    except OSError:
        return "", {}
    try:
        diagnostics = json.loads(_attribute(header, DIAGNOSTICS) or "{}")
    except ValueError:
        diagnostics = {}
    return _attribute(header, STAMP), diagnostics if isinstance(diagnostics, dict) else {}


def restamped(data: bytes, stamp: str) -> bytes:
    """A result's bytes with another stamp of the same length."""
    place = _place(data[:_MOST_HEADER], STAMP)
    if place.stop - place.start != len(stamp):
        raise ValueError("the result has no stamp of this length")
    return data[: place.start] + stamp.encode("latin-1") + data[place.stop :]


def _attribute(header: bytes, wanted: str) -> str:
    return header[_place(header, wanted)].decode("latin-1")


def _place(header: bytes, wanted: str) -> slice:
    """Where an attribute's value lies; an empty slice where there is none."""
    if header[:4] != _MAGIC:
        return slice(0, 0)
    at = 8
    try:
        while header[at]:
            end = header.index(b"\0", at)
            name = header[at:end].decode("latin-1")
            at = header.index(b"\0", end + 1) + 1
            (size,) = struct.unpack_from("<i", header, at)
            at += 4
            if name == wanted:
                return slice(at, at + size)
            at += size
    except (IndexError, ValueError, struct.error):
        return slice(0, 0)
    return slice(0, 0)


def empty_picture(channels: tuple[str, ...]) -> bytes:
    """One black pixel of half channels, uncompressed."""
    names = sorted(channels)
    listed = b"".join(name.encode() + b"\0" + struct.pack("<iBxxxii", 1, 0, 1, 1) for name in names) + b"\0"
    window = struct.pack("<iiii", 0, 0, 0, 0)
    header = _MAGIC + struct.pack("<i", 2)
    for name, kind, value in (
        ("channels", "chlist", listed),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<ff", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    ):
        header += name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
    header += b"\0"
    pixels = b"\0\0" * len(names)
    return header + struct.pack("<q", len(header) + 8) + struct.pack("<ii", 0, len(pixels)) + pixels
