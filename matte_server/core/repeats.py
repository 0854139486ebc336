"""Sets that repeat themselves, as bricks and tiles do: where else the clean plate fits, and where it fits best.

The clean plate, moved by one of its repeats, is compared with the plate pixel by pixel: what does not repeat (a
stain, a door, the wall's end) fits in one place alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .autocorrelation import NEAREST_PX
from .image import Float32
from .motion_fit import Matrix
from .tone_fit import TRANSLATION, fitted, lit_alike, slope_of
from .tone_level import LEAST_DEVIATION, ToneLevel, warped

REPEATS = (
    "The set repeats itself, as tiles do, and the clean plate fits in several places: it lies in the one that is "
    "moved least. Look whether it is the right one."
)
"""The warning of a frame in which several places fit. It holds no numbers, so that frames of a shot share it."""
_COMPARED = 4
"""So many repeats beside the one found, and so many near the unmoved place, are compared."""
# A pixel's squared residual, in deviations, counts up to the subject's. One place fits better where the mean of
# that is lower by so much: something over half a percent of the frame that is there in one place only.
_MOST_SQUARE, _CLEARLY = 9.0, 0.1
# What a copy loses between its pixels looks like so much movement, and is other in another place.
_UNEVEN_PX = 0.3
_LEAST_COMMON = 0.3
# Of a camera that did not move, nobody has to be told that it could have moved by a whole repeat.
_UNMOVED_PX = 0.5


@dataclass(frozen=True, eq=False)
class Place:
    """Where a clean plate lies: plate to clean plate, 3 x 3, in full array coordinates; ``is_another`` than the
    one that was found; ``is_sure``: no other place fits as well."""

    matrix: Matrix
    is_another: bool
    is_sure: bool


def best_place(level: ToneLevel, repeats: npt.NDArray[np.float64], found: Matrix, unmoved: Matrix) -> Place:
    """The place that fits best, of ``found`` (plate to clean plate, array coordinates) and those a repeat beside
    it; of several that fit as well the one nearest to ``unmoved``. ``repeats``: the clean plate's, in pixels."""
    first, start = level.small(found), level.small(unmoved)
    others = _beside(level, repeats, first, start)
    best, better = first, [_fits_better(level, other, first) for other in others]
    if better and max(better) > _CLEARLY:
        best = others[int(np.argmax(better))]
        others = [first, *(other for other in others if other is not best)]
        better = [_fits_better(level, other, best) for other in others]
    alike = [best, *(other for other, much in zip(others, better, strict=True) if much > -_CLEARLY)]
    nearest = min(alike, key=lambda place: _distance(level, place, start))
    is_found = _distance(level, nearest, first) < NEAREST_PX / 2
    is_unmoved = _distance(level, nearest, start) < _UNMOVED_PX
    return Place(
        matrix=found if is_found else level.full(nearest),
        is_another=not is_found,
        is_sure=len(alike) == 1 or is_unmoved,
    )


def _beside(level: ToneLevel, repeats: npt.NDArray[np.float64], first: Matrix, start: Matrix) -> list[Matrix]:
    """The places a repeat beside ``first``: the nearest to it, the nearest to ``start``, and the one that what does
    not repeat speaks for."""
    steps = repeats / np.diag(level.clean_up)[:2]
    back = _apart(level, start, first)
    near_start = steps[np.argsort(np.linalg.norm(steps - back, axis=1), kind="stable")]
    chosen = np.unique(np.concatenate([steps[:_COMPARED], near_start[:_COMPARED]]), axis=0)
    places: list[Matrix] = []
    for place in (*(_shifted(*step) @ first for step in chosen), _by_phase(level, first)):
        fit = fitted(level, place, TRANSLATION)
        if fit is not None and all(_distance(level, fit.matrix, other) > NEAREST_PX for other in (first, *places)):
            places.append(fit.matrix)
    return places


def _shifted(across: float, down: float) -> Matrix:
    return np.array([[1.0, 0.0, across], [0.0, 1.0, down], [0.0, 0.0, 1.0]])


def _by_phase(level: ToneLevel, first: Matrix) -> Matrix:
    """The place that phase correlation finds: all frequencies count alike in it, and repeats have few of them."""
    behind = warped(level.clean, first, level.plate.shape)
    filled = np.where(np.isfinite(behind), behind, np.float32(np.nanmedian(behind)))
    height, width = behind.shape
    # Copies: OpenCV multiplies what it is given by the window in place, where its size suits the transform.
    pictures = filled.copy(), level.plate.copy()
    (across, down), _ = cv2.phaseCorrelate(*pictures, cv2.createHanningWindow((width, height), cv2.CV_32F))
    return np.asarray(first @ _shifted(-across, -down), np.float64)


def _distance(level: ToneLevel, place: Matrix, other: Matrix) -> float:
    return float(np.linalg.norm(_apart(level, place, other)))


def _apart(level: ToneLevel, place: Matrix, other: Matrix) -> npt.NDArray[np.float64]:
    """How far ``place`` lies from another, x and y, in pixels of the clean plate's copy, in the frame's middle."""
    height, width = level.plate.shape
    middle = np.array([[[(width - 1) / 2, (height - 1) / 2]]])
    there, here = (cv2.perspectiveTransform(middle, matrix)[0, 0] for matrix in (place, other))
    return np.asarray(there - here, np.float64)


def _fits_better(level: ToneLevel, place: Matrix, other: Matrix) -> float:
    """By how much the mean square of the residual, in deviations, is lower for ``place`` than for ``other``."""
    behind = [warped(level.clean, matrix, level.plate.shape) for matrix in (place, other)]
    seen = np.isfinite(behind[0]) & np.isfinite(behind[1])
    if seen.mean() < _LEAST_COMMON:
        return float("-inf")
    residuals = [_residual(level.plate[seen], each[seen]) for each in behind]
    deviation = max(min(1.4826 * float(np.median(np.abs(each))) for each in residuals), LEAST_DEVIATION)
    steepness = np.hypot(slope_of(level.plate, 0), slope_of(level.plate, 1))[seen]
    variance = deviation**2 + (_UNEVEN_PX * steepness) ** 2
    squares = [float(np.minimum(each**2 / variance, _MOST_SQUARE).mean()) for each in residuals]
    return squares[1] - squares[0]


def _residual(plate: Float32, behind: Float32) -> Float32:
    """What gain and offset leave of two pictures' difference, past what the subject hides."""
    weights = np.ones_like(plate)
    for _ in range(3):
        gain, offset = lit_alike(plate, behind, weights)
        left = plate - (gain * behind + offset)
        weights = (np.abs(left) < 4 * np.median(np.abs(left))).astype(np.float32)
    return np.asarray(left, np.float32)
