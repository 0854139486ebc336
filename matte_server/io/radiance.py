"""The header of Radiance pictures, .hdr and .pic ("Radiance File Formats", Ward): lines of NAME=VALUE."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

_LONGEST_LINE = 1 << 12
# The two axes of the line behind the header, the outer first -> orientation. "-Y 2 +X 3": lines from the top, each
# from the left; "+X 3 +Y 2": columns from the left, each from the bottom. OpenImageIO takes that for "-X -Y".
_ORIENTATIONS = {
    b"-Y+X": 1,
    b"-Y-X": 2,
    b"+Y-X": 3,
    b"+Y+X": 4,
    b"+X-Y": 5,
    b"-X-Y": 6,
    b"-X+Y": 7,
    b"+X+Y": 8,
}


RadianceHeader = Sequence[tuple[str, str]]
"""The names and values of a picture's header, in its order. A name may come several times."""


def radiance_header(path: Path) -> RadianceHeader:
    """The header of a picture."""
    with path.open("rb") as file:
        parted = (line.decode("latin-1").partition("=") for line in _header_lines(file))
        return [(name, value.strip()) for name, _, value in parted]


def radiance_orientation(path: Path) -> int:
    """The orientation, 1 to 8, in which a picture is stored; 1 where it does not say."""
    with path.open("rb") as file:
        for _ in _header_lines(file):
            continue
        words = file.readline(_LONGEST_LINE).split()
    return _ORIENTATIONS.get(b"".join(words[::2]), 1)


def _header_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines before the empty one that ends the header, which is read, too."""
    return itertools.takewhile(bytes.strip, iter(lambda: file.readline(_LONGEST_LINE), b""))


def holds_xyz(path: Path) -> bool:
    """Whether a picture holds CIE XYZ instead of RGB."""
    return ("FORMAT", "32-bit_rle_xyze") in radiance_header(path)


def radiance_pixel_aspect(header: RadianceHeader) -> float:
    """Width of a pixel divided by its height. PIXASPECT is the inverse; several are multiplied, as each
    program that changes a picture adds its own. 1 where they are impossible."""
    heights = 1.0
    for name, value in header:
        if name == "PIXASPECT":
            with contextlib.suppress(ValueError):
                heights *= float(value)
    return 1.0 / heights if math.isfinite(heights) and heights > 0.0 else 1.0
