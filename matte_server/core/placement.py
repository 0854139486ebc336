"""Completes an alignment with gain and offset, measured where it puts the clean plate.

Writes alignments as JSON values and reads them back."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .align import Alignment
from .alignment_features import AlignmentFeatures
from .exposure import match_exposure
from .image import Image
from .motion_fit import Matrix
from .small_copies import SmallCopies, clipped, reduced, same_part
from .window import enlarged

_ESTIMATION_SIDE = 480
# What a transform read back must reach, and what no number in it may: its inverse and its pixels are then finite.
_SMALLEST_DETERMINANT, _LARGEST_NUMBER = 1e-9, 1e15


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
    """Gain and offset, measured on small aligned copies. Both pictures are averaged over the same part of what
    they show: detail that one of them has lost looks like another gain. ``copies``: those of the clean plate, where
    they are kept from frame to frame."""
    window = plate.data_window
    scale = min(1.0, _ESTIMATION_SIDE / max(window.width, window.height))
    size = (max(1, round(window.width * scale)), max(1, round(window.height * scale)))
    # From the small copies' array coordinates to the plate's, and to the clean plate's.
    to_plate = enlarged(window.width / size[0], window.height / size[1])
    to_clean = clean.data_window.from_plane() @ np.linalg.inv(alignment.transform) @ window.to_plane() @ to_plate
    averaged_px = (max(1, round(1 / scale)),) * 2
    clean_px, to_plate, to_clean = same_part(averaged_px, to_plate, to_clean, size)
    behind = (copies or SmallCopies(clean)).seen_through(to_clean, size, clean_px)
    found = match_exposure(
        reduced(plate.planes, to_plate, size, averaged_px),
        behind.pixels,
        behind.covered,
        clipped(plate, to_plate, size, averaged_px) | behind.clipped,
    )
    warnings = (*alignment.warnings, found.warning) if found.warning else alignment.warnings
    return replace(alignment, gain=found.gain, offset=found.offset, warnings=warnings)


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
