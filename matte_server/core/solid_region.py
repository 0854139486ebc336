"""From evidence of change to solid regions: what is one subject, what is a speck, what is a hole."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .image import Float32, Mask

# In noise levels: below the first nothing happened, above the second something surely did.
_QUIET, _SURE = 2.0, 6.0
# Radii in pixels of the small picture that this works on: fine edges, and surfaces.
_FINE, _WIDE = 4, 10
_SMOOTHNESS = 2e-4
"""Variance of brightness below which the guided filter takes a surface for flat."""
# Certainty (0..1) after smoothing that makes a part solid, and that lets a gap between such parts be closed.
_SOLID, _POSSIBLE = 0.35, 0.12
_CORE = 0.5
"""A core matte counts as subject above this."""
_GAP_PART = 60
"""Gaps are closed that are up to twice as wide as the frame's longer side divided by this."""
# What is smaller is a speck: as a part of the frame's area, and of the largest part's.
_SPECK_PART, _MINOR_PART = 2e-4, 0.02
_HOLE_PART = 0.004
"""A hole in the subject that is smaller is filled, as a part of the frame's area."""


def solid_region(evidence: Float32, guide: Float32, seen: Mask, core: Float32 | None = None) -> Mask:
    """The subject's solid parts.

    ``evidence``: h x w, the plate's distance from the clean plate in noise levels. ``guide``: h x w x 3, the
    plate in an even-noise encoding, whose edges the region follows. ``seen``: where the clean plate reaches.
    ``core``: h x w, 0..1, what the artist marked as subject. Nothing is returned where nothing differs.
    """
    certainty = np.clip((evidence - _QUIET) / (_SURE - _QUIET), 0.0, 1.0).astype(np.float32)
    certainty[~seen] = 0.0
    smooth = 0.5 * (_guided(guide, certainty, _FINE) + _guided(guide, certainty, _WIDE))
    region = smooth > _SOLID
    if core is not None:
        region |= core > _CORE
    region = _without_specks(region, evidence)
    reach = disc(max(region.shape) // _GAP_PART)
    closed = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_CLOSE, reach) > 0
    return _fill_holes(_fill_holes(region, evidence) | (closed & (smooth > _POSSIBLE)), evidence)


def disc(radius: int) -> npt.NDArray[np.uint8]:
    """A round structuring element of ``radius`` pixels, at least 1."""
    radius = max(1, radius)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def _guided(guide: Float32, value: Float32, radius: int) -> Float32:
    """The guided filter on brightness (He et al. 2013)."""
    grey = guide.mean(axis=2)

    def mean(picture: Float32) -> Float32:
        return np.asarray(
            cv2.blur(picture, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT), np.float32
        )

    mean_grey, mean_value = mean(grey), mean(value)
    slope = (mean(grey * value) - mean_grey * mean_value) / (mean(grey * grey) - mean_grey**2 + _SMOOTHNESS)
    return np.asarray(mean(slope) * grey + mean(mean_value - slope * mean_grey), np.float32)


def _without_specks(region: Mask, evidence: Float32) -> Mask:
    """Keeps large parts, and smaller ones whose evidence is overwhelming."""
    count, labels, facts, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=8)
    if count <= 1:
        return region
    areas = facts[:, cv2.CC_STAT_AREA].astype(np.float64)
    largest = areas[1:].max()
    strength = np.bincount(labels.ravel(), weights=evidence.ravel(), minlength=count) / np.maximum(areas, 1)
    keep = (areas >= _SPECK_PART * region.size) & ((areas >= _MINOR_PART * largest) | (strength > 3 * _SURE))
    keep[0] = False
    return np.asarray(keep[labels])


def _fill_holes(region: Mask, evidence: Float32) -> Mask:
    """Fills what the region surrounds, unless it is large and shows the clean plate clearly: the space between
    an arm and the body stays open, a shirt of the wall's colour does not."""
    count, labels, facts, _ = cv2.connectedComponentsWithStats((~region).astype(np.uint8), connectivity=4)
    filled = region.copy()
    for label in range(1, count):
        x, y, width, height, area = (int(value) for value in facts[label][:5])
        if x == 0 or y == 0 or x + width == region.shape[1] or y + height == region.shape[0]:
            continue
        part = labels == label
        clearly_open = float(np.median(evidence[part])) < 0.75 * _QUIET
        if area < _HOLE_PART * region.size or not clearly_open:
            filled |= part
    return filled
