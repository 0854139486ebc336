"""The columns of a review: which figures are shown and plotted, and when a frame stands out by one of them.

The page gets its columns from here as JSON; its script knows none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from matte_link.diagnostics import NO_SUBJECT

from .figures import FrameFigures, Reason

Series = npt.NDArray[np.float64]
Values = tuple[float | None, ...]

# A frame is an outlier if its figure differs from the expected value by more than this many standard deviations of
# the shot (estimated from the median absolute deviation), and by more than the column's own smallest difference.
_DEVIATIONS = 6.0
_MAD_TO_SIGMA = 1.4826
_NEIGHBOURS = 5
"""Frames on either side that a local rule compares with."""
_LEAST_OF_A_SIDE = 4
"""Fewer on one side say nothing by themselves: one of them may be bad."""
_NEAR_AND_BOTH_SIDES = 3
_ENOUGH = 5
"""Fewer frames do not show how much the shot varies: the smallest difference that counts is 3 times as large with
four frames, 5 times with three."""
_FLAT = 1e-9
"""A plot whose range is smaller than this is widened."""
_NEEDS_THREE = "needs three frames"
# Mean alpha of a frame without a subject, at most, and which part of the usual one is a sliver at the border.
_EMPTY, _SLIVER = 1e-4, 0.25


@dataclass(frozen=True)
class OutlierRule:
    """When a frame stands out. ``sentence`` is formatted with the frame's value and the expected one.

    ``least`` is the smallest difference that a person sees; a value above ``limit`` is bad whatever the rest of the
    shot does: one that is not otherwise an outlier is told with ``above``, formatted with the value and the limit.
    ``both_ways``: values that are too low count too. ``local``: a frame is compared with those around it
    instead of the whole shot, for figures that drift over a good shot. ``of_subject``: frames that show hardly
    anything of the subject are not judged, and judge no other.
    """

    sentence: str
    least: float
    limit: float = float("inf")
    above: str = ""
    both_ways: bool = False
    local: bool = False
    of_subject: bool = False


@dataclass(frozen=True)
class Column:
    """One figure of every frame. ``values`` reads it: one number for each of ``curves``. ``digits`` are decimals.
    ``from_zero``: its plot starts at 0. ``missing`` stands in place of a plot without any figure. ``place`` names
    the figure's place in :attr:`FrameFigures.places`."""

    name: str
    unit: str
    digits: int
    values: Callable[[FrameFigures], Values]
    rule: OutlierRule
    curves: tuple[str, ...] = ("",)
    from_zero: bool = False
    missing: str = "not measured"
    place: str = ""

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
            sentence="The alignment's residual is {:.2f} px; the shot's median is {:.2f} px.",
            least=0.3,
            limit=1.0,
            above="The alignment's residual is {:.2f} px; a good one stays below {:.0f} px.",
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
        name="appeared",
        unit="part that no frame around has",
        digits=4,
        values=lambda frame: (frame.appeared,),
        rule=OutlierRule(
            sentence="A solid area of {:.2%} of the frame is in no frame around it (the shot's median: {:.2%}).",
            least=1.2e-4,
        ),
        from_zero=True,
        missing=_NEEDS_THREE,
        place="appeared",
    ),
    Column(
        name="vanished",
        unit="part that all frames around have",
        digits=4,
        values=lambda frame: (frame.vanished,),
        rule=OutlierRule(
            sentence="{:.2%} of the frame are solid in those around it, but not here (the shot's median: {:.2%}).",
            least=1.2e-4,
        ),
        from_zero=True,
        missing=_NEEDS_THREE,
        place="vanished",
    ),
    Column(
        name="flicker",
        unit="alpha beyond the frames around",
        digits=4,
        values=lambda frame: (frame.flicker,),
        rule=OutlierRule(
            sentence="Alpha differs from the frames around it by {:.4f}; they suggest {:.4f}.",
            least=0.002,
            local=True,
        ),
        from_zero=True,
        missing=_NEEDS_THREE,
        place="flicker",
    ),
    Column(
        name="edge misfit",
        unit="px along the outline that contradict plate and clean plate",
        digits=2,
        values=lambda frame: (frame.misfit_px,),
        rule=OutlierRule(
            sentence="Along its outline the matte contradicts the pictures over {:.2f} px; around it {:.2f}.",
            least=0.12,
            local=True,
        ),
        from_zero=True,
    ),
    Column(
        name="edge offset",
        unit="px beside the edge in plate and clean plate: right, down",
        digits=1,
        values=lambda frame: frame.offset_px or (None, None),
        rule=OutlierRule(
            sentence="The subject's edge lies {:+.1f} px beside the matte's; in the frames around it {:+.1f} px.",
            least=1.5,
            both_ways=True,
            local=True,
        ),
        curves=("right", "down"),
    ),
    Column(
        name="edge softness",
        unit="px",
        digits=2,
        values=lambda frame: (frame.softness_px,),
        rule=OutlierRule(
            sentence="The matte's edge is {:.1f} px wide; the frames around it suggest {:.1f} px.",
            least=1.0,
            both_ways=True,
            local=True,
        ),
        from_zero=True,
    ),
    Column(
        name="contradiction",
        unit="part of the frame",
        digits=4,
        values=lambda frame: (frame.contradicted,),
        rule=OutlierRule(
            sentence="The matte contradicts plate and clean plate in {:.2%} of the frame; around it in {:.2%}.",
            least=2e-3,
            limit=0.05,
            above="The matte contradicts plate and clean plate in {:.2%} of the frame; a good one stays below "
            "{:.0%}.",
            local=True,
        ),
        from_zero=True,
        place="contradicted",
    ),
    Column(
        name="holes",
        unit="part of the frame",
        digits=4,
        values=lambda frame: (frame.holes,),
        rule=OutlierRule(
            sentence="Holes in the subject take {:.2%} of the frame; around it {:.2%}.", least=1e-3, local=True
        ),
        from_zero=True,
        place="holes",
    ),
    Column(
        name="foreground over clean plate",
        unit="distance from the plate, part of its range",
        digits=4,
        values=lambda frame: (frame.recomposition,),
        rule=OutlierRule(
            sentence="The foreground over the clean plate is {:.2%} of the plate's range away from the plate; the "
            "shot's median is {:.2%}.",
            least=1e-3,
            # Where alpha is unsure the colour is quiet, not exact: 37 held-out stills without a fault reach 8.7 %.
            limit=0.1,
            above="The foreground over the clean plate is {:.2%} of the plate's range away from the plate; in a "
            "good frame it stays below {:.0%}.",
            # It is measured on the subject's edge; where there is none, on the grain of the whole frame.
            of_subject=True,
        ),
        from_zero=True,
    ),
)


def with_outliers(frames: Sequence[FrameFigures], common: Collection[str]) -> list[FrameFigures]:
    """The frames of a shot, with a reason added for every column by which a frame stands out, and without the
    ``common`` ones of :func:`common_warnings`. That no subject was found is none where nothing in the pictures
    contradicts it and other frames have one: somebody has not come yet, or has gone."""
    shown = _shown(frames)
    reasons = []
    for frame, there in zip(frames, shown, strict=True):
        expected = {*common, *(() if there or frame.contradicted != 0.0 else (NO_SUBJECT,))}
        reasons.append([reason for reason in frame.reasons if reason.sentence not in expected])
    for column in COLUMNS:
        for index, found in _worst_of_curves(column, frames).items():
            reasons[index].append(replace(found, place=frames[index].places.get(column.place)))
    for found_of_frame in reasons:
        found_of_frame.sort(key=lambda reason: -reason.severity)
    return [replace(frame, reasons=tuple(found)) for frame, found in zip(frames, reasons, strict=True)]


def common_warnings(frames: Sequence[FrameFigures]) -> tuple[str, ...]:
    """The sentences that more than half of a shot's frames share: they are about the shot, and no frame stands out
    by them. A shot of one or two frames has none."""
    counts = Counter(reason.sentence for frame in frames for reason in frame.reasons)
    return tuple(sentence for sentence, count in counts.items() if count > max(len(frames) / 2, 2))


def _worst_of_curves(column: Column, frames: Sequence[FrameFigures]) -> dict[int, Reason]:
    """By index, the frames that stand out in one of the column's curves, and the worst reason of each."""
    found: dict[int, Reason] = {}
    shown = _shown(frames) if column.rule.of_subject else [True] * len(frames)
    nothing = (None,) * len(column.curves)
    judged = [column.values(frame) if there else nothing for frame, there in zip(frames, shown, strict=True)]
    for values in zip(*judged, strict=True):
        for index, reason in _outliers(values, column.rule):
            if index not in found or reason.severity > found[index].severity:
                found[index] = reason
    return found


def _shown(frames: Sequence[FrameFigures]) -> list[bool]:
    """Which frames show the subject: all that show more than a sliver of it, or of which that is not known, and all
    where none does."""
    areas = [frame.alpha_area for frame in frames]
    there = [area for area in areas if area is not None and area > _EMPTY]
    least = _SLIVER * float(np.median(there)) if there else -1.0
    return [area is None or area > least for area in areas]


def _outliers(values: Sequence[float | None], rule: OutlierRule) -> list[tuple[int, Reason]]:
    known = [index for index, value in enumerate(values) if value is not None]
    measured = np.array([values[index] for index in known], np.float64)
    if not len(measured):
        return []
    judges = np.ones(len(measured), np.bool_)
    severity, expected = _severity(measured, judges, rule)
    # Bad frames beside one another spoil what is expected of each: those that stand out from the frames around them
    # are judged once more, by the others. So are those above the whole shot in a figure that good frames keep low.
    good = severity <= 1.0
    if not rule.both_ways:
        good &= _severity(measured, judges, replace(rule, local=False))[0] <= 1.0
    if len(measured) / 2 < np.count_nonzero(good) < len(measured):
        judges = good
        again, expected = _severity(measured, judges, rule)
        severity = np.where(good, severity, again)
    among_others = _severity(measured, judges, replace(rule, limit=float("inf")))[0]
    found = list[tuple[int, Reason]]()
    for place in np.flatnonzero(severity > 1.0).tolist():
        is_outlier = not rule.above or among_others[place] > 1.0
        sentence, other = (rule.sentence, expected[place]) if is_outlier else (rule.above, rule.limit)
        reason = Reason(sentence=sentence.format(measured[place], other), severity=float(severity[place]))
        found.append((known[place], reason))
    return found


def _severity(values: Series, good: npt.NDArray[np.bool_], rule: OutlierRule) -> tuple[Series, Series]:
    """How far each value stands out, 1 being the limit, and what was expected of it; only ``good`` values say what
    is expected. At the ends of a shot a local rule only knows one side, and is trusted half as much."""
    expected = _local_trend(values, good) if rule.local else np.full(len(values), np.median(values[good]))
    difference = (values - expected) / (np.where(_has_both_sides(good), 1.0, 2.0) if rule.local else 1.0)
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(difference[good])))
    distance = np.abs(difference) if rule.both_ways else difference
    least = rule.least * (1 + 2 * max(0, _ENOUGH - len(values)))
    allowed = max(_DEVIATIONS * sigma, least)
    return np.maximum(distance / allowed, np.abs(values) / rule.limit), expected


def _local_trend(values: Series, good: npt.NDArray[np.bool_]) -> Series:
    """What the ``good`` neighbours of each value, itself left out, predict for it, so that a drift is no outlier,
    not even at the ends of the shot. Those of one side alone are heard too, and what is nearest to the value
    counts: where a subject has just entered, the figure rises on one side and stays on the other. Near the ends,
    where a side is too short to be heard, the nearest few are. A value without any predicts itself."""
    predicted = values.copy()
    places = np.arange(len(values))
    for place in range(len(values)):
        near = (np.abs(places - place) <= _NEIGHBOURS) & (places != place) & good
        sides = [near & (places < place), near & (places > place)]
        chosen = [near, *(side for side in sides if np.count_nonzero(side) >= _LEAST_OF_A_SIDE)]
        found = [_line_at_zero((places - place)[each], values[each]) for each in chosen if each.any()]
        if len(chosen) < _NEAR_AND_BOTH_SIDES and near.any():
            nearest = sorted(np.flatnonzero(near), key=lambda other: abs(other - place))[:_LEAST_OF_A_SIDE]
            found.append(float(np.median(values[nearest])))
        if found:
            predicted[place] = min(found, key=lambda value: abs(value - values[place]))
    return predicted


def _has_both_sides(good: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which places have a ``good`` one within reach before them, and one behind them."""
    at = np.flatnonzero(good)
    apart = at[None, :] - np.arange(len(good))[:, None]
    near = (np.abs(apart) <= _NEIGHBOURS) & (apart != 0)
    return np.asarray((near & (apart < 0)).any(axis=1) & (near & (apart > 0)).any(axis=1))


def _line_at_zero(away: npt.NDArray[np.int_], values: Series) -> float:
    """Where the robust straight line through ``values`` at the places ``away`` is at 0 (Theil 1950, Sen 1968)."""
    first, second = np.triu_indices(len(values), 1)
    slopes = (values[second] - values[first]) / (away[second] - away[first])
    slope = float(np.median(slopes)) if len(slopes) else 0.0
    return float(np.median(values - slope * away))
