"""Photoshop's PSD and PSB: whether the picture that their layers make is stored in them."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import BinaryIO

PSD_MAGIC = b"8BPS"
_HEAD, _LARGEST = 26, 1 << 26
_VERSION_INFO = 1057
"""The resource that says whether there is a real merged picture (Adobe Photoshop File Formats Specification)."""


def lacks_its_picture(path: Path) -> bool:
    """Whether a PSD holds its layers alone, as Photoshop saves it without Maximize Compatibility. In the place of
    the merged picture, which OpenImageIO reads, is a white one. Raises ``OSError``."""
    with path.open("rb") as file, contextlib.suppress(struct.error):
        file.seek(_HEAD)
        file.seek(_size(file), 1)
        resources, at = file.read(min(_size(file), _LARGEST)), 0
        while at < len(resources):
            kind, name = struct.unpack_from(">HB", resources, at + 4)
            # The length of the name stands before it; both together take an even number of bytes.
            at += 6 + (name + 2) // 2 * 2
            (size,) = struct.unpack_from(">I", resources, at)
            if kind == _VERSION_INFO:
                return resources[at + 8 : at + 9] == b"\0"
            at += 4 + size + size % 2
    return False


def _size(file: BinaryIO) -> int:
    return int(struct.unpack(">I", file.read(4))[0])
