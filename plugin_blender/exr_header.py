"""Reads attributes from the headers of results and rendered inputs, and writes an empty picture."""

from __future__ import annotations

import contextlib
import json
import struct
from pathlib import Path
from typing import Any

from .matte_link.exr_header import HALF, header_attributes, plain_header

STAMP = "cleanplate:stamp"
DIAGNOSTICS = "cleanplate:diagnostics"
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
    except (ValueError, RecursionError):
        diagnostics = {}
    return _attribute(header, STAMP), diagnostics if isinstance(diagnostics, dict) else {}


def restamped(data: bytes, stamp: str) -> bytes:
    """A result's bytes with another stamp of the same length."""
    place = _place(data[:_MOST_HEADER], STAMP)
    if place.stop - place.start != len(stamp):
        raise ValueError("the result has no stamp of this length")
    return data[: place.start] + stamp.encode("latin-1") + data[place.stop :]


def has_all_pixels(path: str, pixel_bytes: int) -> bool:
    """Whether an uncompressed EXR has as many bytes as its window has pixels: Blender reports no full disk."""
    file = Path(path)
    with file.open("rb") as opened:
        header = opened.read(_MOST_HEADER)
    try:
        left, top, right, bottom = struct.unpack("<4i", header[_place(header, "dataWindow")])
    except struct.error:
        return False
    size: int = (right - left + 1) * (bottom - top + 1) * pixel_bytes
    return file.stat().st_size > size


def windows_of(path: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The data window and the display window of an EXR's first part, each as first x, first y, last x, last y.
    Raises ``OSError``, and ``struct.error`` where the file is none."""
    with Path(path).open("rb") as file:
        header = file.read(_MOST_HEADER)
    data, display = (struct.unpack("<4i", header[_place(header, f"{name}Window")]) for name in ("data", "display"))
    return data, display


def _attribute(header: bytes, wanted: str) -> str:
    return header[_place(header, wanted)].decode("latin-1")


def _place(header: bytes, wanted: str) -> slice:
    """Where an attribute's value lies; an empty slice where there is none."""
    with contextlib.suppress(ValueError):
        for attribute in header_attributes(header):
            if attribute.name == wanted:
                return attribute.place
    return slice(0, 0)


def empty_picture(channels: tuple[str, ...]) -> bytes:
    """One black pixel of half channels, uncompressed."""
    pixel = (0, 0, 1, 1)
    header = plain_header(sorted(channels), HALF, pixel, pixel)
    values = b"\0\0" * len(channels)
    return header + struct.pack("<q", len(header) + 8) + struct.pack("<ii", 0, len(values)) + values
