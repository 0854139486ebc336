"""Reads the chunks of a PNG (PNG specification, third edition, 5) without its pixels."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST_CHUNK = 1 << 24
"""Bytes of the largest chunk before the pixels that is read."""
ANIMATION = b"acTL"
"""The type of the chunk that an animated PNG has."""
_LAST_CHUNK = b"\0\0\0\0IEND\xae\x42\x60\x82"
_CHECKSUM = 4
_TAIL = 1 << 17
"""Bytes at the end of a PNG in which chunks behind the pixels are looked for: EXIF has at most 65,535."""


def chunks_before_pixels(path: Path) -> dict[bytes, bytes]:
    """The chunks before the pixels, by type."""
    return {kind: content for kind, content, _ in _before_pixels(path)}


def damaged_chunk(path: Path) -> str:
    """The type of the first chunk before the pixels whose checksum is not that of its content; empty if there is
    none. libpng leaves out such a chunk where pixels can be decoded without it, as transparency and colour can."""
    return next((kind.decode("latin-1") for kind, _, is_right in _before_pixels(path) if not is_right), "")


def _before_pixels(path: Path) -> Iterator[tuple[bytes, bytes, bool]]:
    """Type and content of each chunk before the pixels, and whether its checksum is right."""
    with path.open("rb") as file:
        if file.read(8) != PNG_SIGNATURE:
            return
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind == b"IDAT" or size > LARGEST_CHUNK:
                return
            content = file.read(size)
            checksum = zlib.crc32(content, zlib.crc32(kind))
            yield kind, content, file.read(_CHECKSUM) == checksum.to_bytes(_CHECKSUM, "big")


def exif_after_pixels(path: Path) -> bytes:
    """The EXIF data (a TIFF directory) in a chunk behind the pixels, where exiftool writes it; empty if there is
    none."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        tail = file.read()
    at = tail.rfind(b"eXIf")
    if at < 4:
        return b""
    end = at + 4 + int.from_bytes(tail[at - 4 : at], "big")
    # The name may stand in pixels by chance; the checksum does not fit then.
    is_chunk = zlib.crc32(tail[at:end]).to_bytes(_CHECKSUM, "big") == tail[end : end + _CHECKSUM]
    return tail[at + 4 : end] if is_chunk else b""


def png_is_cut(path: Path) -> bool:
    """Whether a PNG ends before its last chunk."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_LAST_CHUNK)))
        if file.read() == _LAST_CHUNK:
            return False
        # Other data may follow the picture.
        file.seek(len(PNG_SIGNATURE))
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if file.seek(length + _CHECKSUM, os.SEEK_CUR) > size:
                return True
            if kind == b"IEND":
                return False
    return True
