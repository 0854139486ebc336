"""Composites a matte's subject over another picture, in scene-linear light."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ..core.image import Float32, Image
from ..core.window import Window


def over(foreground: Float32, alpha: Float32, background: Float32) -> Float32:
    """``alpha * foreground + (1 - alpha) * background``; height x width x 3 and x 1, scene-linear, unclamped."""
    comp: Float32 = alpha * foreground + (1.0 - alpha) * background
    return comp


def comp_over(matte: Image, background: Image, shadow: Float32 | None = None) -> Image:
    """A result (R, G, B, A; premultiplied or not) over a new background, in the result's windows.

    The background is scaled to fill the matte's display window, where its longer side is cropped evenly. Beyond its
    own pixels it is black. ``shadow``, height x width x 3, is what the subject's shadow leaves of the light there.
    """
    colour, alpha = matte.pixels[..., :3], matte.pixels[..., 3:4]
    new = fill(background, matte.display_window, matte.data_window)
    if shadow is not None:
        new = new * shadow
    pixels = colour + (1.0 - alpha) * new if matte.premultiplied else over(colour, alpha, new)
    return replace(matte, pixels=np.ascontiguousarray(pixels), channels=("R", "G", "B"), premultiplied=False)


def fill(picture: Image, display: Window, data: Window) -> Float32:
    """``picture``'s colour scaled to fill ``display``, as the pixels of ``data``: height x width x 3."""
    scale = max(display.width / picture.data_window.width, display.height / picture.data_window.height)
    # In pixel centres, so that the centres of both rectangles coincide.
    x = display.x + (display.width - scale * picture.data_window.width) / 2 - data.x + 0.5 * scale - 0.5
    y = display.y + (display.height - scale * picture.data_window.height) / 2 - data.y + 0.5 * scale - 0.5
    matrix = np.array([[scale, 0.0, x], [0.0, scale, y]])
    source = np.ascontiguousarray(picture.rgb)
    if scale < 0.5:
        # Averaged first: a warp alone would skip pixels and alias.
        wide, high = (max(scale, 1.0 / side) for side in (source.shape[1], source.shape[0]))
        half = cv2.resize(source, None, fx=wide, fy=high, interpolation=cv2.INTER_AREA)
        matrix = np.array([[1.0, 0.0, x - 0.5 * scale + 0.5], [0.0, 1.0, y - 0.5 * scale + 0.5]])
        source = np.ascontiguousarray(half)
    filled = cv2.warpAffine(source, matrix, (data.width, data.height), flags=cv2.INTER_LINEAR)
    return np.asarray(filled, np.float32)
