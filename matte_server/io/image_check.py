"""Whether a picture's file ends where it should, or lacks its end as after a full disk or a crash."""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import OpenImageIO as oiio

from . import exr_header
from .image_file import library_path
from .library_output import libraries_silenced

_ENDS = {".png": b"IEND\xae\x42\x60\x82", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
"""The last bytes of formats whose decoders do without them."""
_ZEROS = 64
_COMPRESSED = (b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51", b"RIFF")
"""What JPEG 2000 and WebP begin with, whose data have no such zeros."""
_CHUNK_HEAD = 8
"""Bytes before a chunk's pixels: its first row and its size, 4 bytes each."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[oiio.ImageInput | None]:
    """OpenImageIO's reader of a file in any folder; None where it opens none. Whoever asks needs no reason, so none
    is left for the next error. Raises ``OSError``."""
    with library_path(path) as known:
        reader = oiio.ImageInput.open(str(known))
        try:
            yield reader
        finally:
            if reader is None:
                oiio.geterror()
            else:
                reader.geterror()
                reader.close()


@libraries_silenced()
def is_whole(path: Path, suffix: str = "") -> bool:
    """Whether nothing is missing from the end of a picture's file. Of an EXR as we write them, in one part and in
    lines, only the table of its chunks and their heads are read; anything else is decoded. ``suffix``: the format,
    where the file's name does not say it. False for a file that cannot be read."""
    suffix = suffix or path.suffix.lower()
    try:
        if suffix == ".exr" and (is_chained := _chunks_are_chained(path)) is not None:
            # Zeros at the end may be black lines without compression, or pages that were never written.
            return is_chained and (not _has_end(path, bytes(_ZEROS)) or _decodes(path))
        return _has_end(path, _ENDS.get(suffix, b"")) and _decodes(path)
    except (OSError, ValueError):
        return False


def ends_unwritten(path: Path, head: bytes) -> bool:
    """Whether a JPEG 2000 or a WebP, whose first bytes are ``head``, ends in zeros, as a file whose copy is under
    way: its decoder would show them as a picture. Raises ``OSError``."""
    return head.startswith(_COMPRESSED) and _has_end(path, bytes(_ZEROS))


def _chunks_are_chained(path: Path) -> bool | None:
    """Whether each chunk of an EXR begins where the one before ends, and the last ends with the file. None where
    it is another kind of EXR."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        offsets = exr_header.chunk_offsets(data)
        if offsets is None:
            return None
        if not offsets or max(offsets) + _CHUNK_HEAD > len(data):
            return False
        sizes = (struct.unpack_from("<i", data, begin + 4)[0] for begin in sorted(offsets))
        ends = pairwise([*sorted(offsets), len(data)])
        return all(begin + _CHUNK_HEAD + size == end for size, (begin, end) in zip(sizes, ends, strict=True))


def _has_end(path: Path, end: bytes) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(end)))
        return size > 0 and file.read() == end if end else size > 0


def _decodes(path: Path) -> bool:
    with opened(path) as reader:
        if reader is None:
            return False
        try:
            spec = reader.spec()
            pixels = reader.read_image(0, 0, 0, spec.nchannels, spec.format)
            return pixels is not None and not reader.has_error
        except (UnicodeDecodeError, RuntimeError):
            return False
