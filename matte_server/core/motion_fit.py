"""The camera movement that explains pairs of points: none, a translation or a homography.

Homographies are fitted with MAGSAC++ (Barath et al. 2020).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .alignment_features import Points
from .image import Float32
from .window import Window

Matrix = npt.NDArray[np.float64]
FEWEST_POINTS = 12
FEWEST_FOR_HOMOGRAPHY = 24
"""A homography has eight unknowns. Fitted to a dozen points it is off by ten pixels where there are none: in
a video of 352 x 288 from a locked camera, three of 19 frames with 12 to 16 points had one."""
FINE_THRESHOLD_PX = 1.5
# A simpler motion is taken where it explains the points as well as a homography within this many pixels.
_SIMPLER_PX = 0.12


def choose_motion(
    source: Points, target: Points, start: Matrix, coarse: Matrix, mode: str
) -> tuple[str, Matrix] | None:
    """Kind and transform of the simplest movement that explains the points; only of the kind ``mode`` unless that
    is auto. None where that is a homography and too few points agree on one."""
    candidates: list[tuple[str, Matrix]] = []
    if mode == "auto":
        candidates.append(("none", start))
    if mode in ("auto", "translation"):
        candidates.append(("translation", _translation(source, target, start)))
    if mode in ("auto", "homography"):
        homography = _homography(source, target, coarse)
        if (distances_px(homography, source, target) < FINE_THRESHOLD_PX).sum() >= FEWEST_FOR_HOMOGRAPHY:
            candidates.append(("homography", homography))
    if not candidates:
        return None
    scores = [float(np.median(distances_px(matrix, source, target))) for _, matrix in candidates]
    best = min(scores)
    return next(c for c, score in zip(candidates, scores, strict=True) if score <= best + _SIMPLER_PX)


def _translation(source: Points, target: Points, start: Matrix) -> Matrix:
    moved = cv2.perspectiveTransform(source[None].astype(np.float64), start)[0]
    offsets = target - moved
    middle = np.median(offsets, axis=0)
    near = np.linalg.norm(offsets - middle, axis=1) < FINE_THRESHOLD_PX
    if near.any():
        middle = offsets[near].mean(axis=0)
    return np.asarray(np.array([[1.0, 0.0, middle[0]], [0.0, 1.0, middle[1]], [0.0, 0.0, 1.0]]) @ start, np.float64)


def _homography(source: Points, target: Points, coarse: Matrix) -> Matrix:
    cv2.setRNGSeed(1)
    found, mask = cv2.findHomography(
        source, target, cv2.USAC_MAGSAC, FINE_THRESHOLD_PX, maxIters=5000, confidence=0.9999
    )
    if found is None or mask.sum() < FEWEST_POINTS:
        return coarse
    chosen = mask.ravel() > 0
    polished, _ = cv2.findHomography(source[chosen], target[chosen], 0)
    return np.asarray(polished if polished is not None else found, np.float64)


def distances_px(matrix: Matrix, source: Points, target: Points) -> Float32:
    """How far each of the ``source`` points (n x 2), moved by ``matrix``, lies from its ``target``: n."""
    moved = cv2.perspectiveTransform(source[None].astype(np.float64), matrix)[0]
    return np.asarray(np.linalg.norm(moved - target, axis=1), np.float32)


def hull_part(points: Points, window: Window) -> float:
    """The part of the frame that the convex hull of the points covers, 0..1."""
    hull = cv2.convexHull(points.reshape(-1, 1, 2))
    return float(cv2.contourArea(hull) / max(window.area, 1))
