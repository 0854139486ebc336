"""Which movement explains points, and how many it needs before it is believed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from matte_server.core.alignment_features import Points
from matte_server.core.motion_fit import FEWEST_FOR_HOMOGRAPHY, choose_motion

STILL = np.eye(3)


def points(count: int, seed: int) -> tuple[Points, Points]:
    """Places of a frame of 352 x 288 where its set is bare but for a table and a chair, seen twice by a camera that
    does not move; each is found to 0.3 pixels, as in a compressed video."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((90, 150), (330, 280), (count, 2)).astype(np.float32)
    return places, places + rng.normal(0, 0.3, places.shape).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [13, 16])
def test_a_dozen_points_make_no_homography(count: int, seed: int) -> None:
    source, target = points(count, seed)
    found = choose_motion(source, target, STILL, STILL, "auto")
    assert found is not None and found[0] in ("none", "translation")
    # Four deviations of the mean of so many points, either way.
    assert np.abs(found[1] - STILL).max() < 4 * 0.3 / np.sqrt(count)
    assert choose_motion(source, target, STILL, STILL, "homography") is None


def test_enough_points_make_one() -> None:
    """A camera that turned: what 24 exact points say is believed."""
    turned = np.array([[0.998, -0.03, 6.0], [0.03, 0.998, -4.0], [1e-5, 2e-5, 1.0]])
    source, _ = points(FEWEST_FOR_HOMOGRAPHY, 1)
    target = cv2.perspectiveTransform(source[None], turned)[0]
    for mode in ("auto", "homography"):
        found = choose_motion(source, target, STILL, turned, mode)
        assert found is not None and found[0] == "homography"
        # Places are kept in single precision: 3e-5 of a pixel at 300, magnified to the corners.
        assert np.abs(found[1] / found[1][2, 2] - turned).max() < 1e-2
    assert choose_motion(source[:-1], target[:-1], STILL, turned, "homography") is None


@pytest.mark.parametrize(
    ("px", "kind"), [(0.0, "none"), (0.11, "none"), (0.13, "translation"), (5.0, "translation")]
)
def test_the_simplest_movement_is_taken_that_is_as_good_within_an_eighth_of_a_pixel(px: float, kind: str) -> None:
    """Exact points of which a sixth lie two pixels aside, on something else: they have no say."""
    source, _ = points(18, 3)
    target = source + np.array([px, -px / 2], np.float32) / np.float32(1.25**0.5)
    target[::6] += 1.4
    found = choose_motion(source, target, STILL, STILL, "auto")
    assert found is not None and found[0] == kind
    moved = np.array([px, -px / 2]) / 1.25**0.5 if kind == "translation" else np.zeros(2)
    # Single precision at 300.
    assert found[1][:2, 2] == pytest.approx(moved, abs=1e-4) and np.array_equal(found[1][:2, :2], np.eye(2))
    only = choose_motion(source, target, STILL, STILL, "translation")
    assert only is not None and only[0] == "translation"
