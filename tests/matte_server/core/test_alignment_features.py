"""Brightness and tone of a picture, computed a few rows at a time, are those of the whole picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from matte_server.core.alignment_features import AlignmentFeatures, corners_of, grey_of, light_of, well_inside
from matte_server.core.tracking import follow_back_and_forth
from tests.matte_server.pictures import image, room


@pytest.mark.parametrize("size", [(97, 33), (1, 5), (33, 1), (64, 64)])
def test_strips_change_no_bit_of_the_tone(size: tuple[int, int]) -> None:
    random = np.random.default_rng(4)
    red, green, blue = (random.normal(0.3, 0.3, size).astype(np.float32) for _ in range(3))
    light = light_of((red, green, blue))
    # A few last bits: OpenCV multiplies and adds in another order.
    expected = np.maximum(0.2126 * red + 0.7152 * green + 0.0722 * blue, 0)
    assert light.shape == size and np.allclose(light, expected, rtol=0, atol=1e-6)
    whole = np.sqrt(light / (light + np.float32(0.31))) * np.float32(255)
    assert np.array_equal(grey_of(light, 0.31), whole.astype(np.uint8))


def test_features_are_places_and_128_numbers_each() -> None:
    places, words = AlignmentFeatures(image(room(90, 120))).features(1.0)
    assert len(places) > 20 and words.shape == (len(places), 128)
    assert (places >= 0).all() and (places < [120, 90]).all()
    for picture, scale in ((np.full((90, 120, 3), 0.5), 1.0), (room(90, 120), 0.01)):
        places, words = AlignmentFeatures(image(np.asarray(picture, np.float32))).features(scale)
        assert (places.shape, words.shape) == ((0, 2), (0, 128))


@pytest.mark.parametrize("size", [(1, 1), (24, 25), (25, 25), (26, 40), (70, 31)])
def test_corners_keep_from_the_border_as_from_what_is_not_seen(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(2).uniform(0.1, 0.9, (*size, 3)).astype(np.float32)
    features = AlignmentFeatures(image(noise))
    expected = corners_of(features.grey, well_inside(np.full(size, 255, np.uint8)), 50)
    assert np.array_equal(features.corners(50), expected)


@pytest.mark.parametrize(("height", "width", "step"), [(1081, 1921, 1), (2163, 3841, 2), (4323, 7683, 4)])
def test_corners_of_a_large_picture_are_those_of_its_cells(height: int, width: int, step: int) -> None:
    picture, inner = np.full((height, width), 40, np.uint8), np.full((height, width), 255, np.uint8)
    # Squares whose corners lie between cells, so that reduction keeps them sharp. The second is not looked at.
    picture[20 * step : 60 * step, 20 * step : 60 * step] = 200
    picture[500 * step : 540 * step, 900 * step : 940 * step] = 200
    inner[400 * step :] = 0
    corners = corners_of(picture, inner, 20_000)
    wanted = np.array([(x, y) for x in (20, 60) for y in (20, 60)], np.float32) * step - 0.5
    # A window of seven cells prefers a place inside the square, three cells from its corner (measured at step 1).
    assert len(corners) == 4
    assert all(np.abs(corners - place).max(axis=1).min() <= 3.0 * step for place in wanted)
    assert not ((corners - (step - 1) / 2) % step).any(), "corners are the centres of cells"


def test_more_corners_of_a_grainy_4k_picture_are_found_again() -> None:
    rng = np.random.default_rng(8)
    light = cv2.resize(room(1080, 1920)[..., 1] * 160, (3840, 2160), interpolation=cv2.INTER_CUBIC)
    motion = np.array([[1, 0.001, 4.3], [-0.001, 1, -2.7]])
    moved = cv2.warpAffine(light, motion, (3840, 2160), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    first, second = (
        np.clip(np.round(each + rng.normal(0, 8, each.shape)), 0, 255).astype(np.uint8) for each in (light, moved)
    )
    here, there = follow_back_and_forth(
        first, second, corners_of(first, well_inside(np.full_like(first, 255)), 1000)
    )
    away = np.linalg.norm(cv2.transform(here[None], motion)[0] - there, axis=1)
    # Corners of cells: 207, off by 0.44 pixels in the median. Of the full size, where grain makes corners: 88.
    assert len(here) > 150 and np.median(away) < 0.6


def test_the_small_tone_is_kept_for_one_place() -> None:
    features = AlignmentFeatures(image(room(90, 120)))
    middle = np.array([[4.0, 0, 2], [0, 4, 2], [0, 0, 1]])
    kept = features.small(middle, (29, 21), 5)
    # Around each pixel 5 x 5, of which the middle one is seen.
    squares = features.grey[:88, :118].astype(np.float64)
    expected = [[squares[4 * y : 4 * y + 5, 4 * x : 4 * x + 5].mean() for x in range(28)] for y in range(20)]
    # Averages are rounded to whole numbers.
    np.testing.assert_allclose(kept[:20, :28], expected, atol=0.51)
    assert features.small(middle, (29, 21), 5) is kept
    for other in (
        features.small(middle + np.eye(3), (29, 21), 5),
        features.small(middle, (29, 21), 3),
        features.small(middle, (28, 21), 5),
    ):
        assert other.shape != kept.shape or not np.array_equal(other, kept)
