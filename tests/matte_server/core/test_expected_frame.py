"""A frame compared at a glance with what a locked camera should show: drift, knocks and flashes are seen."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from matte_server.core.align import Alignment
from matte_server.core.expected_frame import ExpectedFrame, FrameGlance, SmallPlate
from matte_server.core.image import Image
from matte_server.core.window import Window

SIZE = (270, 480)
GRAIN = 0.004


def wall(size: tuple[int, int] = SIZE) -> np.ndarray:
    random = np.random.default_rng(3)
    coarse = random.uniform(0.05, 0.9, (size[0] // 8, size[1] // 8, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def image(pixels: np.ndarray, x: int = 0, y: int = 0) -> Image:
    window = Window(x, y, pixels.shape[1], pixels.shape[0])
    return Image(np.ascontiguousarray(pixels, np.float32), ("R", "G", "B"), window, window)


def frame_of(matrix: np.ndarray, gain: float = 1.0, hidden: float = 0.0) -> Image:
    """A plate: the wall moved and lit, its left part ``hidden`` by a flat subject, with grain."""
    height, width = SIZE
    moved = cv2.warpPerspective(
        wall(), matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    moved = np.asarray(moved * gain, np.float32)
    moved[:, : round(hidden * width)] = 0.4
    return image(moved + np.random.default_rng(9).normal(0, GRAIN, moved.shape))


def shifted(x: float, y: float = 0.0) -> np.ndarray:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def turned(degrees: float) -> np.ndarray:
    return np.vstack([cv2.getRotationMatrix2D((SIZE[1] / 2, SIZE[0] / 2), degrees, 1.0), [0, 0, 1]])


def glance(plate: Image, transform: np.ndarray | None = None) -> FrameGlance:
    alignment = Alignment(transform=np.eye(3) if transform is None else transform)
    return ExpectedFrame(image(wall()), alignment, plate.data_window).compare(SmallPlate.of(plate))


@pytest.mark.parametrize(
    "transform", [np.eye(3), shifted(7.0, -3.5), turned(1.0)], ids=["still", "moved", "turned"]
)
def test_a_frame_that_lies_as_expected_is_confirmed(transform: np.ndarray) -> None:
    found = glance(frame_of(transform), transform)
    assert found.sees_place and found.is_near and found.confirms_exposure
    # A twentieth of a pixel is what tracking on a textured picture with grain of half a percent reaches.
    assert found.drift_px < 0.06 and found.residual_px < 0.1 and found.inliers > 0.95


@pytest.mark.parametrize("moved", [shifted(0.3), shifted(6.0, 4.0), shifted(-25.0), turned(0.1), turned(2.0)])
def test_a_frame_that_was_knocked_is_seen(moved: np.ndarray) -> None:
    found = glance(frame_of(moved))
    assert found.sees_place and not found.is_near
    # At the middle of a quarter, where its points are on average.
    corner = np.array([[[SIZE[1] / 4, SIZE[0] / 4]]])
    away = float(np.linalg.norm(cv2.perspectiveTransform(corner, moved) - corner))
    assert found.drift_px == pytest.approx(away, rel=0.35, abs=0.1)


def test_water_in_half_of_the_frame_is_no_moving_camera() -> None:
    rippled = frame_of(np.eye(3))
    half = SIZE[0] // 2
    rippled.pixels[half:] = frame_of(shifted(2.0)).pixels[half:]
    found = glance(rippled)
    assert not found.is_near and not found.is_mostly_elsewhere
    for moved in (shifted(2.0), turned(1.0)):
        assert glance(frame_of(moved)).is_mostly_elsewhere


def test_a_subject_that_covers_most_of_the_frame_moves_nothing() -> None:
    found = glance(frame_of(np.eye(3), hidden=0.85))
    assert found.sees_place and found.is_near and found.confirms_exposure
    # Where nothing of the set is left, nothing is claimed.
    covered = glance(frame_of(np.eye(3), hidden=1.0))
    assert not covered.sees_place and np.isnan(covered.residual_px) and np.isnan(covered.inliers)


@pytest.mark.parametrize("gain", [1.8, 0.55, 1.02, 0.98])
def test_another_exposure_is_seen_and_moves_nothing(gain: float) -> None:
    found = glance(frame_of(np.eye(3), gain=gain))
    assert not found.confirms_exposure and found.is_near
    # The clean plate has no grain here, so the ratio is unbiased; 19,000 pixels average grain of one percent.
    assert found.ratios == pytest.approx((gain,) * 3, rel=0.003)
    assert glance(frame_of(np.eye(3), gain=1.005)).confirms_exposure


def test_windows_that_begin_elsewhere_and_the_alignments_exposure_are_respected() -> None:
    plate = frame_of(np.eye(3), gain=0.5)
    part = image(plate.pixels[40:200, 100:400] + np.float32(0.02), x=100, y=40)
    alignment = Alignment(transform=np.eye(3), gain=(0.5,) * 3, offset=(0.02,) * 3)
    found = ExpectedFrame(image(wall()), alignment, part.data_window).compare(SmallPlate.of(part))
    assert found.sees_place and found.is_near and found.confirms_exposure


SURE = FrameGlance(
    points=200,
    asked=400,
    inliers=1.0,
    residual_px=0.0,
    drift_px=0.0,
    common_drift_px=0.0,
    ratios=(1.0, 1.0, 1.0),
    longer_side=1920,
)


def test_a_place_is_seen_with_16_points_and_a_twentieth_of_those_asked() -> None:
    for points, asked, seen in ((16, 300, True), (15, 300, False), (20, 400, True), (19, 400, False)):
        assert replace(SURE, points=points, asked=asked).sees_place is seen, (points, asked)


def test_near_is_within_a_quarter_of_a_pixel_at_hd_and_never_nearer_than_0_15() -> None:
    for side, drift, near in ((1920, 0.249, True), (1920, 0.251, False), (480, 0.149, True), (480, 0.151, False)):
        assert replace(SURE, longer_side=side, drift_px=drift).is_near is near, (side, drift)
    assert not replace(SURE, drift_px=float("nan")).is_near


@pytest.mark.parametrize("ratios", [(1.011, 1.0, 1.0), (1.0, 0.989, 1.0), (1.0, 1.0, 1.011)])
def test_an_exposure_is_the_same_within_1_percent_in_each_channel(ratios: tuple[float, float, float]) -> None:
    assert replace(SURE, ratios=(1.009, 0.991, 1.0)).confirms_exposure
    assert not replace(SURE, ratios=ratios).confirms_exposure


def test_a_frame_is_compared_on_a_copy_of_960_pixels() -> None:
    for width, small in ((2880, 960), (480, 480)):
        window = Window(0, 0, width, 72)
        clean = Image(np.full((72, width, 3), 0.5, np.float32), ("R", "G", "B"), window, window)
        assert ExpectedFrame(clean, Alignment(transform=np.eye(3)), window)._size == (small, 72 * small // width)


@pytest.mark.parametrize("size", [(506, 960), (1080, 1920), (1081, 1921), (2160, 4096), (3000, 1700), (40, 3000)])
def test_a_small_plate_is_an_average(size: tuple[int, int]) -> None:
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    ramp = image(np.stack([x / size[1], y / size[0], np.full(size, 0.25, np.float32)], -1))
    small = SmallPlate.of(ramp)
    height, width = small.planes[0].shape
    assert max(height, width) <= 960 and abs(height * size[1] - width * size[0]) <= max(size)
    # The middle of each small pixel, up to a pixel where the sides do not divide.
    across, down = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    assert np.abs(small.planes[0] - across).max() <= 1 / size[1]
    assert np.abs(small.planes[1] - down[:, None]).max() <= 1 / size[0]
    assert np.allclose(small.planes[2], 0.25, rtol=1e-6)  # float32


def other_wall(seed: int = 61) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(0.05, 0.9, (SIZE[0] // 8, SIZE[1] // 8, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


@pytest.mark.parametrize("way", [0.0, 2.0, 5.0])
def test_a_few_details_that_moved_alike_hint_at_the_place(way: float) -> None:
    """A corner of 80 x 80 pixels is seen: 14 to 19 details of 400 before a subject with details of its own, where
    a twentieth says it for sure."""
    plate = other_wall()
    plate[:80, :80] = frame_of(shifted(way)).pixels[:80, :80]
    found = glance(image(plate))
    assert 14 <= found.points <= 19 and not found.sees_place and found.hints_at_place
    assert found.is_mostly_elsewhere == (way > 0)
    # A tenth of a pixel: what tracking reaches on grain of GRAIN.
    assert found.common_drift_px == pytest.approx(way, abs=0.1)


def test_details_that_moved_three_ways_hint_at_nothing() -> None:
    """As many details as hint at the place where they moved alike, in three corners of 60 x 60 pixels."""
    plate, side = other_wall(), 60
    for rows, columns, way in (
        (slice(side), slice(side), 2.0),
        (slice(side), slice(-side, None), 5.0),
        (slice(-side, None), slice(side), 9.0),
    ):
        plate[rows, columns] = frame_of(shifted(way)).pixels[rows, columns]
    found = glance(image(plate))
    assert 14 <= found.points <= 19 and not found.hints_at_place


def test_details_found_by_chance_hint_at_nothing() -> None:
    """How many there are differs from one OpenCV to the next: of these walls, a third has six or more."""
    found = [glance(image(other_wall(seed))) for seed in range(100, 115)]
    assert not any(each.hints_at_place or each.is_mostly_elsewhere for each in found)
    assert sum(each.points >= 6 and each.common_drift_px > 1.0 for each in found) >= 3


@pytest.mark.parametrize(("top", "left", "side"), [(100, 0, 56), (105, 210, 68)], ids=["the edge", "the middle"])
@pytest.mark.parametrize("way", [0, 5])
def test_fewer_than_12_details_that_moved_alike_tell_the_place(top: int, left: int, side: int, way: int) -> None:
    """A small hole in a flat subject. So few say nothing of how well they agree."""
    plate, seen = frame_of(np.eye(3), hidden=1.0).pixels, (slice(top, top + side), slice(left, left + side + way))
    plate[seen] = frame_of(shifted(way)).pixels[seen]
    found = glance(image(plate))
    assert 6 <= found.points <= 11 and np.isnan(found.inliers) and np.isnan(found.residual_px)
    assert found.hints_at_place and not found.sees_place and found.is_mostly_elsewhere == (way > 0)
    # A quarter of a pixel: the subject, which stays, is in the windows of most of the points and holds them back.
    assert found.common_drift_px == pytest.approx(way, abs=0.25)


@pytest.mark.parametrize(
    ("left", "right", "common", "most"),
    [
        (6, 0, 1.0, 1.0),  # no quarter has eight: all count
        (7, 4, 1.0, 1.0),
        (4, 7, 3.0, 3.0),
        (7, 7, 2.5**0.5, 2.5**0.5),
        (8, 3, 1.0, 1.0),  # one has
        (3, 8, 3.0, 3.0),
        (8, 8, 1.0, 3.0),  # both have
        (5, 0, np.nan, np.nan),
    ],
)
def test_the_drift_of_few_details(left: int, right: int, common: float, most: float) -> None:
    """Those in the upper left quarter moved by 1 px, those in the upper right by 3."""
    window = Window(0, 0, SIZE[1], SIZE[0])
    expected = ExpectedFrame(image(wall()), Alignment(transform=np.eye(3)), window)
    here = np.array([[40.0, 40.0]] * left + [[400.0, 40.0]] * right, np.float32)
    ways = np.array([[1.0, 0.0]] * left + [[0.0, 3.0]] * right, np.float32)
    found = expected._measured(here, here + ways, [1.0] * 3)
    assert (found.common_drift_px, found.drift_px) == pytest.approx((common, most), nan_ok=True)


def test_a_frame_far_brighter_than_expected_has_ratios_that_are_numbers() -> None:
    found = glance(frame_of(np.eye(3), gain=1e6))
    assert np.isfinite(found.ratios).all() and not found.confirms_exposure
