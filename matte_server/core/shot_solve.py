"""The plate solve of a whole shot: whether the camera is locked, and what helps a frame that could not be measured.

A locked camera's alignments are repeated measurements of one alignment: their median is better than each of them. A
moving camera's may leap from frame to frame (a kick, a doubled frame, animation on threes), so a frame that was
measured well is believed. Neighbours only say where to look in a frame that was not, and what is found there is
measured on that frame.

Alignments are compared by where they put the corners of the clean plate, in plate pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from .align import LEAST_AGREEING, Alignment, agreeing, is_measured
from .exposure import UNMATCHED
from .motion_fit import Matrix
from .window import Window

Corners = npt.NDArray[np.float64]

REPAIRED = "The clean plate's alignment was taken"
"""The warning of a repaired alignment begins with this."""
REACH = 2
"""A frame's solve depends on at most this many frames before it, and as many after it."""
_NEAR = 4
"""A neighbour lies at most this many frame numbers away."""
# A part of the picture's longer side: the scatter of repeated measurements of one transform (1 px at HD, some three
# times the median residual of a good fit).
_SAME = 5e-4
_AGREEING = 0.75
_MEASURED = 0.5
"""The part of the samples that must be measured to tell whether a camera is locked. The others say nothing, and
each frame is compared with the lock."""
# A frame's own measurement that reaches these, and LEAST_AGREEING, is believed, whatever its neighbours suggest.
_LEAST_INLIERS, _MOST_RESIDUAL_PX = 0.5, 1.0
_SAME_GAIN = 0.01


def is_sure(alignment: Alignment) -> bool:
    """Whether a frame's own measurement needs no help: enough of its points agree, closely."""
    fits = alignment.inliers >= _LEAST_INLIERS and alignment.residual_px <= _MOST_RESIDUAL_PX
    return is_measured(alignment) and fits and agreeing(alignment) >= LEAST_AGREEING


def corners(transform: Matrix, clean: Window) -> Corners:
    """The clean plate's four corners in plate coordinates, 4 x 2: top left, then clockwise."""
    left, top, right, bottom = clean.x, clean.y, clean.right, clean.bottom
    outline = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    return np.asarray(cv2.perspectiveTransform(outline[None], transform)[0], np.float64)


def transform_from_corners(places: Corners, clean: Window) -> Matrix:
    """The transform that moves the clean plate's corners to ``places``: the inverse of :func:`corners`."""
    start = corners(np.eye(3), clean).astype(np.float32)
    found = cv2.getPerspectiveTransform(start, places.astype(np.float32))
    return _refined(np.asarray(found, np.float64), start.astype(np.float64), places)


def _refined(matrix: Matrix, start: Corners, places: Corners) -> Matrix:
    """The homography from ``start`` to ``places`` in double precision, by eight linear equations; ``matrix`` where
    they have no single solution."""
    rows = []
    for (x, y), (u, v) in zip(start, places, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solved, _, rank, _ = np.linalg.lstsq(np.array(rows), places.reshape(-1), rcond=None)
    return matrix if rank < 8 else np.append(solved, 1.0).reshape(3, 3)


def locked_alignment(estimates: Sequence[Alignment], clean: Window, known_locked: bool = False) -> Alignment | None:
    """The one alignment of a locked camera from several frames' estimates.

    None where the estimates differ, or where too few of them were measured to tell. With ``known_locked`` (the
    artist says so) they are not compared: the result is the median of the measured ones, or of all where none was
    measured, and None only without estimates."""
    good = [estimate for estimate in estimates if is_measured(estimate)]
    if known_locked:
        return _middle(good or estimates, clean) if estimates else None
    if len(good) < 2 or len(good) < _MEASURED * len(estimates):
        return None
    places = np.stack([corners(estimate.transform, clean) for estimate in good])
    middle = np.median(places, axis=0)
    away = np.linalg.norm(places - middle, axis=2).max(axis=1)
    near = away <= _SAME * max(clean.width, clean.height)
    if near.sum() < max(2, _AGREEING * len(good)):
        return None
    chosen = [estimate for estimate, is_near in zip(good, near, strict=True) if is_near]
    return _middle(chosen, clean)


def is_same_place(one: Alignment, other: Alignment, clean: Window) -> bool:
    """Whether two alignments put the clean plate's corners to the same places, within measuring error."""
    return apart_px(one, other, clean) <= _SAME * max(clean.width, clean.height)


def apart_px(one: Alignment, other: Alignment, clean: Window) -> float:
    """The largest distance between where two alignments put a corner of the clean plate, in plate pixels."""
    away = corners(one.transform, clean) - corners(other.transform, clean)
    return float(np.linalg.norm(away, axis=1).max())


def _middle(chosen: Sequence[Alignment], clean: Window) -> Alignment:
    kinds = [estimate.kind for estimate in chosen]
    # The most frequent kind, the simplest of equally frequent ones. 'none' is exact and needs no median.
    kind = max(("none", "translation", "homography"), key=kinds.count)
    of_kind = [estimate for estimate in chosen if estimate.kind == kind]
    if kind == "none":
        transform = of_kind[0].transform
    elif kind == "translation":
        transform = np.median([estimate.transform for estimate in of_kind], axis=0)
    else:
        transform = transform_from_corners(
            np.median([corners(one.transform, clean) for one in chosen], axis=0), clean
        )
    return Alignment(
        transform=np.asarray(transform, np.float64),
        kind=kind,
        inliers=float(np.median([estimate.inliers for estimate in chosen])),
        residual_px=float(np.median([estimate.residual_px for estimate in chosen])),
        points=int(np.median([estimate.points for estimate in chosen])),
        gain=_median_of([estimate.gain for estimate in _matched(chosen)]),
        offset=_median_of([estimate.offset for estimate in _matched(chosen)]),
        warnings=tuple(sorted(set.intersection(*(set(estimate.warnings) for estimate in chosen)))),
    )


def _median_of(values: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    middle = np.median(np.array(values, np.float64), axis=0)
    return float(middle[0]), float(middle[1]), float(middle[2])


def is_matched(alignment: Alignment) -> bool:
    """Whether nothing says that the exposure of ``alignment`` could not be measured."""
    return not any(warning.startswith(UNMATCHED) for warning in alignment.warnings)


def same_exposure(estimates: Sequence[Alignment]) -> bool:
    """Whether three quarters of the gains that were matched lie within 1 % of their median, which grain and the
    subject explain. The others are single frames of another light."""
    gains = [estimate.gain for estimate in _matched(estimates)]
    middle = _median_of(gains)
    return bool(np.mean([_is_near_gain(gain, middle) for gain in gains]) >= _AGREEING)


def _matched(estimates: Sequence[Alignment]) -> Sequence[Alignment]:
    """Those whose exposure was matched, all where it was in none."""
    return [estimate for estimate in estimates if is_matched(estimate)] or estimates


def is_same_light(one: Alignment, other: Alignment) -> bool:
    """Whether the gain of ``one`` lies within 1 % of that of ``other``."""
    return _is_near_gain(one.gain, other.gain)


def _is_near_gain(gain: tuple[float, float, float], middle: tuple[float, float, float]) -> bool:
    return all(abs(one - other) <= _SAME_GAIN * other for one, other in zip(gain, middle, strict=True))


def neighbours(frame: int, frames: Sequence[int]) -> tuple[int, ...]:
    """The frames that the solve of ``frame`` depends on, without itself; ``frames`` is sorted and contains it."""
    at = frames.index(frame)
    around = frames[max(0, at - REACH) : at + REACH + 1]
    return tuple(other for other in around if other != frame and abs(other - frame) <= _NEAR)


@dataclass(frozen=True, eq=False)
class Expectation:
    """Where a frame's clean plate should lie, as other frames suggest: ``transform`` is clean-plate to plate
    coordinates, ``source`` names those frames in a sentence."""

    transform: Matrix
    source: str


def expected_between(frame: int, around: Mapping[int, Alignment], clean: Window) -> Expectation | None:
    """What the nearest frames before and after a frame suggest for it, of those in ``around`` (alignments by frame
    number) that are sure: their corners interpolated, or those of the only one. None where none is sure."""
    sure = {at: alignment for at, alignment in around.items() if is_sure(alignment)}
    before, after = [at for at in sure if at < frame], [at for at in sure if at > frame]
    if not sure:
        return None
    if not before or not after:
        only = max(before) if before else min(after)
        return Expectation(transform=sure[only].transform, source=f"frame {only}")
    first, last = max(before), min(after)
    part = (frame - first) / (last - first)
    here, there = corners(sure[first].transform, clean), corners(sure[last].transform, clean)
    places = np.asarray((1.0 - part) * here + part * there, np.float64)
    return Expectation(transform=transform_from_corners(places, clean), source=f"frames {first} and {last}")


def best_supported(own: Alignment, helped: Alignment | None, expected: Expectation) -> Alignment:
    """The better of two alignments of one frame, both measured on it: ``own`` from a search of its own, and
    ``helped`` from points tracked near what was expected. The one on which more points agree wins, its own where
    equally many do. Where neither was measured, the clean plate lies as expected, and a warning says so."""
    if helped is not None and agreeing(helped) > agreeing(own):
        warning = f"{REPAIRED} near that of {expected.source}, because this frame's own search did not fit."
        return replace(helped, warnings=(*helped.warnings, warning))
    if is_measured(own):
        return own
    warning = f"{REPAIRED} from {expected.source}, because nothing could be measured in this frame."
    return replace(own, transform=expected.transform, kind="homography", warnings=(warning,))
