"""How far the plate is from the aligned clean plate, measured in the pictures' own noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

_KNEE = 0.02
# What a residual misalignment of half a pixel does at an edge of the clean plate.
_EDGE_PX = 0.5
_LEAST_NOISE = 0.004


@dataclass(frozen=True, eq=False)
class Difference:
    """``distance``: 1 x 1 x H x W in noise levels, about 1 where only noise differs. ``signed``: 1 x 3 x H x W,
    plate minus clean plate in the even-noise encoding, in noise levels. ``noise``: scene-linear standard
    deviation of one pixel's difference, 1 x 1 x H x W."""

    distance: Tensor
    signed: Tensor
    noise: Tensor


def even_noise(light: Tensor) -> Tensor:
    """Scene-linear light so that sensor noise and visible steps are about even: logarithmic above a knee,
    linear through zero below it, so that noise around black and lamps at 50 both keep their order."""
    return torch.sign(light) * torch.log1p(light.abs() / _KNEE) * 0.2


def _slope(light: Tensor) -> Tensor:
    return 0.2 / (_KNEE + light.abs())


def difference(plate: Tensor, clean: Tensor, coverage: Tensor) -> Difference:
    """Measures 1 x 3 x H x W scene-linear pictures; uncovered pixels have distance 0 and say nothing."""
    encoded = even_noise(clean)
    delta = (even_noise(plate) - encoded) * coverage
    noise = torch.sqrt(_noise(delta, coverage) ** 2 + (_EDGE_PX * _steepness(encoded)) ** 2)
    signed = delta / noise
    distance = signed.square().mean(1, keepdim=True).sqrt()
    linear = (noise / _slope(clean)).mean(1, keepdim=True)
    return Difference(distance, signed, linear)


def _noise(delta: Tensor, coverage: Tensor) -> Tensor:
    """One channel's noise from the lower half of all differences, which the subject hardly reaches (the median
    of |x| over the quieter half of a normal's absolute values is 0.319 standard deviations)."""
    step = max(1, int((delta.shape[-1] * delta.shape[-2] / 200_000) ** 0.5))
    small, seen = delta[..., ::step, ::step], coverage[0, 0, ::step, ::step] > 0.5
    if not bool(seen.any()):
        return torch.full((1, 3, 1, 1), _LEAST_NOISE, device=delta.device)
    values = small[0][:, seen].abs()
    quartile = values.kthvalue(max(1, values.shape[1] // 4), dim=1).values
    return (quartile / 0.319).clamp(min=_LEAST_NOISE).view(1, 3, 1, 1)


def _steepness(encoded: Tensor) -> Tensor:
    """The largest step to a neighbour, per pixel and channel."""
    padded = nnf.pad(encoded, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]).abs()
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]).abs()
    return 0.5 * torch.maximum(across, down)
