"""The fourth byte of pixels in BMP and Targa files, which is alpha only where the header says so."""

from __future__ import annotations

import struct
from pathlib import Path

from ..core.image import Float32

_FORMATS = ("bmp", "targa")
_HEAD, _WITH_ALPHA_MASK = 70, 56
"""Bytes of a BMP up to the end of its mask of alpha; bytes of the smallest of its second headers that have one."""
BMP_BY_MASKS = (3, 6)
"""Compressions of a BMP whose channels are told by masks."""


def is_unused_alpha(path: Path, file_format: str, alpha: Float32) -> bool:
    """Whether ``alpha`` (height x width) of a still is none: 0 everywhere, and not stated. Raises ``OSError``."""
    return file_format in _FORMATS and not alpha.any() and not _is_stated(path, file_format)


def _is_stated(path: Path, file_format: str) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD).ljust(_HEAD, b"\0")
    if file_format == "targa":
        return bool(head[17] & 15)
    (size,), (compression,), (mask,) = (struct.unpack_from("<I", head, at) for at in (14, 30, 66))
    return size >= _WITH_ALPHA_MASK and compression in BMP_BY_MASKS and mask != 0
