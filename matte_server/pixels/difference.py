"""How far the plate is from the aligned clean plate, measured in the pictures' own noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

from .strips import strips

_KNEE = 0.02
# What a residual misalignment of half a pixel does at an edge of the clean plate.
_EDGE_PX = 0.5
_LEAST_NOISE = 0.004
# In the even-noise encoding; a sixth of the light. The quietest quarter of a picture has less noise than that:
# where even that quarter differs by more, something hides it.
_HIDDEN = 0.03
# The smallest part of a frame that may speak for all of it.
_LEAST_STILL = 0.02
# Pixels that show the clean plate crowd around no difference at all: hardly more of them are within twice the
# distance. Where light differs smoothly twice as many are, and within noise several times as many.
_CROWDED = 1.5


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


def grain_at(grain: Tensor, light: Tensor) -> Tensor:
    """A ``Difference.grain`` as a standard deviation of scene-linear light where that is as bright as ``light``."""
    return grain / _slope(light)


def even_noise(light: Tensor) -> Tensor:
    """Scene-linear light so that sensor noise and visible steps are about even: logarithmic above a knee,
    linear through zero below it, so that noise around black and lamps at 50 both keep their order."""
    return torch.sign(light) * torch.log1p(light.abs() / _KNEE) * 0.2


def _slope(light: Tensor) -> Tensor:
    return 0.2 / (_KNEE + light.abs())


def grain_of(plate: Tensor, clean: Tensor, coverage: Tensor) -> Tensor:
    """The ``grain`` of :func:`difference` alone."""
    return _grain(*_still(*(covered_pixels(picture, coverage) for picture in (plate, clean))))


def difference(plate: Tensor, clean: Tensor, coverage: Tensor) -> Difference:
    """Measures 1 x 3 x H x W scene-linear pictures; uncovered pixels have distance 0 and say nothing."""
    samples = _still(*(covered_pixels(picture, coverage) for picture in (plate, clean)))
    grain, dark = _grain(*samples), _dark_noise(*samples)
    height, width = plate.shape[-2:]
    distance, linear = (plate.new_empty(1, 1, height, width) for _ in range(2))
    signed = torch.empty_like(plate)
    for rows in strips(height, width, plate.device):
        near = slice(max(0, rows.start - 1), rows.stop + 1)
        own = slice(rows.start - near.start, rows.stop - near.start)
        around = even_noise(clean[..., near, :])
        encoded, steep = around[..., own, :], _steepness(around)[..., own, :]
        slope = _slope(clean[..., rows, :])
        noise = torch.sqrt(grain**2 + (slope * dark) ** 2 + (_EDGE_PX * steep) ** 2)
        part = (even_noise(plate[..., rows, :]) - encoded) * coverage[..., rows, :] / noise
        signed[..., rows, :] = part
        distance[..., rows, :] = part.square().mean(1, keepdim=True).sqrt()
        linear[..., rows, :] = (noise / slope).mean(1, keepdim=True)
    return Difference(distance=distance, signed=signed, noise=linear, grain=grain)


def _grain(plate: Tensor, clean: Tensor) -> Tensor:
    """Each channel's noise from the quietest quarter of all differences, which the subject hardly reaches: channels
    x pixels in, 1 x 3 x 1 x 1 in the even-noise encoding out."""
    if plate.shape[1] == 0:
        return torch.full((1, 3, 1, 1), _LEAST_NOISE, device=plate.device)
    return _spread(even_noise(plate) - even_noise(clean)).clamp(min=_LEAST_NOISE).view(1, 3, 1, 1)


def _dark_noise(plate: Tensor, clean: Tensor) -> Tensor:
    """What a sensor adds where there is no light, scene-linear, 1 x 3 x 1 x 1, from channels x pixels. The encoding
    is steepest there, so that noise around zero would look like a subject. From the darkest tenth of the clean
    plate; at most the noise of the whole frame, because a subject may stand before all that is dark."""
    if plate.shape[1] == 0:
        return torch.zeros(1, 3, 1, 1, device=plate.device)
    delta, light = plate - clean, clean.amax(0)
    darkest = light <= light.kthvalue(max(1, light.shape[0] // 10)).values
    return torch.minimum(_spread(delta[:, darkest]), _spread(delta)).view(1, 3, 1, 1)


def covered_pixels(picture: Tensor, coverage: Tensor) -> Tensor:
    """About 60 000 covered pixels spread over 1 x C x H x W, channels x pixels; none where ``coverage``, 1 x 1 x H
    x W, is 0 everywhere."""
    step = max(1, int((picture.shape[-1] * picture.shape[-2] / 60_000) ** 0.5))
    return picture[0, :, ::step, ::step][:, coverage[0, 0, ::step, ::step] > 0.5]


def _still(plate: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """Those of the pixels (channels x pixels) from which noise is measured: all of them, or where a subject hides
    more than three quarters, those that show the clean plate."""
    apart = (even_noise(plate) - even_noise(clean)).square().mean(0).sqrt()
    count = apart.shape[0]
    if not count or float(apart.kthvalue(max(1, count // 4)).values) < _HIDDEN:
        return plate, clean
    ordered = apart.sort().values
    ranks = torch.linspace(_LEAST_STILL * count, count / 4, 24).long().to(apart.device)
    near = ordered[ranks].clamp(min=2 * _LEAST_NOISE)
    within, around = (torch.searchsorted(ordered, reach, right=True) for reach in (near, 2 * near))
    growth = around / within.clamp(min=1)
    best = int(growth.argmin())
    if float(growth[best]) > _CROWDED or int(within[best]) < _LEAST_STILL * count:
        return plate, clean
    still = apart <= near[best]
    return plate[:, still], clean[:, still]


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
