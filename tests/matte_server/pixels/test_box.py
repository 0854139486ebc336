"""Sums, means and maxima over square windows, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from matte_server.pixels.box import box_max, box_mean, box_sum

PICTURE = torch.rand((1, 1, 13, 17), generator=torch.Generator().manual_seed(1)) - 0.3


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_windows_are_those_of_scipy(radius: int) -> None:
    side = 2 * radius + 1
    plain = PICTURE[0, 0].numpy().astype(np.float64)
    total = ndimage.uniform_filter(plain, side, mode="constant") * side**2
    # Sums of up to 81 numbers below 1 in float32.
    assert np.abs(box_sum(PICTURE, radius)[0, 0].numpy() - total).max() < 1e-5
    assert (
        np.abs(box_mean(PICTURE, radius)[0, 0].numpy() - ndimage.uniform_filter(plain, side, mode="nearest")).max()
        < 1e-6
    )
    largest = ndimage.maximum_filter(PICTURE[0, 0].numpy(), side, mode="nearest")
    assert np.array_equal(box_max(PICTURE, radius)[0, 0].numpy(), largest)
