"""Reads and writes EXRs through the OpenEXR module, one plane per channel.

This takes half of OpenImageIO's time to read and to write, because OpenImageIO interleaves the channels. Attributes
to write are given as bytes. The module accepts few attribute types, so it writes a single placeholder of the right
size, which is then overwritten in the file.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import Imath
import numpy as np
import numpy.typing as npt
import OpenEXR

from ..core.image import Float32
from ..core.window import Window
from ..errors import MatteError
from . import exr_header
from .library_output import output_silenced

_DEFLATE_LEVEL = 1
"""Of 0 to 9; OpenEXR's own default is 4. HD frames with grain take three quarters of its time to write and are 2 %
larger, the pixels the same."""
_FLOAT = Imath.PixelType(Imath.PixelType.FLOAT)
_LARGEST_CHUNK = 256
"""Lines that no compression stores more of in one piece; threads share a picture by pieces."""
# Name and type of the placeholder; one byte each, so that no other attribute can be shorter.
_PLACEHOLDER, _PLACEHOLDER_TYPE = "~", "~"
# Attributes that the module writes itself.
_OWN = frozenset(
    (
        "channels",
        "compression",
        "dataWindow",
        "displayWindow",
        "lineOrder",
        "pixelAspectRatio",
        "screenWindowCenter",
        "screenWindowWidth",
        "type",
    )
)


KNOWN_COMPRESSIONS = frozenset(
    int(getattr(OpenEXR, name).value) for name in dir(OpenEXR) if name.endswith("_COMPRESSION")
)
"""OpenEXR's numbers of those that it reads. It takes any other number for ZIP."""
HTJ2K = (10, 11)
"""Its numbers of those that OpenJPH decodes."""


def _use_deflate_level(level: int) -> None:
    """Sets the level of ZIP and ZIPS. The module passes it on in no way of its own, so this is the function of
    OpenEXR's C interface, which its wheels for Linux and macOS export; elsewhere the default stays."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(OpenEXR.__file__).exr_set_default_zip_compression_level(level)


_use_deflate_level(_DEFLATE_LEVEL)


def use_threads(count: int) -> None:
    """Sets the number of threads that compress and decompress in this process; by default one for each core."""
    OpenEXR.set_global_thread_count(count)


def read(path: Path, names: Sequence[str], data: Window) -> Float32:
    """Full-size channels of a single-part EXR with data window ``data``: height x width x channels, float32, planar
    in memory. A name may occur several times. Of a picture in several sizes, the largest. Check the header's sizes
    first. Raises ``OSError``, ``RuntimeError``, ``ValueError``, ``TypeError`` or ``ArithmeticError``, depending on
    what is damaged."""
    with contextlib.closing(OpenEXR.InputFile(str(path))) as file:
        return _rows(file, names, data)


def _rows(file: OpenEXR.InputFile, names: Sequence[str], data: Window) -> Float32:
    """Reads a strip of lines at a time: the module's own copy of it is then small enough to stay in the cache."""
    found = np.empty((len(names), data.height, data.width), np.float32)
    different = list(dict.fromkeys(names))
    if not OpenEXR.global_thread_count():
        # The module would decode in this thread alone.
        use_threads(os.cpu_count() or 1)
    lines = _LARGEST_CHUNK * OpenEXR.global_thread_count()
    for top in range(0, data.height, lines):
        end = min(top + lines, data.height)
        strip = file.channels(different, _FLOAT, data.y + top, data.y + end - 1)
        samples = dict(zip(different, strip, strict=True))
        for name, plane in zip(names, found, strict=True):
            plane[top:end] = np.frombuffer(samples[name], np.float32).reshape(-1, data.width)
    return np.moveaxis(found, 0, -1)


@dataclass(frozen=True)
class StoredChannel:
    """A channel as a file has it: its samples (float32, rows x columns), of every ``across``-th pixel of a line and
    every ``down``-th of a column."""

    samples: Float32
    across: int
    down: int


def read_stored(path: Path, names: Sequence[str]) -> list[StoredChannel]:
    """Channels of a single-part EXR as they are stored, subsampled ones too. A name may occur several times. Raises
    ``RuntimeError`` or ``ValueError`` if it is damaged."""
    with output_silenced():
        channels = OpenEXR.File(str(path), separate_channels=True).channels()
    if missing := set(names).difference(channels):
        raise ValueError(f"its channel {min(missing)} is damaged")
    return [
        StoredChannel(
            samples=np.asarray(channels[name].pixels, np.float32),
            across=int(channels[name].xSampling),
            down=int(channels[name].ySampling),
        )
        for name in names
    ]


def write(
    path: Path,
    planes: Mapping[str, npt.NDArray[np.floating]],
    data: Window,
    display: Window,
    pixel_aspect: float,
    compression: str,
    attributes: Mapping[str, exr_header.RawAttribute],
) -> None:
    """Writes a single-part scanline EXR. ``planes``: channel name -> height x width of the data window, float16 or
    float32, contiguous rows. Raises ``OSError``, and ``MatteError("no_compression", ...)`` if the OpenEXR library
    is too old for the compression."""
    added = {name: value for name, value in attributes.items() if name not in _OWN}
    header = {
        "type": OpenEXR.scanlineimage,
        "compression": _compression(compression),
        "dataWindow": _box(data),
        "displayWindow": _box(display),
        "pixelAspectRatio": pixel_aspect,
        **_screen(attributes),
        **_placeholder_for(added),
    }
    try:
        OpenEXR.File(header, dict(planes)).write(str(path))
    except RuntimeError as error:
        raise OSError(str(error).strip() or "the disk may be full") from None
    if added:
        with path.open("r+b") as file:
            exr_header.replace_placeholder(file, _PLACEHOLDER, added)


def _compression(name: str) -> object:
    kind = getattr(OpenEXR, f"{'NO' if name == 'none' else name.upper()}_COMPRESSION", None)
    if kind is None:
        raise MatteError(
            "no_compression",
            f"The OpenEXR library of this installation cannot write {name}.",
            "Choose zip, or install a newer OpenEXR.",
        )
    return kind


def _placeholder_for(attributes: Mapping[str, exr_header.RawAttribute]) -> dict[str, object]:
    """One attribute that takes as many bytes in the header as all ``attributes`` together."""
    if not attributes:
        return {}
    empty = exr_header.RawAttribute(type=_PLACEHOLDER_TYPE, data=b"")
    size = len(exr_header.packed(attributes)) - len(exr_header.packed({_PLACEHOLDER: empty}))
    return {_PLACEHOLDER: OpenEXR.OpaqueAttribute(bytes(size), _PLACEHOLDER_TYPE)}


def _box(window: Window) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    corners = (window.x, window.y), (window.right - 1, window.bottom - 1)
    first, last = (np.array(corner, np.int32) for corner in corners)
    return first, last


def _screen(attributes: Mapping[str, exr_header.RawAttribute]) -> dict[str, object]:
    """The screen window attributes that are among ``attributes``, as the module takes them."""
    found: dict[str, object] = {}
    if centre := attributes.get("screenWindowCenter"):
        found["screenWindowCenter"] = np.frombuffer(centre.data, "<f4")
    if width := attributes.get("screenWindowWidth"):
        found["screenWindowWidth"] = float(np.frombuffer(width.data, "<f4")[0])
    return found
