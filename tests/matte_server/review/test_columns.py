"""Which frames stand out from their shot, and why; what the page is told of each column."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matte_link.diagnostics import NO_SUBJECT

from matte_server.core.window import Window
from matte_server.review.columns import COLUMNS, Column, common_warnings, with_outliers
from matte_server.review.figures import FrameFigures, Reason


def shot(count: int = 40) -> list[FrameFigures]:
    """A good shot: figures that wander a little, and an exposure and a subject that drift a lot."""
    chance = np.random.default_rng(1)
    return [
        FrameFigures(
            frame=1001 + k,
            residual_px=0.2 + 0.02 * float(chance.normal()),
            gain=(1.0 + 0.005 * k, 1.01 + 0.005 * k, 1.02 + 0.005 * k),
            alpha_area=0.2 + 0.005 * k,
            misfit_px=0.3 + 0.01 * float(chance.normal()),
            offset_px=(0.3 + 0.05 * float(chance.normal()), -0.5 + 0.05 * float(chance.normal())),
            flicker=0.002 + 0.0002 * float(chance.normal()),
            appeared=0.0,
            vanished=0.0,
            softness_px=8.0 + 0.02 * k,
            contradicted=1e-4,
            holes=0.0,
            recomposition=2e-4 + 2e-5 * float(chance.normal()),
        )
        for k in range(count)
    ]


def odd(frames: list[FrameFigures]) -> dict[int, tuple[str, ...]]:
    found = {
        frame.frame: tuple(reason.sentence for reason in frame.reasons)
        for frame in with_outliers(frames, common_warnings(frames))
    }
    return {number: reasons for number, reasons in found.items() if reasons}


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
        ({"flicker": 0.03}, "differs from the frames around it by 0.0300"),
        ({"misfit_px": 0.6}, "contradicts the pictures over 0.60 px; around it 0.3"),
        ({"offset_px": (4.0, -0.5)}, "edge lies +4.0 px beside the matte's; in the frames around it +0.3 px"),
        ({"offset_px": (0.3, -4.0)}, "edge lies -4.0 px beside the matte's; in the frames around it -0.5 px"),
        ({"appeared": 8.5e-4}, "A solid area of 0.08% of the frame is in no frame around it"),
        ({"vanished": 4e-4}, "0.04% of the frame are solid in those around it, but not here"),
        ({"softness_px": 12.0}, "edge is 12.0 px wide; the frames around it suggest 8.4 px"),
        ({"softness_px": 5.0}, "edge is 5.0 px wide; the frames around it suggest 8.4 px"),
        ({"holes": 0.002}, "Holes in the subject take 0.20% of the frame"),
        ({"contradicted": 0.004}, "contradicts plate and clean plate in 0.40% of the frame"),
        ({"recomposition": 5e-3}, "is 0.50% of the plate's range away from the plate; the shot's median is 0.02%"),
    ],
)
def test_the_one_bad_frame_is_found_and_no_other(change: dict[str, object], words: str) -> None:
    frames = shot()
    frames[20] = replace(frames[20], **change)  # type: ignore[arg-type]
    found = odd(frames)
    assert list(found) == [1021]
    assert len(found[1021]) == 1 and words in found[1021][0]


def test_the_most_severe_reason_comes_first_and_knows_its_place() -> None:
    frames = shot()
    place = Window(30, 40, 50, 60)
    frames[20] = replace(frames[20], residual_px=0.9, vanished=0.05, places={"vanished": place})
    [worst, other] = with_outliers(frames, common_warnings(frames))[20].reasons
    assert "solid in those around it" in worst.sentence and worst.place == place
    # 0.05 is 417 times the smallest area that counts, 1.2e-4.
    assert worst.severity == pytest.approx(0.05 / 1.2e-4) and other.place is None
    assert (
        with_outliers(frames, common_warnings(frames))[20].severity == worst.severity
        and with_outliers(frames, common_warnings(frames))[19].severity == 0.0
    )


def test_what_most_frames_share_is_about_the_shot() -> None:
    warned = Reason(sentence="Too few details.", severity=3.0)
    frames = [replace(frame, reasons=(warned,)) for frame in shot(3)] + shot(5)[3:]
    assert common_warnings(frames) == ("Too few details.",) and odd(frames) == {}
    assert common_warnings(frames[1:]) == () and list(odd(frames[1:])) == [1002, 1003]


def test_a_shot_that_is_bad_throughout_is_marked_throughout() -> None:
    """The median of a bad shot is no excuse: residuals above a pixel and large errors count by themselves."""
    frames = [replace(frame, residual_px=3.0, recomposition=0.15) for frame in shot(5)]
    told = [
        "The foreground over the clean plate is 15.00% of the plate's range away from the plate; in a good frame "
        "it stays below 10%.",
        "The alignment's residual is 3.00 px; a good one stays below 1 px.",
    ]
    assert [sorted(reasons, reverse=True) for reasons in odd(frames).values()] == [told] * 5


def test_a_quiet_foreground_marks_no_frame() -> None:
    """3.2 % is what four real frames with curls have, and glass before a pattern 4.1 %."""
    assert odd([replace(frame, recomposition=0.041) for frame in shot(1)]) == {}


def test_the_only_frame_is_not_compared_with_itself() -> None:
    """It is its shot's median."""
    frames = [replace(shot(1)[0], recomposition=0.117, contradicted=0.07)]
    ((first, second),) = odd(frames).values()
    assert second.endswith(
        "is 11.70% of the plate's range away from the plate; in a good frame it stays below 10%."
    )
    assert first == "The matte contradicts plate and clean plate in 7.00% of the frame; a good one stays below 5%."


@pytest.mark.parametrize("count", [4, 12])
def test_grain_in_all_frames_alike_marks_none(count: int) -> None:
    """Measured on four frames of a disc with grain of 0.004, matted by difference: 0.95 to 1.06 %."""
    around = (0.00955, 0.01047, 0.00945, 0.01063)
    frames = [replace(frame, recomposition=around[k % 4]) for k, frame in enumerate(shot(count))]
    assert odd(frames) == {}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_shots_are_judged_without_an_error(count: int) -> None:
    assert odd(shot(count)) == {}


@pytest.mark.parametrize("count", [1, 2])
def test_a_subject_that_is_missing_is_named_in_a_shot_of_one_frame(count: int) -> None:
    frames = shot(count)
    frames[0] = replace(frames[0], contradicted=0.1)
    assert list(odd(frames)) == [1001]


def test_of_three_frames_only_one_that_clearly_differs_is_named() -> None:
    """Three frames of the demo contradict their pictures by 3.1, 3.9 and 3.1 %: that is how they are."""
    frames = [
        replace(frame, contradicted=part) for frame, part in zip(shot(3), (0.031, 0.039, 0.0312), strict=True)
    ]
    assert odd(frames) == {}
    frames[1] = replace(frames[1], contradicted=0.06)
    assert list(odd(frames)) == [1002]


def test_somebody_who_has_just_entered_and_the_last_frame_of_somebody_leaving_are_no_fault() -> None:
    """The area rises frame by frame, and then stays; at the end it falls a little faster than before."""
    areas = [0.02, 0.047, 0.075, 0.105, 0.132, 0.163, 0.186, 0.207, 0.205, 0.21, 0.207, 0.21, 0.205, 0.209, 0.19]
    frames = [replace(frame, alpha_area=area) for frame, area in zip(shot(len(areas)), areas, strict=True)]
    assert odd(frames) == {}
    # A fault at the end is still one.
    frames[-1] = replace(frames[-1], alpha_area=0.05)
    assert list(odd(frames)) == [1000 + len(areas)]


def crossing() -> list[FrameFigures]:
    """Somebody is in 12 of 30 frames, of which the first and the last show a sliver at the border. The figure of
    the foreground is measured on edges where there are some, else on the grain of the whole frame."""
    reasons = (Reason(sentence=NO_SUBJECT, severity=3.0),)
    frames = [
        replace(frame, alpha_area=1e-6, contradicted=0.0, recomposition=0.0027, reasons=reasons)
        for frame in shot(30)
    ]
    for number in range(9, 21):
        area, missed = (0.006, 0.11) if number in (9, 20) else (0.2, 0.008 + 0.0003 * number)
        frames[number] = replace(frames[number], alpha_area=area, recomposition=missed, reasons=())
    return frames


def test_somebody_who_crosses_the_frame_is_no_fault_and_neither_is_the_set_without_her() -> None:
    """Every frame with her was named, as the foreground's figure of the others is lower, and where these are fewer
    than half, every one without her, too. Where she comes soon after the first frame, those before her had an area
    that the frames around did not suggest."""
    for first, last in ((0, 30), (4, 26), (5, 25)):
        assert odd(crossing()[first:last]) == {}, first
    frames = crossing()
    frames[15] = replace(frames[15], recomposition=0.03)
    assert list(odd(frames)) == [1016]


def test_frames_of_which_no_area_is_known_hide_no_bad_foreground() -> None:
    """PNGs that were there already say nothing of themselves: they counted as frames full of the subject, beside
    which the others showed a sliver that nobody judged."""
    frames = [replace(frame, alpha_area=0.2, recomposition=0.008) for frame in shot(20)]
    frames[3:18] = [FrameFigures(frame.frame) for frame in frames[3:18]]
    frames[19] = replace(frames[19], recomposition=0.15)
    assert list(odd(frames)) == [1020]


def test_a_subject_that_is_missed_is_named_though_others_are_absent() -> None:
    frames = crossing()[5:25]
    frames[1] = replace(frames[1], contradicted=1e-3)
    frames[18] = replace(frames[18], contradicted=None)
    assert list(odd(frames)) == [1007, 1024]
    # A shot without any subject says so.
    alone = [frame for frame in crossing() if frame.reasons][:2]
    assert list(odd(alone)) == [1001, 1002]


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
    [measured] = [replace(frame, flicker=0.01) for frame in shot(1)]
    for each in COLUMNS:
        assert len(each.values(FrameFigures(1))) == len(each.values(measured)) == len(each.curves)
        assert None not in each.values(measured)


def test_three_bad_frames_in_a_short_shot_are_all_found() -> None:
    """Each spoils what is expected of the two beside it."""
    frames = [replace(frame, holes=0.0, contradicted=0.0) for frame in shot(8)]
    for at, part in ((2, 0.033), (3, 0.026), (4, 0.048)):
        frames[at] = replace(frames[at], contradicted=part)
    assert set(odd(frames)) == {1003, 1004, 1005}
