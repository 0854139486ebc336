"""The transform and the gain of tone that make one small copy look like another, past what does not fit.

Gauss-Newton steps (Lucas and Kanade 1981; forward compositional, Baker and Matthews, IJCV 2004), with residuals
weighted by Tukey's biweight on the scale of their median (Black and Anandan, CVIU 1996).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .image import Float32, Mask
from .motion_fit import Matrix
from .tone_level import LEAST_DEVIATION, PIXELS_OF_GRAIN, ToneLevel, warped

Moves = Sequence[tuple[Float32, Float32]]
"""How far each pixel moves across and down, both h x w in halves of the longer side, by one of each change."""
TRANSLATION, SIMILARITY, HOMOGRAPHY = 2, 4, 8
"""How many of the changes each motion has."""
# The ways in which a transform changes, in coordinates from -1 to 1 along the longer side: two shifts, turn, size,
# stretch, shear, and two vanishing lines.
_CHANGES = (
    ((0, 0, 1), (0, 0, 0), (0, 0, 0)),
    ((0, 0, 0), (0, 0, 1), (0, 0, 0)),
    ((0, -1, 0), (1, 0, 0), (0, 0, 0)),
    ((1, 0, 0), (0, 1, 0), (0, 0, 0)),
    ((1, 0, 0), (0, -1, 0), (0, 0, 0)),
    ((0, 1, 0), (1, 0, 0), (0, 0, 0)),
    ((0, 0, 0), (0, 0, 0), (1, 0, 0)),
    ((0, 0, 0), (0, 0, 0), (0, 1, 0)),
)
# What nothing in the picture determines stays as it was: this part of what an average change is determined by.
_INERTIA = 1e-4
_STEPS = 25
_LONGEST_STEP, _SHORTEST_STEP_PX = 0.1, 0.01
_LEAST_SEEN = 0.2
# Tukey's biweight ends at four deviations.
_OUTLIER = 4.0
_LEAST_GAIN, _MOST_GAIN = 0.5, 2.0


@dataclass(frozen=True, eq=False)
class ToneFit:
    """``matrix``: plate to clean plate, of a level. ``weights``: 0..1 per pixel. ``variance``: of the changes,
    infinite where nothing says one of them."""

    matrix: Matrix
    weights: Float32
    variance: Matrix


def fitted(level: ToneLevel, matrix: Matrix, freedom: int) -> ToneFit | None:
    """Gauss-Newton from ``matrix``, a transform of the level; ``freedom``: how many of the changes are allowed.
    None where the clean plate leaves the picture."""
    height, width = level.plate.shape
    to_unit = _unit(height, width)
    moves = moves_of(height, width, freedom)
    for _ in range(_STEPS):
        behind = warped(level.clean, matrix, (height, width))
        seen = _inner(np.isfinite(behind))
        if seen.mean() < _LEAST_SEEN:
            return None
        filled = np.where(np.isfinite(behind), behind, np.float32(0))
        gain, residual, deviation, weights = _residual(level.plate, filled, seen)
        slope = [gain * max(height, width) / 2 * slope_of(filled, axis) for axis in (1, 0)]
        columns = [slope[0] * across + slope[1] * down for across, down in moves]
        jacobian = np.stack([*columns, filled, np.ones_like(filled)], -1)[seen].astype(np.float64)
        weighted = jacobian * weights[seen][:, None]
        normal = weighted.T @ jacobian
        inertia = _INERTIA * np.trace(normal[:freedom, :freedom]) / freedom if freedom > TRANSLATION else 0.0
        normal[range(freedom), range(freedom)] += inertia
        normal += 1e-9 * np.eye(len(normal))
        step = np.linalg.solve(normal, weighted.T @ residual[seen])[:freedom]
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
        change = np.eye(3) + sum(size * np.array(way) for size, way in zip(step, _CHANGES, strict=False))
        matrix = matrix @ np.linalg.inv(to_unit) @ change @ to_unit
        matrix = matrix / matrix[2, 2]
        if np.abs(step).max() * max(height, width) / 2 < _SHORTEST_STEP_PX:
            break
    # Grain has slopes too, which say nothing of the movement.
    of_grain = level.grain_slopes * (gain * max(height, width) / 2) ** 2
    known = normal[:freedom, :freedom] - of_grain * _inner_products(moves, weights)
    return ToneFit(matrix=matrix, weights=weights, variance=_inverse(known) * PIXELS_OF_GRAIN * deviation**2)


def _inner_products(moves: Moves, weights: Float32) -> Matrix:
    """The products of each two changes' movements, across and down, summed over the pixels."""
    flat = [np.stack([move[axis].ravel() for move in moves], 1).astype(np.float64) for axis in (0, 1)]
    return np.asarray(sum((one * weights.reshape(-1, 1)).T @ one for one in flat), np.float64)


def _inverse(known: Matrix) -> Matrix:
    """The inverse of what is known of the changes; infinite where nothing is known of one of them."""
    values, ways = np.linalg.eigh(known)
    if values.min() <= 0:
        return np.full(known.shape, np.inf)
    return np.asarray((ways / values) @ ways.T, np.float64)


def _residual(plate: Float32, behind: Float32, seen: Mask) -> tuple[float, Float32, float, Float32]:
    """The clean plate's gain, the plate without the clean plate with gain and offset, its deviation, and each
    pixel's weight."""
    gain, offset = 1.0, float(np.median((plate - behind)[seen]))
    for _ in range(3):
        residual = plate - (gain * behind + offset)
        weights = _weighed(residual, seen)[1]
        gain, offset = lit_alike(plate, behind, weights)
    residual = plate - (gain * behind + offset)
    return gain, residual, *_weighed(residual, seen)


def _weighed(residual: Float32, seen: Mask) -> tuple[float, Float32]:
    deviation = max(1.4826 * float(np.median(np.abs(residual[seen]))), LEAST_DEVIATION)
    near = np.maximum(1 - (residual / np.float32(_OUTLIER * deviation)) ** 2, 0) ** 2
    return deviation, np.where(seen, near, np.float32(0))


def lit_alike(plate: Float32, behind: Float32, weights: Float32) -> tuple[float, float]:
    """Gain and offset of the clean plate's tone, by weighted least squares."""
    total = max(float(weights.sum()), 1e-9)
    means = [float((weights * part).sum()) / total for part in (plate, behind)]
    spread = float((weights * (behind - means[1]) ** 2).sum())
    common = float((weights * (behind - means[1]) * (plate - means[0])).sum())
    gain = min(max(common / spread, _LEAST_GAIN), _MOST_GAIN) if spread > 1e-6 else 1.0
    return gain, means[0] - gain * means[1]


def _inner(seen: Mask) -> Mask:
    """Without its outermost pixels, which have no slope."""
    return np.asarray(cv2.erode(seen.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) > 0)


def slope_of(picture: Float32, axis: int) -> Float32:
    """The picture's slope per pixel, down (0) or across (1)."""
    return np.asarray(cv2.Sobel(picture, -1, axis, 1 - axis, scale=1 / 8), np.float32)


def _unit(height: int, width: int) -> Matrix:
    """Array coordinates to those from -1 to 1 along the longer side."""
    half = max(height, width) / 2
    return np.array([[1 / half, 0, (1 - width) / 2 / half], [0, 1 / half, (1 - height) / 2 / half], [0, 0, 1]])


def moves_of(height: int, width: int, freedom: int) -> Moves:
    """The movements of the first ``freedom`` changes in a picture of this size."""
    half = max(height, width) / 2
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = (across - (width - 1) / 2) / half, (down - (height - 1) / 2) / half
    moves = []
    for first, second, third in np.array(_CHANGES[:freedom], np.float32):
        away = third[0] * x + third[1] * y
        moves.append(
            (
                np.asarray(first[0] * x + first[1] * y + first[2] - x * away, np.float32),
                np.asarray(second[0] * x + second[1] * y + second[2] - y * away, np.float32),
            )
        )
    return moves
