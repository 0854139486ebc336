"""Tracks points from the clean plate into the plate and back (Lucas-Kanade), to a fraction of a pixel.

Points on the subject drop out, because what the subject covers does not look like the clean plate there.
"""

from __future__ import annotations

import cv2
import numpy as np

from .alignment_features import AlignmentFeatures, Points, corners_of, well_inside
from .image import Float32, Grey, Mask
from .motion_fit import FEWEST_POINTS, Matrix

PointPairs = tuple[Points, Points]
"""Places in one picture and in another, n x 2 each."""
_BACK_AND_FORTH_PX = 0.5
# The surroundings of a point, this many pixels each way, must correlate by at least this much in both pictures.
_AROUND, _LEAST_CORRELATION = 10, 0.8
# Rows of a picture that are looked at together; and those beyond them that surroundings reach, one for rounding.
_STRIP, _MARGIN = 64, _AROUND + 2


def track(plate: Grey, clean: AlignmentFeatures, toned: Grey, coarse: Matrix, most: int) -> PointPairs:
    """At most ``most`` points of the clean plate and their places in the plate, in array coordinates.

    ``toned`` is the clean plate in the plate's tone. It is warped by ``coarse`` first, so that tracking only has to
    find the small movement that is left."""
    if toned.shape == plate.shape and np.array_equal(coarse, np.eye(3)):
        # The corners of an unmoved clean plate are the same for every frame.
        return follow_back_and_forth(toned, plate, clean.corners(most))
    height, width = plate.shape
    warped = np.asarray(cv2.warpPerspective(toned, coarse, (width, height), flags=cv2.INTER_CUBIC), np.uint8)
    whole = np.full_like(toned, 255)
    seen = np.asarray(cv2.warpPerspective(whole, coarse, (width, height), flags=cv2.INTER_NEAREST), np.uint8)
    start, end = follow_back_and_forth(warped, plate, corners_of(warped, well_inside(seen), most))
    if not len(start):
        return start, end
    source = cv2.perspectiveTransform(start[None].astype(np.float64), np.linalg.inv(coarse))[0]
    return source.astype(np.float32), end


def follow_back_and_forth(first: Grey, second: Grey, start: Points) -> PointPairs:
    """The points that are tracked to the second picture and back to where they began, with similar surroundings in
    both pictures; and their places in the second."""
    if len(start) < FEWEST_POINTS:
        return start[:0], start[:0]
    end, found = _followed(first, second, start)
    back, found_back = _followed(second, first, end)
    good = found & found_back & (np.linalg.norm(back - start, axis=1) < _BACK_AND_FORTH_PX)
    start, end = start[good], end[good]
    alike = _alike(first, second, start, end)
    return start[alike], end[alike]


def _followed(first: Grey, second: Grey, points: Points) -> tuple[Points, Mask]:
    """The places of the first picture's points in the second, and whether each was found (Lucas-Kanade)."""
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 0.003)
    there, ok, _ = cv2.calcOpticalFlowPyrLK(
        first, second, points[:, None], np.zeros_like(points[:, None]), winSize=(21, 21), maxLevel=3, criteria=stop
    )
    return np.asarray(there, np.float32).reshape(-1, 2), np.asarray(ok).ravel() > 0


def _alike(first: Grey, second: Grey, here: Points, there: Points) -> Mask:
    """Whether the surroundings of each pair of points correlate; behind the subject they do not."""
    if not len(here):
        return np.zeros(0, bool)
    correlation = (_surroundings(first, here) * _surroundings(second, there)).sum(axis=1)
    return np.asarray(correlation > _LEAST_CORRELATION)


def _surroundings(picture: Grey, points: Points) -> Float32:
    """What lies around each point, a row of numbers each, without their mean and of length 1."""
    y, x = np.mgrid[-_AROUND : _AROUND + 1 : 2, -_AROUND : _AROUND + 1 : 2].astype(np.float32)
    map_x = (points[:, 0, None] + x.ravel()).astype(np.float32)
    map_y = (points[:, 1, None] + y.ravel()).astype(np.float32)
    found = np.empty_like(map_x)
    # In strips: the whole of a 4K picture in single precision costs more memory and time than all else here.
    strip = np.clip(points[:, 1], 0, len(picture) - 1).astype(np.intp) // _STRIP
    for number in np.unique(strip).tolist():
        inside = strip == number
        top = max(0, number * _STRIP - _MARGIN)
        rows = picture[top : (number + 1) * _STRIP + _MARGIN].astype(np.float32)
        # Whole rows less: the places' fractions stay as they are, to the last bit.
        found[inside] = cv2.remap(
            rows, map_x[inside], map_y[inside] - top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    centred = found - found.mean(axis=1, keepdims=True)
    return np.asarray(centred / (np.linalg.norm(centred, axis=1, keepdims=True) + 1e-3), np.float32)
