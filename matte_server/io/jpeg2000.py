"""JPEG 2000 (ISO 15444-1, annexes A and I): what OpenImageIO does not pass on, or takes for something else."""

from __future__ import annotations

import struct
from pathlib import Path

from ..errors import MatteError
from .boxes import find, inside

_CODESTREAM = b"\xff\x4f\xff\x51"
JPEG_2000_MAGIC = (_CODESTREAM, b"\0\0\0\x0cjP  \r\n\x87\n")
"""First bytes, of a codestream and of one in boxes."""
_HEAD = 1 << 20
_COUNT, _COMPONENTS = 40, 42
"""Where a codestream says how many components it has, and of each (3 bytes) how it is stored."""
_SIGNED, _BY_NUMBER = 0x80, 1
_READ = (16, 17, 18)
"""Numbers of sRGB, grey and sYCC."""
_PREMULTIPLIED = 2
"""What a channel is, as its definition says: opacity by which colour was multiplied."""
_NAMES = {12: "CMYK", 14: "CIELab"}


def refuse_other_numbers(path: Path, label: str) -> None:
    """Raises ``MatteError("no_colour", ...)`` for a JPEG 2000 in a colourspace that is not RGB, grey or sYCC, and
    ``MatteError("unreadable", ...)`` for one of signed numbers. Raises ``OSError``."""
    with path.open("rb") as file:
        data = file.read(_HEAD)
    colour = inside(data, b"jp2h", b"colr")
    if colour[:1] == bytes((_BY_NUMBER,)) and len(colour) >= 7:
        (number,) = struct.unpack_from(">I", colour, 3)
        if number not in _READ:
            name = _NAMES.get(number, f"the colourspace number {number}")
            raise MatteError("no_colour", f"{label} is stored as {name}, not as RGB.", "Convert it to RGB first.")
    stream = data if data.startswith(_CODESTREAM) else find(data, b"jp2c")
    count = int.from_bytes(stream[_COUNT:_COMPONENTS], "big")
    if any(depth & _SIGNED for depth in stream[_COMPONENTS : _COMPONENTS + 3 * count : 3]):
        raise MatteError(
            "unreadable",
            f"{label} is a JPEG 2000 of signed numbers, which Cleanplate does not read.",
            "Convert it to unsigned numbers, or to an EXR.",
        )


def is_multiplied_by_alpha(path: Path) -> bool:
    """Whether a JPEG 2000 says that its colour was multiplied by its alpha. Raises ``OSError``."""
    with path.open("rb") as file:
        definitions = inside(file.read(_HEAD), b"jp2h", b"cdef")[2:]
    whole = len(definitions) // 6 * 6
    return any(kind == _PREMULTIPLIED for _, kind, _ in struct.iter_unpack(">3H", definitions[:whole]))
