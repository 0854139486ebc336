"""One frame's figures, from the server's diagnostics and from the mattes."""

from __future__ import annotations

import numpy as np

from matte_server.review.figures import FrameFigures, figures_of, flicker

DIAGNOSTICS = {
    "alignment": {"residual_px": 0.2, "gain": [1.0, 1.01, 1.02]},
    "alpha_area": 0.3,
    "recomposition_error": 2e-4,
    "warnings": [],
}


def test_figures_come_from_the_diagnostics() -> None:
    assert figures_of(7, DIAGNOSTICS) == FrameFigures(
        frame=7, residual_px=0.2, gain=(1.0, 1.01, 1.02), alpha_area=0.3, recomposition=2e-4
    )


def test_what_was_not_measured_is_none_and_warnings_are_reasons() -> None:
    unmeasured = {"residual_px": None, "gain": [1.0, float("nan"), 1.0]}
    found = figures_of(7, {"alignment": unmeasured, "warnings": ["Too few details."]})
    assert found == FrameFigures(7, reasons=("Too few details.",))
    assert figures_of(7, {}) == FrameFigures(7)


def test_a_frame_without_a_result_says_why() -> None:
    assert figures_of(7, {}, "the plate cannot be read.").reasons == ("No result: the plate cannot be read.",)


def test_flicker_is_zero_for_an_even_fade_and_the_jump_for_a_pop() -> None:
    flat = np.full((4, 5, 1), 0.5, np.float32)
    assert flicker(flat - 0.25, flat, flat + 0.25) == 0.0
    assert flicker(flat, flat + 0.25, flat) == 0.25


def test_flicker_needs_both_neighbours_of_the_same_size() -> None:
    flat = np.zeros((4, 5, 1), np.float32)
    assert flicker(None, flat, flat) is None
    assert flicker(flat, flat, None) is None
    assert flicker(flat, flat, flat[:2]) is None
