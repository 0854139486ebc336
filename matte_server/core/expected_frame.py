"""What a frame should show if its clean plate lies as expected, and a quick measurement of how far it differs.

Every frame of a locked camera is compared with the camera's one alignment in this way. It works on copies of at
most 960 pixels and tracks 400 points (Lucas-Kanade, as :mod:`.tracking` does), in a tenth of the time of a full
alignment. It sees a drift of 0.25 px at HD and a change in exposure of 1 %, but it cannot find an alignment by
itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .align import Alignment
from .alignment_features import Points, corners_of, grey_of, light_of, middle_of, well_inside
from .exposure import most_frequent_ratio
from .image import Float32, Image
from .motion_fit import FEWEST_POINTS, FINE_THRESHOLD_PX, Matrix
from .tracking import follow_back_and_forth
from .window import Window

_SIDE = 960
_POINTS = 400
# With fewer points found again, and a smaller part of those asked, the frame may as well lie elsewhere.
_FEWEST_FOUND, _LEAST_FOUND = 16, 0.05
# Where most of the set is hidden, so many points that moved alike, within this many small pixels, still tell where
# the frame lies, if they are half of those found. By chance up to ten of 400 are found, each moved otherwise.
_FEWEST_ALIKE, _ALIKE_PX = 6, 1.0
# Parts of the longer side (0.25 px at HD) and plate pixels: the medians that these are compared with scatter by a
# fifth of the first, and on pictures of a few hundred pixels tracking is no better than the second.
_MOST_DRIFT, _LEAST_DRIFT_PX = 1.3e-4, 0.15
_QUARTER_POINTS = 8
_SAME_EXPOSURE = 0.01
# Near the most frequent ratio: what grain and compression scatter a pixel by.
_NEAR_RATIO = 0.06
_RATIO_PIXELS, _FEWEST_PIXELS = 20_000, 200


@dataclass(frozen=True)
class FrameGlance:
    """How a frame compares with what was expected.

    ``points``: how many of the clean plate's details were found again, of ``asked``. ``inliers``: the part of them
    that lies where it was expected, within 1.5 px. ``residual_px``: their median distance from there.
    ``drift_px``: the largest median offset in any quarter of the frame; ``common_drift_px``: the offset that most
    quarters reach, which water or leaves in half of the frame do not raise. Distances are in plate pixels, and NaN
    where too few details were found; drifts are known of fewer than the rest. ``moves_alike``: whether at least
    half of the details, and at least six, moved by one distance.
    ``ratios``: for R, G, B the most frequent ratio of the frame's brightness to the expected one.
    """

    points: int
    asked: int
    inliers: float
    residual_px: float
    drift_px: float
    common_drift_px: float
    ratios: tuple[float, float, float]
    longer_side: int
    moves_alike: bool = False

    @property
    def sees_place(self) -> bool:
        """Whether enough details were found again to say where the frame lies."""
        return self.points >= max(_FEWEST_FOUND, _LEAST_FOUND * self.asked)

    @property
    def hints_at_place(self) -> bool:
        """Whether a few details that moved alike say where the frame lies, or enough of them do."""
        return self.sees_place or self.moves_alike

    @property
    def is_near(self) -> bool:
        """Whether the details that were found lie where they were expected."""
        return self.drift_px <= self.most_drift_px

    @property
    def is_mostly_elsewhere(self) -> bool:
        """Whether the details of most of the frame lie elsewhere than expected: the camera moved, not only what it
        sees. Details found by chance lie elsewhere too, and say nothing."""
        return self.hints_at_place and self.common_drift_px > self.most_drift_px

    @property
    def most_drift_px(self) -> float:
        """Details that lie within so many plate pixels of where they were expected have not moved."""
        return max(_MOST_DRIFT * self.longer_side, _LEAST_DRIFT_PX)

    @property
    def confirms_exposure(self) -> bool:
        """Whether the brightness is the expected one, within 1 %."""
        return all(abs(ratio - 1.0) <= _SAME_EXPOSURE for ratio in self.ratios)


@dataclass(frozen=True, eq=False)
class SmallPlate:
    """A scene-linear plate with data window ``window``: R, G and B, at most 960 pixels either way."""

    planes: tuple[Float32, ...]
    window: Window

    @staticmethod
    def of(plate: Image) -> SmallPlate:
        """The small copy of ``plate``, which has pixels."""
        window = plate.data_window
        return SmallPlate(planes=tuple(_small(plane, window) for plane in plate.planes), window=window)


class ExpectedFrame:
    """A clean plate as ``alignment`` puts it onto a plate's ``window``, small. Threads may share it."""

    def __init__(self, clean: Image, alignment: Alignment, window: Window) -> None:
        self._longer_side = max(window.width, window.height)
        self._scale, self._size = _scale(window), _small_size(window)
        to_plate = window.from_plane() @ alignment.transform @ clean.data_window.to_plane()
        whole = (window.width, window.height)
        lit = zip(clean.planes, alignment.gain, alignment.offset, strict=True)
        self._planes = [
            _small(
                _warped(plane, to_plate, whole, cv2.INTER_LINEAR) * np.float32(gain) + np.float32(offset), window
            )
            for plane, gain, offset in lit
        ]
        self._light = light_of(self._planes)
        full = np.full(clean.planes[0].shape, 255, np.uint8)
        seen = cv2.resize(
            _warped(full, to_plate, whole, cv2.INTER_NEAREST), self._size, interpolation=cv2.INTER_AREA
        )
        self._inner = well_inside(np.where(seen == 255, np.uint8(255), np.uint8(0)))
        self._corners = corners_of(grey_of(self._light, middle_of(self._light)), self._inner, _POINTS)

    def compare(self, plate: SmallPlate) -> FrameGlance:
        """How ``plate``, which has the same window, compares."""
        planes = plate.planes
        light = light_of(planes)
        middle = middle_of(light)
        ratios = [self._ratio(plane, expected) for plane, expected in zip(planes, self._planes, strict=True)]
        # A difference in brightness would look like movement.
        same_middle = middle / max(ratios[1], 1e-6)
        found, there = follow_back_and_forth(
            grey_of(self._light, same_middle), grey_of(light, middle), self._corners
        )
        return self._measured(found, there, ratios)

    def _ratio(self, plane: Float32, expected: Float32) -> float:
        step = max(1, round((plane.size / _RATIO_PIXELS) ** 0.5))
        inside = self._inner[::step, ::step] > 0
        now, before = plane[::step, ::step], expected[::step, ::step]
        lit = inside & (now > 1e-5) & (before > 0.05 * float(np.median(np.abs(before))) + 1e-5)
        if lit.sum() < _FEWEST_PIXELS:
            return 1.0
        peak = np.log(most_frequent_ratio(before[lit], now[lit]))
        away = np.log(now[lit] / before[lit]) - peak
        near = away[np.abs(away) < _NEAR_RATIO]
        return float(np.exp(peak + (np.median(near) if near.size else 0.0)))

    def _measured(self, here: Points, there: Points, ratios: list[float]) -> FrameGlance:
        offsets = (there - here) / self._scale
        distances = np.linalg.norm(offsets, axis=1)
        few = len(here) < FEWEST_POINTS
        inside = distances < FINE_THRESHOLD_PX
        fewest = len(here) < _FEWEST_ALIKE
        drifts = [float("nan")] if fewest else self._drifts(here, offsets)
        return FrameGlance(
            points=len(here),
            asked=len(self._corners),
            inliers=float("nan") if few else float(inside.mean()),
            residual_px=float("nan") if few or not inside.any() else float(np.median(distances[inside])),
            drift_px=max(drifts),
            common_drift_px=sorted(drifts)[(len(drifts) - 1) // 2],
            ratios=(ratios[0], ratios[1], ratios[2]),
            longer_side=self._longer_side,
            moves_alike=not fewest and self._moves_alike(offsets),
        )

    def _moves_alike(self, offsets: Points) -> bool:
        away = np.linalg.norm(offsets - np.median(offsets, axis=0), axis=1) * self._scale
        alike = int((away <= _ALIKE_PX).sum())
        return alike >= max(_FEWEST_ALIKE, len(offsets) / 2)

    def _drifts(self, here: Points, offsets: Points) -> list[float]:
        """The median offsets of those quarters of the frame that have enough points; that of all points where no
        quarter has."""
        right, low = here[:, 0] > self._size[0] / 2, here[:, 1] > self._size[1] / 2
        quarters = [(right == across) & (low == down) for across in (False, True) for down in (False, True)]
        chosen = [quarter for quarter in quarters if quarter.sum() >= _QUARTER_POINTS]
        parts = chosen or [np.ones(len(here), bool)]
        return [float(np.linalg.norm(np.median(offsets[part], axis=0))) for part in parts]


def _scale(window: Window) -> float:
    return min(1.0, _SIDE / max(window.width, window.height))


def _small_size(window: Window) -> tuple[int, int]:
    """Width and height of a small copy."""
    scale = _scale(window)
    return max(2, round(window.width * scale)), max(2, round(window.height * scale))


def _small(plane: Float32, window: Window) -> Float32:
    """The plane averaged to the size of a small copy. Halving it first, as often as that goes, takes a third of the
    time."""
    width, height = _small_size(window)
    rows, columns = plane.shape
    while rows % 2 == columns % 2 == 0 and rows >= 2 * height and columns >= 2 * width:
        rows, columns = rows // 2, columns // 2
        plane = np.asarray(cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _warped(plane: npt.NDArray[Any], matrix: Matrix, size: tuple[int, int], how: int) -> npt.NDArray[Any]:
    if np.array_equal(matrix, np.eye(3)) and plane.shape == size[::-1]:
        return plane
    return np.asarray(cv2.warpPerspective(plane, matrix, size, flags=how))
