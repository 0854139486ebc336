"""The head of a JPEG XL (ISO 18181-1, annexes D and E): whether it is an animation, and what its alpha means.

OpenImageIO says neither: of an animation it reads the last picture. It opens no file of fewer than 128 bytes, as an
empty matte of any size has.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from .boxes import boxes

_CODESTREAM = b"\xff\x0a"
JPEG_XL_MAGIC = (_CODESTREAM, b"\0\0\0\x0cJXL \r\n\x87\n")
"""First bytes, of a codestream and of one in a container."""
_HEAD = 1 << 16
_LEAST = 128
"""Bytes of the shortest file that OpenImageIO opens."""
_KIND_OF_FILE = struct.pack(">I4s4sI4s", 20, b"ftyp", b"jxl ", 0, b"jxl ")
_ALPHA = 0
"""The type of an extra channel that is alpha."""
# Alternatives of a number: its bits, and what is added to them.
_SIZES = ((9, 1), (13, 1), (18, 1), (30, 1))
_WHOLE_BITS, _FLOAT_BITS = ((0, 8), (0, 10), (0, 12), (6, 1)), ((0, 32), (0, 16), (0, 24), (6, 1))
_COUNTS = ((0, 0), (0, 1), (4, 2), (12, 1))
_KINDS, _SHIFTS = ((0, 0), (0, 1), (4, 2), (6, 18)), ((0, 0), (0, 3), (0, 4), (3, 1))
_LENGTHS = ((0, 0), (4, 0), (5, 16), (10, 48))


@dataclass(frozen=True)
class JpegXlHead:
    """``is_associated``: whether colour is multiplied by alpha."""

    is_animation: bool = False
    is_associated: bool = False


def jpeg_xl_head(path: Path) -> JpegXlHead:
    """What the head of a file says; the default where it is damaged. Raises ``OSError``."""
    with path.open("rb") as file:
        data = file.read(_HEAD)
    try:
        return _metadata(_Bits(_codestream(data)))
    except (IndexError, struct.error):
        return JpegXlHead()


def long_enough(path: Path) -> bytes | None:
    """The bytes of a file that is too short for OpenImageIO, in a container with a free box behind it; None for
    others, and where there is no codestream. Raises ``OSError``."""
    if path.stat().st_size >= _LEAST or not (codestream := _codestream(path.read_bytes())):
        return None
    # A box of its own size, so that a decoder does not go on behind a codestream that was cut.
    size = 8 + len(_CODESTREAM) + len(codestream)
    boxed = struct.pack(">I4s", size, b"jxlc") + _CODESTREAM + codestream
    return JPEG_XL_MAGIC[1] + _KIND_OF_FILE + boxed + struct.pack(">I4s", _LEAST, b"free").ljust(_LEAST, b"\0")


class _Bits:
    """Reads numbers from bits, the lowest of each byte first. Raises ``IndexError`` at the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, bits: int) -> int:
        found = 0
        for place in range(bits):
            found |= (self._data[self._at >> 3] >> (self._at & 7) & 1) << place
            self._at += 1
        return found

    def flag(self) -> bool:
        return bool(self.number(1))

    def one_of(self, alternatives: tuple[tuple[int, int], ...]) -> int:
        bits, added = alternatives[self.number(2)]
        return self.number(bits) + added


def _codestream(data: bytes) -> bytes:
    """What follows the codestream's signature, in a container or without one; empty if there is none."""
    if data.startswith(_CODESTREAM):
        return data[len(_CODESTREAM) :]
    parts = b"".join(
        data[begin + (4 if kind == b"jxlp" else 0) : end]  # behind the part's number
        for kind, begin, end in boxes(data)
        if kind in (b"jxlc", b"jxlp")
    )
    return parts[len(_CODESTREAM) :]


def _metadata(bits: _Bits) -> JpegXlHead:
    _skip_size(bits)
    if bits.flag():  # everything is as usual
        return JpegXlHead()
    if bits.flag():
        bits.number(3)  # orientation, which the decoder follows
        if bits.flag():
            _skip_size(bits)
        if bits.flag():  # a preview, whose size is told in another way
            return JpegXlHead()
        if bits.flag():
            return JpegXlHead(is_animation=True)
    _skip_depth(bits)
    bits.flag()
    if not bits.one_of(_COUNTS) or bits.flag():  # no other channel, or first an alpha as usual
        return JpegXlHead()
    kind = bits.one_of(_KINDS)
    _skip_depth(bits)
    bits.one_of(_SHIFTS)
    bits.number(8 * bits.one_of(_LENGTHS))
    return JpegXlHead(is_associated=kind == _ALPHA and bits.flag())


def _skip_size(bits: _Bits) -> None:
    is_small = bits.flag()
    _skip_side(bits, is_small)
    if not bits.number(3):  # else the width follows from the height
        _skip_side(bits, is_small)


def _skip_side(bits: _Bits, is_small: bool) -> None:
    if is_small:
        bits.number(5)
    else:
        bits.one_of(_SIZES)


def _skip_depth(bits: _Bits) -> None:
    if bits.flag():
        bits.one_of(_FLOAT_BITS)
        bits.number(4)
    else:
        bits.one_of(_WHOLE_BITS)
