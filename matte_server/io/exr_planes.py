"""Reads and writes EXRs through the OpenEXR module, plane by plane as they lie in memory: it takes two thirds of
the time of OpenImageIO to read and half of it to write, which has all channels side by side first.

Attributes to write come as the bytes that they are in a file. The module takes few types and no bytes, so it is
told of one attribute that needs as much room as all of them, and they are written over that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenEXR

from ..core.image import Float32
from ..core.window import Window
from ..errors import MatteError
from . import exr_header
from .half import to_float

# One byte each: no attribute is shorter than this one without a value.
_ROOM, _KIND = "~", "~"
# What the module writes by itself.
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


def use_threads(count: int) -> None:
    """How many threads compress and inflate in this process."""
    OpenEXR.set_global_thread_count(count)


def read(path: Path, names: Sequence[str]) -> Float32 | None:
    """Channels of a single-part EXR whose header somebody found sound: height x width x channels, float32, plane
    after plane in memory. All that the file holds is decoded. None where they are not to be had like this: whoever
    can say why may try."""
    try:
        parts = OpenEXR.File(str(path), separate_channels=True).parts
    except (RuntimeError, ValueError, TypeError, IndexError):
        # What the module's binding raises, by what is damaged.
        return None
    # A part that is damaged is left out.
    if len(parts) != 1 or not set(names) <= set(parts[0].channels):
        return None
    planes = [parts[0].channels[name].pixels for name in names]
    if any(plane.dtype not in (np.float16, np.float32) or plane.shape != planes[0].shape for plane in planes):
        return None
    found = np.empty((len(planes), *planes[0].shape), np.float32)
    for whole, plane in zip(found, planes, strict=True):
        to_float(plane, whole)
    return np.moveaxis(found, 0, -1)


def write(
    path: Path,
    planes: Mapping[str, npt.NDArray[np.floating]],
    data: Window,
    display: Window,
    pixel_aspect: float,
    compression: str,
    attributes: Mapping[str, exr_header.RawAttribute],
) -> None:
    """A single-part scanline EXR. ``planes``: by channel, height x width of the data window, float16 or float32,
    rows without gaps. Raises ``OSError``, and ``MatteError("no_compression", ...)`` where the library is too old
    for a compression."""
    kind = getattr(OpenEXR, f"{'NO' if compression == 'none' else compression.upper()}_COMPRESSION", None)
    if kind is None:
        raise MatteError(
            "no_compression",
            f"The OpenEXR library of this installation cannot write {compression}.",
            "Choose zip, or install a newer OpenEXR.",
        )
    added = {name: value for name, value in attributes.items() if name not in _OWN}
    header = {
        "type": OpenEXR.scanlineimage,
        "compression": kind,
        "dataWindow": _box(data),
        "displayWindow": _box(display),
        "pixelAspectRatio": pixel_aspect,
        **_screen(attributes),
    }
    if added:
        empty = len(exr_header.packed({_ROOM: exr_header.RawAttribute(_KIND, b"")}))
        header[_ROOM] = OpenEXR.OpaqueAttribute(bytes(len(exr_header.packed(added)) - empty), _KIND)
    try:
        OpenEXR.File(header, dict(planes)).write(str(path))
    except RuntimeError as error:
        raise OSError(str(error).strip() or "the disk may be full") from None
    if added:
        with path.open("r+b") as file:
            exr_header.fill(file, _ROOM, added)


def _box(window: Window) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    corners = (window.x, window.y), (window.right - 1, window.bottom - 1)
    first, last = (np.array(corner, np.int32) for corner in corners)
    return first, last


def _screen(attributes: Mapping[str, exr_header.RawAttribute]) -> dict[str, object]:
    """A camera's window on the screen, where one was said."""
    found: dict[str, object] = {}
    if centre := attributes.get("screenWindowCenter"):
        found["screenWindowCenter"] = np.frombuffer(centre.data, "<f4")
    if width := attributes.get("screenWindowWidth"):
        found["screenWindowWidth"] = float(np.frombuffer(width.data, "<f4")[0])
    return found
