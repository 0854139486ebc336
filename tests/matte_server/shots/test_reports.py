"""What is printed of a frame, and which frame of a shot is named as the worst."""

from __future__ import annotations

from typing import Any

import pytest
from matte_link.diagnostics import NO_SUBJECT

from matte_server.shots.reports import (
    FrameReport,
    ResultStatus,
    ShotReport,
    alpha_area,
    is_measured_frame,
    summary_of,
    warned_frames,
)

AGREED = {"kind": "none", "points": 80, "inliers": 0.9, "residual_px": 0.25, "coverage": 0.5}


def frame(number: int, **diagnostics: Any) -> FrameReport:
    return FrameReport(number, ResultStatus.DONE, f"m.{number}.exr", diagnostics=diagnostics)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("none", "not moved"), ("translation", "shifted"), ("homography", "moved in perspective"), ("given", "given")],
)
def test_a_summary_says_how_the_clean_plate_was_brought_onto_the_plate(kind: str, words: str) -> None:
    found = summary_of({"alignment": {**AGREED, "kind": kind}, "recomposition_error": 0.00125})
    assert found == (
        f"{words}, 90% of 80 points agree to 0.25 px, clean plate covers 50.0%, "
        "foreground over clean plate within 0.125% of the plate"
    )
    assert summary_of({"alignment": {"kind": kind}}) == f"{words}, clean plate covers 100.0%"
    assert summary_of({}) == ""


def test_a_warning_is_printed_with_the_first_frame_that_has_it() -> None:
    known: set[str] = set()
    assert summary_of({"warnings": ["One.", "Two.", "One."]}, known) == "WARNING: One. Two."
    assert summary_of({"warnings": ["Two.", "Three."]}, known) == "WARNING: Three."
    assert summary_of({"warnings": ["Three."]}, known) == "" and known == {"One.", "Two.", "Three."}
    assert summary_of({"warnings": ["Three."]}) == "WARNING: Three."


def test_the_worst_frame_is_one_that_was_not_measured_then_the_one_with_most_warnings() -> None:
    loose = {**AGREED, "inliers": 0.5}
    good = frame(1, alignment=AGREED)
    one, two = frame(2, alignment=AGREED, warnings=["a"]), frame(3, alignment=AGREED, warnings=["a", "b"])
    looser = frame(4, alignment=loose, warnings=["a", "b"])
    none = frame(5, alignment={**AGREED, "points": 0, "inliers": None}, warnings=["a"])
    for frames, worst in (
        ((good,), []),
        ((good, one), [one]),
        ((good, one, two), [two, one]),
        ((one, two, looser), [looser, two, one]),
        ((looser, none, two), [none, looser, two]),
    ):
        assert warned_frames(ShotReport(frames)) == worst
    assert [is_measured_frame(each) for each in (good, looser, none, frame(6))] == [True, True, False, False]


def test_an_empty_frame_is_no_warning_where_others_have_a_subject() -> None:
    empty = frame(1, alpha_area=0.0, warnings=[NO_SUBJECT])
    odd = frame(2, alpha_area=0.0, warnings=[NO_SUBJECT, "a"])
    entered = frame(3, alpha_area=0.3)
    assert warned_frames(ShotReport((empty, odd, entered))) == [odd]
    assert warned_frames(ShotReport((empty, empty))) == [empty, empty], "nobody ever comes"


def test_alpha_s_area_is_0_where_it_is_not_known() -> None:
    areas = (frame(1, alpha_area=0.25), frame(2, alpha_area=1), frame(3), frame(4, alpha_area=None))
    assert [alpha_area(each) for each in areas] == [0.25, 1.0, 0.0, 0.0]
