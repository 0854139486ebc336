"""What is known of a picture's file: its attributes, how an EXR is stored, the largest picture that is read."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.image import Image
from .colour import primaries_of

STAMP = "cleanplate:stamp"
DIAGNOSTICS = "cleanplate:diagnostics"
COVERAGE_LAYER = "coverage"
"""The layer of a clean plate built from its shot that holds 1 where it is known and 0 where it is not."""
# What of a file's attributes says which space its colour is in.
_COLOUR_TAGS = ("chromaticities", "colorInteropID")


@dataclass(frozen=True)
class ReadLimits:
    """The largest picture that is decoded: longest side and number of pixels in the data window."""

    side: int = 32768
    pixels: int = 1 << 27
    channels: int = 1024


DEFAULT_LIMITS = ReadLimits()


@dataclass(frozen=True)
class Attribute:
    """One attribute of a file: its type as OpenImageIO writes it ("string", "float[16]", ...) and value."""

    type: str
    value: object


@dataclass(frozen=True)
class ExrFormat:
    """How an EXR is stored."""

    bit_depth: str = "half"
    compression: str = "zip"


@contextlib.contextmanager
def temporary_picture(suffix: str) -> Iterator[Path]:
    """A file in memory where the machine has such a place: OpenImageIO's Python cannot read from bytes."""
    memory = Path("/dev/shm")
    folder = str(memory) if memory.is_dir() and os.access(memory, os.W_OK) else None
    safe = suffix.lower() if suffix[1:].isalnum() else ".exr"
    with tempfile.TemporaryDirectory(prefix="cleanplate-", dir=folder) as temporary:
        yield Path(temporary) / f"picture{safe}"


def retag_colour(image: Image, written_for: str) -> Image:
    """``image`` with tags of colour that are true: its metadata comes from a picture in ``written_for``. Where
    that is still its space they stay; else they give way to the primaries of a linear space, which is all that an
    EXR's tag can say."""
    if image.colourspace == written_for:
        return image
    kept = {name: value for name, value in image.metadata.items() if name not in _COLOUR_TAGS}
    primaries = primaries_of(image.colourspace)
    if primaries is not None:
        kept["chromaticities"] = Attribute("float[8]", primaries)
    return replace(image, metadata=kept)


def matte_channel(image: Image) -> Image:
    """A guide's one channel out of whatever the artist sent: alpha where there is one, else red."""
    wanted = "A" if "A" in image.channels else image.channels[0]
    position = image.channels.index(wanted)
    return replace(image, pixels=np.ascontiguousarray(image.pixels[..., position : position + 1]), channels=("A",))
