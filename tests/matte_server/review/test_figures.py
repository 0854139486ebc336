"""Which frames stand out from their shot, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matte_server.review.figures import FrameFigures, figures_of, flicker, judged

DIAGNOSTICS = {
    "alignment": {"residual_px": 0.2, "gain": [1.0, 1.01, 1.02]},
    "alpha_area": 0.3,
    "recomposition_error": 2e-4,
    "warnings": [],
}


def shot(count: int = 40) -> list[FrameFigures]:
    """A good shot: figures that wander a little, and an exposure and a subject that drift a lot."""
    chance = np.random.default_rng(1)
    return [
        FrameFigures(
            1001 + k,
            0.2 + 0.02 * float(chance.normal()),
            (1.0 + 0.005 * k, 1.01 + 0.005 * k, 1.02 + 0.005 * k),
            0.2 + 0.005 * k,
            0.002 + 0.0002 * float(chance.normal()),
            2e-4 + 2e-5 * float(chance.normal()),
        )
        for k in range(count)
    ]


def odd(frames: list[FrameFigures]) -> dict[int, tuple[str, ...]]:
    return {frame.frame: frame.reasons for frame in judged(frames) if frame.reasons}


def test_figures_come_from_the_diagnostics() -> None:
    assert figures_of(7, DIAGNOSTICS) == FrameFigures(7, 0.2, (1.0, 1.01, 1.02), 0.3, None, 2e-4)


def test_what_was_not_measured_is_none_and_warnings_are_reasons() -> None:
    said = {"alignment": {"residual_px": None, "gain": [1.0, float("nan"), 1.0]}, "warnings": ["Too few details."]}
    assert figures_of(7, said) == FrameFigures(7, reasons=("Too few details.",))
    assert figures_of(7, {}) == FrameFigures(7)


def test_a_frame_without_a_result_says_why() -> None:
    assert figures_of(7, {}, "the plate cannot be read.").reasons == ("No result: the plate cannot be read.",)


def test_a_drifting_shot_has_no_odd_frame() -> None:
    assert odd(shot()) == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"residual_px": 0.9}, "residual is 0.90 px, the shot's 0.2"),
        ({"gain": (1.2, 1.2, 1.2)}, "gain is 1.200, beside it 1.1"),
        ({"gain": (1.0, 1.0, 1.0)}, "gain is 1.000, beside it 1.1"),
        ({"alpha_area": 0.02}, "area is 0.020, beside it 0.3"),
        ({"alpha_area": 0.6}, "area is 0.600, beside it 0.3"),
        ({"flicker": 0.03}, "jumps by 0.0300"),
        ({"recomposition": 5e-3}, "error is 5.0e-03, the shot's 2.0e-04"),
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


def test_flicker_is_zero_for_an_even_fade_and_the_jump_for_a_pop() -> None:
    flat = np.full((4, 5, 1), 0.5, np.float32)
    assert flicker(flat - 0.25, flat, flat + 0.25) == 0.0
    assert flicker(flat, flat + 0.25, flat) == 0.25


def test_flicker_needs_both_neighbours_of_the_same_size() -> None:
    flat = np.zeros((4, 5, 1), np.float32)
    assert flicker(None, flat, flat) is None
    assert flicker(flat, flat, None) is None
    assert flicker(flat, flat, flat[:2]) is None
