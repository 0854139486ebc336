"""Random decisions and random smooth fields; torch, so on any device.

Chances come from a ``numpy.random.Generator`` (decisions) and a ``torch.Generator`` on the device (noise); the same
two seeds give the same numbers on the same kind of device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

from .procedural import Random


@dataclass(frozen=True)
class Dice:
    """The two sources of chance."""

    rng: Random
    noise: torch.Generator

    @property
    def device(self) -> torch.device:
        return self.noise.device

    def maybe(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    def ever(self, chance: float) -> bool:
        """As ``maybe``, but without a draw where it never happens: what follows stays as it was before there was
        such a chance, and so do the benchmark's pictures."""
        return chance > 0 and self.maybe(chance)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def normal(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(tuple(shape), generator=self.noise, device=self.device)


def bumps(dice: Dice, size: tuple[int, int], cells: float, channels: int = 1) -> Tensor:
    """Smooth noise, channels x H x W, about -1..1, ``cells`` bumps across the longer side."""
    height, width = size
    per = cells / max(height, width)
    coarse = torch.rand(
        (1, channels, max(2, round(height * per)) + 1, max(2, round(width * per)) + 1),
        generator=dice.noise,
        device=dice.device,
    )
    return nnf.interpolate(coarse * 2 - 1, size=size, mode="bicubic", align_corners=True)[0]


def patch(dice: Dice, size: tuple[int, int], share: float) -> Tensor:
    """A soft random region, 1 x H x W, 0..1, covering about ``share`` of the picture."""
    field = bumps(dice, size, dice.between(2, 7))
    level = field.flatten()[:: max(1, field.numel() // 2000)].quantile(1 - share)
    return ((field - level) * dice.between(3, 30) + 0.5).clamp(0, 1)


def patch_with_edge(dice: Dice, size: tuple[int, int], share: float) -> Tensor:
    """As :func:`patch`, twenty times as steep: an edge instead of a soft border."""
    return ((patch(dice, size, share) - 0.5) * 20 + 0.5).clamp(0, 1)
