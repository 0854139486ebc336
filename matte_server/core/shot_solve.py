"""The plate solve of a whole shot: whether the camera is locked, and which frames' alignments are outliers.

A locked camera's alignments are repeated measurements of one alignment: their median is better than each of them. A
moving camera's alignments change smoothly: one that leaps out while its neighbours agree is wrong, because no
camera moves like that, and is interpolated from its neighbours.

Alignments are compared by where they put the corners of the clean plate, in plate pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from .align import Alignment
from .motion_fit import Matrix
from .window import Window

Corners = npt.NDArray[np.float64]

REPAIRED = "The clean plate's alignment was taken"
"""The warning of a repaired alignment begins with this."""
REACH = 2
"""A frame's solve depends on so many frames before it and after it."""
_NEAR = 4
"""A neighbour lies at most so many frame numbers away."""
# Parts of the picture's longer side: the scatter of repeated measurements of one transform (1 px at HD, some three
# times the median residual of a good fit), and the smallest leap that counts as an outlier (5 px at HD).
_SAME, _LEAP = 5e-4, 2.5e-3
_AGREEING = 0.75
_LEAP_BY_SCATTER = 6.0
_POOR_INLIERS, _POOR_RESIDUAL_PX = 0.5, 1.0
_SAME_GAIN = 0.03


def is_measured(alignment: Alignment) -> bool:
    """Whether an alignment was measured from tracked points."""
    return alignment.points > 0 and not np.isnan(alignment.residual_px)


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
    if len(good) < 2 or len(good) < _AGREEING * len(estimates):
        return None
    places = np.stack([corners(estimate.transform, clean) for estimate in good])
    middle = np.median(places, axis=0)
    away = np.linalg.norm(places - middle, axis=2).max(axis=1)
    near = away <= _SAME * max(clean.width, clean.height)
    if near.sum() < max(2, _AGREEING * len(good)):
        return None
    chosen = [estimate for estimate, is_near in zip(good, near, strict=True) if is_near]
    return _middle(chosen, clean)


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
        gain=_median_of([estimate.gain for estimate in chosen]),
        offset=_median_of([estimate.offset for estimate in chosen]),
        warnings=tuple(sorted(set.intersection(*(set(estimate.warnings) for estimate in chosen)))),
    )


def _median_of(values: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    middle = np.median(np.array(values, np.float64), axis=0)
    return float(middle[0]), float(middle[1]), float(middle[2])


def same_exposure(estimates: Sequence[Alignment]) -> bool:
    """Whether all gains are the same within 3 %, which grain and the subject explain."""
    gains = np.array([estimate.gain for estimate in estimates], np.float64)
    return bool(np.all(np.ptp(gains, axis=0) <= _SAME_GAIN * np.median(gains, axis=0)))


def neighbours(frame: int, frames: Sequence[int]) -> tuple[int, ...]:
    """The frames that the solve of ``frame`` depends on, without itself; ``frames`` is sorted and contains it."""
    at = frames.index(frame)
    around = frames[max(0, at - REACH) : at + REACH + 1]
    return tuple(other for other in around if other != frame and abs(other - frame) <= _NEAR)


def repair_outlier(frame: int, own: Alignment, around: Mapping[int, Alignment], clean: Window) -> Alignment:
    """A moving camera's alignment in one frame: its ``own`` estimate, or one interpolated from its neighbours, with
    a warning, where its own is an outlier or was not measured. ``around``: the neighbours' own estimates by
    frame."""
    good = {at: estimate for at, estimate in around.items() if is_measured(estimate)}
    before = [at for at in good if at < frame]
    after = [at for at in good if at > frame]
    if not good or (is_measured(own) and not (before and after)):
        return own
    expected = _between(frame, before, after, good, clean)
    if is_measured(own) and not _leaps(own, expected, before, after, good, clean):
        return own
    used = ([max(before)] if before else []) + ([min(after)] if after else [])
    numbers = " and ".join(str(at) for at in used)
    noun = "frames" if len(used) > 1 else "frame"
    sources = [good[at] for at in used]
    return replace(
        own,
        transform=transform_from_corners(expected, clean),
        kind="homography",
        inliers=min(source.inliers for source in sources),
        residual_px=max(source.residual_px for source in sources),
        points=min(source.points for source in sources),
        gain=_median_of([source.gain for source in sources]),
        offset=_median_of([source.offset for source in sources]),
        warnings=(f"{REPAIRED} from {noun} {numbers}, because this frame's own did not fit.",),
    )


def _between(
    frame: int, before: Sequence[int], after: Sequence[int], good: Mapping[int, Alignment], clean: Window
) -> Corners:
    """The corners interpolated between the nearest neighbours before and after; those of the only one where there
    is no other."""
    if not before or not after:
        return corners(good[max(before) if before else min(after)].transform, clean)
    first, last = max(before), min(after)
    part = (frame - first) / (last - first)
    here, there = corners(good[first].transform, clean), corners(good[last].transform, clean)
    return np.asarray((1.0 - part) * here + part * there, np.float64)


def _leaps(
    own: Alignment,
    expected: Corners,
    before: Sequence[int],
    after: Sequence[int],
    good: Mapping[int, Alignment],
    clean: Window,
) -> bool:
    """Whether ``own`` lies further from the interpolated corners than the camera's own jerkiness explains."""
    distance = float(np.linalg.norm(corners(own.transform, clean) - expected, axis=1).max())
    # The camera's jerkiness: how far the other neighbours lie from the line through the nearest two.
    first, last = max(before), min(after)
    here, there = corners(good[first].transform, clean), corners(good[last].transform, clean)
    jerks = [
        float(np.linalg.norm(corners(good[at].transform, clean) - here - (there - here) * part, axis=1).max())
        for at in good
        if at not in (first, last)
        for part in [(at - first) / (last - first)]
    ]
    poor = own.inliers < _POOR_INLIERS or own.residual_px > _POOR_RESIDUAL_PX
    least = _LEAP * max(clean.width, clean.height) * (0.4 if poor else 1.0)
    return distance > max(least, _LEAP_BY_SCATTER * float(np.median(jerks)) if jerks else 0.0)
