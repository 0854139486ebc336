"""The fourth byte of pixels in BMP and Targa files, which is alpha only where the header says so."""

from __future__ import annotations

from pathlib import Path

from ..core.image import Float32
from .bmp import states_alpha

_FORMATS = ("bmp", "targa")
_TARGA_HEAD, _ALPHA_BITS = 18, 15
"""Bytes of a Targa's header; the bits of its last byte that say how many bits alpha has."""


def is_unused_alpha(path: Path, file_format: str, alpha: Float32) -> bool:
    """Whether ``alpha`` (height x width) of a still is none: 0 everywhere, and not stated. Raises ``OSError``."""
    return file_format in _FORMATS and not alpha.any() and not _is_stated(path, file_format)


def _is_stated(path: Path, file_format: str) -> bool:
    if file_format == "bmp":
        return states_alpha(path)
    with path.open("rb") as file:
        return bool(file.read(_TARGA_HEAD)[-1] & _ALPHA_BITS)
