"""V1's mask of the person: prepared for the network, its square, and one connected subject kept."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .image import Float32

# The values of V1's published script, in pixels of the mask that its network sees: a person above this is certain;
# the sides of the ellipses that erode and grow, and how often they do; the side of the blur.
_CERTAIN = 0.2
_ERODE, _ERODE_TIMES = 3, 10
_DILATE, _DILATE_TIMES = 5, 5
_BLUR = 31
# Rows appended below the mask while it is filtered, so that a subject cut off by the frame stays whole there.
_BELOW = 25
_FEET = 250
"""Empty rows below this one are those under the subject."""
_MARGIN = 0.1
"""Around the subject on each side of its square, as a part of the subject's longer side."""
_SUBJECT = 0.05
"""Alpha above this is the subject's."""


@dataclass(frozen=True)
class Square:
    """A square of the frame, in pixels; it may reach beyond the frame."""

    x: int
    y: int
    side: int


def prepare_mask(mask: Float32) -> Float32:
    """V1's soft segmentation, -1..1, from a person mask H x W (0..1) at the network's size: made solid, eroded,
    grown back by less, blurred. Empty rows in the lower part are dropped and the last ones repeated, so that the
    subject reaches the lower edge."""
    height = mask.shape[0]
    solid = np.where(mask > _CERTAIN, np.float32(1.0), mask).astype(np.float32)
    kept = _without_empty_rows(solid)
    grown = cv2.copyMakeBorder(kept, 0, _BELOW + height - kept.shape[0], 0, 0, cv2.BORDER_REPLICATE)
    grown = cv2.erode(grown, _ellipse(_ERODE), iterations=_ERODE_TIMES)
    grown = cv2.dilate(grown, _ellipse(_DILATE), iterations=_DILATE_TIMES)
    soft = np.asarray(cv2.GaussianBlur(grown, (_BLUR, _BLUR), 0), np.float32)[:height]
    # V1 keeps it as eight bits.
    return np.asarray(np.floor(255.0 * soft) * (2.0 / 255.0) - 1.0, np.float32)


def _without_empty_rows(mask: Float32) -> Float32:
    empty = np.flatnonzero(mask.sum(axis=1) == 0)
    empty = empty[empty > _FEET]
    if not len(empty):
        return mask
    # The two rows above are soft already.
    return np.delete(mask, [empty[0] - 2, empty[0] - 1, *empty], axis=0)


def _ellipse(size: int) -> cv2.typing.MatLike:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))


def subject_square(mask: Float32) -> Square | None:
    """The square around everything above 0.2 in ``mask`` (H x W) with a tenth of its side around it; None where
    nothing is.

    V1 begins its square at the subject's upper left corner and cuts it at the frame, which squeezes the picture
    that the network sees. This one is centred on the subject, moved into the frame where it fits, and reaches
    beyond it (over repeated edges) where it does not, so that the subject keeps its shape.
    """
    rows, columns = (np.flatnonzero((mask > _CERTAIN).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    side = max(rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0])
    side = max(1, round(float(side) * (1.0 + 2.0 * _MARGIN)))
    y, x = (_start(found, side, limit) for found, limit in zip((rows, columns), mask.shape, strict=True))
    return Square(x=x, y=y, side=side)


def _start(found: npt.NDArray[np.intp], side: int, limit: int) -> int:
    centred = int(found[0] + found[-1] + 1 - side) // 2
    if side > limit:
        return centred
    return min(max(centred, 0), limit - side)


def one_subject(alpha: Float32) -> Float32:
    """``alpha`` (H x W) with nothing but the largest connected area above 0.05."""
    count, labels, facts, _ = cv2.connectedComponentsWithStats((alpha > _SUBJECT).astype(np.uint8), connectivity=8)
    if count < 2:
        return np.zeros_like(alpha)
    largest = 1 + int(np.argmax(facts[1:, cv2.CC_STAT_AREA]))
    return np.where(labels == largest, alpha, np.float32(0.0)).astype(np.float32)
