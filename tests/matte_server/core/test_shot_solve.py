"""The plate solve of a shot, on alignments whose answer is plain: locked or moving, outliers repaired."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matte_server.core.align import Alignment
from matte_server.core.shot_solve import (
    REPAIRED,
    corners,
    is_measured,
    locked_alignment,
    neighbours,
    repair_outlier,
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
    # ... and three quarters of all must have been measured.
    assert locked_alignment([estimate(0.0)] * 3 + [NOT_MEASURED], HD) is not None
    assert locked_alignment([estimate(0.0)] * 5 + [NOT_MEASURED] * 2, HD) is None
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


def test_gains_within_three_per_cent_are_one_exposure() -> None:
    def gains(*values: float) -> list[Alignment]:
        return [estimate(0, gain=(1.0, value, 1.0)) for value in values]

    assert same_exposure(gains(1.0, 1.01, 0.99))
    assert same_exposure(gains(0.985, 1.0, 1.0149)) and not same_exposure(gains(0.985, 1.0, 1.0151))
    assert same_exposure(gains(1.97, 2.0, 2.0298)) and not same_exposure(gains(1.97, 2.0, 2.0302))


def test_an_outlier_is_put_between_its_neighbours() -> None:
    path = {frame: estimate(2.0 * frame, gain=(1.0 + frame / 100,) * 3) for frame in (1, 2, 4, 5)}
    found = repair_outlier(3, estimate(80.0), path, HD)
    assert found.transform[0, 2] == pytest.approx(6.0)
    assert found.gain[0] == pytest.approx(1.03)
    assert found.warnings == (f"{REPAIRED} from frames 2 and 4, because this frame's own did not fit.",)
    own = estimate(6.4)
    assert repair_outlier(3, own, path, HD) is own


def test_a_repaired_frame_is_as_good_as_the_worse_neighbour() -> None:
    before = estimate(0.0, inliers=0.9, residual_px=0.5, points=90, offset=(0.1, 0.0, 0.0))
    after = estimate(8.0, inliers=0.8, residual_px=0.3, points=70, offset=(0.3, 0.0, 0.0))
    found = repair_outlier(3, NOT_MEASURED, {2: before, 6: after}, HD)
    assert (found.kind, found.inliers, found.residual_px, found.points) == ("homography", 0.8, 0.5, 70)
    # A quarter of the way from frame 2 to frame 6.
    assert shift(found) == pytest.approx(2.0) and found.offset[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("own", "repaired"),
    [
        # 2.5e-3 of 1920 are 4.8 px; two fifths of that where the measurement is poor.
        (estimate(4.7), False),
        (estimate(4.9), True),
        (estimate(1.9, inliers=0.49), False),
        (estimate(1.95, inliers=0.49), True),
        (estimate(1.95, inliers=0.51), False),
        (estimate(1.95, residual_px=1.01), True),
        (estimate(1.95, residual_px=0.99), False),
    ],
)
def test_an_outlier_leaps_by_more_than_a_measurement_scatters(own: Alignment, repaired: bool) -> None:
    path = {frame: estimate(0.0) for frame in (1, 2, 4, 5)}
    assert (repair_outlier(3, own, path, HD) is not own) is repaired


def test_a_jerky_camera_may_leap_further() -> None:
    """Frames 1 and 5 lie 2 px beside the line through 2 and 4: six times that is no outlier."""
    path = {1: estimate(2.0), 2: estimate(0.0), 4: estimate(0.0), 5: estimate(2.0)}
    own = estimate(11.9)
    assert repair_outlier(3, own, path, HD) is own
    assert shift(repair_outlier(3, estimate(12.1), path, HD)) == pytest.approx(0.0, abs=1e-9)
    # The line goes on beyond the nearest two: a steady pan is not jerky.
    pan = {frame: estimate(30.0 * frame) for frame in (1, 2, 4, 5)}
    assert shift(repair_outlier(3, estimate(95.0), pan, HD)) == pytest.approx(90.0)


def test_a_shaking_camera_is_not_repaired() -> None:
    """20 px to and fro is a camera that shakes, not a frame that is wrong."""
    path = {frame: estimate(20.0 * (-1) ** frame) for frame in (1, 2, 4, 5)}
    own = estimate(-20.0)
    assert repair_outlier(3, own, path, HD) is own


def test_a_frame_without_a_measurement_is_interpolated() -> None:
    between = repair_outlier(3, NOT_MEASURED, {2: estimate(4.0), 4: estimate(8.0)}, HD)
    assert shift(between) == pytest.approx(6.0)
    only = repair_outlier(3, NOT_MEASURED, {2: estimate(4.0)}, HD)
    assert shift(only) == pytest.approx(4.0)
    assert only.warnings == (f"{REPAIRED} from frame 2, because this frame's own did not fit.",)
    assert repair_outlier(3, NOT_MEASURED, {2: NOT_MEASURED, 4: NOT_MEASURED}, HD) is NOT_MEASURED
    # At the end of a shot a leap cannot be told from a movement.
    last = estimate(90.0)
    assert repair_outlier(3, last, {1: estimate(0.0), 2: estimate(0.0)}, HD) is last


def test_neighbours_are_two_frames_either_way_and_four_numbers_away() -> None:
    assert neighbours(5, (1, 2, 3, 4, 5, 6)) == (3, 4, 6)
    assert neighbours(1, (1, 2, 3, 4)) == (2, 3)
    assert neighbours(9, (1, 5, 9, 13, 18)) == (5, 13)
    assert neighbours(500, (1, 500, 1000)) == ()
