"""The standard error measures of alpha mattes. PURE: float arrays in, numbers out.

Definitions and scales are those of the alpha matting benchmark (Rhemann et al., CVPR 2009) as papers report them
since Xu et al. (CVPR 2017); dtSSD is defined by Erofeev et al. (BMVC 2015). Alphas are height x width, 0..1.
``where``: height x width, bool, the pixels that count."""

from __future__ import annotations

import math
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from ..core.image import Mask

Floats = npt.NDArray[np.float32]

GRADIENT_SIGMA = 1.4
CONNECTIVITY_STEP = 0.1
CONNECTIVITY_SLACK = 0.15
"""Smaller differences of connectivity do not count."""
UNKNOWN_REACH = 10
"""How far the unknown band reaches around partial alpha, in pixels."""
_PARTIAL = 1 / 255


def unknown_band(truth: Floats, reach: int = UNKNOWN_REACH) -> Mask:
    """Where ``truth`` is neither 0 nor 1, or jumps between neighbouring pixels, grown by ``reach`` pixels in each
    direction."""
    partial = (truth > _PARTIAL) & (truth < 1 - _PARTIAL)
    near = np.ones((3, 3), np.uint8)
    span = cv2.dilate(truth, near) - cv2.erode(truth, near)
    around = np.ones((2 * reach + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate((partial | (span > 0.5)).astype(np.uint8), around), np.bool_)


def absolute_sum(alpha: Floats, truth: Floats, where: Mask) -> float:
    """SAD / 1000: the sum of absolute differences in thousands of pixels."""
    return float(np.abs(alpha - truth)[where].sum(dtype=np.float64) / 1000)


def absolute_mean(alpha: Floats, truth: Floats, where: Mask) -> float:
    """MAD: the mean absolute difference; 0 where nothing counts."""
    return _mean(np.abs(alpha - truth), where)


def square_mean(alpha: Floats, truth: Floats, where: Mask) -> float:
    """MSE: the mean squared difference; 0 where nothing counts."""
    return _mean(np.square(alpha - truth), where)


def gradient(alpha: Floats, truth: Floats, where: Mask) -> float:
    """Grad / 1000: squared differences of the gradients' sizes (Gaussian derivatives, sigma 1.4), summed."""
    difference = _slope(alpha) - _slope(truth)
    return float(np.square(difference)[where].sum(dtype=np.float64) / 1000)


def _slope(alpha: Floats) -> Floats:
    across, down = _derivative_kernels()
    exact = alpha.astype(np.float64)
    x, y = (cv2.filter2D(exact, -1, kernel, borderType=cv2.BORDER_REPLICATE) for kernel in (across, down))
    return np.asarray(np.hypot(x, y), np.float32)


def _derivative_kernels() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The derivative of a Gaussian across and down, each kernel of unit energy, as in the benchmark's own code."""
    reach = int(np.ceil(GRADIENT_SIGMA * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * GRADIENT_SIGMA * 1e-2))))
    t = np.arange(-reach, reach + 1, dtype=np.float64)
    bell = np.exp(-(t**2) / (2 * GRADIENT_SIGMA**2)) / (GRADIENT_SIGMA * np.sqrt(2 * np.pi))
    slope = -t * bell / GRADIENT_SIGMA**2
    kernel = np.outer(bell, slope)
    kernel /= np.sqrt((kernel**2).sum())
    return kernel, np.ascontiguousarray(kernel.T)


def connectivity(alpha: Floats, truth: Floats, where: Mask) -> float:
    """Conn / 1000: the sum of differences in how strongly each pixel is connected to the largest common region.

    A pixel's level is the highest threshold (in steps of 0.1) at which 4-neighbours connect it to the largest
    region where both alphas reach that threshold."""
    shape = alpha.shape
    level = np.full(shape, -1.0)
    thresholds = np.arange(0, 1 + CONNECTIVITY_STEP / 2, CONNECTIVITY_STEP)
    for before, threshold in pairwise(thresholds.tolist()):
        both = (alpha >= threshold) & (truth >= threshold)
        level[(level == -1) & ~_largest(both)] = before
    level[level == -1] = 1.0
    return float(np.abs(_joined(alpha, level) - _joined(truth, level))[where].sum(dtype=np.float64) / 1000)


def _largest(mask: Mask) -> Mask:
    count, labels, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    if count == 1:  # the background alone
        return mask
    return np.asarray(labels == 1 + facts[1:, cv2.CC_STAT_AREA].argmax(), np.bool_)


def _joined(alpha: Floats, level: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = alpha - level
    return np.asarray(1 - above * (above >= CONNECTIVITY_SLACK), np.float64)


def foreground_square_mean(result: Floats, truth: Floats, alpha: Floats) -> float:
    """The mean squared difference of unpremultiplied foregrounds (height x width x 3), weighted by the true
    ``alpha``; 0 where that is 0 everywhere."""
    weight = alpha * (alpha > _PARTIAL)
    total = float(weight.sum(dtype=np.float64))
    error = np.square(result - truth).mean(axis=2)
    return float((error * weight).sum(dtype=np.float64) / total) if total > 0 else 0.0


def temporal_difference(
    alpha: Floats, truth: Floats, alpha_before: Floats, truth_before: Floats, where: Mask
) -> float:
    """dtSSD x 100: the root mean square difference of the changes from the previous frame."""
    return 100 * math.sqrt(_mean(np.square((alpha - alpha_before) - (truth - truth_before)), where))


def _mean(values: Floats, where: Mask) -> float:
    count = int(where.sum())
    return float(values[where].sum(dtype=np.float64) / count) if count else 0.0
