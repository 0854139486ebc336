"""Removes small islands from a matte and fills small holes in it, by area."""

from __future__ import annotations

import cv2
import numpy as np

from .image import Float32, Mask

_EMPTY, _SOLID = 0.02, 0.98


def despeckle(alpha: Float32, area: int) -> Float32:
    """``alpha`` (h x w, 0..1) with islands above 0.02 of fewer than ``area`` pixels set to 0, and holes below
    0.98 of fewer than ``area`` pixels, wholly inside the subject, set to 1."""
    cleaned = np.where(_small(alpha > _EMPTY, area, at_edge=True), 0.0, alpha)
    return np.where(_small(cleaned < _SOLID, area, at_edge=False), 1.0, cleaned).astype(np.float32)


def _small(mask: Mask, area: int, *, at_edge: bool) -> Mask:
    """The connected parts of ``mask`` below ``area`` pixels. Parts that touch the frame's edge may continue outside
    it, so they count only with ``at_edge``."""
    _, labels, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    small = facts[:, cv2.CC_STAT_AREA] < area
    small[0] = False
    if not at_edge:
        border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        small[np.unique(border)] = False
    return np.asarray(small[labels])
