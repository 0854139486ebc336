"""Small copies of a plate and a clean plate, in a tone that can be compared."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .image import Float32
from .motion_fit import Matrix

# Small copies are blurred by so many of their pixels: else a fraction of a pixel's movement would blur their grain,
# and seem to fit better. Grain is left with slopes of its own: their variance, by the derivative of a Gaussian, and
# twice, because grain differs from place to place.
_BLUR_PX = 1.2
SLOPE_OF_GRAIN = 2 / (8 * np.pi * _BLUR_PX**4)
LEAST_DEVIATION = 2e-3
"""Half of an 8 bit step of tone: no residual and no grain is taken to be less."""


@dataclass(frozen=True, eq=False)
class ToneLevel:
    """A small copy of either picture, the transform from its array to the full one's, and the deviation of the
    grain before the copies were blurred: of the clean plate's, and of the stronger of both."""

    plate: Float32
    clean: Float32
    plate_up: Matrix
    clean_up: Matrix
    clean_grain: float
    grain: float

    def small(self, full: Matrix) -> Matrix:
        """A transform from plate to clean plate, between the small copies."""
        return np.asarray(np.linalg.inv(self.clean_up) @ full @ self.plate_up, np.float64)

    def full(self, small: Matrix) -> Matrix:
        """The inverse of :meth:`small`."""
        return np.asarray(self.clean_up @ small @ np.linalg.inv(self.plate_up), np.float64)


def tone_of(light: Float32) -> Float32:
    """Brightness with its median at the middle of 0..1, so that highlights do not swamp the rest."""
    step = max(1, max(light.shape) // 512)
    lit = light[::step, ::step][light[::step, ::step] > 0]
    middle = max(float(np.median(lit)), 1e-6) if lit.size else 1.0
    with np.errstate(invalid="ignore"):
        tone = np.sqrt(light / (light + np.float32(middle)))
    # Infinite light is white, and what is no number is black.
    return np.where(np.isposinf(light), np.float32(1), np.nan_to_num(tone)).astype(np.float32)


def tone_level(plate: Float32, clean: Float32, side: int) -> ToneLevel:
    """Both pictures, reduced by one factor so that the plate's longer side has at most ``side`` pixels."""
    factor = min(1.0, side / max(plate.shape))
    (small_plate, plate_up), (small_clean, clean_up) = (_reduced(tone, factor) for tone in (plate, clean))
    clean_grain = _noise(small_clean)
    return ToneLevel(
        plate=_blurred(small_plate),
        clean=_blurred(small_clean),
        plate_up=plate_up,
        clean_up=clean_up,
        clean_grain=clean_grain,
        grain=max(clean_grain, _noise(small_plate), LEAST_DEVIATION),
    )


def _blurred(tone: Float32) -> Float32:
    return np.asarray(cv2.GaussianBlur(tone, (0, 0), _BLUR_PX), np.float32)


def _reduced(tone: Float32, factor: float) -> tuple[Float32, Matrix]:
    height, width = tone.shape
    size = (max(2, round(width * factor)), max(2, round(height * factor)))
    across, down = width / size[0], height / size[1]
    # Resizing maps pixel edges, so centres shift by half a pixel.
    up = np.array([[across, 0.0, 0.5 * across - 0.5], [0.0, down, 0.5 * down - 0.5], [0.0, 0.0, 1.0]])
    return np.asarray(cv2.resize(tone, size, interpolation=cv2.INTER_AREA), np.float32), up


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
