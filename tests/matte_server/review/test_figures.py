"""One frame's figures from the server's diagnostics."""

from __future__ import annotations

from matte_server.review.figures import NO_RESULT, WARNED, FrameFigures, Reason, figures_of

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
    assert found == FrameFigures(7, reasons=(Reason(sentence="Too few details.", severity=WARNED),))
    assert figures_of(7, {}) == FrameFigures(7)


def test_a_frame_without_a_result_says_why() -> None:
    [reason] = figures_of(7, {}, "the plate cannot be read.").reasons
    assert reason == Reason(sentence="No result: the plate cannot be read.", severity=NO_RESULT)


def test_a_result_with_pixels_that_are_no_numbers_says_so() -> None:
    [reason] = figures_of(7, {}, damaged=0.0123).reasons
    assert reason.severity == NO_RESULT and reason.sentence.startswith("1.23% of the result's pixels are NaN")
