"""What the frame shows around each place: the light behind the subject, how well it is known, the subject's
colour."""

from __future__ import annotations

import pytest
import torch

from matte_server.pixels.local_light import local_light


@pytest.mark.parametrize("size", [(96, 128), (1000, 1930)])
def test_a_shadows_gain_and_the_noise_are_measured_where_there_is_no_subject(size: tuple[int, int]) -> None:
    """The left half of the frame lies in a shadow of 0.6; relative noise of 2 % in the plate; a subject in the
    middle that has another colour."""
    height, width = size
    dice = torch.Generator().manual_seed(3)
    clean = 0.2 + 0.6 * torch.rand((1, 3, height, width), generator=dice)
    shade = torch.ones(1, 1, height, width)
    shade[..., : width // 2] = 0.6
    plate = clean * shade * (1 + 0.02 * torch.randn(clean.shape, generator=dice))
    alpha = torch.zeros(1, 1, height, width)
    rows, columns = slice(height // 3, 2 * height // 3), slice(width // 3, 2 * width // 3)
    alpha[..., rows, columns] = 1.0
    plate[..., rows, columns] = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1)
    found = local_light(plate, clean, torch.ones_like(alpha), alpha)
    places = torch.tensor([height // 2 * width + column for column in (width // 8, 7 * width // 8, width // 2)])
    here = found.at(places)
    left, right, _ = here.gain.unbind(1)
    # A cell's 64 ratios of noise 2 %, weights that differ, and the constant that keeps black defined.
    assert torch.allclose(left, torch.tensor(0.6), atol=0.015)
    assert torch.allclose(right, torch.tensor(1.0), atol=0.015)
    noise = here.noise(torch.full((3, 3), 0.5))
    assert torch.allclose(noise[:, 1], torch.tensor(0.02 * 0.52), rtol=0.35)
    assert torch.allclose(here.subject[:, 2], torch.tensor([0.9, 0.1, 0.1]), atol=1e-4)


def test_a_frame_full_of_subject_has_a_gain_of_one() -> None:
    plate = torch.full((1, 3, 40, 40), 0.3)
    ones = torch.ones(1, 1, 40, 40)
    found = local_light(plate, 0.5 * plate, ones, ones)
    here = found.at(torch.arange(40 * 40))
    assert torch.equal(here.gain, torch.ones_like(here.gain)) and torch.equal(
        here.spread, torch.zeros_like(here.gain)
    )
