"""The columns of a review: which figures are shown and plotted, and when a frame stands out by one of them.

The page gets its columns from here as JSON; its script knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .figures import FrameFigures

Series = npt.NDArray[np.float64]
Values = tuple[float | None, ...]

# A frame is an outlier if its figure differs from the expected value by more than this many standard deviations of
# the shot (estimated from the median absolute deviation), and by more than the column's own smallest difference.
_DEVIATIONS = 6.0
_MAD_TO_SIGMA = 1.4826
_NEIGHBOURS = 5
"""Frames on either side that a local rule compares with."""
_FLAT = 1e-9
"""A plot whose range is smaller than this is widened."""


@dataclass(frozen=True)
class OutlierRule:
    """When a frame stands out. ``sentence`` is formatted with the frame's value and the expected one.

    ``least`` is the smallest difference that a person sees; a value above ``limit`` is bad whatever the rest of the
    shot does. ``both_ways``: values that are too low count too. ``local``: a frame is compared with those around it
    instead of the whole shot, for figures that drift over a good shot.
    """

    sentence: str
    least: float
    limit: float = float("inf")
    both_ways: bool = False
    local: bool = False


@dataclass(frozen=True)
class Column:
    """One figure of every frame. ``values`` reads it: one number for each of ``curves``. ``digits`` are decimals.
    ``from_zero``: its plot starts at 0. ``missing`` stands in place of a plot without any figure."""

    name: str
    unit: str
    digits: int
    values: Callable[[FrameFigures], Values]
    rule: OutlierRule
    curves: tuple[str, ...] = ("",)
    from_zero: bool = False
    missing: str = "not measured"

    def facts(self, frames: Sequence[FrameFigures]) -> dict[str, object]:
        """What the page needs to show the column for these frames; JSON values."""
        low, high = self._plot_range(frames)
        return {
            "name": self.name,
            "unit": self.unit,
            "digits": self.digits,
            "curves": list(self.curves),
            "missing": self.missing,
            "low": low,
            "high": high,
        }

    def _plot_range(self, frames: Sequence[FrameFigures]) -> tuple[float, float]:
        known = [value for frame in frames for value in self.values(frame) if value is not None]
        if not known:
            return 0.0, 1.0
        low, high = 0.0 if self.from_zero else min(known), max(known)
        if high - low >= _FLAT:
            return low, high
        return low - (0.0 if self.from_zero else 0.1 * abs(low) + 1e-6), high + 0.1 * abs(high) + 1e-6


COLUMNS = (
    Column(
        name="alignment residual",
        unit="px",
        digits=2,
        values=lambda frame: (frame.residual_px,),
        rule=OutlierRule(
            sentence="The alignment's residual is {:.2f} px; the shot's median is {:.2f} px.", least=0.3, limit=1.0
        ),
        from_zero=True,
    ),
    Column(
        name="clean plate gain",
        unit="R, G, B",
        digits=3,
        values=lambda frame: frame.gain or (None, None, None),
        rule=OutlierRule(
            sentence="The clean plate's gain is {:.3f}; the frames around it suggest {:.3f}.",
            least=0.02,
            both_ways=True,
            local=True,
        ),
        curves=("red", "green", "blue"),
    ),
    Column(
        name="alpha area",
        unit="part of the frame",
        digits=3,
        values=lambda frame: (frame.alpha_area,),
        rule=OutlierRule(
            sentence="The matte's area is {:.3f}; the frames around it suggest {:.3f}.",
            least=0.01,
            both_ways=True,
            local=True,
        ),
    ),
    Column(
        name="flicker",
        unit="alpha against its neighbours",
        digits=4,
        values=lambda frame: (frame.flicker,),
        rule=OutlierRule(
            sentence="Alpha differs from its neighbours by {:.4f}; the shot's median is {:.4f}.", least=0.004
        ),
        from_zero=True,
        missing="needs three frames in a row",
    ),
    Column(
        name="re-composition",
        unit="error as part of the range",
        digits=5,
        values=lambda frame: (frame.recomposition,),
        rule=OutlierRule(
            sentence="The re-composition error is {:.1e}; the shot's median is {:.1e}.", least=1e-3, limit=1e-2
        ),
        from_zero=True,
    ),
)


def with_outliers(frames: Sequence[FrameFigures]) -> list[FrameFigures]:
    """The frames of a shot, with a reason added for every column by which a frame stands out."""
    reasons: list[list[str]] = [list(frame.reasons) for frame in frames]
    for column in COLUMNS:
        for index, sentence in _outliers([_mean(column.values(frame)) for frame in frames], column.rule):
            reasons[index].append(sentence)
    return [replace(frame, reasons=tuple(found)) for frame, found in zip(frames, reasons, strict=True)]


def _mean(values: Values) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _outliers(values: Sequence[float | None], rule: OutlierRule) -> list[tuple[int, str]]:
    known = [index for index, value in enumerate(values) if value is not None]
    measured = np.array([values[index] for index in known], np.float64)
    if not len(measured):
        return []
    expected = _local_trend(measured) if rule.local else np.full(len(measured), np.median(measured))
    difference = measured - expected
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(difference)))
    distance = np.abs(difference) if rule.both_ways else difference
    is_odd = (distance > max(_DEVIATIONS * sigma, rule.least)) | (measured > rule.limit)
    return [
        (known[place], rule.sentence.format(measured[place], expected[place]))
        for place in np.flatnonzero(is_odd).tolist()
    ]


def _local_trend(values: Series) -> Series:
    """What the neighbours of each value, itself left out, predict for it: their robust straight line (Theil 1950,
    Sen 1968), so that a drift is no outlier, not even at the ends of the shot. A single value predicts itself."""
    predicted = values.copy()
    places = np.arange(len(values))
    for place in range(len(values)):
        near = (np.abs(places - place) <= _NEIGHBOURS) & (places != place)
        away, others = (places - place)[near], values[near]
        if not len(others):
            continue
        first, second = np.triu_indices(len(others), 1)
        slopes = (others[second] - others[first]) / (away[second] - away[first])
        slope = float(np.median(slopes)) if len(slopes) else 0.0
        predicted[place] = np.median(others - slope * away)
    return predicted
