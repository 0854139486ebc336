"""Turns pictures upright that are stored lying or mirrored: the eight orientations of TIFF 6.0 and EXIF."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..core.image import Float32, Image
from ..core.window import Window

ORIENTATIONS = range(1, 9)
_ANGLE_ROUNDING = 1e-3
"""Radians: less than a pixel across a picture of 1000."""
FIRST_TURNED = 5
"""From this orientation on rows and columns are exchanged."""
# Orientation -> whether rows and columns are exchanged, then mirrored left to right, then top to bottom.
_STEPS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


def orientation_of_matrix(matrix: Sequence[float]) -> int:
    """The orientation of pictures with a display matrix (a b u c d v x y w, as in ISO 14496-12, 6.2.2), by the
    right angle that is nearest to it."""
    a, b, _, c, d = matrix[:5]
    exchanged = abs(a) + abs(d) < abs(b) + abs(c)
    steps = (exchanged, (c if exchanged else a) < 0, (b if exchanged else d) < 0)
    return next(orientation for orientation, known in _STEPS.items() if known == steps)


def turns_by_right_angles(matrix: Sequence[float]) -> bool:
    """Whether a display matrix only mirrors, stretches and turns by right angles."""
    a, b, _, c, d = matrix[:5]
    straight, exchanged = abs(a) + abs(d), abs(b) + abs(c)
    return min(straight, exchanged) <= _ANGLE_ROUNDING * max(straight, exchanged)


def stretch_of_matrix(matrix: Sequence[float]) -> float:
    """By how much more a display matrix stretches the width of upright pictures than their height."""
    a, b, _, c, d = matrix[:5]
    width, height = math.hypot(a, c), math.hypot(b, d)
    is_even = abs(width - height) <= _ANGLE_ROUNDING * height
    return 1.0 if is_even or not width or not height else width / height


def upright(image: Image, orientation: int) -> Image:
    """``image``, which is stored in an ``orientation`` of 1 to 8, as it is shown. Both windows turn with it; a
    pixel's aspect is inverted where rows and columns are exchanged."""
    exchanged, mirrored, flipped = _STEPS[orientation]
    if orientation == 1:
        return image
    display = image.display_window
    return replace(
        image,
        pixels=oriented(image.pixels, orientation),
        data_window=_turned(image.data_window, display, exchanged, mirrored, flipped),
        display_window=_turned(display, display, exchanged, mirrored, flipped),
        pixel_aspect=1.0 / image.pixel_aspect if exchanged else image.pixel_aspect,
    )


def oriented(pixels: Float32, orientation: int) -> Float32:
    """Pixels, height x width x channels, that are stored in an ``orientation`` of 1 to 8, as they are shown."""
    exchanged, mirrored, flipped = _STEPS[orientation]
    found = pixels.swapaxes(0, 1) if exchanged else pixels
    found = found[:, ::-1] if mirrored else found
    return np.ascontiguousarray(found[::-1] if flipped else found)


def _turned(window: Window, display: Window, exchanged: bool, mirrored: bool, flipped: bool) -> Window:
    """A window after its picture was turned inside ``display``, whose corner stays where it is."""
    x, y = window.x - display.x, window.y - display.y
    width, height, wide, high = window.width, window.height, display.width, display.height
    if exchanged:
        x, y, width, height, wide, high = y, x, height, width, high, wide
    x = wide - x - width if mirrored else x
    y = high - y - height if flipped else y
    return Window(display.x + x, display.y + y, width, height)
