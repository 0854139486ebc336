"""The figures of one frame that a review shows.

They come from the server's diagnostics, and are measured on pictures and mattes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from matte_link.diagnostics import warnings_of

from ..core.window import Window

NO_RESULT, WARNED = 1000.0, 3.0
"""How severe it is that a frame has no result, or a warning of the server's; 1 is what just stands out."""


@dataclass(frozen=True)
class Reason:
    """Why a person should look at a frame: a sentence, how severe it is (1 or more), and the place in the plate's
    pixels from its top left, where there is one."""

    sentence: str
    severity: float
    place: Window | None = None


@dataclass(frozen=True)
class FrameFigures:
    """The figures of one frame; None where there is no such figure.

    ``residual_px``: the median residual of the alignment. ``gain``: the clean plate's, for R, G, B.
    ``alpha_area``: mean alpha, 0..1. ``flicker``, ``appeared``, ``vanished``: see :class:`.AlphaComparison`.
    ``misfit_px``, ``offset_px``: see :class:`.EdgeFit`. ``softness_px``: how many pixels the edge takes.
    ``contradicted``: the part of the frame where the matte contradicts the pictures. ``holes``: the part that lies
    in gaps of the subject which do not show the clean plate. ``recomposition``: how far the foreground over the
    clean plate is from the plate, as a fraction of the plate's range. ``places``: where the worst of a figure is,
    by the figure's name. ``reasons``: why a person should look at the frame, the most severe first; empty for a
    good frame."""

    frame: int
    residual_px: float | None = None
    gain: tuple[float, float, float] | None = None
    alpha_area: float | None = None
    flicker: float | None = None
    misfit_px: float | None = None
    offset_px: tuple[float, float] | None = None
    appeared: float | None = None
    vanished: float | None = None
    softness_px: float | None = None
    contradicted: float | None = None
    holes: float | None = None
    recomposition: float | None = None
    places: Mapping[str, Window] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()

    @property
    def severity(self) -> float:
        """How much the frame stands out: 0 for a good frame."""
        return max((reason.severity for reason in self.reasons), default=0.0)


def figures_of(
    frame: int, diagnostics: Mapping[str, object], failure: str = "", damaged: float = 0.0
) -> FrameFigures:
    """One frame's figures from the server's diagnostics, whose warnings become reasons. ``failure`` says why the
    frame has no result; empty where it has one. ``damaged``: the part of its pixels that hold no numbers."""
    alignment = diagnostics.get("alignment")
    alignment = alignment if isinstance(alignment, Mapping) else {}
    gain = [_number(value) for value in alignment.get("gain") or ()]
    known = [value for value in gain if value is not None]
    reasons = [Reason(sentence=warning, severity=WARNED) for warning in warnings_of(diagnostics)]
    if failure:
        reasons.insert(0, Reason(sentence=f"No result: {failure}", severity=NO_RESULT))
    if damaged:
        sentence = (
            f"{damaged:.2%} of the result's pixels are NaN or infinite; make the frame again with --overwrite."
        )
        reasons.insert(0, Reason(sentence=sentence, severity=NO_RESULT))
    return FrameFigures(
        frame=frame,
        residual_px=_number(alignment.get("residual_px")),
        gain=(known[0], known[1], known[2]) if len(known) == 3 else None,
        alpha_area=_number(diagnostics.get("alpha_area")),
        recomposition=_number(diagnostics.get("recomposition_error")),
        reasons=tuple(reasons),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and np.isfinite(value) else None
