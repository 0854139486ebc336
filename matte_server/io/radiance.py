"""The header of Radiance pictures, .hdr and .pic ("Radiance File Formats", Ward): lines of NAME=VALUE."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

_LONGEST_LINE = 1 << 12


def radiance_header(path: Path) -> Iterator[tuple[str, str]]:
    """The names and values of a picture's header, in its order. A name may come several times."""
    with path.open("rb") as file:
        lines = itertools.takewhile(bytes.strip, iter(lambda: file.readline(_LONGEST_LINE), b""))
        for line in lines:
            name, _, value = line.decode("latin-1").partition("=")
            yield name, value.strip()


def radiance_pixel_aspect(path: Path) -> float:
    """Width of a pixel divided by its height. PIXASPECT is the inverse; several are multiplied, as each
    program that changes a picture adds its own. 1 where they are impossible."""
    heights = 1.0
    for name, value in radiance_header(path):
        if name == "PIXASPECT":
            with contextlib.suppress(ValueError):
                heights *= float(value)
    return 1.0 / heights if math.isfinite(heights) and heights > 0.0 else 1.0
