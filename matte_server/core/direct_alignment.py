"""Aligns two pictures by their brightness alone: for sets out of focus, or bare but for a few edges.

The transform that makes the clean plate look like the plate is found on small copies, from coarse to fine; what
the subject covers is an outlier there (:mod:`.tone_fit`). Then the simplest motion that fits as well is taken.

Coordinates are those of the pictures' arrays: pixel centres, x then y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .alignment_features import Points
from .image import Float32, Mask
from .motion_fit import Matrix
from .tone_fit import HOMOGRAPHY, SIMILARITY, TRANSLATION, ToneFit, fitted, lit_alike, moves_of
from .tone_level import ToneLevel, bounded, reduced_pair, tone_level, warped

# The longer side of the small copies, and what may change there. With homographies on all, from 48 pixels on,
# a subject over a third of the picture bent them.
_COARSE = ((96, (TRANSLATION,)), (192, (TRANSLATION, SIMILARITY)))
_FINE = (384, (SIMILARITY, HOMOGRAPHY))
# Where the focus differs, the sharper picture is blurred by so many pixels of the finest copies. Another sharpness
# than the pictures' own is taken where it makes a tenth more of the cells alike.
_SOFTER = (0.0, 0.0), *((0.0, px) for px in (2.0, 4.0, 8.0)), *((px, 0.0) for px in (2.0, 4.0, 8.0))
_CLEARLY_MORE = 1.1
# Cells of this many pixels are compared, each with the 25 x 25 pixels around it.
_CELL = 12
# A cell with so many deviations of noise has something to compare; of those some correlate by chance.
_TEXTURED, _AGREES, _RESEMBLES = 4.0, 0.9, 0.5
# A simpler motion is taken where it raises the residual's deviation by less than a quarter: what it leaves of the
# movement is then less than the noise. Without movement, a homography fits better by up to a tenth, and by a fifth
# where the focus differs; a movement of 7 px in 1280 is worth half as much again at least.
_AS_GOOD = 1.25
# What is measured is no movement where it is less than this, in pixels of the plate, or than two standard errors.
_UNSEEN_PX, _UNSEEN_ERRORS = 0.3, 2.0


@dataclass(frozen=True, eq=False)
class DirectFit:
    """What was found, and what speaks for it.

    ``transform``: clean plate to plate, 3 x 3. ``kind``: none, translation or homography. ``places``: the middles
    of the plate's cells that show what the clean plate shows there, n x 2. ``resembling``: how many cells at least
    resemble it. ``error_px``: the largest standard error that noise leaves in the plate's corners and middle, in
    its pixels; infinite where nothing says one of the changes.
    """

    transform: Matrix
    kind: str
    places: Points
    resembling: int
    error_px: float


def align_directly(plate: Float32, clean: Float32, start: Matrix, mode: str) -> DirectFit | None:
    """The transform from ``clean`` to ``plate``, brightness h x w, scene-linear, that makes them alike, within a
    quarter of the picture from ``start``; ``mode``: translation, homography, or auto for the simplest that fits.
    None where the clean plate leaves the picture. Whether the fit is to be believed is the caller's to say."""
    lights = bounded(plate), bounded(clean)
    fullest = TRANSLATION if mode == "translation" else HOMOGRAPHY
    unmoved = matrix = np.asarray(np.linalg.inv(start), np.float64)
    for side, freedoms in _COARSE:
        near = _refined(
            tone_level(reduced_pair(*lights, side, start)), matrix, [one for one in freedoms if one <= fullest]
        )
        if near is None:
            return None
        matrix = near
    pair = reduced_pair(*lights, _FINE[0], start)
    levels = [tone_level(pair, softer) for softer in _SOFTER]
    allowed = [one for one in _FINE[1] if one <= fullest]
    finest, found = _on_sharpest(levels, matrix, allowed)
    if found is not None and finest is not levels[0]:
        # Blur also hides what the coarser copies left of the movement.
        finest, found = _on_sharpest(levels, found, allowed)
    return None if found is None else _chosen(finest, unmoved, found, mode)


def _on_sharpest(
    levels: Sequence[ToneLevel], matrix: Matrix, freedoms: Sequence[int]
) -> tuple[ToneLevel, Matrix | None]:
    """The level in which both pictures are about as sharp, and ``matrix`` refined on it."""
    level = _as_sharp(levels, matrix)
    return level, _refined(level, matrix, freedoms)


def _as_sharp(levels: Sequence[ToneLevel], matrix: Matrix) -> ToneLevel:
    """The level in which both pictures are about as sharp: the first, unless another makes clearly more cells
    alike. ``matrix``: plate to clean plate, roughly."""
    alike = [int(_agreeing(_compared(level, level.small(matrix))).sum()) for level in levels]
    best = int(np.argmax(alike))
    return levels[best] if alike[best] > _CLEARLY_MORE * alike[0] else levels[0]


def _refined(level: ToneLevel, matrix: Matrix, freedoms: Sequence[int]) -> Matrix | None:
    """``matrix``, plate to clean plate, refined on a level, first by few changes and then by more."""
    small = level.small(matrix)
    for freedom in freedoms:
        fit = fitted(level, small, freedom)
        if fit is None:
            return None
        small = fit.matrix
    return level.full(small)


def _chosen(level: ToneLevel, unmoved: Matrix, found: Matrix, mode: str) -> DirectFit | None:
    """The simplest motion that fits as well as ``found``, and how well the pictures agree there."""
    full = ("translation", TRANSLATION) if mode == "translation" else ("homography", HOMOGRAPHY)
    best = fitted(level, level.small(found), full[1])
    if best is None:
        return None
    kind, matrix, variance = full[0], best.matrix, best.variance
    if mode == "auto":
        most = _AS_GOOD * _error(level, best.matrix, best.weights)
        for simpler in _simpler(level, level.small(unmoved), best):
            if _error(level, simpler[1], best.weights) <= most:
                kind, matrix, variance = simpler
                break
    cells = _compared(level, matrix)
    return DirectFit(
        transform=np.asarray(np.linalg.inv(level.full(matrix)), np.float64),
        kind=kind,
        places=_on_plate(cells.middles[_agreeing(cells)], level),
        resembling=int((cells.textured & (cells.correlation > _RESEMBLES)).sum()),
        error_px=_largest_error(variance, level),
    )


def _simpler(level: ToneLevel, start: Matrix, best: ToneFit) -> list[tuple[str, Matrix, Matrix]]:
    """No motion, where a shift is not measured to be one, and a shift, the simplest first: kind, transform and
    variance. What a shift is known by also tells that there is none."""
    moved = fitted(level, _shifted_alike(start, best.matrix, level.plate.shape), TRANSLATION)
    if moved is None:
        return []
    unmoved, shift = ("none", start, moved.variance), ("translation", moved.matrix, moved.variance)
    # A fraction of a pixel's movement raises the residual of grainy pictures by little.
    unseen_px = max(_UNSEEN_PX, _UNSEEN_ERRORS * _largest_error(moved.variance, level))
    is_unseen = _shift_px(level, start, moved.matrix) <= unseen_px
    fits = [_error(level, matrix, best.weights) for matrix in (start, moved.matrix)]
    return [unmoved, shift] if is_unseen or fits[0] <= fits[1] else [shift]


def _shift_px(level: ToneLevel, start: Matrix, matrix: Matrix) -> float:
    """How far the plate's middle lies from where ``start`` has it, in pixels of the plate."""
    middle = np.array([[[(level.plate.shape[1] - 1) / 2, (level.plate.shape[0] - 1) / 2]]])
    away = cv2.perspectiveTransform(middle, np.linalg.inv(start) @ matrix) - middle
    return float(np.linalg.norm(away) * level.plate_up[0, 0])


def _shifted_alike(start: Matrix, matrix: Matrix, shape: tuple[int, ...]) -> Matrix:
    """``start`` after the shift of the plate that puts the picture's middle where ``matrix`` does."""
    middle = np.array([[[(shape[1] - 1) / 2, (shape[0] - 1) / 2]]])
    there = cv2.perspectiveTransform(middle, np.linalg.inv(start) @ matrix)
    shift = np.eye(3)
    shift[:2, 2] = (there - middle)[0, 0]
    return np.asarray(start @ shift, np.float64)


def _on_plate(places: Points, level: ToneLevel) -> Points:
    if not len(places):
        return places
    return np.asarray(cv2.perspectiveTransform(places[None].astype(np.float64), level.plate_up)[0], np.float32)


def _error(level: ToneLevel, matrix: Matrix, weights: Float32) -> float:
    """The residual's weighted deviation with ``matrix``, where it sees the clean plate; infinite where it sees
    less than half of what the weights do."""
    behind = warped(level.clean, matrix, level.plate.shape)
    seen = np.isfinite(behind) & (weights > 0)
    if weights[seen].sum() < 0.5 * weights.sum():
        return float("inf")
    filled = np.where(seen, behind, np.float32(0))
    gain, offset = lit_alike(level.plate, filled, np.where(seen, weights, np.float32(0)))
    residual = level.plate - (gain * filled + offset)
    return float(np.sqrt(np.average(residual[seen] ** 2, weights=weights[seen])))


def _largest_error(variance: Matrix, level: ToneLevel) -> float:
    """The largest standard error of a place, in pixels of the plate, in the picture's corners and middle."""
    if not np.isfinite(variance).all():
        return float("inf")
    height, width = level.plate.shape
    moves = np.array(moves_of(height, width, len(variance)), np.float64)
    rows, columns = (0, 0, -1, -1, height // 2), (0, -1, 0, -1, width // 2)
    squares = [float(np.trace(here.T @ variance @ here)) for here in np.moveaxis(moves[:, :, rows, columns], -1, 0)]
    return float(max(squares) ** 0.5 * max(height, width) / 2 * level.plate_up[0, 0])


@dataclass(frozen=True, eq=False)
class _Cells:
    """The middles of the cells, n x 2; the correlation of what both pictures show around each, -1..1; and whether
    the clean plate has anything to compare there."""

    middles: Points
    correlation: Float32
    textured: Mask


def _agreeing(cells: _Cells) -> Mask:
    return np.asarray(cells.textured & (cells.correlation > _AGREES))


def _compared(level: ToneLevel, matrix: Matrix) -> _Cells:
    behind = warped(level.clean, matrix, level.plate.shape)
    filled = np.where(np.isfinite(behind), behind, np.float32(0))
    means = [_mean(part) for part in (level.plate, filled)]
    spreads = [
        np.maximum(_mean(part**2) - mean**2, 0) for part, mean in zip((level.plate, filled), means, strict=True)
    ]
    common = _mean(level.plate * filled) - means[0] * means[1]
    correlation = common / np.sqrt(np.maximum(spreads[0] * spreads[1], 1e-12))
    around = np.ones((2 * _CELL + 1,) * 2, np.uint8)
    whole = cv2.erode(np.isfinite(behind).astype(np.uint8), around, borderValue=0) > 0
    chosen = np.zeros(behind.shape, bool)
    chosen[_CELL::_CELL, _CELL::_CELL] = whole[_CELL::_CELL, _CELL::_CELL]
    down, across = np.nonzero(chosen)
    return _Cells(
        middles=np.stack([across, down], 1).astype(np.float32),
        correlation=np.asarray(correlation[chosen], np.float32),
        textured=np.asarray(np.sqrt(spreads[1][chosen]) > _TEXTURED * level.grain),
    )


def _mean(picture: Float32) -> Float32:
    return np.asarray(cv2.blur(picture, (2 * _CELL + 1,) * 2), np.float32)
