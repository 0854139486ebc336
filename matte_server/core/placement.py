"""Completes an alignment with gain and offset, measured where it puts the clean plate; writes alignments as JSON
values and reads them back."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from .align import Alignment
from .alignment_features import AlignmentFeatures
from .exposure import match_exposure
from .exposure_clipping import clipped_places
from .image import Float32, Image
from .motion_fit import Matrix

_ESTIMATION_SIDE = 480
# A small pixel is spoiled by clipped ones that are this part of it; less is float32's rounding in the average.
_PARTLY = 1e-3


@dataclass(frozen=True, eq=False)
class _SmallCopy:
    """A picture as seen through a matrix: ``pixels`` height x width x 3, ``clipped`` likewise, ``covered`` height x
    width."""

    pixels: Float32
    clipped: npt.NDArray[np.bool_]
    covered: npt.NDArray[np.bool_]


class SmallCopies:
    """Small copies of one picture. The last one is kept: all frames of a locked camera need the same one of their
    clean plate. Safe to share between threads."""

    def __init__(self, picture: Image) -> None:
        self._picture = picture
        self._last: tuple[tuple[object, ...], _SmallCopy] | None = None

    def seen_through(self, matrix: Matrix, size: tuple[int, int], averaged_px: int) -> _SmallCopy:
        """The picture as :func:`_reduced` shows it."""
        key, last = (matrix.tobytes(), size, averaged_px), self._last
        if last is not None and last[0] == key:
            return last[1]
        copy = _SmallCopy(
            pixels=_reduced(self._picture.planes, matrix, size, averaged_px),
            clipped=_clipped(self._picture, matrix, size, averaged_px),
            covered=_warped(np.ones(self._picture.pixels.shape[:2], np.float32), matrix, size) > 0.999,
        )
        self._last = key, copy
        return copy


@dataclass(frozen=True, eq=False)
class CleanPlateDetails:
    """A clean plate with all that its frames' alignments need of it, each computed once."""

    image: Image
    features: AlignmentFeatures
    copies: SmallCopies

    @staticmethod
    def of(image: Image) -> CleanPlateDetails:
        """The details of ``image``, none of which is computed yet."""
        return CleanPlateDetails(image=image, features=AlignmentFeatures(image), copies=SmallCopies(image))


def with_exposure(alignment: Alignment, plate: Image, clean: Image, copies: SmallCopies | None = None) -> Alignment:
    """Gain and offset, measured on small aligned copies. Both pictures are reduced by the same filter: two filters
    treat small lights differently, and identical pictures would not get a gain of 1. ``copies``: those of the clean
    plate, where they are kept from frame to frame."""
    window = plate.data_window
    scale = min(1.0, _ESTIMATION_SIDE / max(window.width, window.height))
    size = (max(1, round(window.width * scale)), max(1, round(window.height * scale)))
    # Array coordinates of the small copies -> the plane of the plate.
    to_plane = np.array(
        [
            [window.width / size[0], 0, window.x + 0.5 * window.width / size[0] - 0.5],
            [0, window.height / size[1], window.y + 0.5 * window.height / size[1] - 0.5],
            [0, 0, 1],
        ]
    )
    to_clean = clean.data_window.from_plane() @ np.linalg.inv(alignment.transform) @ to_plane
    averaged_px = max(1, round(1 / scale))
    to_plate = window.from_plane() @ to_plane
    behind = (copies or SmallCopies(clean)).seen_through(to_clean, size, averaged_px)
    found = match_exposure(
        _reduced(plate.planes, to_plate, size, averaged_px),
        behind.pixels,
        behind.covered,
        _clipped(plate, to_plate, size, averaged_px) | behind.clipped,
    )
    warnings = (*alignment.warnings, found.warning) if found.warning else alignment.warnings
    return replace(alignment, gain=found.gain, offset=found.offset, warnings=warnings)


def _reduced(planes: Sequence[Float32], matrix: Matrix, size: tuple[int, int], averaged_px: int) -> Float32:
    """A picture's channels as seen through ``matrix`` (small copy -> picture, array coordinates), averaged over
    ``averaged_px`` pixels each way; ``size``: width, height."""
    averaged = (np.asarray(cv2.blur(plane, (averaged_px, averaged_px)), np.float32) for plane in planes)
    return np.stack([_warped(plane, matrix, size) for plane in averaged], -1)


def _clipped(picture: Image, matrix: Matrix, size: tuple[int, int], averaged_px: int) -> npt.NDArray[np.bool_]:
    """Which pixels of :func:`_reduced` are spoiled by clipped ones, height x width x 3."""
    spoiled = np.zeros((size[1], size[0], 3), np.bool_)
    for channel, places in enumerate(clipped_places(picture)):
        if places is not None:
            spoiled[..., channel] = _reduced([places], matrix, size, averaged_px)[..., 0] > _PARTLY
    return spoiled


def _warped(plane: Float32, matrix: Matrix, size: tuple[int, int]) -> Float32:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(plane, matrix, size, flags=flags), np.float32)


def as_facts(alignment: Alignment) -> dict[str, object]:
    """An alignment as JSON values, NaN as None; its coverage and warnings, which depend on the frame it is used
    for, are left out. Numbers survive exactly."""
    return {
        "kind": alignment.kind,
        "transform": alignment.transform.tolist(),
        "inliers": _number(alignment.inliers),
        "residual_px": _number(alignment.residual_px),
        "points": alignment.points,
        "gain": list(alignment.gain),
        "offset": list(alignment.offset),
    }


def from_facts(facts: Mapping[str, object]) -> Alignment:
    """The inverse of :func:`as_facts`, with ``warnings`` where the facts hold them; raises ``ValueError`` with
    one sentence where they are not an alignment."""
    transform = _numbers(facts.get("transform"), "transform", (3, 3))
    if not math.isfinite(np.linalg.cond(transform)) or abs(np.linalg.det(transform)) < _SMALLEST_DETERMINANT:
        raise ValueError("an alignment's transform must be invertible.")
    gain, offset = _numbers(facts.get("gain"), "gain", (3,)), _numbers(facts.get("offset"), "offset", (3,))
    warnings = facts.get("warnings", [])
    if not isinstance(warnings, list) or not all(isinstance(warning, str) for warning in warnings):
        raise ValueError("an alignment's warnings must be a list of sentences.")
    return Alignment(
        transform=transform,
        kind=str(facts.get("kind", "given"))[:40],
        inliers=_or_nan(facts.get("inliers")),
        residual_px=_or_nan(facts.get("residual_px")),
        points=_points(facts.get("points", 0)),
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        offset=(float(offset[0]), float(offset[1]), float(offset[2])),
        warnings=tuple(warnings),
    )


_SMALLEST_DETERMINANT = 1e-9
_LARGEST_NUMBER = 1e15


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _or_nan(value: object) -> float:
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"an alignment's figures must be numbers, not {value!r:.40}.")
    if abs(value) > sys.float_info.max:
        raise ValueError("an alignment's figures must be finite numbers.")
    return float(value)


def _points(value: object) -> int:
    count = _or_nan(value)
    if not 0 <= count < 2**31:
        raise ValueError("an alignment's number of points must be 0 or more.")
    return int(count)


def _numbers(value: object, name: str, shape: tuple[int, ...]) -> Matrix:
    try:
        found = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        found = np.zeros(0)
    # What is finite here must be so in the single precision that pixels have.
    if found.shape != shape or not np.all(np.abs(found) < _LARGEST_NUMBER):
        size = " x ".join(str(side) for side in shape)
        raise ValueError(f"an alignment's {name} is {size} finite numbers.")
    return found
