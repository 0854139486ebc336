"""What sets a clean plate apart from the plate's set: what alignment and exposure matching leave, a missing border.

Torch, so on any device; pictures are C x H x W float32, scene-linear.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .filters import blur, displaced
from .random_fields import Dice, bumps, patch, patch_with_edge


def misalignment(dice: Dice, size: tuple[int, int], strength: float) -> Tensor:
    """What alignment leaves behind: a drift of up to 3 px over the frame, steps of parallax, leaves that
    swayed; 2 x H x W pixels. A whole-frame drift is small most of the time."""
    flow = torch.zeros(2, *size, device=dice.device)
    if strength <= 0 or dice.maybe(0.25):
        return flow
    reach = strength * dice.between(0, 1) ** 2 * 2.0
    flow = (
        flow
        + reach * bumps(dice, size, 2, 2)
        + reach * 0.5 * torch.from_numpy(dice.rng.normal(0, 1, (2, 1, 1)).astype(np.float32)).to(dice.device)
    )
    if dice.maybe(0.35):
        step = torch.from_numpy(dice.rng.normal(0, 1.2, (2, 1, 1)).astype(np.float32)).to(dice.device)
        flow = flow + strength * step * patch(dice, size, dice.between(0.1, 0.5))
    if dice.maybe(0.12):
        sway = bumps(dice, size, dice.between(8, 40), 2) * dice.between(1, 6)
        flow = flow + strength * sway * patch(dice, size, dice.between(0.05, 0.4))
    return flow


def parallax(dice: Dice, size: tuple[int, int]) -> Tensor:
    """One depth of the set aside by 1.5 to 5 px, with an edge, as where the clean plate's camera stood a little
    further left, right or higher; 2 x H x W pixels."""
    way = dice.between(0, 2 * float(np.pi))
    step = torch.tensor([np.cos(way), 0.5 * np.sin(way)], dtype=torch.float32, device=dice.device)
    where = patch_with_edge(dice, size, dice.between(0.1, 0.7))
    return step[:, None, None] * dice.between(1.5, 5) * where


def drift(dice: Dice, picture: Tensor) -> Tensor:
    """What exposure matching leaves: gain, white balance, a slow change of light over the frame."""
    spread = dice.rng.choice([0.0, 0.01, 0.03, 0.1], p=[0.25, 0.4, 0.25, 0.1])
    gain = np.exp(dice.rng.normal(0, spread) + dice.rng.normal(0, spread * 0.5, (3, 1, 1)))
    picture = picture * torch.from_numpy(gain.astype(np.float32)).to(dice.device)
    if dice.maybe(0.3):
        picture = picture * (1 + dice.between(0, 0.12) * bumps(dice, (picture.shape[1], picture.shape[2]), 2))
    if dice.maybe(0.15):
        picture = picture + dice.rng.normal(0, 0.006)
    return picture


def uncovered(dice: Dice, clean: Tensor) -> tuple[Tensor, Tensor]:
    """A border of the clean plate goes missing; returns the clean plate and its coverage."""
    height, width = clean.shape[-2:]
    y, x = torch.meshgrid(
        torch.linspace(0, 1, height, device=clean.device),
        torch.linspace(0, 1, width, device=clean.device),
        indexing="ij",
    )
    side = int(dice.rng.integers(4))
    edge = (x, 1 - x, y, 1 - y)[side] + (y if side < 2 else x) * dice.between(-0.1, 0.1)
    reach = dice.between(0.02, 0.2)
    coverage = (edge > reach).float()[None]
    choice = dice.rng.integers(4)
    if choice == 0:
        filling = torch.zeros_like(clean)
    elif choice == 1:
        inside = clean * coverage
        filling = blur(inside, 20) / (blur(coverage, 20) + 1e-2)
    else:  # the nearest covered pixel, as the pipeline's warp fills
        inwards = (reach - edge).clamp(min=0) * (1 - 2 * (side % 2))
        flow = torch.zeros(2, height, width, device=clean.device)
        flow[side // 2] = inwards * (width if side < 2 else height)
        filling = displaced(clean, flow)
    return clean * coverage + filling * (1 - coverage), coverage
