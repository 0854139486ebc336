"""The plate solve of a whole shot: is the camera locked, and which frames' alignments are to be believed.

A locked camera's alignments are one alignment measured several times: their middle is better than each. A moving
camera's alignments follow their neighbours: one that leaps out while its neighbours agree is wrong, because the
camera cannot do that, and is put between them.

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

REPAIRED = "The clean plate's place was taken"
"""How the warning of a repaired alignment begins."""
REACH = 2
"""How many frames either way a frame's solve looks."""
_NEAR = 4
"""... and how far away, in frame numbers, a neighbour may be."""
# Of the picture's longer side: what measuring one transform again and again scatters by (1 px at HD, some three
# times the median residual of a good fit), and the least leap that counts as wrong (5 px at HD).
_SAME, _LEAP = 5e-4, 2.5e-3
_AGREEING = 0.75
_LEAP_BY_SCATTER = 6.0
_POOR_INLIERS, _POOR_RESIDUAL_PX = 0.5, 1.0
_SAME_GAIN = 0.03


def is_evidence(alignment: Alignment) -> bool:
    """Whether an estimate was made from points at all."""
    return alignment.points > 0 and not np.isnan(alignment.residual_px)


def corners(transform: Matrix, clean: Window) -> Corners:
    """Where the clean plate's four corners come to lie, in plate coordinates, 4 x 2."""
    left, top, right, bottom = clean.x, clean.y, clean.right, clean.bottom
    outline = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    return np.asarray(cv2.perspectiveTransform(outline[None], transform)[0], np.float64)


def through(places: Corners, clean: Window) -> Matrix:
    """The transform that puts the clean plate's corners there: the inverse of :func:`corners`."""
    start = corners(np.eye(3), clean).astype(np.float32)
    found = cv2.getPerspectiveTransform(start, places.astype(np.float32))
    return _refined(np.asarray(found, np.float64), start.astype(np.float64), places)


def _refined(matrix: Matrix, start: Corners, places: Corners) -> Matrix:
    """The same in double precision: eight linear equations."""
    rows = []
    for (x, y), (u, v) in zip(start, places, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solved, _, rank, _ = np.linalg.lstsq(np.array(rows), places.reshape(-1), rcond=None)
    return matrix if rank < 8 else np.append(solved, 1.0).reshape(3, 3)


def locked_alignment(estimates: Sequence[Alignment], clean: Window, said: bool = False) -> Alignment | None:
    """The one alignment of a locked camera out of several frames' estimates; None where they differ, or where too
    few of them stand on evidence to tell. ``said``: the artist knows that it is locked, so only those without
    any evidence at all, or that were not aligned by wish, leave nothing to choose from."""
    good = [estimate for estimate in estimates if is_evidence(estimate)]
    if said:
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
    # The simplest movement that most of them found; 'none' is exact, so it is taken as it is.
    kind = max(("none", "translation", "homography"), key=kinds.count)
    of_kind = [estimate for estimate in chosen if estimate.kind == kind]
    if kind == "none":
        transform = of_kind[0].transform
    elif kind == "translation":
        transform = np.median([estimate.transform for estimate in of_kind], axis=0)
    else:
        transform = through(np.median([corners(one.transform, clean) for one in chosen], axis=0), clean)
    return Alignment(
        np.asarray(transform, np.float64),
        kind,
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
    """Whether one gain serves all: they differ by less than 3 per cent, which grain and the subject explain."""
    gains = np.array([estimate.gain for estimate in estimates], np.float64)
    return bool(np.all(np.ptp(gains, axis=0) <= _SAME_GAIN * np.median(gains, axis=0)))


def neighbours(frame: int, frames: Sequence[int]) -> tuple[int, ...]:
    """The frames that frame's solve depends on, itself left out; ``frames`` is sorted and holds it."""
    at = frames.index(frame)
    around = frames[max(0, at - REACH) : at + REACH + 1]
    return tuple(other for other in around if other != frame and abs(other - frame) <= _NEAR)


def believed(frame: int, own: Alignment, around: Mapping[int, Alignment], clean: Window) -> Alignment:
    """A moving camera's alignment in one frame: its own estimate, or where that leaps out, what its neighbours
    say, with a warning. ``around`` holds the neighbours' own estimates by frame."""
    good = {at: estimate for at, estimate in around.items() if is_evidence(estimate)}
    before = [at for at in good if at < frame]
    after = [at for at in good if at > frame]
    if not good or (is_evidence(own) and not (before and after)):
        return own
    expected = _between(frame, before, after, good, clean)
    if is_evidence(own) and not _leaps(own, expected, before, after, good, clean):
        return own
    used = ([max(before)] if before else []) + ([min(after)] if after else [])
    words = " and ".join(str(at) for at in used)
    plural = "frames" if len(used) > 1 else "frame"
    parents = [good[at] for at in used]
    return replace(
        own,
        transform=through(expected, clean),
        kind="homography",
        inliers=min(parent.inliers for parent in parents),
        residual_px=max(parent.residual_px for parent in parents),
        points=min(parent.points for parent in parents),
        gain=_median_of([parent.gain for parent in parents]),
        offset=_median_of([parent.offset for parent in parents]),
        warnings=(f"{REPAIRED} from {plural} {words}, because this frame's own did not fit.",),
    )


def _between(
    frame: int, before: Sequence[int], after: Sequence[int], good: Mapping[int, Alignment], clean: Window
) -> Corners:
    """Where the corners lie by the nearest neighbours: in a straight line between the two, or as the only one."""
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
    distance = float(np.linalg.norm(corners(own.transform, clean) - expected, axis=1).max())
    # How jerky the camera is: what lies beyond the nearest two, against the line through them.
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
