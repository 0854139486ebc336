"""The types of a picture file: its attributes, how an EXR is stored, the largest picture that is read."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matte_link.plain_text import printable

from ..core.image import Image, moved_into
from ..core.window import Window
from ..errors import MatteError
from .colour import interop_id
from .exr_header import RawAttribute
from .file_names import is_text
from .primaries import primaries_of

OWN_PREFIX = "cleanplate:"
"""Begins the names of the attributes that Cleanplate writes."""
STAMP = "cleanplate:stamp"
DIAGNOSTICS = "cleanplate:diagnostics"
_BEGIN_OF_LIBRARIES = re.compile(
    r'EXR Error \(.*?\): (EXR_ERR_\w+ )?|Error reading pixel data from image file ".*?"\. '
    r"|^TIFFRead\w+ failed [^:]*: "
)
_OF_NO_READER = "could not find a format reader"
"""What OpenImageIO says of a file that none of its readers takes."""
_UNSUPPORTED = re.compile(
    "unsupported|not supported|no support|not configured|not implemented|cannot handle|only (.* are )?supported"
    "|invalid sampleformat|no format specifier",
    re.IGNORECASE,
)
"""What libraries say of a kind of file that they do not read, which copying would not change."""
_DESCRIPTORS = Path("/proc/self/fd")
COVERAGE_LAYER = "coverage"
"""Layer of a clean plate that was built from its shot: 1 where the clean plate is known, 0 where it is not."""
# Attributes that name the colourspace of an EXR.
_COLOUR_TAGS = ("chromaticities", "colorInteropID", "oiio:ColorSpace")


@dataclass(frozen=True)
class ReadLimits:
    """The largest picture that is decoded: longest side, pixels in the data window, and channels."""

    side: int = 32768
    pixels: int = 1 << 27
    channels: int = 1024


DEFAULT_LIMITS = ReadLimits()


@dataclass(frozen=True)
class Attribute:
    """One attribute of a file: its type in OpenImageIO's notation ("string", "float[16]", ...) and its value."""

    type: str
    value: object


@dataclass(frozen=True)
class ExrFormat:
    """How an EXR is stored."""

    bit_depth: str = "half"
    compression: str = "zip"


@contextlib.contextmanager
def temporary_picture(suffix: str) -> Iterator[Path]:
    """The path of an empty temporary file, for libraries that can read and write files only. On Linux it is memory
    that has no name in any folder: no disk can be too full for it, and a killed process leaves nothing behind."""
    if hasattr(os, "memfd_create") and _DESCRIPTORS.is_dir():
        descriptor = os.memfd_create("cleanplate-picture")
        try:
            yield _DESCRIPTORS / str(descriptor)
        finally:
            os.close(descriptor)
        return
    safe = suffix.lower() if suffix[1:].isalnum() else ".exr"
    with tempfile.TemporaryDirectory(prefix="cleanplate-") as temporary:
        yield Path(temporary) / f"picture{safe}"


@contextlib.contextmanager
def library_path(path: Path) -> Iterator[Path]:
    """The path by which libraries read a file: its own, or where that is no text, a copy's. Raises ``OSError``."""
    if is_text(str(path)):
        yield path
        return
    with temporary_picture(path.suffix) as copy:
        shutil.copyfile(path, copy)
        yield copy


def check_size(data: Window, display: Window, channels: int, label: str, limits: ReadLimits) -> None:
    """Raises ``MatteError("too_large", ...)`` if a picture exceeds the limits."""
    side = max(data.width, data.height, display.width, display.height)
    if side > limits.side or data.area > limits.pixels or channels > limits.channels:
        shown = "" if display == data else f" in a display window of {display.width} x {display.height}"
        raise MatteError(
            "too_large",
            f"{label} is {data.width} x {data.height}{shown} with {channels} channels, more than this server "
            f"takes ({limits.side} a side, {limits.pixels} pixels, {limits.channels} channels).",
        )


def unreadable(path: Path, label: str, reason: str) -> MatteError:
    """The error for a damaged file; of ``reason``, which a library states, the first line is kept."""
    lines = _BEGIN_OF_LIBRARIES.sub("", reason.replace(str(path), label)).replace("\x00", "").strip().splitlines()
    is_told = bool(lines) and _OF_NO_READER not in lines[0]
    first = printable(lines[0], 200).rstrip(".") if is_told else "the file is damaged or of an unknown format"
    hint = "It may be truncated or still being written; render or copy it again."
    if _UNSUPPORTED.search(first):
        hint = "Convert it to EXR, TIFF, PNG or JPEG in a usual form."
    return MatteError("unreadable", f"{label} cannot be read: {first}.", hint)


def in_display_window(image: Image) -> Image:
    """``image`` as formats without a data window hold it: its display window's pixels, black and transparent beyond
    its own. Raises ``MatteError("too_large", ...)``."""
    data, display = image.data_window, image.display_window
    if data == display:
        return image
    if display.area > DEFAULT_LIMITS.pixels:
        size = f"{display.width} x {display.height}"
        raise MatteError(
            "too_large",
            f"The display window, {size}, is too large for a format without a data window.",
            "Write EXRs.",
        )
    return replace(image, pixels=moved_into(display, image.pixels, data, 0.0), data_window=display)


def only_exrs_have_layers(label: str, layer: str) -> MatteError:
    """The error where a layer is wanted of another format."""
    return MatteError("no_layer", f"{label} has no layer {layer!r}: only EXRs have layers.")


def retag_colour(image: Image, written_for: str) -> Image:
    """``image`` with colour tags that fit its colourspace. Its metadata was copied from a picture in the
    colourspace ``written_for``; if that is not its own, the copied tags are replaced: by ``chromaticities`` for a
    linear colourspace, else by ``colorInteropID``, or by ``oiio:ColorSpace`` where it has no such identifier."""
    if image.colourspace == written_for:
        return image
    kept = {name: value for name, value in image.metadata.items() if name not in _COLOUR_TAGS}
    primaries = primaries_of(image.colourspace)
    if primaries is not None:
        kept["chromaticities"] = RawAttribute(type="chromaticities", data=struct.pack("<8f", *primaries))
    elif identifier := interop_id(image.colourspace):
        kept["colorInteropID"] = RawAttribute(type="string", data=identifier.encode())
    else:
        kept["oiio:ColorSpace"] = RawAttribute(type="string", data=image.colourspace.encode())
    return replace(image, metadata=kept)


def matte_channel(image: Image) -> Image:
    """A guide's picture reduced to one channel: its alpha, else its red. Alpha that is 1 everywhere is that of an
    opaque picture, and holds no matte."""
    position = 0
    if "A" in image.channels:
        alpha = image.channels.index("A")
        is_opaque = len(image.channels) > 1 and bool(np.all(image.pixels[..., alpha] == 1.0))
        position = position if is_opaque else alpha
    return replace(image, pixels=np.ascontiguousarray(image.pixels[..., position : position + 1]), channels=("A",))
