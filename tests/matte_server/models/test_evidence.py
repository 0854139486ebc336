"""What the full resolution knows of the clean plate: evidence, and the blocks that are refined for its sake."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from matte_server.models.cleanplate_blocks import BLOCK, chosen_blocks
from matte_server.models.cleanplate_evidence import frame_evidence
from matte_server.models.networks.cleanplate_features import evidence_levels, plate_evidence

HEIGHT, WIDTH, OCTAVES = 128, 192, 2
SIDE = 1 << OCTAVES
PLACE = (0, slice(None), 16, 24)
"""The coarse pixel in the middle."""


def wall() -> Tensor:
    dice = torch.Generator().manual_seed(3)
    return torch.rand((1, 3, HEIGHT, WIDTH), generator=dice) * 0.1 + 0.3


def plate_with(alpha: Tensor, clean: Tensor, noise: float = 0.002) -> Tensor:
    dice = torch.Generator().manual_seed(4)
    return clean * (1 - alpha) + 0.05 * alpha + noise * torch.randn(clean.shape, generator=dice)


def blade() -> Tensor:
    alpha = torch.zeros(1, 1, HEIGHT, WIDTH)
    alpha[..., 40:90, 60:130] = 1.0
    return alpha


def comb() -> Tensor:
    """Teeth of two pixels with gaps of six, in one of which a coarse pixel lies half."""
    alpha = blade()
    alpha[..., torch.arange(WIDTH) % 8 > 1] = 0.0
    return alpha


def coarse(alpha: Tensor, covered: float = 1.0, shift: int = 0) -> Tensor:
    clean = wall()
    coverage = torch.full_like(alpha, covered)
    return frame_evidence(plate_with(alpha, clean), clean.roll(shift, -1), coverage, OCTAVES, 1)[1][0]


def test_a_comb_and_a_blade_differ() -> None:
    mean, equal, least, most = coarse(comb())[PLACE].tolist()
    assert equal >= -0.5 and least < 0 and most > 0.5, "a quarter at least shows the clean plate, and some does not"
    mean_of_blade, equal, least, most = coarse(blade())[PLACE].tolist()
    assert equal == -1.0 and least > 0.5 and most > 0.5 and mean_of_blade > mean


def test_an_empty_place_equals_the_clean_plate_even_a_pixel_beside() -> None:
    """The clean plate's 3 x 3 neighbourhood counts, so that a misalignment of one pixel is no subject."""
    for shift in (0, 1):
        mean, equal, _, _ = coarse(torch.zeros(1, 1, HEIGHT, WIDTH), shift=shift)[PLACE].tolist()
        assert mean < -0.5 and equal > 0.9


def test_nothing_is_known_where_the_clean_plate_does_not_reach() -> None:
    mean, equal, least, most = coarse(blade(), covered=0.0)[PLACE].tolist()
    assert (mean, equal, least, most) == (0.0, -1.0, 0.0, 0.0)


def test_levels_hold_the_extremes_of_their_pixels() -> None:
    clean = wall()
    evidence = plate_evidence(plate_with(comb(), clean), clean, torch.ones(1, 1, HEIGHT, WIDTH))
    levels = evidence_levels(evidence, OCTAVES)
    assert [tuple(level.shape[-2:]) for level in levels] == [(32, 48), (64, 96), (128, 192)]
    cells = evidence.view(HEIGHT // SIDE, SIDE, WIDTH // SIDE, SIDE)
    assert torch.equal(levels[0][0, 0], cells.amin((1, 3))) and torch.equal(levels[0][0, 1], cells.amax((1, 3)))
    assert torch.equal(levels[-1], evidence.expand(-1, 2, -1, -1))


@pytest.mark.parametrize("closed", [0.0, 1.0])
def test_blocks_that_the_full_resolution_contradicts_are_refined(closed: float) -> None:
    """A solid alpha over the gaps of a comb, or none over its teeth: only the evidence tells."""
    clean = wall()
    levels, _ = frame_evidence(plate_with(comb(), clean), clean, torch.ones(1, 1, HEIGHT, WIDTH), OCTAVES, 1)
    alpha, doubt = torch.full((1, 1, 64, 96), closed), torch.zeros(1, 1, 32, 48)
    assert chosen_blocks(alpha, doubt, 2, None)[0].tolist() == []
    rows, columns = chosen_blocks(alpha, doubt, 2, levels[1])
    chosen = {(row, column) for row, column in zip(rows.tolist(), columns.tolist(), strict=True)}
    assert (1, 2) in chosen and (2, 3) in chosen
    assert (3, 5) not in chosen and (0, 0) not in chosen
    assert BLOCK == 16, "the places above are blocks of 32 pixels"


def test_doubt_of_one_coarse_pixel_chooses_all_its_blocks_in_the_sixth_octave() -> None:
    """A picture of more than 16,384 pixels either way has six octaves, and blocks smaller than a coarse pixel."""
    alpha, doubt = torch.zeros(1, 1, 32, 64), torch.tensor([[[[0.0, 0.5]]]])
    rows, columns = chosen_blocks(alpha, doubt, 6, None)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 2), (0, 3), (1, 2), (1, 3)]
