"""Small copies of a picture, which its exposure is measured on: averages of its pixels, seen through a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .exposure_clipping import clipped_places
from .image import Float32, Image, Mask
from .last_found import LastFound
from .motion_fit import Matrix

# A small pixel is spoiled by clipped ones that are this part of it; less is float32's rounding in the average.
_PARTLY = 1e-3
# OpenCV averages a whole picture over up to so many pixels each way in half of the time that it takes for more.
_FEW = 5
_LINEAR = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

AveragedPx = tuple[int, int]
"""How many pixels are averaged, across and down."""


@dataclass(frozen=True, eq=False)
class SmallCopy:
    """A picture as seen through a matrix: ``pixels`` height x width x 3, ``clipped`` likewise, ``covered`` height x
    width."""

    pixels: Float32
    clipped: Mask
    covered: Mask


class SmallCopies:
    """Small copies of one picture. The last one is kept: all frames of a locked camera need the same one of their
    clean plate. Safe to share between threads."""

    def __init__(self, picture: Image) -> None:
        self._picture = picture
        self._last = LastFound[SmallCopy]()

    def seen_through(self, matrix: Matrix, size: tuple[int, int], averaged_px: AveragedPx) -> SmallCopy:
        """The picture as :func:`reduced` shows it."""

        def seen() -> SmallCopy:
            return SmallCopy(
                pixels=reduced(self._picture.planes, matrix, size, averaged_px),
                clipped=clipped(self._picture, matrix, size, averaged_px),
                covered=_warped(np.ones(self._picture.pixels.shape[:2], np.float32), matrix, size) > 0.999,
            )

        return self._last.of((matrix.tobytes(), size, averaged_px), seen)


def same_part(
    averaged_px: AveragedPx, of: Matrix, matrix: Matrix, size: tuple[int, int]
) -> tuple[AveragedPx, Matrix, Matrix]:
    """How two pictures, seen through the matrices ``of`` and ``matrix`` (small copy of ``size`` -> picture), are
    averaged over the same part of what they show, though one of them may be a proxy of the other: the pixels of the
    second for ``averaged_px`` of the first, and the matrices to see the two averages through."""
    pixels = _scale_at_middle(matrix, size) / _scale_at_middle(of, size)
    across, down = (max(1, round(each)) for each in pixels * averaged_px)
    if (across, down) == averaged_px:
        # Averages of even numbers of pixels are half a pixel off, in both pictures alike.
        return averaged_px, of, matrix
    return (across, down), _centred(of, averaged_px), _centred(matrix, (across, down))


def _centred(matrix: Matrix, averaged_px: AveragedPx) -> Matrix:
    """A matrix that finds the average of an even number of pixels, whose middle lies half a pixel before it."""
    right, below = (0.5 * (each % 2 == 0) for each in averaged_px)
    return np.array([[1.0, 0, right], [0, 1, below], [0, 0, 1]]) @ matrix


def _scale_at_middle(matrix: Matrix, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """How many pixels of the picture one of the small copy spans across and down, in the middle of it."""
    middle = matrix @ [(size[0] - 1) / 2, (size[1] - 1) / 2, 1.0]
    steps = (matrix[:2, :2] - np.outer(middle[:2] / middle[2], matrix[2, :2])) / middle[2]
    return np.asarray(np.hypot(steps[0], steps[1]), np.float64)


def reduced(planes: Sequence[Float32], matrix: Matrix, size: tuple[int, int], averaged_px: AveragedPx) -> Float32:
    """A picture's channels as seen through ``matrix`` (small copy -> picture, array coordinates), averaged over
    ``averaged_px`` pixels; ``size``: width, height."""
    how = _by_rows if _is_upright(matrix) and _FEW < averaged_px[1] < len(planes[0]) else _by_pixels
    return np.stack([how(plane, matrix, size, averaged_px) for plane in planes], -1)


def clipped(picture: Image, matrix: Matrix, size: tuple[int, int], averaged_px: AveragedPx) -> Mask:
    """Which pixels of :func:`reduced` are spoiled by clipped ones, height x width x 3."""
    spoiled = np.zeros((size[1], size[0], 3), np.bool_)
    for channel, places in enumerate(clipped_places(picture)):
        if places is not None:
            spoiled[..., channel] = reduced([places], matrix, size, averaged_px)[..., 0] > _PARTLY
    return spoiled


def _by_pixels(plane: Float32, matrix: Matrix, size: tuple[int, int], averaged_px: AveragedPx) -> Float32:
    return _warped(np.asarray(cv2.blur(plane, averaged_px), np.float32), matrix, size)


def _is_upright(matrix: Matrix) -> bool:
    """Whether a matrix scales and shifts alone: a row of the small copy is then a row of the picture."""
    return np.array_equal(matrix, [[matrix[0, 0], 0, matrix[0, 2]], [0, matrix[1, 1], matrix[1, 2]], [0, 0, 1]])


def _by_rows(plane: Float32, matrix: Matrix, size: tuple[int, int], averaged_px: AveragedPx) -> Float32:
    """What :func:`_by_pixels` finds through an upright matrix, in half of its time: averages only the rows that the
    small copy lies between, columns first. It adds up in single precision, so the last digit may differ."""
    (width, height), (across_px, down_px) = size, averaged_px
    place = matrix[1, 1] * np.arange(height) + matrix[1, 2]
    above = np.floor(place).astype(np.intp)
    sums = _sums_of_columns(plane, above, down_px).reshape(2 * height, -1)
    even = np.full((1, across_px), 1 / (across_px * down_px))
    averaged = np.asarray(cv2.filter2D(sums, -1, even), np.float32)
    rows = np.concatenate([above, above + 1])
    # What lies beyond the picture is black, as in a warp.
    averaged[(rows < 0) | (rows >= len(plane))] = 0.0
    across = np.array([[matrix[0, 0], 0, matrix[0, 2]], [0, 1, 0], [0, 0, 1]])
    upper, lower = _warped(averaged, across, (width, 2 * height)).reshape(2, height, width)
    return np.asarray(upper + (place - above).astype(np.float32)[:, None] * (lower - upper), np.float32)


def _sums_of_columns(plane: Float32, above: npt.NDArray[np.intp], averaged_px: int) -> Float32:
    """The sums of ``averaged_px`` rows around each row ``above`` and around the next, 2 x rows x columns."""
    sums = np.empty((2, len(above), plane.shape[1]), np.float32)
    # One row more, as cv2.blur counts, above an even number's middle than below.
    for place, first in enumerate((above - averaged_px // 2).tolist()):
        end = first + averaged_px + 1
        rows = plane[first:end] if first >= 0 and end <= len(plane) else plane[_mirrored(first, end, len(plane))]
        upper, lower = sums[:, place]
        np.add.reduce(rows[1:averaged_px], axis=0, out=lower)
        np.add(lower, rows[0], out=upper)
        lower += rows[averaged_px]
    return sums


def _mirrored(first: int, end: int, rows: int) -> npt.NDArray[np.intp]:
    """The rows ``first`` to ``end`` of a picture that goes on mirrored beyond its first and last row."""
    period = 2 * (rows - 1)
    found = np.abs(np.arange(first, end)) % period
    return np.asarray(np.minimum(found, period - found), np.intp)


def _warped(plane: Float32, matrix: Matrix, size: tuple[int, int]) -> Float32:
    return np.asarray(cv2.warpPerspective(plane, matrix, size, flags=_LINEAR), np.float32)
