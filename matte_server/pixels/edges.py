"""The edge controls that compositors expect: black and white point, gamma, erode, softness.

All take and return alpha as 1 x 1 x H x W in 0..1 and leave it untouched at their defaults.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as nnf
from torch import Tensor

_SMALLEST_RANGE = 1e-7
_SMALLEST_RADIUS = 0.01


def levels(alpha: Tensor, black: float, white: float, gamma: float) -> Tensor:
    """``((alpha - black) / (white - black)) ^ (1 / gamma)``, clamped to 0..1; a step where the points lie closer
    together than single precision tells apart."""
    if (black, white, gamma) == (0.0, 1.0, 1.0):
        return alpha
    return ((alpha - black) / max(white - black, _SMALLEST_RANGE)).clamp(0.0, 1.0) ** (1.0 / gamma)


def erode(alpha: Tensor, radius: float) -> Tensor:
    """Grey-scale erosion by a disc of ``radius`` pixels (negative dilates); fractions blend two discs."""
    if radius == 0.0:
        return alpha
    if radius < 0.0:
        return 1.0 - erode(1.0 - alpha, -radius)
    whole = math.floor(radius)
    inner = _erode_disc(alpha, whole)
    part = radius - whole
    return inner if part == 0.0 else (1.0 - part) * inner + part * _erode_disc(alpha, whole + 1)


def _erode_disc(alpha: Tensor, radius: int) -> Tensor:
    """The smallest value within ``radius`` pixels: one horizontal run per row of the disc."""
    if radius == 0:
        return alpha
    height = alpha.shape[-2]
    # Outside the frame counts as more of the same: a subject cut by the frame's edge is not eaten from there.
    padded = nnf.pad(-alpha, (radius, radius, radius, radius), mode="replicate")
    result: Tensor | None = None
    for dy in range(-radius, radius + 1):
        half = math.floor(math.sqrt(radius * radius - dy * dy))
        rows = padded[..., radius + dy : radius + dy + height, radius - half : padded.shape[-1] - radius + half]
        run = nnf.max_pool2d(rows, (1, 2 * half + 1), stride=1)
        result = run if result is None else torch.maximum(result, run)
    assert result is not None
    return -result


def soften(alpha: Tensor, radius: float) -> Tensor:
    """A Gaussian blur with a standard deviation of ``radius`` pixels. Nothing changes below ``_SMALLEST_RADIUS``,
    where every weight but the middle one is 0."""
    if radius < _SMALLEST_RADIUS:
        return alpha
    reach = max(1, math.ceil(3.0 * radius))
    steps = torch.arange(-reach, reach + 1, device=alpha.device, dtype=alpha.dtype)
    kernel = torch.exp(-0.5 * (steps / radius) ** 2)
    kernel = kernel / kernel.sum()
    wide = nnf.conv2d(nnf.pad(alpha, (reach, reach, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    blurred = nnf.conv2d(nnf.pad(wide, (0, 0, reach, reach), mode="replicate"), kernel.view(1, 1, -1, 1))
    return blurred.clamp_(0.0, 1.0)  # float32's rounding


def apply_guides(alpha: Tensor, core: Tensor | None, holdout: Tensor | None) -> Tensor:
    """What the artist drew: ``core`` is subject, ``holdout`` is not and wins."""
    if core is not None:
        alpha = torch.maximum(alpha, core)
    return alpha if holdout is None else alpha * (1.0 - holdout)
