"""The optimiser against torch's own class of the same method."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from matte_server.learning.optimiser import WeightOptimiser


def network() -> nn.Sequential:
    torch.manual_seed(4)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 1, 1), nn.Conv2d(1, 1, 1))
    # One that never gets a gradient, as a part of a network that a shot does not use.
    layers[2].requires_grad_(False)
    return layers


def learn_from(layers: nn.Sequential, step: int) -> None:
    torch.manual_seed(step)
    layers(torch.rand(2, 3, 8, 8)).square().mean().backward()


def test_it_steps_as_torchs_class_does_to_the_bit_also_where_it_went_on() -> None:
    ours, theirs = network(), network()
    own = WeightOptimiser(ours.parameters())
    reference = torch.optim.AdamW(theirs.parameters(), betas=(0.9, 0.99), weight_decay=1e-4)
    for step in range(6):
        rate = 1e-2 / (step + 1)
        if step == 3:
            state = {name: value.clone() for name, value in own.state().items()}
            own = WeightOptimiser(ours.parameters())
            own.load(state)
        own.clear_gradients()
        learn_from(ours, step)
        own.step(rate)
        reference.param_groups[0]["lr"] = rate
        reference.zero_grad()
        learn_from(theirs, step)
        reference.step()
    pairs = zip(ours.parameters(), theirs.parameters(), strict=True)
    assert all(torch.equal(mine, its) for mine, its in pairs)


def test_it_imports_no_compiler() -> None:
    code = """
import sys, torch
from matte_server.learning.optimiser import WeightOptimiser
weight = torch.nn.Parameter(torch.ones(2))
weight.sum().backward()
WeightOptimiser([weight]).step(0.1)
sys.exit('torch._dynamo' in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
