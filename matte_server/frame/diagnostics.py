"""The figures and warnings that go with a frame's matte."""

from __future__ import annotations

import numpy as np
from matte_link.diagnostics import NO_SUBJECT
from torch import Tensor

from ..core.align import Alignment
from ..core.image import Image
from ..core.placement import as_facts
from ..pixels.recomposition import Recomposition

_MAX_RESIDUAL_PX = 1.0
_MIN_INLIERS = 0.5
_MIN_COVERAGE = 0.9
_MIN_SUBJECT_AREA = 1e-5
_DIFFERS = 0.1
"""Part of the plate's range. Grain and small errors of alignment are a fifth of it at most in half of a frame."""


def diagnose(
    alignment: Alignment,
    found_area: Tensor | None,
    alpha: Tensor,
    error: Recomposition,
    plate: Image,
    is_part: bool = False,
) -> dict[str, object]:
    """A frame's diagnostics as JSON values, NaN as None. ``found_area``: the mean of alpha before the edge
    controls, None where none of them acts. ``is_part``: a region, or a holdout matte, says where no subject is.

    ``recomposition_error``: how far the foreground over the aligned clean plate is from the plate, before the edge
    controls, as a fraction of the plate's range (between its 0.5 and 99.5 percentiles). It is the median over the
    semi-transparent band, or over the frame where there is no band. It is small where alpha is sure; where it is
    not, the foreground has a quiet colour instead. ``recomposition_error_max``: the largest difference in the
    frame, in linear light."""
    step = max(1, max(plate.rgb.shape) // 256)
    low, high = np.percentile(plate.rgb[::step, ::step], (0.5, 99.5))
    area = float(alpha.mean())
    found = area if found_area is None else float(found_area)
    missed = error.median / max(float(high - low), 1e-6)
    return {
        "alignment": {**as_facts(alignment), "coverage": alignment.coverage},
        "alpha_area": area,
        "unknown_area": error.band,
        "recomposition_error": missed,
        "recomposition_error_max": error.largest,
        "warnings": [*alignment.warnings, *_warnings(alignment, found, area, missed, is_part)],
    }


def _warnings(alignment: Alignment, found_area: float, area: float, missed: float, is_part: bool) -> list[str]:
    """Reasons for the artist to check this matte. ``missed``: the ``recomposition_error``; where nothing was found,
    how far the plate is from the clean plate."""
    warnings = []
    if alignment.residual_px > _MAX_RESIDUAL_PX or alignment.inliers < _MIN_INLIERS:
        warnings.append(
            f"The clean plate fits badly (median residual {alignment.residual_px:.2f} px, "
            f"{100 * alignment.inliers:.0f}% of {alignment.points} points agree)."
        )
    if alignment.coverage < _MIN_COVERAGE:
        warnings.append(f"The clean plate covers only {100 * alignment.coverage:.0f}% of the plate.")
    if alignment.coverage <= 0.0:
        # Nothing was compared, so nothing is said of what the plate shows.
        return warnings
    if found_area < _MIN_SUBJECT_AREA:
        warnings.append(_why_nothing_was_found(missed, is_part))
    elif area < _MIN_SUBJECT_AREA:
        warnings.append("The edge controls leave nothing of the matte: erode less, or move the black point down.")
    return warnings


def _why_nothing_was_found(missed: float, is_part: bool) -> str:
    if is_part:
        return "No subject was found where the region, the holdout matte or the trimap's black leave room for one."
    if missed > _DIFFERS:
        return (
            "No subject was found, although more than half of the plate differs from the clean plate: the subject "
            "may hide too much of it, or it shows another view or other light. Mark the subject with a core matte, "
            "or use another model."
        )
    return NO_SUBJECT
