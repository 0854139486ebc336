"""Finds the level in each channel above which a picture's camera or file has recorded no difference.

A clipped pixel does not show the light that was there. A gain measured from it is wrong, and multiplied by a gain a
clipped clean plate differs from a plate that shows the same lamp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .align import Alignment
from .image import Float32, Image

SATURATED = 0.985
"""A pixel counts as clipped from this share of the level: two codes of 8 bits, what compression smears."""
_BELOW, _EXACT = 0.955, 0.9999
_SAMPLE = 300_000
# At least this many pixels of the sample are as bright as the level or brighter: one hot pixel is no level.
_FEWEST = 12
# A level holds at least this many times as many pixels as the light just below it.
_PILE = 3.0

_WHITE = 0.99
"""A channel that is one level everywhere, as a painted grey is, is clipped only from this level on."""

Levels = tuple[float, float, float]
UNCLIPPED: Levels = (float("inf"),) * 3


@dataclass(frozen=True)
class Clipping:
    """The levels of plate and clean plate, scene-linear, infinite where a channel was not clipped. ``clean`` are
    those of the clean plate as its gain and offset move them, ``clean_shown`` as it shows them itself."""

    plate: Levels = UNCLIPPED
    clean: Levels = UNCLIPPED
    clean_shown: Levels = UNCLIPPED

    @property
    def any(self) -> bool:
        """Whether any channel was clipped."""
        return (self.plate, self.clean) != (UNCLIPPED, UNCLIPPED)


def clipping_of(plate: Image, clean: Image, alignment: Alignment) -> Clipping:
    """The levels of a pair of scene-linear pictures."""
    own, behind = clipping_levels(plate), clipping_levels(clean)
    moved = [g * level + o for g, level, o in zip(alignment.gain, behind, alignment.offset, strict=True)]
    return Clipping(plate=own, clean=(moved[0], moved[1], moved[2]), clean_shown=behind)


def clipping_levels(picture: Image) -> Levels:
    """Each channel's level, infinite where its brightest pixels are spread out as unclipped light is."""
    height, width = picture.rgb.shape[:2]
    step = max(1, round((height * width / _SAMPLE) ** 0.5))
    red, green, blue = (_level(picture.rgb[::step, ::step, channel].ravel()) for channel in range(3))
    return red, green, blue


def clipped_places(picture: Image) -> list[Float32 | None]:
    """For each channel 1 where it was clipped, else 0, height x width; None for a channel that was not clipped."""
    return [
        None if np.isinf(level) else np.asarray(picture.rgb[..., channel] >= SATURATED * level, np.float32)
        for channel, level in enumerate(clipping_levels(picture))
    ]


def _level(values: Float32) -> float:
    if values.size <= _FEWEST:
        return float("inf")
    top = float(np.partition(values, -_FEWEST)[-_FEWEST])
    is_flat = float(values.min()) >= SATURATED * top
    if top <= 0 or (is_flat and top < _WHITE):
        return float("inf")
    near, exact = int((values >= SATURATED * top).sum()), int((values >= _EXACT * top).sum())
    below = int((values >= _BELOW * top).sum()) - near
    return top if near >= _PILE * below or exact >= _PILE * (near - exact) > 0 else float("inf")
