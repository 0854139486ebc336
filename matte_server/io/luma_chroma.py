"""Reads luminance-chroma EXRs (Y, RY, BY) through the OpenEXR module, because OpenImageIO refuses subsampled
chroma.

RY = (R - Y) / Y and BY = (B - Y) / Y, sampled at every ``step``-th pixel. The weights of Y follow from the file's
primaries (Rec.709 if it names none). See "Technical Introduction to OpenEXR", luminance/chroma images.
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
# Half width of the Lanczos filter that interpolates subsampled chroma, in samples.
_TAPS = 6


@dataclass(frozen=True, eq=False)
class LumaChroma:
    """A decoded luminance-chroma picture. ``pixels``: height x width x 3 or 4 (R, G, B, and A if present)."""

    pixels: Float32
    data_window: Window
    display_window: Window
    pixel_aspect: float
    attributes: Mapping[str, tuple[str, object]]
    """Name -> type in OpenImageIO's notation, and value."""


def window_of(path: Path) -> Window | None:
    """The data window of the first luminance-chroma part, from the header alone; None if there is no such part."""
    for part in OpenEXR.File(str(path), header_only=True).parts:
        names = {channel.name for channel in part.header["channels"]}
        if names >= CHANNELS:
            return _window(part.header["dataWindow"])
    return None


def read(path: Path) -> LumaChroma:
    """Decodes the first luminance-chroma part. Raises ``RuntimeError`` or ``ValueError`` if it is damaged."""
    for part in OpenEXR.File(str(path), separate_channels=True).parts:
        if part.channels.keys() >= CHANNELS:
            return _decoded(part.header, part.channels)
    raise ValueError("there is no Y, RY and BY")


def _decoded(header: Mapping[str, Any], channels: Mapping[str, Any]) -> LumaChroma:
    data = _window(header["dataWindow"])
    luma = np.asarray(channels["Y"].pixels, np.float32)
    ry, by = (_upsampled(channels[name], data) for name in ("RY", "BY"))
    weights = _luma_weights(header.get("chromaticities", _REC709))
    red, blue = (ry + 1.0) * luma, (by + 1.0) * luma
    green = (luma - weights[0] * red - weights[2] * blue) / weights[1]
    planes = [red, green, blue]
    if "A" in channels:
        planes.append(np.asarray(channels["A"].pixels, np.float32))
    return LumaChroma(
        pixels=np.ascontiguousarray(np.stack(planes, -1), np.float32),
        data_window=data,
        display_window=_window(header["displayWindow"]),
        pixel_aspect=float(header.get("pixelAspectRatio", 1.0)),
        attributes={name: kept for name, value in header.items() if (kept := _attribute(value)) is not None},
    )


def _window(box: Sequence[Any]) -> Window:
    (left, top), (right, bottom) = box
    return Window(int(left), int(top), int(right) - int(left) + 1, int(bottom) - int(top) + 1)


def _luma_weights(chromaticities: Any) -> Float32:
    """The weights of R, G and B in Y: the Y row of the RGB to XYZ matrix of these primaries."""
    values = np.asarray(chromaticities, np.float64).ravel()
    xy = values.reshape(4, 2)
    xyz = np.stack([xy[:, 0] / xy[:, 1], np.ones(4), (1.0 - xy[:, 0] - xy[:, 1]) / xy[:, 1]])
    return np.asarray(np.linalg.solve(xyz[:, :3], xyz[:, 3]), np.float32)


def _upsampled(channel: Any, data: Window) -> Float32:
    """A chroma channel at the size of the data window."""
    plane = np.asarray(channel.pixels, np.float32)
    for axis, step, size, start in (
        (1, int(channel.xSampling), data.width, data.x),
        (0, int(channel.ySampling), data.height, data.y),
    ):
        if step > 1:
            plane = _interpolated(plane, axis, step, size, first=-start % step)
    return plane


def _interpolated(plane: Float32, axis: int, step: int, size: int, first: int) -> Float32:
    """Interpolates samples at ``first``, ``first + step``, ... to every position from 0 to ``size`` - 1. Beyond the
    ends the last sample repeats."""
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
    """Type and value of an attribute that is a text, a number or an array of numbers; None for other types."""
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
