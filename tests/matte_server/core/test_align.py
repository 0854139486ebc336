"""Alignment against movements made here: known homographies, translations, nothing at all, too little to see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from matte_server.core.align import (
    Alignment,
    _by_features,
    _fit,
    align,
    align_near,
    coverage,
    display_transform,
)
from matte_server.core.alignment_features import AlignmentFeatures
from matte_server.core.feature_fit import FeatureFit
from matte_server.core.image import Float32, Image
from matte_server.core.motion_fit import FEWEST_POINTS
from matte_server.core.window import Window
from matte_server.demo.packaged import demo_shot
from matte_server.io.exr import read_image
from tests.matte_server.pictures import Array, homography_within, image, moved, room, shrunk, soft_disc

HD = (1080, 1920)
# What the issue asks of a movement of up to 40 px at HD.
ASKED_PX = 0.3
CORNERS = {"tl": (38.0, -22.0), "tr": (-31.0, 25.0), "br": (40.0, 18.0), "bl": (-12.0, -39.0)}


@pytest.fixture(scope="module")
def wall() -> Float32:
    return room(*HD)


@pytest.fixture(scope="module")
def half(wall: Float32) -> Float32:
    return shrunk(wall, 960, 540)


def corner_error(found: Array, truth: Array, height: int, width: int) -> float:
    """The largest distance between where two transforms put the frame's points, in pixels."""
    y, x = np.mgrid[0:height:5j, 0:width:5j]
    points = np.stack([x.ravel(), y.ravel()], -1)[None]
    return float(np.abs(cv2.perspectiveTransform(points, found) - cv2.perspectiveTransform(points, truth)).max())


def noisy(pixels: Float32, seed: int, sigma: float = 0.01) -> Float32:
    rng = np.random.default_rng(seed)
    return (pixels * (1 + rng.normal(0, sigma, pixels.shape))).astype(np.float32)


def with_subject(pixels: Float32, part: float = 0.3) -> Float32:
    """A textured disc over the middle of the plate: nothing of it is in the clean plate."""
    height, width = pixels.shape[:2]
    alpha = soft_disc(height, width, (width / 2, height / 2), height * part, 4.0)[..., None]
    return (alpha * room(height, width, seed=9) * 2.0 + (1 - alpha) * pixels).astype(np.float32)


def test_a_homography_of_40_px_at_hd_is_recovered_past_a_subject(wall: Float32) -> None:
    truth = homography_within(CORNERS, *HD)
    plate = noisy(with_subject(moved(wall, truth)), 1)
    found = align(image(plate), image(noisy(wall, 2) * np.float32(0.7)), "auto")
    assert found.kind == "homography"
    assert corner_error(found.transform, truth, *HD) < ASKED_PX
    assert found.inliers > 0.9 and found.residual_px < 0.3 and found.points > 300
    assert found.warnings == ()


def test_a_clean_plates_details_serve_frames_of_any_size_and_change_nothing(half: Float32) -> None:
    clean = image(noisy(half, 2))
    details = AlignmentFeatures(clean)
    plate = noisy(with_subject(half), 1)
    # Features are looked for where the camera moved, at two scales: of a frame below the working size, and of one
    # above it.
    away = noisy(moved(half, np.array([[1, 0, 17.4], [0, 1, -9.7], [0, 0, 1.0]])), 3)
    larger = np.asarray(cv2.resize(away, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC), np.float32)
    for seen in (plate, away, larger, plate[:200]):
        once, again = align(image(seen), clean, "auto"), align(image(seen), clean, "auto", details)
        assert np.array_equal(once.transform, again.transform)
        assert (once.points, once.residual_px, once.inliers) == (again.points, again.residual_px, again.inliers)
    assert len(details._features) == 2


@pytest.fixture(scope="module")
def demo_at_hd() -> tuple[Float32, Float32]:
    """The packaged clean plate, H x W x 3, and the true alpha of a frame, H x W x 1, both enlarged to HD."""
    shot = demo_shot()
    packaged = read_image(Path(shot.clean_plate)).rgb
    clean = np.asarray(cv2.resize(packaged, HD[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    matte = read_image(Path(shot.truth.replace("####", "1003"))).pixels[..., -1]
    return clean, np.asarray(cv2.resize(matte, HD[::-1], interpolation=cv2.INTER_LINEAR), np.float32)[..., None]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_demo_s_clean_plate_moved_by_40_px_at_hd_is_found(
    seed: int, demo_at_hd: tuple[Float32, Float32]
) -> None:
    """The packaged clean plate at HD, its corners moved by up to 40 px, behind the shot's own subject."""
    clean, alpha = demo_at_hd
    moves = np.random.default_rng(seed).uniform(-40, 40, (4, 2))
    truth = homography_within(
        {name: (float(x), float(y)) for name, (x, y) in zip(CORNERS, moves, strict=True)}, *HD
    )
    plate = alpha * room(*HD, seed=9) + (1 - alpha) * moved(clean, truth)
    found = align(
        image(noisy(np.asarray(plate, np.float32), 3)), image(noisy(np.asarray(clean, np.float32), 4)), "auto"
    )
    print(f"corner error {corner_error(found.transform, truth, *HD):.3f} px")
    assert found.kind == "homography" and found.warnings == ()
    assert corner_error(found.transform, truth, *HD) < ASKED_PX


def test_where_too_few_points_can_be_tracked_the_features_say_where_it_lies() -> None:
    """The demo at 640 x 360 under grain, with a clean plate that is a crop: its own subject hides most of what is
    left, 14 of 950 corners are tracked, and 102 of 145 features agree."""
    shot, random = demo_shot(), np.random.default_rng(7)
    clean, plate = (
        shrunk(read_image(Path(name.replace("####", "1001"))).rgb, 640, 360)
        for name in (shot.clean_plate, shot.plate)
    )
    grainy = [
        x + random.normal(0, 0.01, x.shape).astype(np.float32) * np.sqrt(np.maximum(x, 0) + np.float32(0.02))
        for x in (clean, plate)
    ]
    whole = align(image(grainy[1]), image(grainy[0]), "auto")
    cropped = align(image(grainy[1]), image(np.ascontiguousarray(grainy[0][30:330, 60:600])), "auto")
    assert cropped.warnings == () and cropped.points >= 40
    moved_by = np.array([[1, 0, 60], [0, 1, 30], [0, 0, 1.0]])
    # A pixel: the features of a grainy picture scatter by half of one.
    assert corner_error(cropped.transform, whole.transform @ moved_by, 300, 540) < 1.0


def test_a_translation_is_named_as_one_and_recovered(half: Float32) -> None:
    truth = np.array([[1, 0, 17.4], [0, 1, -9.7], [0, 0, 1.0]])
    found = align(image(noisy(moved(half, truth), 1)), image(noisy(half, 2)), "auto")
    assert found.kind == "translation"
    assert corner_error(found.transform, truth, 540, 960) < 0.1  # a mean of hundreds of points tracked to 0.05 px


def test_pictures_that_lie_on_each_other_are_left_where_they_are(half: Float32) -> None:
    found = align(image(noisy(with_subject(half), 1)), image(noisy(half, 2)), "auto")
    assert found.kind == "none"
    assert np.array_equal(found.transform, np.eye(3))
    assert found.inliers > 0.9  # it was measured, not assumed


@pytest.mark.parametrize("part", [0.0, 0.2, 0.45])
def test_an_unmoved_camera_is_known_without_a_search(
    half: Float32, part: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a quarter of the frame is subject, and where the windows show the same in two sizes."""
    plate = noisy(with_subject(half, part) if part else half, 1)
    clean = noisy(half, 2) * np.float32(0.6)
    proxy = np.asarray(cv2.resize(clean, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)

    def search(*_: object) -> None:
        raise AssertionError("searched")

    monkeypatch.setattr("matte_server.core.alignment_features._features", search)
    for behind in (clean, proxy):
        found = align(image(plate), image(behind), "auto")
        assert found.kind == "none" and found.inliers > 0.9 and found.points > 300
        assert np.array_equal(found.transform, display_transform(image(plate), image(behind)))


@pytest.mark.parametrize("size", [(540, 960), (480, 640)])
def test_the_last_frame_of_a_still_camera_is_measured_as_the_first(
    half: Float32, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small copy of the clean plate that they share narrowed to its middle from frame to frame, at 16:9 and
    4:3: after a few frames everything was searched for, and a frame's alignment depended on those before it."""
    still = half[: size[0], : size[1]]
    plate, clean = image(noisy(with_subject(still), 1)), image(noisy(still, 2))
    once, details = align(plate, clean, "auto"), AlignmentFeatures(clean)

    def search(*_: object) -> None:
        raise AssertionError("searched")

    monkeypatch.setattr("matte_server.core.alignment_features._features", search)
    for _ in range(12):
        again = align(plate, clean, "auto", details)
        assert (once.points, once.residual_px, once.inliers) == (again.points, again.residual_px, again.inliers)


@pytest.mark.parametrize("step", [0.3, 1.0, 3.0])
def test_a_camera_that_moved_a_little_is_measured_as_one_that_moved_far(
    half: Float32, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = np.array([[1, 0, step], [0, 1, -step], [0, 0, 1]], np.float64)
    plate, clean = image(noisy(with_subject(moved(half, truth)), 1)), image(noisy(half, 2))
    found = align(plate, clean, "auto")
    monkeypatch.setattr("matte_server.core.align._seems_unmoved", lambda *_: False)
    searched = align(plate, clean, "auto")
    assert found.kind == searched.kind == "translation"
    assert np.array_equal(found.transform, searched.transform)


@pytest.mark.parametrize("mode", ["none", "translation", "homography"])
def test_the_kind_asked_for_is_the_kind_that_comes(wall: Float32, mode: str) -> None:
    small = shrunk(wall, 480, 270)
    truth = np.array([[1, 0, 6.0], [0, 1, 4.0], [0, 0, 1.0]])
    found = align(image(moved(small, truth)), image(small), mode)
    assert found.kind == mode
    if mode == "none":
        assert np.array_equal(found.transform, np.eye(3)) and np.isnan(found.inliers)
    else:
        assert corner_error(found.transform, truth, 270, 480) < ASKED_PX


def test_another_exposure_and_white_balance_do_not_matter(half: Float32) -> None:
    truth = homography_within({k: (x / 4, y / 4) for k, (x, y) in CORNERS.items()}, 540, 960)
    plate = moved(half, truth) * np.array([4.0, 3.0, 2.0], np.float32)
    found = align(image(plate), image(half), "homography")
    assert corner_error(found.transform, truth, 540, 960) < ASKED_PX


def test_data_windows_count_not_array_corners(wall: Float32) -> None:
    small = shrunk(wall, 640, 360)
    display = Window(0, 0, 640, 360)
    plate = image(small[20:340, 10:600], Window(10, 20, 590, 320), display)
    clean = image(small[40:360, 60:640], Window(60, 40, 580, 320), display)
    for mode in ("auto", "homography"):
        found = align(plate, clean, mode)
        assert corner_error(found.transform, np.eye(3), 360, 640) < ASKED_PX
        # 540 x 300 of the plate's 590 x 320 pixels are in the clean plate.
        assert found.coverage == pytest.approx(540 * 300 / (590 * 320), abs=2e-3)


def test_a_movement_between_windows_elsewhere_on_the_plane(wall: Float32) -> None:
    small = shrunk(wall, 640, 360)
    shift = np.array([[1, 0, 5.3], [0, 1, -3.6], [0, 0, 1.0]])
    window = Window(-200, 1000, 640, 360)
    found = align(image(moved(small, shift), window), image(small, window), "auto")
    assert corner_error(found.transform, shift, 360, 640) < 0.1


@pytest.mark.parametrize("mode", ["auto", "translation", "homography"])
@pytest.mark.parametrize(
    "picture",
    [
        np.full((270, 480, 3), 0.18, np.float32),
        np.zeros((270, 480, 3), np.float32),
        np.random.default_rng(5).normal(0.2, 0.02, (160, 280, 3)).astype(np.float32),
        np.full((0, 0, 3), 0.5, np.float32),
        np.full((0, 400, 3), 0.5, np.float32),
        np.full((1, 1, 3), 0.5, np.float32),
        np.full((3, 400, 3), 0.5, np.float32),
    ],
    ids=["flat", "black", "noise", "none", "no-height", "one-pixel", "thin"],
)
def test_too_little_to_see_leaves_it_and_says_so(picture: Float32, mode: str) -> None:
    other = np.random.default_rng(6).normal(0.2, 0.02, picture.shape).astype(np.float32)
    found = align(image(picture), image(other), mode)
    assert found.kind == "none" and np.array_equal(found.transform, np.eye(3))
    assert len(found.warnings) == 1 and found.warnings[0].startswith("The clean plate was not aligned")
    assert align_near(image(picture), image(other), np.eye(3), mode, AlignmentFeatures(image(other))) is None


def test_another_place_is_not_forced_onto_the_plate(wall: Float32) -> None:
    other = room(270, 480, seed=77)
    small = shrunk(wall, 480, 270)
    found = align(image(small), image(other), "auto")
    assert found.kind == "none" and found.warnings


def test_the_same_pictures_give_the_same_bits(wall: Float32) -> None:
    small = shrunk(wall, 640, 360)
    truth = homography_within({k: (x / 8, y / 8) for k, (x, y) in CORNERS.items()}, 360, 640)
    first, second = (align(image(moved(small, truth)), image(small), "auto") for _ in range(2))
    assert np.array_equal(first.transform, second.transform)


@pytest.mark.parametrize(
    ("clean", "plate", "expected"),
    [
        (Window(0, 0, 100, 50), Window(0, 0, 100, 50), 1.0),
        (Window(50, 0, 100, 50), Window(0, 0, 100, 50), 0.5),
        (Window(500, 0, 100, 50), Window(0, 0, 100, 50), 0.0),
        (Window(-10, -10, 200, 200), Window(0, 0, 100, 50), 1.0),
        (Window(0, 0, 0, 0), Window(0, 0, 100, 50), 0.0),
    ],
)
def test_coverage_is_the_part_reached(clean: Window, plate: Window, expected: float) -> None:
    assert coverage(np.eye(3), plate, clean) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("plate", "clean", "point", "lands"),
    [
        # The same window: nothing moves. Pixel (0, 0) has its middle at (0, 0).
        ((Window(0, 0, 640, 360), 1.0), (Window(0, 0, 640, 360), 1.0), (10, 20), (10, 20)),
        # A proxy of half the size: its pixel (0, 0) covers plate pixels 0 and 1, middle 0.5.
        ((Window(0, 0, 640, 360), 1.0), (Window(0, 0, 320, 180), 1.0), (0, 0), (0.5, 0.5)),
        ((Window(0, 0, 640, 360), 1.0), (Window(0, 0, 320, 180), 1.0), (319, 179), (638.5, 358.5)),
        # A proxy whose rows were rounded: 1001 x 563 at a third.
        ((Window(0, 0, 1001, 563), 1.0), (Window(0, 0, 334, 188), 1.0), (0, 0), (0.99850, 0.99734)),
        # Anamorphic against desqueezed: one picture, half the columns.
        ((Window(0, 0, 500, 400), 2.0), (Window(0, 0, 1000, 400), 1.0), (0, 7), (-0.25, 7)),
        # A squeezed plate's proxy whose file does not say that its pixels are.
        ((Window(0, 0, 500, 400), 2.0), (Window(0, 0, 250, 200), 1.0), (0, 7), (0.5, 14.5)),
        # A crop of the display window is no proxy: the pixel grid is the plate's own.
        ((Window(0, 0, 400, 300), 1.0), (Window(30, 20, 370, 280), 1.0), (40, 50), (40, 50)),
        # Overscan of a pixel a side is none either.
        ((Window(0, 0, 400, 300), 1.0), (Window(-1, -1, 402, 302), 1.0), (40, 50), (40, 50)),
    ],
    ids=["same", "half", "half-last", "third", "anamorphic", "unsaid", "crop", "overscan"],
)
def test_display_windows_relate_the_pictures(
    plate: tuple[Window, float], clean: tuple[Window, float], point: tuple[int, int], lands: tuple[float, float]
) -> None:
    def blank(window: Window, aspect: float) -> Image:
        return replace(image(np.zeros((window.height, window.width, 3)), window), pixel_aspect=aspect)

    matrix = display_transform(blank(*plate), blank(*clean))
    found = cv2.perspectiveTransform(np.array([[point]], np.float64), matrix)[0, 0]
    assert found == pytest.approx(lands, abs=1e-4)


@pytest.mark.parametrize(
    ("agreeing", "others", "is_believed"),
    [(50, 10, True), (30, 0, False), (50, 100, False)],
    ids=["clear", "too few", "too few of all"],
)
def test_the_places_of_features_are_believed_where_many_and_most_agree(
    agreeing: int, others: int, is_believed: bool
) -> None:
    source = np.random.default_rng(1).uniform((0, 0), (640, 360), (agreeing + others, 2)).astype(np.float32)
    target = source + np.float32(7.0)
    target[agreeing:] = source[agreeing:][::-1]
    shift = np.array([[1.0, 0.0, 7.0], [0.0, 1.0, 7.0], [0.0, 0.0, 1.0]])
    fit = FeatureFit(transform=shift, pairs=(source, target))
    blank = AlignmentFeatures(image(np.zeros((360, 640, 3))))
    assert (_by_features(blank, blank, np.eye(3), "auto", fit) is not None) == is_believed


def test_points_that_agree_in_one_corner_are_no_alignment() -> None:
    """They must spread over a fiftieth of the plate's area, and be FEWEST_POINTS at least."""
    random, windows = np.random.default_rng(8), (Window(0, 0, 640, 360), Window(0, 0, 640, 360))
    spread = random.uniform(0, 1, (60, 2)).astype(np.float32)
    for share, count, is_found in ((1.0, 60, True), (0.1, 60, False), (1.0, FEWEST_POINTS - 1, False)):
        points = (spread[:count] * np.array([640, 360]) * share).astype(np.float32)
        fit = _fit((points, points), windows, np.eye(3), "auto", np.eye(3))
        assert (fit is not None) == is_found, (share, count)


def test_features_are_looked_for_at_a_thousand_pixels() -> None:
    long, short = image(room(40, 2000)), image(room(40, 500))
    details = AlignmentFeatures(long)
    align(short, long, "homography", details)
    assert list(details._features) == [0.5]


def test_an_alignment_has_no_gain_and_no_warning_by_default() -> None:
    assert Alignment(np.eye(3)).gain == (1.0, 1.0, 1.0) and Alignment(np.eye(3)).warnings == ()
