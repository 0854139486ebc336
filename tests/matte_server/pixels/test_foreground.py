"""The unclamped scene-linear foreground: re-composition, noise, and colour where alpha says nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as nnf
from torch import Tensor

from matte_server.core.image import Float32
from matte_server.pixels.coarse_grid import CoarseGrid, cell_means, upsampled
from matte_server.pixels.foreground import (
    extend_edges,
    foreground_of,
    limit_negative,
    plausible,
    solve_foreground,
    spread_colour,
)
from matte_server.pixels.recomposition import recomposition, recomposition_error
from tests.matte_server.pictures import composed


def tensor(pixels: Float32) -> Tensor:
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]


def test_opaque_is_the_plate_and_empty_is_the_estimate_to_the_bit() -> None:
    truth = composed()
    plate, clean, alpha = tensor(truth.plate), tensor(truth.clean), tensor(truth.alpha)
    estimate = torch.full_like(plate, 0.3)
    found = solve_foreground(plate, clean, alpha, estimate)
    solid, empty = (alpha == 1).expand_as(plate), (alpha == 0).expand_as(plate)
    assert torch.equal(found[solid], plate[solid])
    assert torch.allclose(found[empty], estimate[empty], rtol=1e-6, atol=0)


@pytest.mark.parametrize("peak", [0.5, 5.0, 50.0])
def test_back_over_the_clean_plate_it_is_the_plate_again(peak: float) -> None:
    truth = composed(peak=peak)
    plate, clean, alpha = tensor(truth.plate), tensor(truth.clean), tensor(truth.alpha)
    found = solve_foreground(plate, clean, alpha, extend_edges(plate, clean, alpha))
    error = recomposition_error(plate, clean, alpha, found)
    band = (alpha > 0.02) & (alpha < 0.98)
    spread = float(np.percentile(truth.plate, 99.5) - np.percentile(truth.plate, 0.5))
    assert float(error[band].median()) < 1e-3 * spread  # the figure
    # Where alpha is 0 or 1 nothing is left but float32's last place.
    assert float(error[~band & ((alpha == 0) | (alpha == 1))].max()) <= 1e-6 * max(peak, 2.0)


def test_values_above_one_and_below_zero_come_through() -> None:
    plate = torch.tensor([50.0, -0.02, 3.0]).view(1, 3, 1, 1)
    clean = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    alpha = torch.full((1, 1, 1, 1), 0.9)
    found = solve_foreground(plate, clean, alpha, torch.zeros_like(plate))
    exact = (plate - 0.1 * clean) / 0.9
    assert torch.allclose(found, exact, rtol=1e-4)  # the pull at alpha 0.9 is 5e-5 of the value


def test_noise_is_not_blown_up_where_alpha_is_small() -> None:
    truth = composed(noise=0.02, peak=2.0)
    plate, clean, alpha = tensor(truth.plate), tensor(truth.clean), tensor(truth.alpha)
    found = solve_foreground(plate, clean, alpha, extend_edges(plate, clean, alpha))
    wisps = ((alpha > 0.02) & (alpha < 0.1)).expand_as(plate)
    true = tensor(truth.foreground)
    bare = (plate - (1 - alpha) * clean) / alpha.clamp(min=1e-6)
    solved_error, bare_error = ((x - true)[wisps].abs().mean() for x in (found, bare))
    assert float(solved_error) < 0.5 * float(bare_error)
    # ... while more than half of the sensor's noise where the subject is nearly solid is kept: grain stays.
    nearly = ((alpha > 0.9) & (alpha < 1.0)).expand_as(plate)
    assert float((found - true)[nearly].std()) > 0.5 * 0.02


def test_the_comp_over_new_pictures_has_no_fringe() -> None:
    """Over black, white and a saturated colour the comp is the true one: no rim of the old wall."""
    truth = composed(noise=0.003, peak=2.0)
    plate, clean, alpha = tensor(truth.plate), tensor(truth.clean), tensor(truth.alpha)
    found = solve_foreground(plate, clean, alpha, extend_edges(plate, clean, alpha))
    band = ((alpha > 0.02) & (alpha < 0.98)).expand_as(plate)
    for colour in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.8, 0.1)):
        behind = torch.tensor(colour).view(1, 3, 1, 1)
        comp, true = (alpha * f + (1 - alpha) * behind for f in (found, tensor(truth.foreground)))
        rim = alpha * plate + (1 - alpha) * behind
        error, fringe = (float((picture - true)[band].abs().mean()) for picture in (comp, rim))
        # What is left is the noise of two pictures; the plate used as foreground shows the old wall instead.
        assert error < 0.006 and error < 0.1 * fringe
        assert abs(float((comp - true)[band].mean())) < 1e-3


def test_colour_spreads_from_what_is_known() -> None:
    colour = torch.zeros(1, 3, 37, 53)
    weight = torch.zeros(1, 1, 37, 53)
    colour[..., :5, :5], weight[..., :5, :5] = 2.0, 1.0
    colour[..., -5:, -5:], weight[..., -5:, -5:] = -1.0, 1.0
    found = spread_colour(colour, weight)
    assert torch.allclose(found[..., :4, :4], torch.tensor(2.0))
    assert torch.allclose(found[..., -4:, -4:], torch.tensor(-1.0))
    between = [float(found[0, 0, y, x]) for y, x in ((4, 4), (10, 14), (18, 26), (26, 38), (32, 48))]
    assert between == sorted(between, reverse=True)
    assert float(found.max()) <= 2.0 + 1e-5 and float(found.min()) >= -1.0 - 1e-5


def test_without_a_solid_pixel_the_estimate_is_still_finite() -> None:
    plate = torch.rand(1, 3, 9, 13)
    for alpha in (torch.zeros(1, 1, 9, 13), torch.full((1, 1, 9, 13), 0.4)):
        found = solve_foreground(plate, plate, alpha, extend_edges(plate, plate, alpha))
        assert bool(torch.isfinite(found).all())


def test_cells_are_means_and_grow_back_as_interpolation_does() -> None:
    dice = torch.Generator().manual_seed(5)
    picture = torch.rand((1, 3, 40, 56), generator=dice)
    cells = cell_means(picture, 8)
    # Sums of 64 numbers of size 1 in another order: float32's last places.
    assert torch.allclose(cells, nnf.avg_pool2d(picture, 8), atol=1e-6)
    assert torch.allclose(upsampled(cells, 8), nnf.interpolate(cells, scale_factor=8.0, mode="bilinear"), atol=1e-6)


@pytest.mark.parametrize(("side", "size"), [(1, (5, 7)), (2, (9, 14)), (8, (37, 64)), (32, (97, 130))], ids=str)
def test_cells_looked_at_in_places_are_those_of_the_whole(side: int, size: tuple[int, int]) -> None:
    shape = [-(-extent // side) for extent in size]
    cells = CoarseGrid(
        values=torch.rand((1, 3, *shape), generator=torch.Generator().manual_seed(6)), side=side, size=size
    )
    whole = cells.whole()
    assert whole.shape == (1, 3, *size)
    # Every weight is a multiple of 1 / 64 and exact; the sums are those of bilinear growing in the same order.
    assert torch.allclose(cells.at(torch.arange(size[0] * size[1])), whole[0].flatten(1), atol=1e-6)


@pytest.mark.parametrize("size", [(64, 96), (61, 83), (5, 7), (600, 900)])
def test_past_its_edge_the_foreground_is_the_subject_and_not_the_wall(size: tuple[int, int]) -> None:
    """A brown disc with a soft edge before a blue wall, with grain: wherever alpha is below 1, however far, the
    foreground is brown; where it is 1, the plate to the bit."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    away = torch.hypot(x - 0.4 * width, y - 0.5 * height)
    alpha = ((0.3 * height - away) / 3 + 0.5).clamp(0, 1).view(1, 1, height, width)
    brown, blue = colours([0.4, 0.2, 0.1]), colours([0.1, 0.2, 0.9])
    dice = torch.Generator().manual_seed(6)
    grain = torch.full((1, 3, 1, 1), 0.01)
    clean = blue.expand(1, 3, height, width)
    plate = alpha * brown + (1 - alpha) * clean + 0.01 * torch.randn((1, 3, height, width), generator=dice)
    found = foreground_of(plate, clean, alpha, None, grain)
    solid, empty = (alpha == 1).expand_as(plate), (alpha == 0).expand_as(plate)
    assert torch.equal(found[solid], plate[solid])
    # Grain of 0.01 divided by a cell's 64 pixels or fewer, where the subject is smaller than a cell by the square
    # root of the dozen pixels that it has: four standard deviations.
    assert float((found - brown).abs()[empty].max()) < 4 * 0.01 / 12**0.5


def test_without_a_subject_the_foreground_is_black() -> None:
    plate, alpha = torch.rand(1, 3, 40, 50), torch.zeros(1, 1, 40, 50)
    found = foreground_of(plate, plate * 0.9, alpha, CoarseGrid.of(plate), torch.full((1, 3, 1, 1), 0.01))
    assert torch.equal(found, torch.zeros_like(plate))


def test_a_models_colour_counts_as_far_as_there_is_a_subject() -> None:
    """Where alpha is small a network has seen little but the wall: its word is worth alpha."""
    brown, blue = colours([0.4, 0.2, 0.1]), colours([0.1, 0.2, 0.9])
    alpha = torch.ones(1, 1, 16, 32)
    alpha[..., 16:] = 1e-4
    clean = blue.expand(1, 3, 16, 32)
    plate = alpha * brown + (1 - alpha) * clean
    found = foreground_of(plate, clean, alpha, CoarseGrid.of(clean), torch.full((1, 3, 1, 1), 0.01))
    # Beside the seam the cells' mixture of both halves is all brown: a weight of 1 against 1e-8.
    assert torch.allclose(found[..., 16:], brown.expand(1, 3, 16, 16), atol=1e-3)


def test_figures_of_recomposition_are_those_of_its_picture() -> None:
    dice = torch.Generator().manual_seed(7)
    plate, clean, foreground = (torch.rand((1, 3, 301, 700), generator=dice) for _ in range(3))
    alpha = torch.rand((1, 1, 301, 700), generator=dice)
    alpha[..., :100, :] = 0.0
    error, band = recomposition_error(plate, clean, alpha, foreground), (alpha > 0.02) & (alpha < 0.98)
    found = recomposition(plate, clean, alpha, foreground)
    assert found.median == float(error[band].median()) and found.largest == float(error.max())
    assert found.band == pytest.approx(float(band.float().mean()))
    nothing = recomposition(plate, clean, torch.zeros_like(alpha), foreground)
    assert nothing.median == float(recomposition_error(plate, clean, alpha * 0, foreground).median())
    assert nothing.band == 0.0


def test_a_lamp_behind_hair_leaves_no_negative_light() -> None:
    """Alpha is 0.1 too small before a lamp of 20: the equation alone takes 2 too much away."""
    true, clean = torch.full((1, 3, 1, 4), 0.05), torch.full((1, 3, 1, 4), 20.0)
    alpha = torch.tensor([0.2, 0.4, 0.6, 0.8]).view(1, 1, 1, 4)
    plate = alpha * true + (1 - alpha) * clean
    told = alpha - 0.1
    bare = solve_foreground(plate, clean, told, true)
    held = limit_negative(bare, plate, told, true, torch.full_like(plate, 0.01))
    assert float(bare.min()) < -1.5
    assert float((told * held).min()) >= -0.0301  # three grains, in the comp
    # Where alpha is right, nothing is touched.
    exact = solve_foreground(plate, clean, alpha, true)
    assert torch.equal(limit_negative(exact, plate, alpha, true, torch.full_like(plate, 0.01)), exact)


def test_negative_light_that_is_meant_survives() -> None:
    """A colour outside the gamut, in the plate or in the estimate, and grain around black."""
    grain = torch.full((1, 3, 1, 1), 0.01)
    clean = torch.tensor([0.05, 0.2, 0.3]).view(1, 3, 1, 1)
    saturated = torch.tensor([-0.15, 0.6, 0.1]).view(1, 3, 1, 1)
    for value in (0.3, 0.6, 0.95, 1.0):
        alpha = torch.full((1, 1, 1, 1), value)
        plate = value * saturated + (1 - value) * clean
        found = solve_foreground(plate, clean, alpha, saturated)
        assert torch.equal(limit_negative(found, plate, alpha, saturated, grain), found)
    dice = torch.Generator().manual_seed(1)
    black = 0.01 * torch.randn((1, 3, 60, 80), generator=dice)
    alpha = torch.full((1, 1, 60, 80), 0.5)
    behind = torch.zeros_like(black)
    found = solve_foreground(black, behind, alpha, behind)
    held = limit_negative(found, black, alpha, behind, grain.expand_as(black))
    # Its mean would rise by 0.4 of a standard deviation if it were cut at zero.
    assert abs(float((held - found).mean())) < 1e-4 and torch.equal(held.amax(), found.amax())


def test_a_little_too_small_alpha_does_not_colour_hair() -> None:
    """Brown hair before the sky, alpha told 0.1 too small: the equation alone makes a red that no hair has. Bound,
    no channel is further from the hair than its light allows."""
    hair, sky = colours([0.05, 0.03, 0.02]), colours([0.42, 0.66, 0.76])
    alpha = torch.linspace(0.2, 0.8, 7).view(1, 1, 1, 7).expand(1, 1, 4, 7)
    plate = alpha * hair + (1 - alpha) * sky
    told = alpha - 0.1
    bare = solve_foreground(plate, sky, told, hair.expand_as(plate))
    held = plausible(bare, told, hair.expand_as(plate))
    assert float(bare.amin()) < -0.2
    # The reach is twice the light times alpha / (1 - alpha): at the alpha told of 0.1 a ninth, at 0.7 7/3.
    assert float((held - hair).abs().amax()) <= 2 * 7 / 3 * (0.05 + 0.03) + 1e-6
    assert float((held - hair)[..., 0].abs().amax()) <= 2 * (0.05 + 0.03) / 9 + 1e-6


def test_what_the_estimate_explains_is_left_alone() -> None:
    """A subject whose grain is a third of its light at alpha 0.5 is not bound; nor is a lamp in solid hair."""
    dice = torch.Generator().manual_seed(3)
    estimate = torch.full((1, 3, 8, 8), 0.3)
    subject = estimate * (1 + 0.3 * (torch.rand(estimate.shape, generator=dice) - 0.5))
    alpha = torch.full((1, 1, 8, 8), 0.5)
    assert torch.equal(plausible(subject, alpha, estimate), subject)
    lamp = torch.full_like(estimate, 50.0)
    solid = torch.full_like(alpha, 0.995)
    assert torch.equal(plausible(lamp, solid, estimate), lamp)


def colours(values: list[float]) -> torch.Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


def one(value: float, channels: int = 3) -> Tensor:
    return torch.full((1, channels, 1, 1), value)


@pytest.mark.parametrize(
    ("foreground", "alpha", "estimate", "expected"),
    [
        # Twice the estimate's light (0.3 + 0.03), times alpha / (1 - alpha), either way.
        (5.0, 0.5, 0.3, 0.3 + 0.66),
        (-5.0, 0.5, 0.3, 0.3 - 0.66),
        (5.0, 0.25, 0.3, 0.3 + 0.22),
        (-5.0, 0.75, 0.3, 0.3 - 1.98),
        (0.95, 0.5, 0.3, 0.95),  # just inside
        (-0.35, 0.5, 0.3, -0.35),
        # Light is a size: a colour outside the gamut has as much freedom. Black has that of 0.03.
        (5.0, 0.5, -0.3, -0.3 + 0.66),
        (5.0, 0.5, 0.0, 0.06),
        # Nothing of the subject, nothing but the estimate; all of it, a thousand times its light.
        (5.0, 0.0, 0.3, 0.3),
        (1e5, 1.0, 0.3, 0.3 + 660.0),
        (600.0, 1.0, 0.3, 600.0),
    ],
)
def test_how_far_a_plausible_foreground_may_leave_the_estimate(
    foreground: float, alpha: float, estimate: float, expected: float
) -> None:
    found = plausible(one(foreground), one(alpha, 1), one(estimate))
    assert found.flatten().tolist() == pytest.approx([expected] * 3, rel=1e-5)


@pytest.mark.parametrize(
    ("plate", "alpha", "estimate", "expected"),
    [
        (0.2, 0.5, 0.3, -0.06),  # three grains of 0.01 over alpha
        (0.2, 0.25, 0.3, -0.12),
        (-0.1, 0.5, 0.3, -0.2 - 0.06),  # the plate itself is below zero
        (0.2, 0.5, -0.3, -0.3 - 0.06),  # ... or the estimate, whichever is lower
        (-0.1, 0.5, -0.1, -0.2 - 0.06),
        (0.2, 0.0, 0.3, -30.0),  # alpha counts as 1e-3 at the least
    ],
)
def test_how_far_below_zero_a_foreground_may_be(
    plate: float, alpha: float, estimate: float, expected: float
) -> None:
    arguments = (one(plate), one(alpha, 1), one(estimate), one(0.01))
    assert float(limit_negative(one(-500.0), *arguments)[0, 0]) == pytest.approx(expected, rel=1e-5)
    for value in (expected * 0.99, 0.0, 700.0):
        assert float(limit_negative(one(value), *arguments)[0, 0]) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.5, 0.9])
def test_the_pull_towards_the_estimate_is_tikhonovs(alpha: float) -> None:
    """Of all foregrounds the one with the least (alpha F - own)^2 + 4e-3 (1 - alpha)^2 (F - estimate)^2."""
    plate, clean, estimate = 0.6, 0.2, 0.9
    candidates = np.linspace(-2.0, 40.0, 4_200_001)
    own = plate - (1 - alpha) * clean
    cost = (alpha * candidates - own) ** 2 + 4e-3 * (1 - alpha) ** 2 * (candidates - estimate) ** 2
    found = float(solve_foreground(one(plate), one(clean), one(alpha, 1), one(estimate))[0, 0])
    assert found == pytest.approx(candidates[cost.argmin()], abs=2e-5)  # two steps of the search


def test_extended_edges_are_means_weighted_by_alpha_squared() -> None:
    """One cell of 8 x 8 pixels, half of it at alpha 0.5: the subject's light there is plate - 0.5 clean = alpha F,
    and counts by alpha, so that F is averaged with alpha squared."""
    alpha = torch.zeros(1, 1, 8, 8)
    alpha[..., :4], alpha[..., 4:6] = 0.5, 0.25
    colour = torch.zeros(1, 1, 8, 8)
    colour[..., :4], colour[..., 4:6] = 0.8, 0.2
    clean = torch.full((1, 3, 8, 8), 0.4)
    plate = alpha * colour + (1 - alpha) * clean
    expected = (4 * 0.25 * 0.8 + 2 * 0.0625 * 0.2) / (4 * 0.25 + 2 * 0.0625)
    assert torch.allclose(extend_edges(plate, clean, alpha), torch.tensor(expected), rtol=1e-5)


def test_a_lamps_grain_counts_as_that_of_white() -> None:
    """The clean plate's grain is 0.01 in the even-noise encoding, of slope 0.2 / (0.02 + light), at most at
    white."""
    lamp, alpha = one(30.0), one(0.5, 1)
    found = foreground_of(0.2 * lamp, lamp, alpha, CoarseGrid.of(one(50.0)), one(0.01))
    grain = 0.01 * (0.02 + 1.0) / 0.2
    assert float(found[0, 0]) == pytest.approx(-3 * grain / 0.5, rel=1e-4)
