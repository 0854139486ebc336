"""How well the matte's edge lies on the edge that plate and aligned clean plate show, measured on one frame alone.

Where the two pictures differ clearly there is a subject, where they are the same there is none. What the pictures
say is coarse, but its edge lies where the subject's does: a matte of another frame, or one that was moved, turned,
shrunk or grown, lies beside it. Frames around are needed only to say what is usual in the shot.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..core.image import Float32

# Parts of the brightness by which the pictures differ where they certainly show the same, or two things.
SAME, OTHER = 0.06, 0.45
_DARK = 0.02
_BLUR = 3
LEAST_OUTLINE_PX = 200
"""A shorter outline says nothing of an edge."""
_WIDTH = 1280
"""The offset is searched in pictures at most so wide, and no further than _REACH of their pixels."""
_REACH = 8
_SLOPE = 0.05
"""The least slope of alpha, per pixel, that counts as its edge."""


@dataclass(frozen=True)
class EdgeFit:
    """``misfit_px``: how wide the strip along the outline is, on average, in which the matte contradicts the
    pictures. ``offset_px``: by how much the pictures' edge lies right of, and below, the matte's; in pixels of the
    plate."""

    misfit_px: float
    offset_px: tuple[float, float]


def edge_fit(plate: Float32, clean: Float32, alpha: Float32) -> EdgeFit | None:
    """The fit of one frame; None where there is hardly an outline. Pictures are height x width x 3, scene-linear,
    ``clean`` aligned with the plate; ``alpha``: height x width x 1."""
    flat = np.ascontiguousarray(alpha[..., 0])
    length = outline_px(flat)
    if length < LEAST_OUTLINE_PX:
        return None
    other = brightness_difference(plate, clean, _BLUR)
    outside = np.where(other > OTHER, np.maximum(1.0 - 2.0 * flat, 0.0), 0.0)
    inside = np.where(other < SAME, np.maximum(2.0 * flat - 1.0, 0.0), 0.0)
    shown = np.clip((other - SAME) / (OTHER - SAME), 0.0, 1.0)
    return EdgeFit(misfit_px=float((outside + inside).sum()) / length, offset_px=_offset(flat, shown))


def outline_px(alpha: Float32) -> float:
    """The length of the outline, in pixels, about; ``alpha``: height x width."""
    inside = alpha > 0.5
    across = np.count_nonzero(inside[:, 1:] != inside[:, :-1])
    down = np.count_nonzero(inside[1:] != inside[:-1])
    return float(np.hypot(across, down))


def brightness_difference(plate: Float32, clean: Float32, blur: int) -> Float32:
    """By which part of their brightness the pictures differ, height x width, each averaged over ``blur`` x ``blur``
    pixels."""
    size = (blur, blur)
    apart = cv2.blur(np.ascontiguousarray(np.abs(plate - clean).mean(-1)), size)
    lit = cv2.blur(np.ascontiguousarray(np.abs(plate).mean(-1) + np.abs(clean).mean(-1)), size) / 2 + _DARK
    return np.asarray(apart / lit, np.float32)


def _offset(alpha: Float32, shown: Float32) -> tuple[float, float]:
    """By how much ``shown`` is moved against ``alpha``: where the correlation of their slopes has its peak, as a
    parabola through it and its neighbours finds it."""
    height, width = alpha.shape
    scale = max(1.0, width / _WIDTH)
    size = (round(width / scale), round(height / scale))
    slopes = [_slopes(_resized(each, size)) for each in (alpha, shown)]
    edge = (np.hypot(*slopes[0]) > _SLOPE).astype(np.uint8)
    side = 2 * _REACH + 1
    band = cv2.dilate(edge, np.ones((side, side), np.uint8))
    x, y, wide, high = cv2.boundingRect(band)
    if not wide:
        return 0.0, 0.0
    part = (slice(y, y + high), slice(x, x + wide))
    # Padded, so that one side of the picture is not compared with the other.
    padded = (cv2.getOptimalDFTSize(high + side), cv2.getOptimalDFTSize(wide + side))
    spectrum = sum(
        np.conj(np.fft.rfft2(own[part], padded)) * np.fft.rfft2((theirs * band)[part], padded)
        for own, theirs in zip(*slopes, strict=True)
    )
    near = np.roll(np.fft.irfft2(spectrum, padded), (_REACH, _REACH), (0, 1))[:side, :side]
    row, column = (int(each) for each in np.unravel_index(near.argmax(), near.shape))
    right, below = _peak(near[row], column), _peak(near[:, column], row)
    return scale * (right - _REACH), scale * (below - _REACH)


def _resized(picture: Float32, size: tuple[int, int]) -> Float32:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _slopes(picture: Float32) -> tuple[Float32, Float32]:
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0)
    right, down = (cv2.Sobel(smooth, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    return np.asarray(right, np.float32), np.asarray(down, np.float32)


def _peak(values: npt.NDArray[np.float64], top: int) -> float:
    """Where the parabola through the highest of ``values``, at ``top``, and the two beside it has its peak."""
    if not 0 < top < len(values) - 1:
        return float(top)
    before, here, after = (float(each) for each in values[top - 1 : top + 2])
    bend = before - 2.0 * here + after
    return top if bend >= 0.0 else top + 0.5 * (before - after) / bend
