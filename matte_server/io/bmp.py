"""What a BMP says of its alpha and its colour, and which ones OpenImageIO takes for other pictures.

The headers are Windows' BITMAPINFOHEADER to BITMAPV5HEADER, and OS/2's BITMAPCOREHEADER."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from ..errors import MatteError

BMP_MAGIC, _OF_OS_2 = b"BM", (b"BA", b"CI", b"CP", b"IC", b"PT")
"""What a BMP begins with, and what OS/2's arrays, icons and pointers do."""
_HEAD = 138
"""Bytes of both headers of a BMP, the largest that there are."""
_SIZES = (12, 40, 52, 56, 108, 124)
"""Bytes of the second header in the forms that OpenImageIO knows: OS/2's, then Windows'."""
_WITHOUT_MASKS, _WITH_ALPHA_MASK, _WITH_COLOUR, _WITH_PROFILE = 12, 56, 108, 124
_MASKED = _BY_MASKS, _BY_MASKS_AND_ALPHA = 3, 6
"""Compressions of a BMP whose channels are told by masks."""
_USUAL_MASKS = (0xFF0000, 0xFF00, 0xFF)
_CALIBRATED, _LINKED, _EMBEDDED = 0, 0x4C494E4B, 0x4D424544
"""What a BMP's colour may be: numbers in its header, the name of a profile's file, a profile."""
_LARGEST_PROFILE = 1 << 24
_RUNS_OF_8, _RUNS_OF_4 = 1, 2
"""Compressions by run lengths, of pixels of 8 and of 4 bits."""
_END_OF_LINE, _END, _MOVE = 0, 1, 2
"""What the byte behind a zero says among them; from 3 on, how many pixels follow as they are."""


@dataclass(frozen=True)
class BmpHeader:
    """A BMP's second header: its size, bits of a pixel, compression, and masks of red, green, blue and alpha, 0
    where there is none; what its colour is (-1 where it does not say), and the numbers that describe it."""

    size: int
    bits: int
    compression: int
    masks: tuple[int, ...]
    colour: int
    endpoints_and_gammas: tuple[int, ...]

    @classmethod
    def read(cls, path: Path) -> BmpHeader:
        """The header of a file. Raises ``OSError``."""
        with path.open("rb") as file:
            head = file.read(_HEAD).ljust(_HEAD, b"\0")
        (size,) = struct.unpack_from("<I", head, 14)
        if size <= _WITHOUT_MASKS:
            return cls(size=size, bits=0, compression=0, masks=(0,) * 4, colour=-1, endpoints_and_gammas=())
        (bits,), (compression,) = struct.unpack_from("<H", head, 28), struct.unpack_from("<I", head, 30)
        # They stand in the second header, or behind the smallest one.
        count = 4 if size >= _WITH_ALPHA_MASK or compression == _BY_MASKS_AND_ALPHA else 3
        has_masks = compression in _MASKED
        masks = struct.unpack_from(f"<{count}I", head, 54) if has_masks else ()
        says_colour = size >= _WITH_COLOUR
        return cls(
            size=size,
            bits=bits,
            compression=compression,
            masks=(*masks, *(0,) * 4)[:4],
            colour=struct.unpack_from("<I", head, 70)[0] if says_colour else -1,
            endpoints_and_gammas=struct.unpack_from("<12I", head, 74) if says_colour else (),
        )


def refuse_odd_bmp(path: Path, head: bytes, label: str) -> None:
    """Raises ``MatteError("unreadable", ...)`` for a BMP of which OpenImageIO would make another picture. ``head``:
    its first bytes. Raises ``OSError``."""
    kind = ""
    if head.startswith(_OF_OS_2) and _is_of_os_2(path, label):
        kind = "of several pictures or an icon"
    elif head.startswith(BMP_MAGIC):
        kind = _oddness(BmpHeader.read(path))
    if kind:
        raise MatteError(
            "unreadable", f"{label} is a BMP {kind}, which Cleanplate does not read.", "Convert it to PNG or TIFF."
        )


def _is_of_os_2(path: Path, label: str) -> bool:
    """Whether a file that begins with such letters, as a text may, is one of OS/2's: by its name, or by a header
    which OpenImageIO takes for a BMP's, whatever the name. Raises ``OSError``."""
    return Path(label).suffix.lower() == ".bmp" or BmpHeader.read(path).size in _SIZES


def _oddness(header: BmpHeader) -> str:
    """In which way a BMP is not as OpenImageIO takes for granted; empty if it is."""
    if header.size and header.size not in _SIZES:  # else it is cut
        return f"with a header of {header.size} bytes, as OS/2 writes it"
    *colour, alpha = header.masks
    if header.bits == 32 and header.compression in _MASKED and tuple(colour) != _USUAL_MASKS:
        return "with its colours in another order than usual"
    # Of 16 bits it reads the masks of colour, but for this compression.
    if header.bits == 16 and (alpha or header.compression == _BY_MASKS_AND_ALPHA):
        return "of 16 bits a pixel with alpha"
    return ""


def ended_once(path: Path) -> bytes | None:
    """The bytes of a run-length encoded BMP with the end of the picture in place of the end of its last line, which
    ImageMagick writes and OpenImageIO refuses; None where there is none. Raises ``OSError``."""
    header = BmpHeader.read(path)
    if header.compression not in (_RUNS_OF_8, _RUNS_OF_4):
        return None
    data = bytearray(path.read_bytes())
    (at,), (lines,) = struct.unpack_from("<I", data, 10), struct.unpack_from("<i", data, 22)
    while at + 3 < len(data):
        count, said = data[at : at + 2]
        if not count and said == _END:
            return None
        lines -= 1 if not count and said == _END_OF_LINE else 0
        lines -= data[at + 3] if not count and said == _MOVE else 0
        if lines <= 0:
            data[at + 1] = _END
            return bytes(data)
        at += 2 if count else 2 + _bytes_behind(said, header.compression)
    return None


def _bytes_behind(said: int, compression: int) -> int:
    """How many bytes belong to a zero and the byte behind it."""
    if said <= _MOVE:
        return 2 if said == _MOVE else 0
    size = said if compression == _RUNS_OF_8 else -(-said // 2)
    return size + size % 2


def states_alpha(path: Path) -> bool:
    """Whether a BMP says that it has alpha. Raises ``OSError``."""
    return BmpHeader.read(path).masks[3] != 0


def embedded_profile(path: Path) -> bytes:
    """The ICC profile in a BMP; empty if there is none. Raises ``OSError``."""
    header = BmpHeader.read(path)
    if header.size < _WITH_PROFILE or header.colour != _EMBEDDED:
        return b""
    with path.open("rb") as file:
        file.seek(126)
        place, size = struct.unpack("<2I", file.read(8).ljust(8, b"\0"))
        file.seek(14 + place)
        return file.read(min(size, _LARGEST_PROFILE))


def colour_not_followed(path: Path) -> str:
    """What a BMP says of its colour and is not followed, in words; empty if there is nothing. Raises
    ``OSError``."""
    header = BmpHeader.read(path)
    if header.colour == _LINKED:
        return "names a profile in another file"
    # Most programs leave zeros here, which say nothing.
    if header.colour == _CALIBRATED and any(header.endpoints_and_gammas):
        return "states primaries and gammas"
    return ""
