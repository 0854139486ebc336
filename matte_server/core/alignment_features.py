"""What a picture shows for its alignment: brightness, tone, SIFT features (Lowe 2004) and corners to track."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from .autocorrelation import repeats_of
from .image import Float32, Grey, Image
from .last_found import LastFound

Points = npt.NDArray[np.float32]
SiftFeatures = tuple[Points, Float32]
"""Places in pixels, n x 2, and what is there, n x 128."""
_FEATURES = 2000
_STRIP = 32
# Corners keep this far from what is not seen, the picture's own border included.
_INNER = 12
# Corners are looked for in a copy of about so many pixels, an HD frame's: at the full size of a 4K picture grain
# makes corners of its own. In twelve 4K pairs of known movement and three strengths of grain, half the size takes
# the alignment's error from 0.041 to 0.023 pixels in the geometric mean; in HD pairs by a few per cent at most.
_CORNER_AREA = 1920 * 1080


class AlignmentFeatures:
    """A picture's brightness, features and corners, computed on first use and kept: a clean plate's serve all
    frames of a shot. Safe to share between threads; threads that ask at the same time may each compute them."""

    def __init__(self, image: Image) -> None:
        self.window = image.data_window
        self._image = image
        self._features: dict[float, SiftFeatures] = {}
        self._corners: dict[int, Points] = {}
        self._small = LastFound[Float32]()

    @cached_property
    def light(self) -> Float32:
        """Brightness, scene-linear: h x w."""
        return light_of(self._image.planes)

    @cached_property
    def middle(self) -> float:
        """The median brightness, scene-linear."""
        return middle_of(self.light)

    @cached_property
    def grey(self) -> Grey:
        """The tone-mapped brightness that features are found in: h x w."""
        return grey_of(self.light, self.middle)

    @cached_property
    def repeats(self) -> npt.NDArray[np.float64]:
        """The shifts after which the picture looks like itself: see :func:`.autocorrelation.repeats_of`."""
        return repeats_of(self.grey)

    def features(self, scale: float) -> SiftFeatures:
        """SIFT features at ``scale`` times the picture's size."""
        if scale not in self._features:
            self._features[scale] = _features(self.grey, scale)
        return self._features[scale]

    def small(self, matrix: npt.NDArray[np.float64], size: tuple[int, int], averaged_px: int) -> Float32:
        """The tone averaged over ``averaged_px`` pixels each way, as seen through ``matrix`` (3 x 3, small copy ->
        picture, array coordinates), 0 to 255; ``size``: width, height. The last one is kept."""

        def seen() -> Float32:
            soft = cv2.blur(self.grey, (averaged_px, averaged_px))
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            return np.asarray(cv2.warpPerspective(soft, matrix, size, flags=flags), np.float32)

        return self._small.of((matrix.tobytes(), size, averaged_px), seen)

    def corners(self, most: int) -> Points:
        """At most ``most`` corners that can be tracked: n x 2."""
        if most not in self._corners:
            inner = np.zeros_like(self.grey)
            inner[_INNER:-_INNER, _INNER:-_INNER] = 255
            self._corners[most] = corners_of(self.grey, inner, most)
        return self._corners[most]


def light_of(planes: Sequence[Float32]) -> Float32:
    """Brightness, scene-linear, 0 or more: h x w."""
    red, green, blue = planes
    light = np.empty(red.shape, np.float32)
    for rows in _strips(light):
        part = light[rows]
        cv2.addWeighted(red[rows], 0.2126, green[rows], 0.7152, 0.0, dst=part)
        cv2.scaleAdd(blue[rows], 0.0722, part, dst=part)
        np.maximum(part, 0.0, out=part)
    return light


def middle_of(light: Float32) -> float:
    """The median of brightness that is above 0, on a sample of some 512 pixels each way; 1 where nothing is."""
    step = max(1, max(light.shape) // 512)
    sample = light[::step, ::step]
    return float(np.median(sample[sample > 0])) if np.any(sample > 0) else 1.0


def grey_of(light: Float32, middle: float) -> Grey:
    """What features are found in: brightness with ``middle`` at mid grey, so that exposure and highlights do
    not matter. Values far above 1 end near white instead of swamping the rest."""
    grey = np.empty(light.shape, np.uint8)
    for rows in _strips(light):
        part = light[rows]
        tone = part + max(middle, 1e-6)
        np.sqrt(np.divide(part, tone, out=tone), out=tone)
        grey[rows] = np.multiply(tone, 255.0, out=tone)
    return grey


def _strips(picture: Float32) -> Iterator[slice]:
    """Rows of a picture, few enough at a time that what is computed of them stays in the processor's cache."""
    for top in range(0, len(picture), _STRIP):
        yield slice(top, top + _STRIP)


def _features(grey: Grey, scale: float) -> SiftFeatures:
    """Places and descriptors, at the picture's size times ``scale``; none where less than a row of it is left."""
    if min(grey.shape) * scale < 1.0:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    points, words = cv2.SIFT.create(_FEATURES, contrastThreshold=0.02).detectAndCompute(small, None)
    places = np.array([point.pt for point in points], np.float32).reshape(-1, 2)
    return places, np.zeros((0, 128), np.float32) if words is None else np.asarray(words, np.float32)


def well_inside(seen: Grey) -> Grey:
    """255 where all of the 25 x 25 pixels around are seen, else 0."""
    side = 2 * _INNER + 1
    return np.asarray(cv2.erode(seen, np.ones((side, side), np.uint8), borderValue=0), np.uint8)


def corners_of(picture: Grey, inner: Grey, most: int) -> Points:
    """At most ``most`` corners that can be tracked, spread over where ``inner`` is not 0: n x 2."""
    spacing = max(4.0, (picture.size / most) ** 0.5 / 2)
    step = max(1, round((picture.size / _CORNER_AREA) ** 0.5))
    small = _reduced(picture, step)
    within = np.ascontiguousarray(_whole_cells(inner, step)[step // 2 :: step, step // 2 :: step])
    corners = cv2.goodFeaturesToTrack(small, most, 0.003, spacing / step, mask=within, blockSize=7)
    if corners is None:
        return np.zeros((0, 2), np.float32)
    # A cell's centre lies between its pixels' centres.
    return np.asarray(corners.reshape(-1, 2) * step + (step - 1) / 2, np.float32)


def _reduced(picture: Grey, step: int) -> Grey:
    """The means of cells of ``step`` x ``step`` pixels; of rows and columns that make no whole cell, none."""
    whole = _whole_cells(picture, step)
    size = (whole.shape[1] // step, whole.shape[0] // step)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8) if step > 1 else picture


def _whole_cells(picture: Grey, step: int) -> Grey:
    height, width = picture.shape
    return picture[: height - height % step, : width - width % step]
