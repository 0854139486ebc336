"""What the coarse stage's second pass sees in training."""

from __future__ import annotations

import torch

from matte_server.learning.networks import second_pass_core
from matte_server.models.networks.cleanplate import SOLID_REACH


def test_some_pictures_have_what_is_solid_as_core_matte() -> None:
    alpha = torch.zeros(40, 1, 64, 96)
    alpha[..., 8:56, 16:80] = 1.0
    alpha[..., 8:12, 16:80] = 0.9
    core = second_pass_core(alpha, 1, torch.Generator().manual_seed(1))
    has_core = core.flatten(1).any(1)
    assert 10 < int(has_core.sum()) < 30
    # The coarse stage sees half the size: a reach of 3 there is 6 pixels here.
    reach = 2 * SOLID_REACH
    wanted = torch.zeros_like(alpha[:1])
    wanted[..., 12 + reach : 56 - reach, 16 + reach : 80 - reach] = 1.0
    assert torch.equal(core[has_core], wanted.expand(int(has_core.sum()), -1, -1, -1))


def test_the_same_step_has_the_same_core_mattes() -> None:
    alpha = torch.ones(8, 1, 32, 32)
    first, again, other = (second_pass_core(alpha, 1, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
