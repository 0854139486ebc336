"""How many points a movement needs before it is believed."""

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
