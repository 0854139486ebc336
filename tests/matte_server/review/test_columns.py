"""Which frames stand out from their shot, and why; what the page is told of each column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matte_server.review.columns import COLUMNS, Column, with_outliers
from matte_server.review.figures import FrameFigures


def shot(count: int = 40) -> list[FrameFigures]:
    """A good shot: figures that wander a little, and an exposure and a subject that drift a lot."""
    chance = np.random.default_rng(1)
    return [
        FrameFigures(
            frame=1001 + k,
            residual_px=0.2 + 0.02 * float(chance.normal()),
            gain=(1.0 + 0.005 * k, 1.01 + 0.005 * k, 1.02 + 0.005 * k),
            alpha_area=0.2 + 0.005 * k,
            flicker=0.002 + 0.0002 * float(chance.normal()),
            recomposition=2e-4 + 2e-5 * float(chance.normal()),
        )
        for k in range(count)
    ]


def odd(frames: list[FrameFigures]) -> dict[int, tuple[str, ...]]:
    return {frame.frame: frame.reasons for frame in with_outliers(frames) if frame.reasons}


def test_a_drifting_shot_has_no_odd_frame() -> None:
    assert odd(shot()) == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"residual_px": 0.9}, "residual is 0.90 px; the shot's median is 0.2"),
        ({"gain": (1.2, 1.2, 1.2)}, "gain is 1.200; the frames around it suggest 1.1"),
        ({"gain": (1.0, 1.0, 1.0)}, "gain is 1.000; the frames around it suggest 1.1"),
        ({"alpha_area": 0.02}, "area is 0.020; the frames around it suggest 0.3"),
        ({"alpha_area": 0.6}, "area is 0.600; the frames around it suggest 0.3"),
        ({"flicker": 0.03}, "differs from its neighbours by 0.0300"),
        ({"recomposition": 5e-3}, "error is 5.0e-03; the shot's median is 2.0e-04"),
    ],
)
def test_the_one_bad_frame_is_found_and_no_other(change: dict[str, object], words: str) -> None:
    frames = shot()
    frames[20] = replace(frames[20], **change)  # type: ignore[arg-type]
    found = odd(frames)
    assert list(found) == [1021]
    assert len(found[1021]) == 1 and words in found[1021][0]


def test_a_shot_that_is_bad_throughout_is_marked_throughout() -> None:
    """The median of a bad shot is no excuse: residuals above a pixel and large errors count by themselves."""
    frames = [replace(frame, residual_px=3.0, recomposition=0.05) for frame in shot(5)]
    assert [len(reasons) for reasons in odd(frames).values()] == [2] * 5


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_shots_are_judged_without_an_error(count: int) -> None:
    assert odd(shot(count)) == {}


def test_frames_without_figures_do_not_hide_the_odd_one() -> None:
    frames = [FrameFigures(frame.frame) if frame.frame % 3 == 0 else frame for frame in shot()]
    frames[20] = replace(frames[20], residual_px=0.9)
    assert list(odd(frames)) == [1021]


def column(name: str) -> Column:
    return next(column for column in COLUMNS if column.name == name)


@pytest.mark.parametrize(
    ("name", "frames", "low", "high"),
    [
        # Not from zero: from the smallest to the largest, of all three channels.
        (
            "clean plate gain",
            [FrameFigures(1, gain=(0.8, 0.9, 1.0)), FrameFigures(2, gain=(1.1, 0.9, 1.0))],
            0.8,
            1.1,
        ),
        # From zero, and frames without a figure do not count.
        ("alignment residual", [FrameFigures(1, residual_px=0.2), FrameFigures(2), FrameFigures(3, 0.5)], 0.0, 0.5),
        # A flat curve: a tenth to both sides, or above where it starts at zero; an area of 0 still has a range.
        ("alpha area", [FrameFigures(1, alpha_area=0.5)], 0.45 - 1e-6, 0.55 + 1e-6),
        ("alpha area", [FrameFigures(1, alpha_area=0.0)], -1e-6, 1e-6),
        ("flicker", [FrameFigures(1, flicker=0.0)], 0.0, 1e-6),
        # Nothing measured.
        ("flicker", [FrameFigures(1)], 0.0, 1.0),
    ],
)
def test_a_plot_reaches_from_its_lowest_to_its_highest_figure(
    name: str, frames: list[FrameFigures], low: float, high: float
) -> None:
    facts = column(name).facts(frames)
    assert (facts["low"], facts["high"]) == pytest.approx((low, high), abs=1e-12)


def test_every_column_has_a_value_for_each_of_its_curves() -> None:
    measured = FrameFigures(
        1, residual_px=0.2, gain=(1.0, 1.1, 1.2), alpha_area=0.3, flicker=0.01, recomposition=1e-4
    )
    for each in COLUMNS:
        assert len(each.values(FrameFigures(1))) == len(each.values(measured)) == len(each.curves)
        assert None not in each.values(measured)
