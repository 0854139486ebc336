"""Reads and writes EXRs through the OpenEXR module, one plane per channel.

This takes two thirds of OpenImageIO's time to read and half of its time to write, because OpenImageIO interleaves
the channels. Attributes to write are given as bytes. The module accepts few attribute types, so it writes a single
placeholder of the right size, which is then overwritten in the file.
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


def use_threads(count: int) -> None:
    """Sets the number of threads that compress and decompress in this process."""
    OpenEXR.set_global_thread_count(count)


def read(path: Path, names: Sequence[str]) -> Float32 | None:
    """Channels of a single-part EXR: height x width x channels, float32, planar in memory. Decodes every channel of
    the file; check the header's sizes first. None if the module cannot read them; OpenImageIO then says why."""
    try:
        parts = OpenEXR.File(str(path), separate_channels=True).parts
    except (RuntimeError, ValueError, TypeError, IndexError, ArithmeticError):
        # The module raises any of these, depending on what is damaged.
        return None
    # The module leaves out damaged parts.
    if len(parts) != 1 or not set(names) <= set(parts[0].channels):
        return None
    planes = [parts[0].channels[name].pixels for name in names]
    if any(plane.shape != planes[0].shape for plane in planes):
        return None
    found = np.empty((len(planes), *planes[0].shape), np.float32)
    for whole, plane in zip(found, planes, strict=True):
        if plane.dtype in (np.float16, np.float32):
            to_float(plane, whole)
        else:
            whole[...] = plane  # whole numbers
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
