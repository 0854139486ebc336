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
    deviation of one pixel's difference, 1 x 1 x H x W. ``grain``: the part of it that is not misalignment, over the
    whole frame, in the even-noise encoding, 1 x 3 x 1 x 1."""

    distance: Tensor
    signed: Tensor
    noise: Tensor
    grain: Tensor

    def grain_at(self, light: Tensor) -> Tensor:
        """The grain's standard deviation in scene-linear light, where that is as bright as ``light``."""
        return self.grain / _slope(light)


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
    dark = _slope(clean) * _dark_noise(plate, clean, coverage)
    grain = _noise(delta, coverage)
    noise = torch.sqrt(grain**2 + dark**2 + (_EDGE_PX * _steepness(encoded)) ** 2)
    signed = delta / noise
    distance = signed.square().mean(1, keepdim=True).sqrt()
    linear = (noise / _slope(clean)).mean(1, keepdim=True)
    return Difference(distance, signed, linear, grain)


def _noise(delta: Tensor, coverage: Tensor) -> Tensor:
    """One channel's noise from the lower half of all differences, which the subject hardly reaches."""
    values = _sample(delta, coverage)
    if values.shape[1] == 0:
        return torch.full((1, 3, 1, 1), _LEAST_NOISE, device=delta.device)
    return _spread(values).clamp(min=_LEAST_NOISE).view(1, 3, 1, 1)


def _dark_noise(plate: Tensor, clean: Tensor, coverage: Tensor) -> Tensor:
    """What a sensor adds where there is no light, scene-linear, 1 x 3 x 1 x 1: the encoding is steepest there, so
    that noise around zero would look like a subject. From the darkest tenth of the clean plate; at most the noise
    of the whole frame, because a subject may stand before all that is dark."""
    delta = _sample(plate - clean, coverage)
    if delta.shape[1] == 0:
        return torch.zeros(1, 3, 1, 1, device=plate.device)
    light = _sample(clean, coverage).amax(0)
    darkest = light <= light.kthvalue(max(1, light.shape[0] // 10)).values
    return torch.minimum(_spread(delta[:, darkest]), _spread(delta)).view(1, 3, 1, 1)


def _sample(picture: Tensor, coverage: Tensor) -> Tensor:
    """About 200 000 covered pixels, channels x pixels."""
    step = max(1, int((picture.shape[-1] * picture.shape[-2] / 200_000) ** 0.5))
    return picture[0, :, ::step, ::step][:, coverage[0, 0, ::step, ::step] > 0.5]


def _spread(values: Tensor) -> Tensor:
    """Each row's standard deviation from its quietest quarter (the lower quartile of a normal's absolute values is
    0.319 standard deviations)."""
    return values.abs().kthvalue(max(1, values.shape[1] // 4), dim=1).values / 0.319


def _steepness(encoded: Tensor) -> Tensor:
    """The largest step to a neighbour, per pixel and channel."""
    padded = nnf.pad(encoded, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]).abs()
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]).abs()
    return 0.5 * torch.maximum(across, down)
