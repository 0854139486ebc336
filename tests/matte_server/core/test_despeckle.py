"""Despeckling by area, on islands and holes of known size."""

from __future__ import annotations

import numpy as np
import pytest

from matte_server.core.despeckle import despeckle
from tests.matte_server.pictures import soft_disc

SIZE = (180, 320)


def test_islands_and_holes_go_by_area() -> None:
    alpha = soft_disc(*SIZE, (160, 90), 50, 4)
    alpha[5:8, 5:8] = 0.7
    alpha[20:30, 5:15] = 0.7
    alpha[90:93, 160:163] = 0.2
    cleaned = despeckle(alpha, 20)
    assert cleaned[5:8, 5:8].max() == 0.0
    assert cleaned[25, 10] == np.float32(0.7)
    assert cleaned[91, 161] == 1.0
    rest = np.ones(SIZE, bool)
    rest[5:8, 5:8] = rest[90:93, 160:163] = False
    assert np.array_equal(cleaned[rest], alpha[rest])


def test_an_area_of_exactly_so_many_pixels_stays() -> None:
    alpha = np.zeros((20, 20), np.float32)
    alpha[3:5, 3:6] = 0.5
    assert np.array_equal(despeckle(alpha, 6), alpha)
    assert not despeckle(alpha, 7).any()
    holed = 1 - alpha
    assert np.array_equal(despeckle(holed, 6), holed)
    assert np.array_equal(despeckle(holed, 7), np.ones_like(holed))


def test_pixels_that_touch_at_a_corner_are_one_island() -> None:
    alpha = np.zeros((20, 20), np.float32)
    alpha[[5, 6, 7, 8], [5, 6, 7, 8]] = 1.0
    assert np.array_equal(despeckle(alpha, 4), alpha)
    assert not despeckle(alpha, 5).any()


def test_nearly_empty_is_no_island_and_nearly_solid_is_no_hole() -> None:
    faint = np.zeros((20, 20), np.float32)
    faint[5, 5], faint[10, 10] = 0.019, 0.021
    found = despeckle(faint, 5)
    assert found[5, 5] == np.float32(0.019) and found[10, 10] == 0.0
    solid = np.ones((20, 20), np.float32)
    solid[5, 5], solid[10, 10] = 0.981, 0.979
    found = despeckle(solid, 5)
    assert found[5, 5] == np.float32(0.981) and found[10, 10] == 1.0


@pytest.mark.parametrize("edge", [(0, 9), (19, 9), (9, 0), (9, 19)], ids=["top", "bottom", "left", "right"])
def test_at_the_frames_edge_an_island_goes_and_a_notch_stays(edge: tuple[int, int]) -> None:
    """Beyond the frame the notch may go on: only a hole wholly inside is a hole."""
    alpha = np.zeros((20, 20), np.float32)
    alpha[edge] = 1.0
    assert not despeckle(alpha, 5).any()
    assert np.array_equal(despeckle(1 - alpha, 5), 1 - alpha)
