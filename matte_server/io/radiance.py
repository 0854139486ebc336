"""The header of Radiance pictures, .hdr and .pic ("Radiance File Formats", Ward): lines of NAME=VALUE."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

_LONGEST_LINE = 1 << 12


RadianceHeader = Sequence[tuple[str, str]]
"""The names and values of a picture's header, in its order. A name may come several times."""


def radiance_header(path: Path) -> RadianceHeader:
    """The header of a picture."""
    with path.open("rb") as file:
        lines = itertools.takewhile(bytes.strip, iter(lambda: file.readline(_LONGEST_LINE), b""))
        parted = (line.decode("latin-1").partition("=") for line in lines)
        return [(name, value.strip()) for name, _, value in parted]


def radiance_pixel_aspect(header: RadianceHeader) -> float:
    """Width of a pixel divided by its height. PIXASPECT is the inverse; several are multiplied, as each
    program that changes a picture adds its own. 1 where they are impossible."""
    heights = 1.0
    for name, value in header:
        if name == "PIXASPECT":
            with contextlib.suppress(ValueError):
                heights *= float(value)
    return 1.0 / heights if math.isfinite(heights) and heights > 0.0 else 1.0
