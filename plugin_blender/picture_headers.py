"""What a picture's header says that Blender does not follow and the server does.

EXIF's orientation, and the windows of an EXR. Does not import bpy."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from .exr_header import windows_of
from .file_states import KeptAnswers

_ORIENTATION, _LONG = 0x0112, 4
_TURNED = range(2, 9)
_MOST_EXIF = 1 << 18
_MOST_TEXT = 1 << 20
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_EXIF_MARK = b"Exif\0\0"
_APP1, _SCAN, _FILL = 0xE1, 0xDA, 0xFF
"""Of JPEG's marks; any number of the last may stand before another."""
_RAW_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1")


def is_turned(path: str) -> bool:
    """Whether a JPEG or PNG is stored lying or mirrored: the server turns it upright, Blender shows it as it lies.
    False for what cannot be read."""
    return _turned.of(path)


def has_own_windows(path: str) -> bool:
    """Whether the pixels of an EXR are others than those of its display window, or that does not begin at 0: the
    server lays pictures upon each other by their windows, Blender does not. False for what cannot be read."""
    return _windowed.of(path)


def not_as_shown(path: str, is_beside_rendered: bool) -> str:
    """What the server would follow of a picture and Blender does not, as the end of a sentence; empty where it is
    nothing. ``is_beside_rendered``: the other picture is rendered, and has no windows."""
    if is_turned(path):
        return "is stored turned or mirrored (EXIF), unlike the first of its sequence"
    if is_beside_rendered and has_own_windows(path):
        return "has a data window of its own, unlike the first of its sequence"
    return ""


def _or_false(question: Callable[[Path], bool]) -> Callable[[str], bool]:
    def ask(path: str) -> bool:
        try:
            return question(Path(path))
        except (OSError, ValueError, struct.error, zlib.error):
            return False

    return ask


def _has_own_windows(path: Path) -> bool:
    data, display = windows_of(str(path))
    return data != display or data[:2] != (0, 0)


def _is_turned(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(len(_PNG))
        if start == _PNG:
            return any(map(_says_turned, _png_exif(file)))
        if not start.startswith(_JPEG):
            return False
        file.seek(len(_JPEG))
        return any(map(_says_turned, _jpeg_exif(file)))


def _png_exif(file: BinaryIO) -> Iterator[bytes]:
    """The EXIF in a PNG's chunks, before and behind its pixels."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        after = file.tell() + size + 4
        if kind == b"eXIf":
            yield file.read(min(size, _MOST_EXIF))
        elif kind in (b"tEXt", b"zTXt"):
            yield _raw_profile(kind, file.read(min(size, _MOST_EXIF)))
        file.seek(after)


def _raw_profile(kind: bytes, chunk: bytes) -> bytes:
    """EXIF as ImageMagick writes it into PNGs: a word, a length and hex digits. Empty for other texts."""
    keyword, _, text = chunk.partition(b"\0")
    if keyword not in _RAW_PROFILES:
        return b""
    if kind == b"zTXt":
        text = zlib.decompressobj().decompress(text[1:], _MOST_TEXT)
    return bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))


def _jpeg_exif(file: BinaryIO) -> Iterator[bytes]:
    """What the segments of a JPEG hold that may be EXIF."""
    while len(head := file.read(4)) == 4:
        mark, kind, size = struct.unpack(">BBH", head)
        if kind == _FILL:
            file.seek(-3, 1)
            continue
        if mark != 0xFF or kind == _SCAN:
            return
        block = file.read(size - 2)
        if kind == _APP1:
            yield block


def _says_turned(block: bytes) -> bool:
    exif = block.removeprefix(_EXIF_MARK)
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return False
    (at,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", exif, entry)
        if tag == _ORIENTATION:
            (value,) = struct.unpack_from(order + ("I" if kind == _LONG else "H"), exif, entry + 8)
            return value in _TURNED
    return False


_turned = KeptAnswers(_or_false(_is_turned), nothing=False)
_windowed = KeptAnswers(_or_false(_has_own_windows), nothing=False)
