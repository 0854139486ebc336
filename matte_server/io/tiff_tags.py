"""Colour tags of TIFF directories, EXIF's included, that OpenImageIO does not pass on; read by Pillow."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from PIL import Image as PillowImage
from PIL import TiffImagePlugin

_TRANSFER_FUNCTION, _WHITE_POINT, _PRIMARIES = 301, 318, 319
_INTEROPERABILITY, _ORIENTATION = 0xA005, 274
_EXIF_MARK, _FIRST_SEGMENTS = b"Exif\0\0", 1 << 17
"""What EXIF begins with, and the bytes of a JPEG in which it lies, for a segment has at most 65,535."""
# What Pillow raises on damaged files.
_DAMAGED = (OSError, SyntaxError, ValueError, KeyError, TypeError, ArithmeticError)


def chromaticities_of(path: Path) -> tuple[float, ...]:
    """x and y of red, green, blue and white, from a TIFF's PrimaryChromaticities and WhitePoint; empty if it does
    not state both."""
    tags = _directory(path)
    numbers = [_numbers(tags, _PRIMARIES), _numbers(tags, _WHITE_POINT)]
    return tuple(number for part in numbers for number in part) if all(numbers) else ()


def has_transfer_function(path: Path) -> bool:
    """Whether a TIFF states a curve of its own, as a table."""
    return _TRANSFER_FUNCTION in _directory(path)


def orientation_of_exif(data: bytes) -> int:
    """The orientation in EXIF data; 0 if there is none."""
    with contextlib.suppress(*_DAMAGED):
        exif = PillowImage.Exif()
        exif.load(_EXIF_MARK + data)
        return int(exif.get(_ORIENTATION, 0))
    return 0


def interoperability_of(path: Path) -> str:
    """InteroperabilityIndex in the EXIF of a JPEG: R98 for sRGB, R03 for Adobe RGB (DCF 2.0); empty if there is
    none."""
    with contextlib.suppress(*_DAMAGED), path.open("rb") as file:
        _, mark, rest = file.read(_FIRST_SEGMENTS).partition(_EXIF_MARK)
        exif = PillowImage.Exif()
        exif.load(mark + rest)
        return str(exif.get_ifd(_INTEROPERABILITY).get(1, "")).strip("\0 ")
    return ""


def _directory(path: Path) -> Mapping[int, object]:
    """The first directory of a TIFF; empty if it is damaged."""
    with contextlib.suppress(*_DAMAGED), path.open("rb") as file:
        head = file.read(8)
        head += file.read(8) if head[2:4] in (b"\x2b\0", b"\0\x2b") else b""  # BigTIFF
        found = TiffImagePlugin.ImageFileDirectory_v2(head)
        file.seek(found.next)
        found.load(file)
        return dict(found)
    return {}


def _numbers(tags: Mapping[int, object], tag: int) -> tuple[float, ...]:
    value = tags.get(tag, ())
    return tuple(map(float, value)) if isinstance(value, tuple) else ()
