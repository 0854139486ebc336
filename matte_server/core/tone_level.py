"""Small copies of a plate and a clean plate, in a tone that can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .alignment_features import middle_of
from .image import Float32
from .motion_fit import Matrix
from .window import enlarged

# Small copies are blurred by so many of their pixels: else a fraction of a pixel's movement would blur their grain,
# and seem to fit better.
_BLUR_PX = 1.2
PIXELS_OF_GRAIN = 9.0
"""So many pixels of a blurred copy vary as one. Twenty takes of one set scatter by 2.2 times what pixels that vary
by themselves would leave; past a subject's edge fits are off by up to four times as much."""
_BRIGHTEST = 1e3
Lit = tuple[Float32, float]
"""A picture's brightness and its median, scene-linear."""
Softer = tuple[float, float]
"""By how many pixels of a small copy the plate and the clean plate are blurred."""
LEAST_DEVIATION = 2e-3
"""Half of an 8 bit step of tone: no residual and no grain is taken to be less."""


@dataclass(frozen=True, eq=False)
class _Reduced:
    """A small copy's brightness, the full picture's median, the transform from the copy's array to the full one's,
    and the deviation of the grain in the copy's tone."""

    light: Float32
    middle: float
    up: Matrix
    grain: float


@dataclass(frozen=True, eq=False)
class ReducedPair:
    """A plate and a clean plate, reduced alike."""

    plate: _Reduced
    clean: _Reduced


@dataclass(frozen=True, eq=False)
class ToneLevel:
    """A small copy of either picture, the transform from its array to the full one's, and the deviation of the
    grain before the copies were blurred, the stronger of both. ``grain_slopes``: the variance of the slopes per
    pixel that grain leaves in the clean plate's copy."""

    plate: Float32
    clean: Float32
    plate_up: Matrix
    clean_up: Matrix
    grain: float
    grain_slopes: float

    def small(self, full: Matrix) -> Matrix:
        """A transform from plate to clean plate, between the small copies."""
        return np.asarray(np.linalg.inv(self.clean_up) @ full @ self.plate_up, np.float64)

    def full(self, small: Matrix) -> Matrix:
        """The inverse of :meth:`small`."""
        return np.asarray(self.clean_up @ small @ np.linalg.inv(self.plate_up), np.float64)


def bounded(light: Float32) -> Lit:
    """Brightness, h x w, scene-linear, from 0 to 1000 times its median, and that median. Endless light is as bright
    as that, and what is no number is black."""
    middle = min(max(middle_of(light), 1e-6), 1e6)
    return np.nan_to_num(np.clip(light, 0, np.float32(_BRIGHTEST * middle))), middle


def reduced_pair(plate: Lit, clean: Lit, side: int, start: Matrix) -> ReducedPair:
    """Both pictures, as :func:`bounded` gives them, reduced so that the plate's longer side has at most ``side``
    pixels. ``start``: clean plate to plate, roughly: what is a proxy or squeezed becomes as large as the plate, so
    that one blur is the same for both."""
    factor = min(1.0, side / max(plate[0].shape))
    return ReducedPair(
        plate=_reduced(*plate, factor, factor),
        clean=_reduced(*clean, factor * abs(float(start[0, 0])), factor * abs(float(start[1, 1]))),
    )


def tone_level(pair: ReducedPair, softer: Softer = (0.0, 0.0)) -> ToneLevel:
    """A pair in tones. ``softer``: by how many of their pixels the plate and the clean plate are blurred besides,
    in light, as a lens does it."""
    plate, clean = pair.plate, pair.clean
    return ToneLevel(
        plate=_blurred(plate, softer[0]),
        clean=_blurred(clean, softer[1]),
        plate_up=plate.up,
        clean_up=clean.up,
        grain=max(plate.grain, clean.grain, LEAST_DEVIATION),
        # By the derivative of a Gaussian; twice, because grain differs from place to place.
        grain_slopes=2 * clean.grain**2 / (8 * np.pi * (_BLUR_PX**2 + softer[1] ** 2) ** 2),
    )


def _blurred(picture: _Reduced, softer_px: float) -> Float32:
    soft = cv2.GaussianBlur(picture.light, (0, 0), float(np.hypot(_BLUR_PX, softer_px)))
    return _toned(np.asarray(soft, np.float32), picture.middle)


def _toned(light: Float32, middle: float) -> Float32:
    """Brightness with ``middle`` at the middle of 0..1, so that highlights do not swamp the rest."""
    return np.asarray(np.sqrt(light / (light + np.float32(middle))), np.float32)


def _reduced(light: Float32, middle: float, across: float, down: float) -> _Reduced:
    height, width = light.shape
    size = (max(2, round(width * across)), max(2, round(height * down)))
    small = np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_AREA), np.float32)
    up = enlarged(width / size[0], height / size[1])
    return _Reduced(light=small, middle=middle, up=up, grain=_noise(_toned(small, middle)))


def _noise(tone: Float32) -> float:
    """The deviation of grain: the median of second differences both ways (Immerkaer, CVIU 1996)."""
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    return float(1.4826 * np.median(np.abs(cv2.filter2D(tone, -1, mask))))


def warped(clean: Float32, matrix: Matrix, shape: tuple[int, ...]) -> Float32:
    """The clean plate seen through ``matrix``, plate to clean plate; NaN where it does not reach."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    beyond = float("nan")
    seen = cv2.warpPerspective(clean, matrix, (shape[1], shape[0]), flags=flags, borderValue=beyond)
    return np.asarray(seen, np.float32)
