"""The plate solve of a shot, on alignments whose answer is plain: locked or moving, sure or in need of help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matte_server.core.align import Alignment, is_measured
from matte_server.core.exposure import UNMATCHED
from matte_server.core.shot_solve import (
    REPAIRED,
    Expectation,
    best_supported,
    corners,
    expected_between,
    is_matched,
    is_same_place,
    is_sure,
    locked_alignment,
    neighbours,
    same_exposure,
    transform_from_corners,
)
from matte_server.core.window import Window

HD = Window(0, 0, 1920, 1080)
NOT_MEASURED = Alignment(transform=np.eye(3), warnings=("nothing was found",))


def estimate(x: float, y: float = 0.0, **more: object) -> Alignment:
    """A shift as if it had been measured well."""
    matrix = np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
    measured = Alignment(transform=matrix, kind="translation", inliers=0.95, residual_px=0.2, points=500)
    return replace(measured, **more)  # type: ignore[arg-type]


def shift(alignment: Alignment | None) -> float:
    assert alignment is not None
    return float(alignment.transform[0, 2])


def test_an_alignment_is_measured_by_points_and_a_residual() -> None:
    assert is_measured(estimate(0.0)) and is_measured(estimate(0.0, points=1))
    assert not is_measured(estimate(0.0, points=0))
    assert not is_measured(estimate(0.0, residual_px=float("nan")))


def test_corners_are_those_of_the_window() -> None:
    found = corners(np.array([[2.0, 0, 1], [0, 3, -1], [0, 0, 1]]), Window(10, 20, 100, 50))
    assert found.tolist() == [[21, 59], [221, 59], [221, 209], [21, 209]]


def test_corners_and_transforms_are_inverse() -> None:
    random = np.random.default_rng(2)
    for _ in range(20):
        matrix = np.eye(3) + random.normal(0, [[0.02], [0.02], [1e-5]], (3, 3))
        matrix[:2, 2] += random.uniform(-40, 40, 2)
        places = corners(matrix, HD)
        # Eight equations in double precision on numbers up to 2e3.
        assert np.abs(corners(transform_from_corners(places, HD), HD) - places).max() < 1e-6


def test_a_locked_camera_is_one_transform() -> None:
    errors = (-0.2, -0.1, 0.0, 0.1, 0.25)
    scattered = [estimate(3.0 + error, gain=(0.9 + error / 100, 0.9, 0.9)) for error in errors]
    found = locked_alignment(scattered, HD)
    assert found is not None
    assert found.transform[0, 2] == pytest.approx(3.0)
    assert found.gain[0] == pytest.approx(0.9)
    # One frame in five may be wrong; it is left out.
    assert locked_alignment([*scattered[:4], estimate(90.0)], HD) is not None
    assert locked_alignment([*scattered[:2], estimate(90.0)], HD) is None


def test_the_figures_of_a_locked_camera_are_medians() -> None:
    frames = [
        estimate(x, inliers=inliers, residual_px=px, points=points, offset=(offset, 0.0, 0.0), warnings=words)
        for x, inliers, px, points, offset, words in (
            (0.0, 0.9, 0.1, 100, 0.01, ("both", "first")),
            (0.2, 0.8, 0.3, 300, 0.05, ("both",)),
            (0.3, 0.7, 0.4, 200, 0.02, ("both", "third")),
        )
    ]
    found = locked_alignment(frames, HD)
    assert found is not None and found.kind == "translation"
    assert (shift(found), found.inliers, found.residual_px, found.points) == (0.2, 0.8, 0.3, 200)
    assert found.offset == (0.02, 0.0, 0.0) and found.warnings == ("both",)


def test_a_locked_camera_scatters_by_a_pixel_at_hd() -> None:
    """0.96 px is 5e-4 of 1920: the limit of what repeated measurements scatter by."""
    assert shift(locked_alignment([estimate(0.0), estimate(0.0), estimate(0.95)], HD)) == 0.0
    near = locked_alignment([estimate(0.0)] * 2 + [estimate(0.95)] * 2, HD)
    assert shift(near) == pytest.approx(0.475)
    assert locked_alignment([estimate(0.0), estimate(0.0), estimate(0.97)], HD) is None
    # Three quarters of those measured must agree ...
    assert locked_alignment([estimate(0.0)] * 3 + [estimate(50.0)], HD) is not None
    # ... and half of all must have been measured.
    assert locked_alignment([estimate(0.0)] * 5 + [NOT_MEASURED] * 2, HD) is not None
    assert locked_alignment([estimate(0.0)] * 3 + [NOT_MEASURED] * 4, HD) is None
    assert locked_alignment([estimate(0.0)], HD) is None


def test_the_most_frequent_kind_is_the_locked_camera_s() -> None:
    still = [estimate(0.0, kind="none")] * 2
    moved = estimate(0.4)
    found = locked_alignment([*still, moved], HD)
    assert found is not None and found.kind == "none" and np.array_equal(found.transform, np.eye(3))
    # As often as another, the simpler one wins.
    found = locked_alignment([moved, still[0]], HD)
    assert found is not None and found.kind == "none"
    twisted = [estimate(x, kind="homography") for x in (0.1, 0.2, 0.6)]
    found = locked_alignment(twisted, HD)
    assert found is not None and found.kind == "homography" and shift(found) == pytest.approx(0.2)


def test_an_artist_s_locked_camera_is_not_questioned() -> None:
    assert locked_alignment([estimate(0.0), estimate(50.0), estimate(90.0)], HD) is None
    assert shift(locked_alignment([estimate(0.0), estimate(50.0), estimate(90.0)], HD, True)) == 50.0
    assert shift(locked_alignment([NOT_MEASURED, NOT_MEASURED, estimate(7.0)], HD, True)) == 7.0
    assert shift(locked_alignment([NOT_MEASURED], HD, True)) == 0.0
    assert locked_alignment([], HD, True) is None


def test_a_drift_is_no_locked_camera() -> None:
    assert locked_alignment([estimate(0.8 * number) for number in range(7)], HD) is None
    assert locked_alignment([NOT_MEASURED, NOT_MEASURED, estimate(0.0)], HD) is None


def test_gains_within_one_per_cent_are_one_exposure() -> None:
    def gains(*values: float) -> list[Alignment]:
        return [estimate(0, gain=(1.0, value, 1.0)) for value in values]

    assert same_exposure(gains(1.0, 1.005, 0.995))
    assert same_exposure(gains(0.9901, 1.0, 1.0099)) and not same_exposure(gains(0.9901, 1.0, 1.0101))
    assert same_exposure(gains(1.981, 2.0, 2.019)) and not same_exposure(gains(1.97, 2.0, 2.03))
    # A flash in one of four frames is that frame's own light; in two of four nobody knows which is the shot's.
    assert same_exposure(gains(1.0, 1.0, 1.8, 1.0)) and not same_exposure(gains(1.0, 1.8, 1.8, 1.0))


def test_frames_whose_exposure_was_not_matched_do_not_speak_for_the_shot() -> None:
    unmatched = estimate(0.0, warnings=(f"{UNMATCHED}: nothing tells.",))
    frames = [unmatched, estimate(0.0, gain=(1.4, 1.4, 1.4), offset=(0.01, 0.0, 0.0)), unmatched]
    found = locked_alignment(frames, HD)
    assert found is not None and (found.gain, found.offset) == ((1.4, 1.4, 1.4), (0.01, 0.0, 0.0))
    assert is_matched(found) and same_exposure(frames) and not is_matched(unmatched)
    nothing = locked_alignment([unmatched, unmatched], HD)
    assert nothing is not None and nothing.gain == (1.0, 1.0, 1.0) and not is_matched(nothing)
    assert same_exposure([unmatched, unmatched])


@pytest.mark.parametrize(
    ("more", "sure"),
    [
        ({}, True),
        ({"inliers": 0.5}, True),
        ({"inliers": 0.49}, False),
        ({"residual_px": 1.0}, True),
        ({"residual_px": 1.01}, False),
        # 24 points must agree: 0.95 of 25.3.
        ({"points": 26}, True),
        ({"points": 25}, False),
        ({"points": 0}, False),
        ({"residual_px": float("nan")}, False),
    ],
)
def test_a_measurement_is_sure_by_its_own_points(more: dict[str, Any], sure: bool) -> None:
    assert is_sure(estimate(3.0, **more)) is sure


def test_an_expectation_lies_between_the_nearest_sure_frames() -> None:
    path = {1: estimate(-90.0), 2: estimate(4.0), 6: estimate(8.0), 7: estimate(90.0)}
    found = expected_between(3, path, HD)
    assert found is not None and found.source == "frames 2 and 6"
    # A quarter of the way from frame 2 to frame 6.
    assert found.transform[0, 2] == pytest.approx(5.0)
    # The frame's own is neither before nor after it.
    found = expected_between(3, {1: estimate(4.0), 3: estimate(50.0), 5: estimate(8.0)}, HD)
    assert found is not None and (found.source, found.transform[0, 2]) == ("frames 1 and 5", pytest.approx(6.0))
    # What is not sure itself helps nobody.
    found = expected_between(3, {1: estimate(4.0), 2: estimate(70.0, inliers=0.3), 4: NOT_MEASURED}, HD)
    assert found is not None and (found.source, found.transform[0, 2]) == ("frame 1", 4.0)
    assert expected_between(3, {2: NOT_MEASURED, 4: estimate(1.0, points=9)}, HD) is None


def test_the_alignment_on_which_more_points_agree_is_taken() -> None:
    expected = Expectation(transform=estimate(6.0).transform, source="frames 2 and 4")
    own = estimate(80.0, points=20, inliers=0.6)
    helped = estimate(6.2, points=14, inliers=0.9)
    found = best_supported(own, helped, expected)
    assert (shift(found), found.points, found.inliers) == (6.2, 14, 0.9), "its own figures, on this frame"
    reason = "because this frame's own search did not fit."
    assert found.warnings == (f"{REPAIRED} near that of frames 2 and 4, {reason}",)
    # No better than its own (12 points): its own stands.
    assert best_supported(own, replace(helped, points=13, inliers=0.9), expected) is own
    assert best_supported(own, None, expected) is own


def test_a_frame_in_which_nothing_can_be_measured_lies_as_expected_and_claims_no_figures() -> None:
    expected = Expectation(transform=estimate(6.0).transform, source="frame 2")
    found = best_supported(NOT_MEASURED, None, expected)
    assert shift(found) == 6.0 and found.points == 0 and np.isnan(found.residual_px) and np.isnan(found.inliers)
    assert found.warnings == (f"{REPAIRED} from frame 2, because nothing could be measured in this frame.",)


def test_the_same_place_is_a_pixel_at_hd() -> None:
    assert is_same_place(estimate(0.0), estimate(0.95), HD) and not is_same_place(estimate(0.0), estimate(0.97), HD)


def test_neighbours_are_two_frames_either_way_and_four_numbers_away() -> None:
    assert neighbours(5, (1, 2, 3, 4, 5, 6)) == (3, 4, 6)
    assert neighbours(1, (1, 2, 3, 4)) == (2, 3)
    assert neighbours(9, (1, 5, 9, 13, 18)) == (5, 13)
    assert neighbours(500, (1, 500, 1000)) == ()
