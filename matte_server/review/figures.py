"""The figures of one frame that a review shows: from the server's diagnostics, and measured on the mattes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.image import Float32


@dataclass(frozen=True)
class FrameFigures:
    """The figures of one frame; None where there is no such figure.

    ``residual_px``: the median residual of the alignment. ``gain``: the clean plate's, for R, G, B. ``alpha_area``:
    mean alpha, 0..1. ``flicker``: mean absolute difference of alpha from the mean of its neighbours.
    ``recomposition``: the re-composition error as a fraction of the plate's range. ``reasons``: sentences that say
    why a person should look at the frame; empty for a good frame.
    """

    frame: int
    residual_px: float | None = None
    gain: tuple[float, float, float] | None = None
    alpha_area: float | None = None
    flicker: float | None = None
    recomposition: float | None = None
    reasons: tuple[str, ...] = ()


def figures_of(frame: int, diagnostics: Mapping[str, object], failure: str = "") -> FrameFigures:
    """One frame's figures from the server's diagnostics, whose warnings become reasons. ``failure`` says why the
    frame has no result; empty where it has one."""
    alignment = diagnostics.get("alignment")
    alignment = alignment if isinstance(alignment, Mapping) else {}
    gain = [_number(value) for value in alignment.get("gain") or ()]
    known = [value for value in gain if value is not None]
    warnings = diagnostics.get("warnings")
    reasons = tuple(str(warning) for warning in warnings) if isinstance(warnings, list) else ()
    return FrameFigures(
        frame=frame,
        residual_px=_number(alignment.get("residual_px")),
        gain=(known[0], known[1], known[2]) if len(known) == 3 else None,
        alpha_area=_number(diagnostics.get("alpha_area")),
        recomposition=_number(diagnostics.get("recomposition_error")),
        reasons=(f"No result: {failure}", *reasons) if failure else reasons,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None


def flicker(before: Float32 | None, alpha: Float32, after: Float32 | None) -> float | None:
    """The mean absolute difference of a frame's alpha from the mean of its two neighbours. None where one is
    missing, as for the first and the last frame, or has another size."""
    if before is None or after is None or not before.shape == alpha.shape == after.shape:
        return None
    return float(np.abs(alpha - (before + after) / 2).mean())
