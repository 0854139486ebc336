"""The movement that SIFT features of two pictures agree on (Lowe 2004; MAGSAC++, Barath et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .alignment_features import AlignmentFeatures
from .image import Float32
from .motion_fit import FEWEST_POINTS, Matrix
from .tracking import PointPairs
from .window import enlarged

Indices = npt.NDArray[np.intp]
_WORKING_SIDE = 1000
_MATCH_RATIO = 0.8
_COARSE_THRESHOLD_PX = 3.0


@dataclass(frozen=True, eq=False)
class FeatureFit:
    """What features say: a homography, clean to plate, and the pairs of places that it was found from, all of them
    in array coordinates at full size."""

    transform: Matrix
    pairs: PointPairs


def coarse_fit(plate: AlignmentFeatures, clean: AlignmentFeatures) -> FeatureFit | str:
    """A homography from features at the working size; or why there is none."""
    scale = min(1.0, _WORKING_SIDE / max(*plate.grey.shape, *clean.grey.shape))
    (plate_points, plate_words), (clean_points, clean_words) = plate.features(scale), clean.features(scale)
    if min(len(plate_words), len(clean_words)) < FEWEST_POINTS:
        return "the pictures have too few details to compare."
    clean_found, plate_found = _matches(clean_words, plate_words)
    if len(clean_found) < FEWEST_POINTS:
        return "too few of its details are found again in the plate."
    source, target = clean_points[clean_found], plate_points[plate_found]
    cv2.setRNGSeed(1)
    found, mask = cv2.findHomography(
        source, target, cv2.USAC_MAGSAC, _COARSE_THRESHOLD_PX, maxIters=5000, confidence=0.9999
    )
    if found is None or int(mask.sum()) < FEWEST_POINTS or not is_sane(np.asarray(found, np.float64)):
        return "the details found again do not agree on one movement."
    up = enlarged(1 / scale, 1 / scale)
    pairs = tuple(cv2.perspectiveTransform(points[None], up)[0] for points in (source, target))
    transform = np.asarray(up @ found @ np.linalg.inv(up), np.float64)
    return FeatureFit(transform=transform, pairs=(pairs[0], pairs[1]))


def _matches(clean: Float32, plate: Float32) -> tuple[Indices, Indices]:
    """Pairs that are each other's best and clearly better than the second best (Lowe 2004, section 7.1): where
    they stand among the clean plate's, and among the plate's. One matrix product compares everything with
    everything."""
    distance = (clean**2).sum(1)[:, None] + (plate**2).sum(1)[None, :]
    # In place: fresh memory for each step would cost as much as the step.
    distance -= 2.0 * clean @ plate.T
    np.sqrt(np.maximum(distance, 0.0, out=distance), out=distance)
    there, back = distance.argmin(axis=1), distance.argmin(axis=0)
    own = np.arange(len(clean))
    best = distance[own, there]
    # The second best is the best of the others.
    distance[own, there] = np.inf
    good = (best < _MATCH_RATIO * distance.min(axis=1)) & (back[there] == own)
    return own[good], there[good]


def is_sane(matrix: Matrix) -> bool:
    """Two views of one scene from nearly one place: no mirror, no collapse, hardly any vanishing line."""
    area = float(np.linalg.det(matrix[:2, :2]))
    return 0.1 < area < 10.0 and bool(np.all(np.abs(matrix[2, :2]) < 2e-3))
