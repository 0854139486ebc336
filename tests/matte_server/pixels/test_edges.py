"""The compositor's edge controls: neutral at their defaults, and what their names say elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from matte_server.pixels.edges import apply_guides, erode, levels, soften
from tests.matte_server.pictures import soft_disc

SIZE = (60, 80)


@pytest.fixture(scope="module")
def alpha() -> Tensor:
    return torch.from_numpy(soft_disc(*SIZE, (40, 30), 18, 6))[None, None]


def test_defaults_change_no_bit(alpha: Tensor) -> None:
    assert levels(alpha, 0.0, 1.0, 1.0) is alpha
    assert erode(alpha, 0.0) is alpha
    assert soften(alpha, 0.0) is alpha
    assert apply_guides(alpha, None, None) is alpha


def test_levels_follow_the_formula_and_stay_within_bounds(alpha: Tensor) -> None:
    found = levels(alpha, 0.2, 0.8, 2.0)
    expected = ((alpha - 0.2) / 0.6).clamp(0, 1).sqrt()
    assert torch.allclose(found, expected)
    assert float(found.min()) == 0.0 and float(found.max()) == 1.0


def test_numbers_too_small_for_a_float_are_no_nan(alpha: Tensor) -> None:
    """In single precision they are 0, and 0 / 0 is no alpha."""
    assert torch.equal(soften(alpha, 5e-324), alpha)
    assert torch.equal(levels(alpha, 0.0, 5e-324, 1.0), (alpha > 0).float())
    assert torch.equal(erode(alpha, 5e-324), alpha)


@pytest.mark.parametrize("radius", [1, 3, 7])
def test_whole_radii_are_the_erosion_of_another_library(alpha: Tensor, radius: int) -> None:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = (x * x + y * y) <= radius * radius
    expected = ndimage.grey_erosion(alpha[0, 0].numpy(), footprint=disc, mode="nearest")
    assert np.array_equal(erode(alpha, float(radius))[0, 0].numpy(), expected)
    grown = ndimage.grey_dilation(alpha[0, 0].numpy(), footprint=disc, mode="nearest")
    assert np.abs(erode(alpha, -float(radius))[0, 0].numpy() - grown).max() < 1e-6  # 1 - (1 - x)


@pytest.mark.parametrize("radius", [-2.5, -0.4, 0.25, 0.5, 3.7])
def test_the_edge_moves_by_the_fraction_asked_for(alpha: Tensor, radius: float) -> None:
    """On a straight ramp over 20 px the place where alpha is 0.5 is plain to see."""
    ramp = ((40.0 - torch.arange(80.0)) / 20.0 + 0.5).clamp(0, 1).expand(1, 1, 60, 80)
    moved = erode(ramp, radius)[0, 0, 30].numpy()
    edge = np.interp(-0.5, -moved, np.arange(80.0))
    assert edge == pytest.approx(40.0 - radius, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(st.floats(-4, 4), st.floats(0, 3))
def test_a_larger_radius_never_gives_more_matte(radius: float, more: float) -> None:
    disc = torch.from_numpy(soft_disc(*SIZE, (40, 30), 18, 6))[None, None]
    assert bool((erode(disc, radius + more) <= erode(disc, radius) + 1e-6).all())


def test_a_subject_cut_by_the_frame_is_not_eaten_from_there() -> None:
    half = torch.ones(1, 1, 40, 40)
    half[..., 20:] = 0.0
    assert bool((erode(half, 5.0)[..., :15] == 1).all())


@pytest.mark.parametrize("sigma", [0.5, 1.3, 4.0])
def test_softness_is_a_gaussian(alpha: Tensor, sigma: float) -> None:
    expected = cv2.GaussianBlur(
        alpha[0, 0].numpy(), (2 * int(np.ceil(3 * sigma)) + 1,) * 2, sigma, borderType=cv2.BORDER_REPLICATE
    )
    assert np.abs(soften(alpha, sigma)[0, 0].numpy() - expected).max() < 1e-5


def test_guides_are_obeyed_and_the_holdout_wins(alpha: Tensor) -> None:
    core, holdout = torch.zeros_like(alpha), torch.zeros_like(alpha)
    core[..., :10, :], holdout[..., :, :10] = 1.0, 1.0
    core[..., 50:, 50:] = 0.5
    found = apply_guides(alpha, core, holdout)
    assert bool((found[..., :10, 10:] == 1).all()) and bool((found[..., :10] == 0).all())
    assert bool((found[..., 50:, 50:] >= 0.5).all())
    untouched = (core == 0) & (holdout == 0)
    assert torch.equal(found[untouched], alpha[untouched])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_blurring_what_is_one_value_leaves_alpha_between_0_and_1(value: float) -> None:
    even = torch.full((1, 1, 24, 32), value)
    for radius in np.linspace(0.3, 50.0, 40):
        found = soften(even, float(radius))
        assert float(found.min()) >= 0.0 and float(found.max()) <= 1.0
