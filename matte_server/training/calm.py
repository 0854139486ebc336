"""What a render goes through before anything learns from it."""

from __future__ import annotations

import cv2
import numpy as np

from .procedural import Float32

BRIGHTEST = 60.0
"""Brighter values in a render are clipped to this, scene-linear."""


def calm(pixels: Float32) -> Float32:
    """Removes a render's sampling noise from its colour; a network would learn to find the subject by it. Alpha is
    unchanged; colour becomes the alpha-weighted mean of the neighbourhood, without fireflies."""
    steady = cv2.medianBlur(np.ascontiguousarray(pixels), 5)
    quiet = np.where(pixels > 2 * steady + 0.05, steady, pixels)
    soft = cv2.GaussianBlur(np.dstack([quiet[..., :3], pixels[..., 3:]]), (0, 0), 1.4)
    colour = soft[..., :3] / np.maximum(soft[..., 3:], 1e-3)
    return np.dstack([colour * pixels[..., 3:], pixels[..., 3:]]).astype(np.float32)
