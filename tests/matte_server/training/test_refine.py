"""Training of the refiner alone: its windows, its losses, its loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from matte_server.models.networks.cleanplate import CONTEXT, CleanplateNet, Coarse
from matte_server.training.__main__ import PACKAGED, main
from matte_server.training.bank import SUBJECT_SIZE
from matte_server.training.composite import Composite, Dice
from matte_server.training.refine import DEPTHS, WINDOWS, Windows, cut_windows, window_losses


class Echo(CleanplateNet):
    """Its coarse stage answers with what it is shown, so that places can be compared."""

    def look_twice(self, plate: Tensor, clean: Tensor, coverage: Tensor, core: Tensor, holdout: Tensor) -> Coarse:
        rest = plate.new_zeros((1, CONTEXT - 6, *plate.shape[-2:]))
        return Coarse(core, torch.zeros_like(core), torch.cat([plate, clean, rest], 1))


def sample(size: tuple[int, int]) -> Composite:
    """Noise, with a hole of alpha 0 in the middle; the core guide is alpha."""
    dice = torch.Generator().manual_seed(3)
    plate, clean = (torch.rand((3, *size), generator=dice) for _ in range(2))
    alpha = torch.rand((1, *size), generator=dice)
    alpha[:, size[0] // 4 : size[0] // 2] = 0
    ones = torch.ones_like(alpha)
    return Composite(plate, clean, plate, alpha, ones, alpha, torch.zeros_like(alpha))


@pytest.mark.parametrize("octaves", DEPTHS)
def test_windows_show_the_places_that_the_coarse_stage_told_of(octaves: int) -> None:
    side, scale = 8, 1 << octaves
    dice = Dice(np.random.default_rng(1), torch.Generator().manual_seed(1))
    found, pictures, coarse = cut_windows(Echo(), sample((24 * scale, 32 * scale)), octaves, side, dice)
    assert found == octaves
    assert pictures.shape == (WINDOWS, 7, side * scale, side * scale)
    assert coarse.shape == (WINDOWS, 1 + CONTEXT, side, side)
    shown = F.avg_pool2d(pictures.float(), scale)
    told = torch.cat([coarse[:, 1:7], coarse[:, :1]], 1).float()
    # Two roundings to half precision of numbers below 1.
    assert torch.allclose(shown, told, atol=2**-10)


def test_only_the_refiner_learns_from_windows() -> None:
    net = CleanplateNet()
    torch.nn.init.normal_(net.refiner.last.weight, 0, 0.01)  # starts as zero, which hides what is before it
    random = torch.Generator().manual_seed(2)
    windows: Windows = (
        2,
        torch.rand((2, 7, 96, 96), generator=random),
        torch.rand((2, 1 + CONTEXT, 24, 24), generator=random),
    )
    losses = window_losses(net, windows)
    losses.total.backward()  # type: ignore[no-untyped-call]
    assert bool(torch.isfinite(losses.total)) and float(losses.parts["total"]) > float(losses.parts["fine"]) > 0
    learnt = {name.split(".")[0] for name, weight in net.named_parameters() if weight.grad is not None}
    assert learnt == {"refiner"}


@pytest.mark.timeout(600)
def test_the_refiner_of_given_weights_is_trained_on(bank_folder: Path, tmp_path: Path) -> None:
    """Two steps, two more from the checkpoint; the coarse stage stays as it ships, bit by bit."""
    common: list[Any] = ["refine", str(tmp_path), "--bank", str(bank_folder), "--batch", "8"]
    assert main([*common, "--steps", "2"]) == 0
    assert main([*common, "--steps", "4"]) == 0
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 4
    before, after = load_file(PACKAGED), load_file(tmp_path / "average.safetensors")
    moved = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name].float())}
    assert moved == {"refiner"}


def test_a_larger_bank(tmp_path: Path) -> None:
    (tmp_path / "hdri").mkdir()
    words = ["--hdri", str(tmp_path / "hdri"), "--subjects", "1", "--sets", "1", "--scale", "0.5"]
    assert main(["fill", str(tmp_path / "bank"), *words]) == 0
    assert np.load(tmp_path / "bank" / "subjects" / "00000.npy").shape[0] == SUBJECT_SIZE // 2
