"""Scene-linear light as the documentation's pictures show it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ...core.image import Float32


def on_screen(light: Float32, size: tuple[int, int]) -> Image.Image:
    """``light`` (height x width x 3) as a screen shows it, reduced to ``size`` (width, height)."""
    bright = light.clip(0.0, 1.0)
    video = np.where(bright <= 0.0031308, 12.92 * bright, 1.055 * bright ** (1 / 2.4) - 0.055)
    return Image.fromarray((video * 255).round().astype(np.uint8)).resize(size, Image.Resampling.LANCZOS)
