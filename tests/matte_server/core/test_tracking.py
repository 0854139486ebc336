"""What lies around a point that is tracked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from matte_server.core import tracking


@pytest.mark.parametrize("size", [(1, 1), (9, 5), (63, 64), (64, 30), (65, 200), (200, 65), (1300, 40)])
def test_surroundings_are_those_of_the_whole_picture(size: tuple[int, int]) -> None:
    """To the last bit, also beyond its borders and where one strip of it ends and the next begins."""
    rng = np.random.default_rng(4)
    picture = rng.integers(0, 256, size, np.uint8)
    places = np.concatenate([rng.uniform(-25, 25, (300, 2)), rng.uniform(0, 1, (700, 2)) * size[::-1]])
    points = np.concatenate([places, places[:200] // 64 * 64 + size[::-1]]).astype(np.float32)
    y, x = np.mgrid[-10:11:2, -10:11:2].astype(np.float32)
    map_x, map_y = (points[:, axis, None] + around.ravel() for axis, around in ((0, x), (1, y)))
    whole = cv2.remap(picture.astype(np.float32), map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    whole = whole - whole.mean(axis=1, keepdims=True)
    whole = whole / (np.linalg.norm(whole, axis=1, keepdims=True) + 1e-3)
    assert np.array_equal(tracking._surroundings(picture, points), whole)
