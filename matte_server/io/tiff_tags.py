"""Tags of TIFF directories that OpenImageIO does not pass on, and of EXIF, which Pillow reads.

Pillow takes no big-endian BigTIFF, so the tags of TIFF itself are read here."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image as PillowImage

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes, of both orders, of TIFF and BigTIFF."""
_TRANSFER_FUNCTION, _WHITE_POINT, _PRIMARIES, _PAGES_BELOW = 301, 318, 319, 330
TRANSFER_FUNCTION, WHITE_POINT, PRIMARIES = "TransferFunction", "WhitePoint", "PrimaryChromaticities"
_COLOUR_TAGS = {_TRANSFER_FUNCTION: TRANSFER_FUNCTION, _WHITE_POINT: WHITE_POINT, _PRIMARIES: PRIMARIES}
_COMPRESSION, _JPEG = 259, 7
_PALETTE, _TO_16_BITS = 320, 257
"""The tag of a palette, whose numbers have 16 bits; by what those of 8 are multiplied."""
_MOST_COLOURS = 3 << 16
_STRIPS, _TILES = (273, 279), (324, 325)
"""Where strips and tiles begin, and their bytes."""
_MOST_STRIPS = 1 << 20
"""A directory may state any number, which would fill the memory."""
_INTEROPERABILITY, _ORIENTATION = 0xA005, 274
_EXIF_MARK, _FIRST_SEGMENTS = b"Exif\0\0", 1 << 17
"""What EXIF begins with, and the bytes of a JPEG in which it lies, for a segment has at most 65,535."""
# What reading a damaged directory raises here, and what Pillow raises on damaged EXIF.
_NOT_READ = (OSError, ValueError, OverflowError, struct.error)
_DAMAGED = (OSError, SyntaxError, ValueError, LookupError, TypeError, ArithmeticError, EOFError, struct.error)
_BIG_TIFF = 43
_MOST_ENTRIES = 65535
# Types of TIFF's fields that hold numbers -> the layout of one; a rational is two whole numbers.
_RATIONAL = 5
_LAYOUTS = {3: "H", 4: "I", _RATIONAL: "II", 11: "f", 12: "d", 16: "Q"}


def chromaticities_of(path: Path) -> tuple[float, ...]:
    """x and y of red, green, blue and white, from a TIFF's PrimaryChromaticities and WhitePoint; empty if it does
    not state both."""
    with contextlib.suppress(*_NOT_READ), path.open("rb") as file:
        fields = _fields(file)
        if _PRIMARIES in fields and _WHITE_POINT in fields:
            primaries, white = fields[_PRIMARIES].numbers(file, 6), fields[_WHITE_POINT].numbers(file, 2)
            return (*primaries, *white) if primaries and white else ()
    return ()


def stated_colour_tags(path: Path) -> frozenset[str]:
    """Which of a TIFF's tags that speak of its colour its first directory has, whatever they say."""
    with contextlib.suppress(*_NOT_READ), path.open("rb") as file:
        return frozenset(_COLOUR_TAGS[tag] for tag in _fields(file).keys() & _COLOUR_TAGS.keys())
    return frozenset()


def has_pages_below(path: Path) -> bool:
    """Whether a TIFF's first page has others below it (SubIFDs)."""
    with contextlib.suppress(*_NOT_READ), path.open("rb") as file:
        return _PAGES_BELOW in _fields(file)
    return False


def lacks_jpeg_data(path: Path) -> bool:
    """Whether a TIFF is shorter than the JPEG data that its first directory names: their decoder fills up what is
    missing."""
    with contextlib.suppress(*_NOT_READ), path.open("rb") as file:
        fields, end = _fields(file), path.stat().st_size
        if _COMPRESSION not in fields or fields[_COMPRESSION].numbers(file, 1) != (_JPEG,):
            return False
        for begins, sizes in (_STRIPS, _TILES):
            if begins in fields and sizes in fields and (count := fields[begins].count) <= _MOST_STRIPS:
                stored = (fields[tag].numbers(file, count) for tag in (begins, sizes))
                return any(begin + size > end for begin, size in zip(*stored, strict=True))
    return False


def with_wide_palette(path: Path) -> bytes | None:
    """The bytes of a TIFF whose palette holds numbers of 8 bits, as some programs write it, with those of 16 that
    the format asks for; None for others. Raises ``OSError``."""
    with contextlib.suppress(ValueError, OverflowError, struct.error), path.open("rb") as file:
        palette = _fields(file).get(_PALETTE)
        if palette is None or palette.count > _MOST_COLOURS or not (at := palette.place):
            return None
        numbers = palette.numbers(file, palette.count)
        if any(numbers) and max(numbers) < _TO_16_BITS - 1:
            data = bytearray(path.read_bytes())
            wide = (int(number) * _TO_16_BITS for number in numbers)
            struct.pack_into(f"{palette.order}{palette.count}H", data, at, *wide)
            return bytes(data)
    return None


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


@dataclass(frozen=True)
class _Field:
    """A field of a TIFF directory: the layout of its numbers, how many there are, and its last 4 or 8 bytes, which
    are the value itself or where it lies. ``order``: "<" or ">"."""

    order: str
    layout: str
    count: int
    value: bytes

    @property
    def place(self) -> int:
        """Where the numbers lie in the file; 0 where they stand in the field."""
        if struct.calcsize(self.order + self.layout) * self.count <= len(self.value):
            return 0
        return int(struct.unpack(self.order + ("Q" if len(self.value) > 4 else "I"), self.value)[0])

    def numbers(self, file: BinaryIO, count: int) -> tuple[float, ...]:
        """The value; empty where it is not ``count`` numbers. Raises what ``_NOT_READ`` lists."""
        if not self.layout or self.count != count:
            return ()
        layout, stored = self.order + self.layout * self.count, self.value
        if place := self.place:
            file.seek(place)
            stored = file.read(struct.calcsize(layout))
        found = struct.unpack_from(layout, stored)
        if self.layout != _LAYOUTS[_RATIONAL]:
            return found
        pairs = list(zip(found[::2], found[1::2], strict=True))
        return tuple(above / below for above, below in pairs) if all(below for _, below in pairs) else ()


def _fields(file: BinaryIO) -> dict[int, _Field]:
    """The first directory of a TIFF or BigTIFF, by tag. Raises what ``_NOT_READ`` lists."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", head, 2)[0] == _BIG_TIFF
    whole, of_count = ("Q", "Q") if is_big else ("I", "H")
    file.seek(struct.unpack_from(order + whole, head, 8 if is_big else 4)[0])
    (count,) = struct.unpack(order + of_count, file.read(struct.calcsize(order + of_count)))
    entry = f"{order}HH{whole}{struct.calcsize(order + whole)}s"
    found = {}
    for _ in range(min(count, _MOST_ENTRIES)):
        tag, kind, numbers, value = struct.unpack(entry, file.read(struct.calcsize(entry)))
        found[tag] = _Field(order=order, layout=_LAYOUTS.get(kind, ""), count=numbers, value=value)
    return found
