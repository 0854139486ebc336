"""The unclamped scene-linear foreground: re-composition, noise, and colour where alpha says nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as nnf
from torch import Tensor

from matte_server.pixels.alpha_deviation import AlphaDeviation
from matte_server.pixels.coarse_grid import CoarseGrid, cell_means, upsampled
from matte_server.pixels.foreground import (
    extend_edges,
    foreground_of,
    likely_foreground,
    limit_negative,
)
from matte_server.pixels.push_pull import spread_colour
from matte_server.pixels.recomposition import recomposition, recomposition_error
from tests.matte_server.pictures import composed
from tests.matte_server.tensors import tensor


def where_alpha_is_sure(
    plate: Tensor, clean: Tensor, alpha: Tensor, estimate: Tensor, grain: float = 0.0
) -> Tensor:
    """The foreground for an alpha that has no error."""
    return likely_foreground(
        plate, clean, alpha, estimate, torch.zeros_like(alpha), torch.full((1, 3, 1, 1), grain)
    )


def test_opaque_is_the_plate_and_empty_is_the_estimate() -> None:
    truth = composed()
    plate, clean, alpha = tensor(truth.plate), tensor(truth.clean), tensor(truth.alpha)
    estimate = torch.full_like(plate, 0.3)
    found = where_alpha_is_sure(plate, clean, alpha, estimate)
    solid, empty = (alpha == 1).expand_as(plate), (alpha == 0).expand_as(plate)
    # Solid pixels are never solved (see foreground_of); solved, they are the plate but for float32's last places.
    assert torch.allclose(found[solid], plate[solid], rtol=1e-5, atol=1e-6)
    assert torch.equal(found[empty], estimate[empty])


@pytest.mark.parametrize("peak", [0.5, 5.0, 50.0])
def test_where_alpha_is_sure_it_is_the_plate_again_over_the_clean_plate(peak: float) -> None:
    truth = composed(peak=peak)
    plate, clean, alpha = tensor(truth.plate), tensor(truth.clean), tensor(truth.alpha)
    found = where_alpha_is_sure(plate, clean, alpha, extend_edges(plate, clean, alpha))
    error = recomposition_error(plate, clean, alpha, found)
    band = (alpha > 0.02) & (alpha < 0.98)
    spread = float(np.percentile(truth.plate, 99.5) - np.percentile(truth.plate, 0.5))
    assert float(error[band].median()) < 1e-3 * spread  # DESIGN.md: alpha is sure here
    # Where alpha is 0 or 1 nothing is left but float32's last places.
    assert float(error[~band & ((alpha == 0) | (alpha == 1))].max()) <= 4e-6 * max(peak, 2.0)


def test_values_above_one_and_below_zero_come_through() -> None:
    plate = torch.tensor([50.0, -0.02, 3.0]).view(1, 3, 1, 1)
    clean = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    alpha = torch.full((1, 1, 1, 1), 0.9)
    found = where_alpha_is_sure(plate, clean, alpha, torch.zeros_like(plate))
    exact = (plate - 0.1 * clean) / 0.9
    assert torch.allclose(found, exact, rtol=1e-5, atol=1e-5)  # float32, with a value of 50 beside -0.02


def test_noise_is_not_blown_up_where_alpha_is_small() -> None:
    truth = composed(noise=0.02, peak=2.0)
    plate, clean, alpha = tensor(truth.plate), tensor(truth.clean), tensor(truth.alpha)
    found = where_alpha_is_sure(plate, clean, alpha, extend_edges(plate, clean, alpha), grain=0.02)
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
    found = where_alpha_is_sure(plate, clean, alpha, extend_edges(plate, clean, alpha), grain=0.003)
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
        found = where_alpha_is_sure(plate, plate, alpha, extend_edges(plate, plate, alpha))
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


@pytest.mark.parametrize("size", [(64, 96), (61, 83), (600, 900)])
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
    # Grain of 0.01 divided by the square root of a dozen pixels, the fewest in a cell of the edge: four standard
    # deviations.
    assert float((found - brown).abs()[empty].max()) < 4 * 0.01 / 12**0.5


def test_a_set_that_moved_is_not_given_a_colour_brighter_than_any_picture() -> None:
    """A frame without a subject before leaves that moved: plate and clean plate differ by up to 0.4, and a few
    pixels have an alpha of up to 0.05. Their light divided by alpha was carried over the frame."""
    dice = torch.Generator().manual_seed(7)
    plate, clean = (0.3 + 0.4 * torch.rand((1, 3, 90, 160), generator=dice) for _ in range(2))
    faint = (torch.rand((1, 1, 90, 160), generator=dice) < 0.01) * 0.05
    alpha = faint * torch.rand((1, 1, 90, 160), generator=dice)
    found = foreground_of(plate, clean, alpha, None, torch.full((1, 3, 1, 1), 0.01))
    bare = (plate - (1 - alpha) * clean) / alpha
    assert float(bare[(alpha > 0.01).expand_as(plate)].max()) > 10
    # Twice the brightest light of either picture; it was 2.6.
    assert float(found.max()) < 2 * 0.7


def test_without_a_subject_the_foreground_is_black() -> None:
    plate, alpha = torch.rand(1, 3, 40, 50), torch.zeros(1, 1, 40, 50)
    found = foreground_of(plate, plate * 0.9, alpha, CoarseGrid.of(plate), torch.full((1, 3, 1, 1), 0.01))
    assert torch.equal(found, torch.zeros_like(plate))


def test_a_models_colour_counts_as_far_as_there_is_a_subject() -> None:
    """Where alpha is small a network has seen little but the wall: its colour counts for little."""
    brown, blue = colours([0.4, 0.2, 0.1]), colours([0.1, 0.2, 0.9])
    alpha = torch.ones(1, 1, 16, 32)
    alpha[..., 16:] = 1e-4
    clean = blue.expand(1, 3, 16, 32)
    plate = alpha * brown + (1 - alpha) * clean
    found = foreground_of(plate, clean, alpha, CoarseGrid.of(clean), torch.full((1, 3, 1, 1), 0.01))
    # 0.8 times the cube root of 1e-4 is 0.037 of the way from brown to blue, 0.03 in the last channel. Beside the
    # seam the cells' mixture of both halves is all brown: a weight of 1 against 1e-8.
    assert torch.allclose(found[..., 16:], brown.expand(1, 3, 16, 16), atol=0.031)


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


def colours(values: list[float]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


def one(value: float, channels: int = 3) -> Tensor:
    return torch.full((1, channels, 1, 1), value)


def test_hair_before_a_bright_sky_has_no_confetti() -> None:
    """Dark hair before bright sky with fine trees, alpha wrong by 0.1 from pixel to pixel: the equation alone gives
    saturated specks, half of them below zero; the most likely foreground stays near hair, and none is below
    zero."""
    dice = torch.Generator().manual_seed(8)
    hair = colours([0.06, 0.04, 0.03])
    sky = colours([0.5, 0.7, 0.95]) * (0.4 + 0.6 * torch.rand((1, 1, 64, 96), generator=dice))
    true = 0.1 + 0.8 * torch.rand((1, 1, 64, 96), generator=dice)
    plate = true * hair + (1 - true) * sky
    alpha = (true + 0.1 * torch.randn(true.shape, generator=dice)).clamp(0.02, 0.98)
    exact = (plate - (1 - alpha) * sky) / alpha
    deviation = AlphaDeviation.of(torch.full_like(alpha, 0.1))
    found = foreground_of(plate, sky, alpha, CoarseGrid.of(hair.expand_as(plate)), one(0.004), deviation)

    def speckle(picture: Tensor) -> float:
        return float((picture - picture.mean((2, 3), keepdim=True)).abs().mean())

    assert float((exact < 0).any(1).float().mean()) > 0.3 and speckle(exact) > 0.15
    assert float(found.min()) >= 0.0
    # A subject's own variation is a fifth of its light here, 0.01; the sky's is thirty times that.
    assert speckle(found) < 0.02
    assert float((found - hair).abs().mean()) < 0.1 * float((exact - hair).abs().mean())


def test_the_less_sure_alpha_is_the_nearer_the_foreground_is_to_the_estimate() -> None:
    plate, clean, estimate, alpha = one(0.3), one(0.9), one(0.2), one(0.5, 1)
    distances = [
        float((likely_foreground(plate, clean, alpha, estimate, one(sd, 1), one(0.0)) - estimate).abs().mean())
        for sd in (0.0, 0.02, 0.05, 0.1, 0.3)
    ]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] == pytest.approx(0.5, rel=1e-5)  # the equation: (0.3 - 0.45) / 0.5 = -0.3
    assert distances[-1] < 0.1 * distances[0]


@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.5, 0.9])
def test_luminance_is_the_most_likely_one(alpha: float) -> None:
    """Of all grey foregrounds the one with the least squared errors in standard deviations: of the subject's light
    (grain 0.02, alpha's deviation 0.1 times estimate minus clean) and of the colour (0.34 of the estimate's light
    plus 0.01)."""
    plate, clean, estimate = 0.6, 0.2, 0.9
    variance = (1 - alpha) * 0.02**2 + (0.1 * (estimate - clean)) ** 2
    candidates = np.linspace(-2.0, 40.0, 4_200_001)
    own = plate - (1 - alpha) * clean
    cost = (alpha * candidates - own) ** 2 / variance + (candidates - estimate) ** 2 / (0.34 * 0.9 + 0.01) ** 2
    found = likely_foreground(one(plate), one(clean), one(alpha, 1), one(estimate), one(0.1, 1), one(0.02))
    assert found.flatten().tolist() == pytest.approx([candidates[cost.argmin()]] * 3, abs=2e-5)  # two search steps


def test_chroma_is_held_more_closely_than_luminance() -> None:
    """The same error in all channels, and the same size of error in opposite directions."""
    clean, estimate, alpha, deviation = one(0.8), one(0.2), one(0.5, 1), one(0.1, 1)
    base = 0.5 * estimate + 0.5 * clean
    grey, colour = base + 0.05, base + 0.05 * colours([1.0, 0.0, -1.0])
    moved = [
        float((likely_foreground(plate, clean, alpha, estimate, deviation, one(0.0)) - estimate).abs().amax())
        for plate in (grey, colour)
    ]
    assert moved[1] < 0.3 * moved[0]


def test_negative_light_that_the_plate_shows_survives() -> None:
    """A colour outside the gamut, and grain around black."""
    clean = colours([0.05, 0.2, 0.3])
    saturated = colours([-0.15, 0.6, 0.1])
    for value in (0.8, 0.95):
        alpha = one(value, 1)
        plate = value * saturated + (1 - value) * clean
        found = where_alpha_is_sure(plate, clean, alpha, saturated.clamp(min=0))
        # The plate has -0.12 and less; what it has over alpha is the limit.
        least = plate / alpha
        assert torch.equal(
            limit_negative(found.maximum(least), plate, alpha, saturated.clamp(min=0)), found.maximum(least)
        )
    dice = torch.Generator().manual_seed(1)
    black = 0.01 * torch.randn((1, 3, 60, 80), generator=dice)
    alpha = torch.full((1, 1, 60, 80), 0.5)
    found = black / alpha
    held = limit_negative(found, black, alpha, torch.zeros_like(black))
    assert torch.equal(held, found)  # its mean would rise by 0.4 of a standard deviation if it were cut at zero


@pytest.mark.parametrize(
    ("foreground", "expected"),
    [
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]),
        # Half of the way from the estimate of 0.2 to where blue is 0: red and green go half of their way too.
        ([0.4, 0.2, -0.2], [0.3, 0.2, 0.0]),
        ([-0.6, -0.2, 0.2], [0.0, 0.1, 0.2]),
    ],
)
def test_negative_light_is_taken_back_in_all_channels(foreground: list[float], expected: list[float]) -> None:
    held = limit_negative(colours(foreground), one(0.5), one(0.5, 1), one(0.2))
    assert held.flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_a_lamp_behind_hair_leaves_no_negative_light() -> None:
    """Alpha is 0.1 too small before a lamp of 20: the equation alone takes 2 too much away."""
    true, clean = torch.full((1, 3, 1, 4), 0.05), torch.full((1, 3, 1, 4), 20.0)
    right = torch.tensor([0.2, 0.4, 0.6, 0.8]).view(1, 1, 1, 4)
    plate = right * true + (1 - right) * clean
    wrong = right - 0.1
    found = foreground_of(plate, clean, wrong, CoarseGrid.of(true), one(0.01))
    assert float(where_alpha_is_sure(plate, clean, wrong, true).min()) < -2.0
    assert float(found.min()) >= 0.0


def test_extended_edges_are_means_weighted_by_alpha_squared() -> None:
    """One cell of 8 x 8 pixels, half of it at alpha 0.5: the subject's light there is plate - 0.5 clean = alpha F,
    and counts by alpha, so that F is averaged with alpha squared. The frame's median, here 0.6, counts like an
    alpha squared of 0.03 (1 - alpha) beside it."""
    alpha = torch.zeros(1, 1, 8, 8)
    alpha[..., :4], alpha[..., 4:6] = 0.5, 0.25
    colour = torch.zeros(1, 1, 8, 8)
    colour[..., :4], colour[..., 4:6] = 0.8, 0.2
    clean = torch.full((1, 3, 8, 8), 0.4)
    plate = alpha * colour + (1 - alpha) * clean
    half = (0.25 * 0.8 + 0.03 * 0.5 * 0.6) / (0.25 + 0.03 * 0.5)
    quarter = (0.0625 * 0.2 + 0.03 * 0.75 * 0.6) / (0.0625 + 0.03 * 0.75)
    expected = (4 * 0.25 * half + 2 * 0.0625 * quarter) / (4 * 0.25 + 2 * 0.0625)
    assert torch.allclose(extend_edges(plate, clean, alpha), torch.tensor(expected), rtol=1e-5)
