"""Where a matte is certain and where it must be solved, from a solid region and the evidence of change."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .image import Float32, Mask
from .solid_region import disc

_QUIET = 1.6
# Parts of the frame's longer side: how deep clean plate may show through hair, how far outside the region the
# edge may lie, and how far loose hair may reach.
_DEPTH, _NEAR, _LOOSE = 1 / 48, 1 / 160, 1 / 20
# Unrest is measured this far around a pixel (part of the longer side), and capped at this many noise levels.
_AROUND, _RESTLESS = 1 / 64, 4.0
# Thin parts (fingers, straps) keep this much of their half width as certain.
_THIN = 0.6
SURE = 0.95
"""A drawn trimap counts as white above this value, and as black below 1 minus it; a guide is sure above it."""


@dataclass(frozen=True, eq=False)
class Trimap:
    """h x w each. ``inner``: certain subject. ``outer``: all that may be subject, ``inner`` included. ``depth``:
    distance from the region's edge as part of the frame's longer side, positive inside. ``unrest``: how much more
    the two plates differ around here than noise explains, 1 or more (leaves in the wind, a bad fit)."""

    inner: Mask
    outer: Mask
    depth: Float32
    unrest: Float32


def guides_of(drawn: Float32) -> tuple[Mask, Mask]:
    """Core and holdout of a drawn trimap (0..1): near white and near black. All other greys are unknown."""
    return drawn > SURE, drawn < 1.0 - SURE


def trimap_of(region: Mask, distance: Float32, busy: Float32, seen: Mask) -> Trimap:
    """The bands around ``region``. ``distance``: of plate from clean plate in noise levels, the root of its mean
    square; ``busy``: its largest value nearby; ``seen``: where the clean plate reaches."""
    side = max(region.shape)
    inside, outside = _distance(region), _distance(~region)
    thickness = cv2.dilate(inside, disc(round(side * _DEPTH)))
    inner = inside > np.minimum(side * _DEPTH, _THIN * thickness)
    near = region | (outside < max(side * _NEAR, 2.0))
    unrest = _unrest(distance, seen & (outside > side * _NEAR), round(side * _AROUND))
    outer = _loose(near, busy > _QUIET * unrest, round(side * _LOOSE))
    depth = ((inside - outside) / side).astype(np.float32)
    return Trimap(inner=inner, outer=outer, depth=depth, unrest=unrest)


def _unrest(distance: Float32, empty: Mask, radius: int) -> Float32:
    """The root mean square of the distance around each pixel, measured where no subject is and extended under
    it."""
    level = np.ones_like(distance)
    weight = empty.astype(np.float32)
    square = np.minimum(distance, _RESTLESS) ** 2
    for reach in (8 * radius, radius):
        window = (2 * reach + 1, 2 * reach + 1)
        total = cv2.blur(weight, window)
        local = cv2.blur(square * weight, window) + 0.02 * level
        level = local / (total + 0.02)
    return np.asarray(np.sqrt(np.clip(level, 1.0, _RESTLESS**2)), np.float32)


def _loose(near: Mask, busy: Mask, reach: int) -> Mask:
    """``near`` and the changed pixels connected to it within ``reach`` pixels."""
    step = max(1, reach // 12)
    allowed = (near | busy).astype(np.uint8)
    grown = near.astype(np.uint8)
    for _ in range(max(1, reach // step)):
        grown = np.minimum(np.asarray(cv2.dilate(grown, disc(step)), np.uint8), allowed)
    return np.asarray(cv2.dilate(grown, disc(1)) > 0)


def _distance(mask: Mask) -> Float32:
    """To the nearest pixel outside the mask; the frame's edge does not count as outside."""
    if mask.all():
        return np.full(mask.shape, float(max(mask.shape)), np.float32)
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5), np.float32)
