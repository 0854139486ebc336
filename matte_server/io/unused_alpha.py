"""The fourth byte of pixels in BMP and Targa files, alpha only where the header says so.

In Targa's pixels of 16 bits it is the highest bit."""

from __future__ import annotations

from pathlib import Path

from ..core.image import Float32
from .bmp import states_alpha

_FORMATS = ("bmp", "targa")
_TRUE_COLOUR, _OF_16_BITS = (2, 10), 16
"""Kinds of Targas without a palette, plain and compressed; bits of a pixel of which one may be alpha."""
_TARGA_HEAD, _ALPHA_BITS = 18, 15
"""Bytes of a Targa's header; the bits of its last byte that say how many bits alpha has."""


def is_unused_alpha(path: Path, file_format: str, alpha: Float32) -> bool:
    """Whether ``alpha`` (height x width) of a still is none: 0 everywhere, and not stated. Raises ``OSError``."""
    return file_format in _FORMATS and not alpha.any() and not _is_stated(path, file_format)


def _is_stated(path: Path, file_format: str) -> bool:
    if file_format == "bmp":
        return states_alpha(path)
    return bool(_targa_head(path)[-1] & _ALPHA_BITS)


def lacks_its_alpha(path: Path, file_format: str) -> bool:
    """Whether a still says that a bit of its pixels is alpha, which OpenImageIO leaves out. Raises ``OSError``."""
    if file_format != "targa":
        return False
    head = _targa_head(path)
    return head[2] in _TRUE_COLOUR and head[16] == _OF_16_BITS and bool(head[-1] & _ALPHA_BITS)


def _targa_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_TARGA_HEAD)
