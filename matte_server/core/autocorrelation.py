"""After which shifts a picture looks like itself, as one of bricks or tiles does."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .image import Float32, Grey, Mask

SIDE = 384
"""The longer side of the copies that are looked at."""
NEAREST_PX = 5
"""No two repeats lie nearer to each other, nor one to no shift at all, in pixels of the copies."""
# Detail is what differs from its surroundings, so wide; what varies by less than a grey level has none.
_SURROUNDINGS_PX, _LEAST_VARIANCE = 8.0, 1.0
# Of 23 sets those that repeat have peaks above 0.9, dirt and furniture included, and a skyline one of 0.6.
_LEAST_PEAK = 0.7
# A wall of bricks is half like itself a row below; a whole repeat is clearly more so.
_AS_HIGH = 0.85
# Where tiles lie on each other by their joints in one direction alone, they are half alike.
_VALLEY, _BETWEEN = 0.8, 24
# Shifts that leave less than four tenths of the picture, across or down, are not looked at.
_FARTHEST = 0.6


def repeats_of(grey: Grey) -> npt.NDArray[np.float64]:
    """The shifts, n x 2 in pixels, x then y, after which a picture, h x w, looks like itself, the nearest first."""
    height, width = grey.shape
    scale = min(1.0, SIDE / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    found = _peaks(small - cv2.GaussianBlur(small, (0, 0), _SURROUNDINGS_PX))
    nearest_first = found[np.argsort(np.linalg.norm(found, axis=1), kind="stable")]
    return np.asarray(nearest_first * (width / size[0], height / size[1]), np.float64)


def _peaks(detail: Float32) -> npt.NDArray[np.float64]:
    """Where the autocorrelation of a picture, h x w, has high peaks beside its middle: n x 2."""
    height, width = detail.shape
    padded = np.zeros((cv2.getOptimalDFTSize(2 * height), cv2.getOptimalDFTSize(2 * width)), np.float32)
    padded[:height, :width] = detail
    spectrum = np.fft.rfft2(padded)
    product = np.fft.fftshift(np.fft.irfft2(np.abs(spectrum) ** 2, padded.shape))
    down, across = (np.abs(np.arange(side) - side // 2) for side in padded.shape)
    common = np.outer(1 - down / height, 1 - across / width)
    whole = max(float(product.max()), _LEAST_VARIANCE * detail.size)
    correlation = (product / np.maximum(common, 0.1) / whole).astype(np.float32)
    around = np.ones((2 * NEAREST_PX + 1,) * 2, np.uint8)
    is_peak = correlation == cv2.dilate(correlation, around)
    is_peak &= np.outer(down < _FARTHEST * height, across < _FARTHEST * width)
    is_peak[np.outer(down <= NEAREST_PX, across <= NEAREST_PX)] = False
    highest = float(correlation[is_peak].max(initial=0.0))
    y, x = np.nonzero(is_peak & (correlation >= max(_LEAST_PEAK, _AS_HIGH * highest)))
    found = np.stack([x - padded.shape[1] // 2, y - padded.shape[0] // 2], 1)
    return found[_beyond_a_valley(correlation, found)].astype(np.float64)


def _beyond_a_valley(correlation: Float32, peaks: npt.NDArray[np.intp]) -> Mask:
    """Which peaks, n x 2 from the middle of a correlation, are no part of its middle's own: a straight edge, as of
    a horizon or a letterbox, looks like itself wherever it is moved along."""
    middle = np.array([correlation.shape[1] // 2, correlation.shape[0] // 2])
    between = np.linspace(0, 1, _BETWEEN)[:, None, None] * peaks + middle
    x, y = np.moveaxis(np.rint(between).astype(np.intp), -1, 0)
    passed = correlation[y, x]
    return np.asarray(passed.min(axis=0) < _VALLEY * passed[-1])
