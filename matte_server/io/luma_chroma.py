"""Luminance-chroma EXRs (Y, RY, BY), read through the OpenEXR module: OpenImageIO refuses their halved chroma.

RY = (R - Y) / Y and BY = (B - Y) / Y, co-sited with every ``step``-th pixel; Y's weights follow from the file's
primaries (Rec.709 where it names none). See "Technical Introduction to OpenEXR", luminance/chroma images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from ..core.image import Float32
from ..core.window import Window

CHANNELS = frozenset({"Y", "RY", "BY"})
_REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
# Taps either side of the interpolation of halved chroma: Lanczos's windowed sine cardinal.
_TAPS = 6


@dataclass(frozen=True, eq=False)
class LumaChroma:
    """What such a file holds: ``pixels`` height x width x 3 or 4 (R, G, B and A where there is one)."""

    pixels: Float32
    data_window: Window
    display_window: Window
    pixel_aspect: float
    attributes: Mapping[str, tuple[str, object]]
    """Name -> type as OpenImageIO writes it, and value."""


def window_of(path: Path) -> Window | None:
    """The data window of the first luminance-chroma part, from the header alone; None where there is none."""
    for part in OpenEXR.File(str(path), header_only=True).parts:
        names = {channel.name for channel in part.header["channels"]}
        if names >= CHANNELS:
            return _window(part.header["dataWindow"])
    return None


def read(path: Path) -> LumaChroma:
    """Decodes the first luminance-chroma part; raises ``RuntimeError`` or ``ValueError`` where it is damaged."""
    for part in OpenEXR.File(str(path), separate_channels=True).parts:
        if part.channels.keys() >= CHANNELS:
            return _decoded(part.header, part.channels)
    raise ValueError("there is no Y, RY and BY")


def _decoded(header: Mapping[str, Any], channels: Mapping[str, Any]) -> LumaChroma:
    data = _window(header["dataWindow"])
    luma = np.asarray(channels["Y"].pixels, np.float32)
    ry, by = (_grown(channels[name], data) for name in ("RY", "BY"))
    weights = _luma_weights(header.get("chromaticities", _REC709))
    red, blue = (ry + 1.0) * luma, (by + 1.0) * luma
    green = (luma - weights[0] * red - weights[2] * blue) / weights[1]
    planes = [red, green, blue]
    if "A" in channels:
        planes.append(np.asarray(channels["A"].pixels, np.float32))
    return LumaChroma(
        np.ascontiguousarray(np.stack(planes, -1), np.float32),
        data,
        _window(header["displayWindow"]),
        float(header.get("pixelAspectRatio", 1.0)),
        {name: kept for name, value in header.items() if (kept := _attribute(value)) is not None},
    )


def _window(box: Sequence[Any]) -> Window:
    (left, top), (right, bottom) = box
    return Window(int(left), int(top), int(right) - int(left) + 1, int(bottom) - int(top) + 1)


def _luma_weights(chromaticities: Any) -> Float32:
    """The Y row of the primaries' RGB to XYZ matrix."""
    values = np.asarray(chromaticities, np.float64).ravel()
    xy = values.reshape(4, 2)
    xyz = np.stack([xy[:, 0] / xy[:, 1], np.ones(4), (1.0 - xy[:, 0] - xy[:, 1]) / xy[:, 1]])
    return np.asarray(np.linalg.solve(xyz[:, :3], xyz[:, 3]), np.float32)


def _grown(channel: Any, data: Window) -> Float32:
    """A chroma channel at the data window's size."""
    plane = np.asarray(channel.pixels, np.float32)
    for axis, step, size, start in (
        (1, int(channel.xSampling), data.width, data.x),
        (0, int(channel.ySampling), data.height, data.y),
    ):
        if step > 1:
            plane = _interpolated(plane, axis, step, size, -start % step)
    return plane


def _interpolated(plane: Float32, axis: int, step: int, size: int, first: int) -> Float32:
    """Samples at ``first``, ``first + step``, ... brought to every place of ``size``; the ends repeat."""
    count = plane.shape[axis]
    padding = [(0, 0), (0, 0)]
    padding[axis] = (_TAPS, _TAPS + 1)
    padded = np.pad(plane, padding, mode="edge")
    places = (np.arange(size) - first) / step
    below = np.clip(np.floor(places).astype(int), -1, count - 1)
    part = places - below
    total = np.zeros(tuple(size if i == axis else n for i, n in enumerate(plane.shape)), np.float64)
    norm = np.zeros(size)
    for tap in range(1 - _TAPS, _TAPS + 1):
        distance = part - tap
        weight = np.where(np.abs(distance) < _TAPS, np.sinc(distance) * np.sinc(distance / _TAPS), 0.0)
        taken = np.take(padded, below + tap + _TAPS, axis=axis)
        total += taken * (weight[None, :] if axis == 1 else weight[:, None])
        norm += weight
    return np.asarray(total / (norm[None, :] if axis == 1 else norm[:, None]), np.float32)


def _attribute(value: Any) -> tuple[str, object] | None:
    """Texts, numbers and arrays of numbers; what has a type of OpenEXR's own stays behind."""
    if isinstance(value, str):
        return "string", value
    if isinstance(value, bool | int):
        return "int", int(value)
    if isinstance(value, float):
        return "float", value
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.shape in ((3, 3), (4, 4)):
        return "matrix33" if value.shape == (3, 3) else "matrix", tuple(value.astype(float).ravel())
    if isinstance(value, tuple) and value and all(isinstance(item, float) for item in value):
        return f"float[{len(value)}]", value
    return None
