"""What one frame at full size says of its matte: how soft its edge is, and where it contradicts the pictures."""

from __future__ import annotations

import cv2
import numpy as np

from ..core.image import Float32, Mask
from .compare import thick_areas
from .edge_fit import LEAST_OUTLINE_PX, OTHER, SAME, brightness_difference, outline_px

_BLUR = 5
_NOT_CLEAN = 0.15
"""The part of the brightness beyond which a gap does not show the clean plate."""
_THICK = 9


def edge_softness(alpha: Float32) -> float | None:
    """How many pixels the matte takes from 0 to 1, on average along its outline; None where there is hardly an
    outline. ``alpha``: height x width x 1. Hair counts as a soft edge."""
    flat = alpha[..., 0]
    length = outline_px(flat)
    if length < LEAST_OUTLINE_PX:
        return None
    return float((4.0 * flat * (1.0 - flat)).sum() / length)


def frame_difference(plate: Float32, clean: Float32) -> Float32:
    """By which part of its brightness the plate differs from the aligned clean plate, height x width, averaged over
    as many pixels as grain needs. Pictures are height x width x 3, scene-linear."""
    return brightness_difference(plate, clean, _BLUR)


def contradictions(difference: Float32, alpha: Float32) -> Mask:
    """Where the matte contradicts the pictures, height x width: empty although the plate shows something other than
    the aligned clean plate, or solid although it shows the same. ``difference``: that of :func:`frame_difference`;
    ``alpha``: height x width x 1."""
    flat = alpha[..., 0]
    wrong = ((flat < 0.1) & (difference > OTHER)) | ((flat > 0.9) & (difference < SAME))
    return thick_areas(wrong, _THICK)


def holes(difference: Float32, alpha: Float32) -> Mask:
    """Gaps that the subject encloses and in which the plate does not show the clean plate, height x width. A gap
    between arm and body shows it. The arguments are those of :func:`contradictions`."""
    empty = (alpha[..., 0] < 0.5).astype(np.uint8)
    _, labels = cv2.connectedComponents(empty, connectivity=4)
    outside = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    enclosed = (empty > 0) & ~np.isin(labels, outside)
    # Thin hair lets some of the subject be seen, and alpha says how much.
    differs = difference > _NOT_CLEAN + 2.0 * alpha[..., 0]
    return thick_areas(enclosed & differs, _THICK)
