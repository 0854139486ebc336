"""Turns the channels of luminance-chroma EXRs (Y, RY, BY) into R, G, B.

RY = (R - Y) / Y and BY = (B - Y) / Y, sampled at every ``step``-th pixel. The weights of Y follow from the file's
primaries (Rec.709 if it names none). See "Technical Introduction to OpenEXR", luminance/chroma images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.image import Float32
from ..core.window import Window
from .exr_part import ExrPart
from .exr_planes import StoredChannel
from .primaries import REC_709, spans_colours, to_xyz

# Half width of the Lanczos filter that interpolates subsampled chroma, in samples.
_TAPS = 6
# A weight of green in Y below this makes green undefined; Rec.709's is 0.72, and no camera's is below 0.2.
_LEAST_GREEN = 1e-3


def to_colour(stored: Sequence[StoredChannel], part: ExrPart) -> Float32:
    """Height x width x 3 or 4 (R, G, B, and A if given), scene-linear in the file's primaries. ``stored``: Y, RY,
    BY and, if there is one, A of ``part``."""
    luma = stored[0].samples
    ry, by = (_upsampled(channel, part.data_window) for channel in stored[1:3])
    weights = luma_weights(part.chromaticities)
    red, blue = (ry + 1.0) * luma, (by + 1.0) * luma
    green = (luma - weights[0] * red - weights[2] * blue) / weights[1]
    planes = [red, green, blue, *(channel.samples for channel in stored[3:])]
    return np.ascontiguousarray(np.stack(planes, -1), np.float32)


def luma_weights(chromaticities: Sequence[float]) -> Float32:
    """The weights of R, G and B in Y: the Y row of the RGB to XYZ matrix of these primaries; those of Rec.709 if
    there are none, or if they span no colours."""
    if chromaticities and spans_colours(chromaticities):
        weights = to_xyz(chromaticities)[1]
        if weights[1] > _LEAST_GREEN:
            return np.asarray(weights, np.float32)
    return np.asarray(to_xyz(REC_709)[1], np.float32)


def _upsampled(channel: StoredChannel, data: Window) -> Float32:
    """A chroma channel at the size of the data window."""
    plane = channel.samples
    for axis, step, size in ((1, channel.across, data.width), (0, channel.down, data.height)):
        if step > 1:
            plane = _interpolated(plane, axis, step, size)
    return plane


def _interpolated(plane: Float32, axis: int, step: int, size: int) -> Float32:
    """Interpolates samples at 0, ``step``, ... to every position from 0 to ``size`` - 1, as a data window begins
    with a sample. Beyond the ends the last sample repeats."""
    count = plane.shape[axis]
    padding = [(0, 0), (0, 0)]
    padding[axis] = (_TAPS, _TAPS)
    padded = np.pad(plane, padding, mode="edge")
    places = np.arange(size) / step
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
