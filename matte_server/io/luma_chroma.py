"""Reads luminance-chroma EXRs (Y, RY, BY) through the OpenEXR module, because OpenImageIO refuses subsampled
chroma.

RY = (R - Y) / Y and BY = (B - Y) / Y, sampled at every ``step``-th pixel. The weights of Y follow from the file's
primaries (Rec.709 if it names none). See "Technical Introduction to OpenEXR", luminance/chroma images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from ..core.image import Float32
from ..core.window import Window
from .exr_part import ExrPart
from .primaries import REC_709, spans_colours, to_xyz

# Half width of the Lanczos filter that interpolates subsampled chroma, in samples.
_TAPS = 6
# A weight of green in Y below this makes green undefined; Rec.709's is 0.72, and no camera's is below 0.2.
_LEAST_GREEN = 1e-3


def read_luma_chroma(path: Path, part: ExrPart) -> Float32:
    """Decodes a luminance-chroma part: height x width x 3 or 4 (R, G, B, and A if present). Raises ``RuntimeError``
    or ``ValueError`` if it is damaged."""
    for stored in OpenEXR.File(str(path), separate_channels=True).parts:
        if set(stored.channels) == set(part.names):
            return _decoded(part, stored.channels)
    raise ValueError("its channels Y, RY and BY are damaged")


def _decoded(part: ExrPart, channels: Mapping[str, Any]) -> Float32:
    luma = np.asarray(channels["Y"].pixels, np.float32)
    ry, by = (_upsampled(channels[name], part.data_window) for name in ("RY", "BY"))
    weights = luma_weights(part.chromaticities)
    red, blue = (ry + 1.0) * luma, (by + 1.0) * luma
    green = (luma - weights[0] * red - weights[2] * blue) / weights[1]
    planes = [red, green, blue]
    if "A" in channels:
        planes.append(np.asarray(channels["A"].pixels, np.float32))
    return np.ascontiguousarray(np.stack(planes, -1), np.float32)


def luma_weights(chromaticities: Sequence[float]) -> Float32:
    """The weights of R, G and B in Y: the Y row of the RGB to XYZ matrix of these primaries; those of Rec.709 if
    there are none, or if they span no colours."""
    if chromaticities and spans_colours(chromaticities):
        weights = to_xyz(chromaticities)[1]
        if weights[1] > _LEAST_GREEN:
            return np.asarray(weights, np.float32)
    return np.asarray(to_xyz(REC_709)[1], np.float32)


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
