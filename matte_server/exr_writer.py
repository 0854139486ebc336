"""Writes EXRs through the OpenEXR module, plane by plane as they lie in memory: it takes half the time of
OpenImageIO, which has all channels side by side first.

Attributes come as the bytes that they are in a file. The module takes few types and no bytes, so it is told of one
attribute that needs as much room as all of them, and they are written over that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenEXR

from . import exr_header
from .core.window import Window
from .errors import MatteError

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
    """How many threads compress in this process."""
    OpenEXR.set_global_thread_count(count)


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
