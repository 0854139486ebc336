"""What the coarse stage's second look sees in training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from matte_server.learning import networks
from matte_server.learning.losses import Losses, solid_core
from matte_server.learning.networks import LearnableCleanplate
from matte_server.models.networks.cleanplate import SOLID_REACH, CleanplateNet


def block() -> Tensor:
    alpha = torch.zeros(1, 1, 64, 96)
    alpha[..., 8:56, 16:80] = 1.0
    alpha[..., 8:12, 16:80] = 0.9
    return alpha


def test_what_is_solid_becomes_the_core_matte() -> None:
    core = solid_core(block(), 1)
    # The first look sees half the size: a reach of 3 there is 6 pixels here, and bilinear growth blurs one pixel.
    reach = 2 * SOLID_REACH
    inside = core[..., 12 + reach + 1 : 56 - reach - 1, 16 + reach + 1 : 80 - reach - 1]
    assert float(inside.min()) == 1.0
    outside = core.clone()
    outside[..., 12 + reach - 1 : 56 - reach + 1, 16 + reach - 1 : 80 - reach + 1] = 0.0
    assert float(outside.max()) == 0.0


def picture(light: float) -> dict[str, Tensor]:
    """A block before a wall that is as bright as ``light``, and as bright again."""
    alpha, wall = block(), torch.full((1, 3, 64, 96), light)
    found = {"plate": wall * (1 + alpha), "clean": wall, "foreground": 2 * wall, "alpha": alpha}
    return {**found, "coverage": torch.ones_like(alpha), "core": torch.zeros_like(alpha)}


def test_half_of_the_steps_learn_the_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """One octave fewer, and with a core matte; the same generator chooses the same steps."""
    seen: list[tuple[int, bool]] = []

    def losses(net: CleanplateNet, batch: dict[str, Tensor], octaves: int, generator: torch.Generator) -> Losses:
        seen.append((octaves, bool(batch["core"].any())))
        return Losses(total=torch.zeros(()), parts={})

    monkeypatch.setattr(networks, "training_losses", losses)
    learnable = LearnableCleanplate(CleanplateNet(), torch.device("cpu"))
    for seed in (1, 1):
        generator = torch.Generator().manual_seed(seed)
        for _ in range(40):
            learnable.loss(picture(0.2), generator)
    assert set(seen) == {(1, False), (0, True)} and seen[:40] == seen[40:]
    # Of 40 with chance 1/2, by a fixed seed.
    assert 10 < sum(has_core for _, has_core in seen[:40]) < 30


def test_a_dark_shot_is_learnt_as_the_model_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Tensor]] = []

    def losses(net: CleanplateNet, batch: dict[str, Tensor], octaves: int, generator: torch.Generator) -> Losses:
        seen.append(batch)
        return Losses(total=torch.zeros(()), parts={})

    monkeypatch.setattr(networks, "training_losses", losses)
    learnable = LearnableCleanplate(CleanplateNet(), torch.device("cpu"))
    for light in (0.09, 0.009):
        learnable.loss(picture(light), torch.Generator().manual_seed(1))
    bright, dark = seen
    for name in ("plate", "clean", "foreground", "alpha", "coverage"):
        # The block's edge, which is a tenth darker, counts for a little less in the dark: 2.5e-5 was measured.
        torch.testing.assert_close(dark[name], bright[name], rtol=1e-4, atol=0.0)
