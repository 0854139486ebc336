"""Composites a matte's subject over another picture, in scene-linear light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..core.image import Float32, Image, Mask

_AVERAGED_BELOW = 0.5
_ROUNDING = 1e-6


def over(foreground: Float32, alpha: Float32, background: Float32) -> Float32:
    """``alpha * foreground + (1 - alpha) * background``; height x width x 3 and x 1, scene-linear, unclamped."""
    comp: Float32 = alpha * foreground + (1.0 - alpha) * background
    return comp


def comp_over(matte: Image, background: Image, shadow: Float32 | None = None) -> Image:
    """A result (R, G, B, A; premultiplied or not) over a new background, in the result's windows.

    The background's display window is scaled to fill the matte's, where its longer side is cropped evenly; both as
    they are seen, with their pixel aspects. Beyond the background's own pixels it is black. ``shadow``, height x
    width x 3, is what the subject's shadow leaves of the light there.
    """
    colour, alpha = matte.pixels[..., :3], matte.pixels[..., 3:4]
    new = fill(background, matte)
    if shadow is not None:
        new = new * shadow
    pixels = colour + (1.0 - alpha) * new if matte.premultiplied else over(colour, alpha, new)
    return replace(matte, pixels=np.ascontiguousarray(pixels), channels=("R", "G", "B"), premultiplied=False)


def fill(picture: Image, matte: Image) -> Float32:
    """``picture``'s colour where its display window fills the matte's, as the pixels of the matte's data window:
    height x width x 3, black beyond the picture's own data window. Windows of one size lie pixel on pixel."""
    display, own = matte.display_window, picture.display_window
    is_same_size = (display.width, display.height) == (own.width, own.height)
    squeeze = 1.0 if is_same_size else picture.pixel_aspect / matte.pixel_aspect
    scale = max(display.width / (own.width * squeeze), display.height / own.height)
    to, of = matte.data_window, picture.data_window
    across, down = (
        # Both display windows have one middle.
        _Side(start=middle + scaled * (first - own_middle) - data, scale=scaled, count=count, wanted=wanted)
        for middle, scaled, first, own_middle, data, count, wanted in (
            (display.x + display.width / 2, scale * squeeze, of.x, own.x + own.width / 2, to.x, of.width, to.width),
            (display.y + display.height / 2, scale, of.y, own.y + own.height / 2, to.y, of.height, to.height),
        )
    )
    source = np.ascontiguousarray(picture.rgb)
    # Averaged first: a warp alone would skip pixels and alias.
    size = (across.averaged, down.averaged)
    if size != (of.width, of.height):
        source = np.asarray(cv2.resize(source, size, interpolation=cv2.INTER_AREA), np.float32)
    matrix = np.array([[across.step, 0.0, across.first_centre], [0.0, down.step, down.first_centre]])
    # The outermost pixels reach to their own edges: mixed with black from their centres on, they would be a frame.
    filled = np.asarray(
        cv2.warpAffine(
            source, matrix, (to.width, to.height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ),
        np.float32,
    )
    filled[~down.reached()] = 0.0
    filled[:, ~across.reached()] = 0.0
    return filled


@dataclass(frozen=True)
class _Side:
    """One direction of a picture that is scaled into another. ``start``: its edge, in pixels from the edge of the
    other, of which ``wanted`` are made; ``scale``: how many of these each of its own ``count`` pixels takes."""

    start: float
    scale: float
    count: int
    wanted: int

    @property
    def averaged(self) -> int:
        """How many pixels are left of its own where they are averaged first."""
        return max(1, round(self.count * self.scale)) if self.scale < _AVERAGED_BELOW else self.count

    @property
    def step(self) -> float:
        """How many of the other's pixels each of those takes."""
        return self.scale * self.count / self.averaged

    @property
    def first_centre(self) -> float:
        """Where the centre of the first one lies, from the centre of the other's first."""
        return self.start + 0.5 * self.step - 0.5

    def reached(self) -> Mask:
        """Which of the wanted pixels have their centres within the picture."""
        centres = np.arange(self.wanted) + 0.5
        end = self.start + self.scale * self.count
        return np.asarray((centres > self.start - _ROUNDING) & (centres < end + _ROUNDING))
