"""Temporal smoothing of alpha over the frames before and after, brought along the motion.

Each neighbour's alpha is warped onto the frame along the motion between the two plates. The weight of a warped
pixel is the product of three factors: the trust in the motion (``core/flow.py``), whether the sample lies inside
the neighbour, and whether the two plates show the same there, within grain. Pixels that are hidden, move too fast
to be tracked, or lie on a moving edge get no alpha along this motion.

Hair that moves before a set of its own brightness shows the same within grain whether it is followed or not. So the
motion of the subject alone is measured too (:func:`subject_grey`). Where it can be trusted and differs from that of
the plates, alpha comes along the subject's motion instead.

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
# Motions that differ by less than the first are one, and by more than the second two, in pixels of the frame. With
# 0.5 and 1.5 dtSSD on held-out sequences falls by another one per cent, but more flicker is left in what stands
# still: alpha that flickers shakes the subject's motion.
_TOGETHER_PX, _APART_PX = 1.0, 3.0
# There is no subject where alpha stays below the first within so many pixels in all directions, and there is one
# where it reaches the second.
_NO_SUBJECT, _SUBJECT, _NEAR = 0.02, 0.07, 9
_CUT = 0.03
"""Mean weight along the motion of the plates below which the neighbour shows something else altogether."""
# Bilinear coverage of a sample of which every pixel is covered.
_WHOLLY = 0.99
_LARGEST_HALF = 6e4
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class TemporalFeatures:
    """What smoothing needs of a frame. ``alpha``: 1 x 1 x H x W float32, 0..1, the model's own. ``plate`` and
    ``clean`` (the aligned clean plate): 1 x 3 x H x W float16, scene-linear. ``covered``: 1 x 1 x H x W, 1 inside
    the frame's data window, else 0; None: 1 everywhere."""

    alpha: Tensor
    plate: Tensor
    clean: Tensor
    covered: Tensor | None = None


@dataclass(frozen=True, eq=False)
class MovedFeatures:
    """A neighbour's ``features`` and the motion to it.

    ``flow``: 1 x 2 x h x w, from a pixel of the frame to its place in the neighbour, x and y as parts of the
    picture's width and height. ``trust``: 1 x 1 x h x w, 0..1, of that motion. Any working size h x w."""

    features: TemporalFeatures
    flow: Tensor
    trust: Tensor

    def places(self, rows: slice, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Where some ``rows`` of a frame of ``height`` x ``width`` pixels lie in the neighbour: 1 x rows x width x
        2 in the coordinates of ``grid_sample``; and the trust in that, 1 x 1 x rows x width, 0 outside the
        neighbour."""
        here = _centres(rows, height, width, self.flow.device)
        grid = here + 2.0 * _at(self.flow, here).permute(0, 2, 3, 1)
        inside = (grid.abs() < 1.0).all(-1)[:, None]
        if self.features.covered is not None:
            inside = inside & (_at(self.features.covered, grid) > _WHOLLY)
        return grid, _at(self.trust, here) * inside


@dataclass(frozen=True, eq=False)
class AlignedNeighbour:
    """A neighbour's alpha warped onto the frame, and its weight: 1 x 1 x H x W each, 0..1."""

    alpha: Tensor
    weight: Tensor


def temporal_features(plate: Tensor, clean: Tensor, alpha: Tensor) -> TemporalFeatures:
    """The features of a frame: ``plate`` and ``clean`` 1 x 3 x H x W scene-linear, ``alpha`` 1 x 1 x H x W."""
    light, behind = (picture.clamp(-_LARGEST_HALF, _LARGEST_HALF).half() for picture in (plate, clean))
    return TemporalFeatures(alpha=alpha, plate=light, clean=behind)


def fit_window(features: TemporalFeatures, own: Window, wanted: Window) -> TemporalFeatures:
    """Features of a frame whose data window is ``own``, cropped and padded with 0 to the window ``wanted``."""
    if own == wanted:
        return features
    both = wanted.intersect(own)

    def fitted(picture: Tensor) -> Tensor:
        whole = picture.new_zeros(*picture.shape[:2], wanted.height, wanted.width)
        if both.area:
            whole[(..., *both.within(wanted))] = picture[(..., *both.within(own))]
        return whole

    return TemporalFeatures(
        alpha=fitted(features.alpha),
        plate=fitted(features.plate),
        clean=fitted(features.clean),
        covered=fitted(torch.ones_like(features.alpha)),
    )


def motion_grey(features: TemporalFeatures, height: int, width: int) -> Tensor:
    """A small grey picture to measure motion in: ``height`` x ``width`` uint8, scene-linear 0 to 3 in the
    even-noise encoding."""
    return _small(_grey(features.plate), height, width)


def subject_grey(features: TemporalFeatures, height: int, width: int, covered: Tensor | None) -> Tensor:
    """A small grey picture to measure the subject's motion in, ``height`` x ``width`` uint8: half of it what the
    plate shows beyond the clean plate's share, in the even-noise encoding, half its alpha. It is black where
    ``covered`` is 0."""
    grey = _subject(features.plate, features.clean, features.alpha)
    if covered is not None:
        grey = grey * covered
    return _small(grey, height, width)


def _small(grey: Tensor, height: int, width: int) -> Tensor:
    small = nnf.interpolate(grey, (height, width), mode="bilinear", antialias=True, align_corners=False)
    return (small[0, 0] * 255.0).round().clamp(0.0, 255.0).to(torch.uint8)


@stripwise
def _subject_light(plate: Tensor, clean: Tensor, alpha: Tensor) -> Tensor:
    """What the plate shows beyond the clean plate's share: 1 x 3 x H x W, scene-linear."""
    return plate.float() - (1.0 - alpha) * clean.float()


@stripwise
def _subject(plate: Tensor, clean: Tensor, alpha: Tensor) -> Tensor:
    light = _subject_light(plate, clean, alpha)
    return 0.5 * (even_noise(light).mean(1, keepdim=True) + alpha)


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
        grid, weight[..., rows, :] = moved.places(rows, height, width)
        seen[..., rows, :] = _at(theirs, grid)
        alpha[..., rows, :] = _at(other.alpha, grid)
    return AlignedNeighbour(alpha=alpha, weight=weight * _alike(seen, own.plate, weight))


def follow_subject(
    own: TemporalFeatures, aligned: AlignedNeighbour, plates: MovedFeatures, subject: MovedFeatures
) -> AlignedNeighbour:
    """The neighbour ``aligned`` along the motion of the ``plates``; along that of the ``subject`` where there is a
    subject, the motions differ, and the neighbour's subject before the frame's clean plate looks like the plate."""
    height, width = own.alpha.shape[-2:]
    pixels = own.alpha.new_tensor([width, height]) / 2.0
    other = subject.features
    theirs = torch.cat([other.alpha, _subject_light(other.plate, other.clean, other.alpha)], 1)
    seen = theirs.new_empty(1, 3, height, width)
    alpha, followed = (torch.empty_like(own.alpha) for _ in range(2))
    for rows in strips(height, width, own.alpha.device):
        (here, _), (there, trust) = (way.places(rows, height, width) for way in (plates, subject))
        apart = ((there - here) * pixels).norm(dim=-1)[:, None]
        found = _at(theirs, there)
        alpha[..., rows, :] = found[:, :1]
        seen[..., rows, :] = found[:, 1:] + (1.0 - found[:, :1]) * own.clean[..., rows, :].float()
        followed[..., rows, :] = trust * ((apart - _TOGETHER_PX) / (_APART_PX - _TOGETHER_PX)).clamp(0.0, 1.0)
    covers = torch.maximum(torch.maximum(own.alpha, alpha), aligned.alpha)
    near = nnf.max_pool2d(covers, _NEAR, stride=1, padding=_NEAR // 2)
    # First of all, and not for the subject alone: how much the plates differ by grain is measured on all that is
    # followed.
    followed *= _alike(seen, own.plate, followed)
    followed *= ((near - _NO_SUBJECT) / (_SUBJECT - _NO_SUBJECT)).clamp(0.0, 1.0)
    # Across a cut nothing is followed: there the plates share a few pixels at most, by chance.
    followed *= ((aligned.weight.mean() - _CUT) / _CUT).clamp(0.0, 1.0)
    left = aligned.weight * (1.0 - followed)
    mean = (left * aligned.alpha + followed * alpha) / (left + followed).clamp(min=_TINY)
    return AlignedNeighbour(alpha=mean, weight=left + followed)


def _alike(seen: Tensor, plate: Tensor, weight: Tensor) -> Tensor:
    """Whether both show the same within grain, 1 x 1 x H x W, 0..1; noise is measured where ``weight`` is above a
    half."""
    distance = difference(seen, plate.float(), weight).distance
    # Over a few pixels, so that the weight does not follow the grain; at the frame's edge there are fewer.
    square = nnf.avg_pool2d(distance.square(), 3, stride=1, padding=1, count_include_pad=False)
    return ((_OTHER - square) / (_OTHER - _SAME)).clamp(0.0, 1.0)


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
