"""Temporal smoothing of alpha, wherever only alpha and not the picture changed between neighbouring frames.

Each neighbour's alpha is warped onto the frame along the motion between the two plates. The weight of a warped
pixel is the product of three factors: the trust in the motion (``core/flow.py``), whether the sample lies inside
the neighbour, and whether the two plates show the same there, within grain. Pixels that are hidden, move too fast
to be tracked, or lie on a moving edge keep the frame's own alpha, so nothing is smeared.

The result is the weighted mean. Where both neighbours agree and only the frame's own alpha differs, as in a hole
that appears for one frame, the two outvote it (as a median of the three would).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..core.window import Window
from .difference import difference, even_noise
from .strips import strips, stripwise

# The mean square of a difference in units of its noise is 1. Over 3 x 3 pixels of 3 channels grain alone reaches 2
# in 1 of 700 places (chi-square, 27 degrees of freedom); beyond 5 the plates show different things.
_SAME, _OTHER = 2.0, 5.0
# Alpha begins to count as an outlier, and fully counts as one, where it differs from its neighbours' mean by so
# many times their own difference plus the last number.
_STANDS_OUT, _CLEARLY, _LEAST_STEP = 1.0, 3.0, 0.1
# Bilinear coverage of a sample of which every pixel is covered.
_WHOLLY = 0.99
_LARGEST_HALF = 6e4
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class TemporalFeatures:
    """What smoothing needs of a frame. ``alpha``: 1 x 1 x H x W float32, 0..1, the model's own. ``plate``: 1 x 3 x
    H x W float16, scene-linear. ``covered``: 1 x 1 x H x W, 1 inside the frame's data window, else 0; None: 1
    everywhere."""

    alpha: Tensor
    plate: Tensor
    covered: Tensor | None = None


@dataclass(frozen=True, eq=False)
class MovedFeatures:
    """A neighbour's ``features`` and the motion to it.

    ``flow``: 1 x 2 x h x w, from a pixel of the frame to its place in the neighbour, x and y as parts of the
    picture's width and height. ``trust``: 1 x 1 x h x w, 0..1, of that motion. Any working size h x w."""

    features: TemporalFeatures
    flow: Tensor
    trust: Tensor


@dataclass(frozen=True, eq=False)
class AlignedNeighbour:
    """A neighbour's alpha warped onto the frame, and its weight: 1 x 1 x H x W each, 0..1."""

    alpha: Tensor
    weight: Tensor


def temporal_features(plate: Tensor, alpha: Tensor) -> TemporalFeatures:
    """The features of a frame: ``plate`` 1 x 3 x H x W scene-linear, ``alpha`` 1 x 1 x H x W."""
    return TemporalFeatures(alpha=alpha, plate=plate.clamp(-_LARGEST_HALF, _LARGEST_HALF).half())


def fit_window(features: TemporalFeatures, own: Window, wanted: Window) -> TemporalFeatures:
    """Features of a frame whose data window is ``own``, cropped and padded with 0 to the window ``wanted``."""
    if own == wanted:
        return features
    both = wanted.intersect(own)

    def fitted(picture: Tensor) -> Tensor:
        whole = picture.new_zeros(*picture.shape[:2], wanted.height, wanted.width)
        if both.area:
            rows, columns = _inside(both, own)
            y, x = _inside(both, wanted)
            whole[..., y, x] = picture[..., rows, columns]
        return whole

    return TemporalFeatures(
        alpha=fitted(features.alpha),
        plate=fitted(features.plate),
        covered=fitted(torch.ones_like(features.alpha)),
    )


def _inside(part: Window, whole: Window) -> tuple[slice, slice]:
    """Rows and columns of ``part`` in the array of ``whole``."""
    x, y = part.x - whole.x, part.y - whole.y
    return slice(y, y + part.height), slice(x, x + part.width)


def motion_grey(features: TemporalFeatures, height: int, width: int) -> Tensor:
    """A small grey picture to measure motion in: ``height`` x ``width`` uint8, scene-linear 0 to 3 in the
    even-noise encoding."""
    grey = _grey(features.plate)
    small = nnf.interpolate(grey, (height, width), mode="bilinear", antialias=True, align_corners=False)
    return (small[0, 0] * 255.0).round().clamp(0.0, 255.0).to(torch.uint8)


@stripwise
def _grey(plate: Tensor) -> Tensor:
    return even_noise(plate.float()).mean(1, keepdim=True)


def align_neighbour(own: TemporalFeatures, moved: MovedFeatures) -> AlignedNeighbour:
    """A neighbour's alpha warped onto the frame with the features ``own``, and its weight in every pixel."""
    height, width = own.alpha.shape[-2:]
    other = moved.features
    seen = other.plate.new_empty(1, 3, height, width, dtype=torch.float32)
    alpha, weight = (torch.empty_like(own.alpha) for _ in range(2))
    theirs = other.plate.float()
    for rows in strips(height, width, seen.device):
        here = _centres(rows, height, width, seen.device)
        grid = here + 2.0 * _at(moved.flow, here).permute(0, 2, 3, 1)
        seen[..., rows, :] = _at(theirs, grid)
        alpha[..., rows, :] = _at(other.alpha, grid)
        inside = (grid.abs() < 1.0).all(-1)[:, None]
        if other.covered is not None:
            inside = inside & (_at(other.covered, grid) > _WHOLLY)
        weight[..., rows, :] = _at(moved.trust, here) * inside
    distance = difference(seen, own.plate.float(), weight).distance
    # Over a few pixels, so that the weight does not follow the grain; at the frame's edge there are fewer.
    square = nnf.avg_pool2d(distance.square(), 3, stride=1, padding=1, count_include_pad=False)
    same = ((_OTHER - square) / (_OTHER - _SAME)).clamp(0.0, 1.0)
    return AlignedNeighbour(alpha=alpha, weight=weight * same)


def smoothed(alpha: Tensor, neighbours: Iterable[AlignedNeighbour], amount: float) -> Tensor:
    """Alpha, 1 x 1 x H x W, moved by ``amount`` (0..1) towards the robust mean of itself and its one or two
    neighbours. Where no neighbour has a weight the result is the frame's own alpha, bit for bit."""
    one, *others = neighbours
    if others:
        return _mean_of_three(alpha, one.alpha, one.weight, others[0].alpha, others[0].weight, amount)
    return _mean_of_two(alpha, one.alpha, one.weight, amount)


@stripwise
def _mean_of_two(own: Tensor, other: Tensor, weight: Tensor, amount: float) -> Tensor:
    return own + amount * weight * (other - own) / (1.0 + weight)


@stripwise
def _mean_of_three(own: Tensor, one: Tensor, sure: Tensor, other: Tensor, as_sure: Tensor, amount: float) -> Tensor:
    weight = sure + as_sure
    pull = sure * (one - own) + as_sure * (other - own)
    step = (pull / weight.clamp(min=_TINY)).abs() / ((one - other).abs() + _LEAST_STEP)
    outvoted = ((step - _STANDS_OUT) / (_CLEARLY - _STANDS_OUT)).clamp(0.0, 1.0) * torch.minimum(sure, as_sure)
    return own + amount * pull / (1.0 - outvoted + weight).clamp(min=_TINY)


def _centres(rows: slice, height: int, width: int, device: torch.device) -> Tensor:
    """Pixel centres of some rows in ``grid_sample``'s coordinates: 1 x rows x width x 2."""
    x = (2 * torch.arange(width, device=device, dtype=torch.float32) + 1) / width - 1
    y = (2 * torch.arange(rows.start, rows.stop, device=device, dtype=torch.float32) + 1) / height - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]


def _at(picture: Tensor, grid: Tensor) -> Tensor:
    return nnf.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)
