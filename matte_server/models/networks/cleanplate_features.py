"""What our own network sees: encoded light, the coarse stage's features, evidence of full resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as nnf
from torch import Tensor

FEATURES = 19
EVIDENCE = 4
"""Channels of ``coarse_evidence``."""
CLEAN = 0.4
"""Evidence below this says that the plate shows the clean plate."""
_SAMPLES = 32_768
"""The noise of a frame is measured on about this many pixels, spread over it."""
_NOISE_FLOOR = 0.004
_ROWS = 8
"""Rows of a frame that stay in a processor's cache with all their channels."""
TOE = 0.004
_SCALE = (1.0 + TOE) ** 0.5 - TOE**0.5
_KNEE_SLOPE = 0.5 / ((1.0 + TOE) ** 0.5 * _SCALE)


def encode(linear: Tensor) -> Tensor:
    """The network's encoding of scene-linear light, element by element: odd, monotone, 0 -> 0 and 1 -> 1.

    Up to 1 a square root with a toe, which makes photon noise uniform; above 1 a logarithm, which keeps highlights
    small. Negative values keep their sign.
    """
    size = linear.abs()
    if size.device.type == "cpu" and not size.requires_grad and float(size.amax()) <= 1.0:
        low = size.add_(TOE).sqrt_().sub_(TOE**0.5).mul_(1.0 / _SCALE)  # a third of the time: no highlights here
        return low.copysign_(linear)
    low = ((size.clamp(max=1.0) + TOE).sqrt() - TOE**0.5) * (1.0 / _SCALE)
    high = size.clamp(min=1.0).log() * _KNEE_SLOPE
    return torch.copysign(low + high, linear)


def decode(encoded: Tensor) -> Tensor:
    """The inverse of ``encode``."""
    size = encoded.abs()
    if size.device.type == "cpu" and not size.requires_grad and float(size.amax()) <= 1.0:
        low = size.mul_(_SCALE).add_(TOE**0.5).square_().sub_(TOE)  # a third of the time: no highlights here
        return low.copysign_(encoded)
    low = (size.clamp(max=1.0) * _SCALE + TOE**0.5).square() - TOE
    high = ((size.clamp(min=1.0) - 1.0) * (1.0 / _KNEE_SLOPE)).exp()
    return torch.copysign(low * high, encoded)


def coarse_features(plate: Tensor, clean: Tensor, coverage: Tensor, core: Tensor, holdout: Tensor) -> list[Tensor]:
    """The coarse stage's input from N x C x H x W at the coarse size, in parts of ``FEATURES`` channels together.

    ``plate``, ``clean``: 3 channels scene-linear; the others 1 channel, 0..1. Besides the encoded pictures it holds
    their log ratio (equal in all channels in a shadow), the distance to the range of the clean plate's 3 x 3
    neighbourhood (insensitive to misalignment), and both distances relative to the frame's noise.
    """
    p, c = encode(plate), encode(clean)
    difference = p - c
    ratio = ((plate.clamp(min=0) + 0.01) / (clean.clamp(min=0) + 0.01)).log().clamp(-4, 4) * 0.5
    lowest, highest = -highest_around(-c), highest_around(c)
    outside = (torch.relu(lowest - p) + torch.relu(p - highest)).amax(1, keepdim=True)
    distance = difference.abs().amax(1, keepdim=True)
    noise = _quartile(distance[..., ::4, ::4]) + _NOISE_FLOOR
    return [
        p * 2 - 1,
        c * 2 - 1,
        difference * 4 * coverage,
        ratio * coverage,
        (outside / (outside + noise)) * coverage,
        (distance / (distance + 3 * noise)) * coverage,
        (outside * 8).clamp(max=4) * coverage,
        noise.expand_as(distance) * 8,
        coverage,
        core,
        holdout,
    ]


def joined(parts: Sequence[Tensor], mirrored: bool, multiple: int) -> Tensor:
    """The channels of all ``parts`` (N x C x H x W), left and right exchanged where ``mirrored``, with the sides
    extended to multiples of ``multiple`` (the edge is replicated). On a CPU the result is channels-last."""
    height, width = parts[0].shape[-2:]
    down, right = -height % multiple, -width % multiple
    if parts[0].device.type == "cpu":
        return _joined_on_processor(parts, mirrored, (height + down, width + right))
    return nnf.pad(_side_by_side(parts, mirrored), (0, right, 0, down), mode="replicate")


def _joined_on_processor(parts: Sequence[Tensor], mirrored: bool, room: tuple[int, int]) -> Tensor:
    """The same a few rows at a time, which takes a seventh of the time."""
    count, _, height, width = parts[0].shape
    channels = sum(part.shape[1] for part in parts)
    whole = torch.empty((count, channels, *room), dtype=parts[0].dtype, memory_format=torch.channels_last)
    for top in range(0, height, _ROWS):
        rows = slice(top, min(top + _ROWS, height))
        whole[..., rows, :width] = _side_by_side([part[..., rows, :] for part in parts], mirrored)
    whole[..., :height, width:] = whole[..., :height, width - 1 : width]
    whole[..., height:, :] = whole[..., height - 1 : height, :]
    return whole


def _side_by_side(parts: Sequence[Tensor], mirrored: bool) -> Tensor:
    whole = torch.cat(list(parts), 1)
    return whole.flip(-1) if mirrored else whole


def highest_around(picture: Tensor) -> Tensor:
    """The maximum over 3 x 3 pixels; comparing shifted copies takes a fifth of pooling's time on a CPU."""
    padded = nnf.pad(picture, (1, 1, 1, 1), mode="replicate")
    across = torch.maximum(padded[..., :-2], padded[..., 2:]).maximum(padded[..., 1:-1])
    return torch.maximum(across[..., :-2, :], across[..., 2:, :]).maximum(across[..., 1:-1, :])


def _quartile(distance: Tensor) -> Tensor:
    """The lower quartile of each picture N x 1 x H x W, at most 0.1: N x 1 x 1 x 1."""
    sample = distance.flatten(1)
    rank = max(1, sample.shape[1] // 4)
    return sample.kthvalue(rank, dim=1).values.clamp(max=0.1).view(-1, 1, 1, 1)


def outside_range(plate: Tensor, lowest: Tensor, highest: Tensor) -> Tensor:
    """How far each pixel of the plate lies outside the range ``lowest`` to ``highest`` (the clean plate's extremes
    over 3 x 3 pixels), N x 1 x H x W, about in units of ``encode``. All inputs N x 3 x H x W, scene-linear."""
    beyond = torch.maximum(lowest - plate, plate - highest).clamp_(min=0.0)
    level = (plate.abs() + highest.abs()).add_(2 * TOE).mul_(2.0 * _SCALE**2).rsqrt_()
    return beyond.mul_(level).amax(1, keepdim=True)


def noise_of(outside: Tensor) -> Tensor:
    """The noise of each frame, N x 1 x 1 x 1, from the distances of ``outside_range``."""
    step = max(4, round((outside.shape[-2] * outside.shape[-1] / _SAMPLES) ** 0.5))
    return 3.0 * (_quartile(outside[..., ::step, ::step]) + _NOISE_FLOOR)


def evidence_of(outside: Tensor, noise: Tensor, coverage: Tensor) -> Tensor:
    """The distance of ``outside_range`` relative to ``noise_of`` it, N x 1 x H x W: near 0 where the plate shows
    the clean plate, 1 where it certainly does not, and 0.5 where ``coverage`` is 0."""
    found = outside / (outside + noise)
    return found.sub_(0.5).mul_(coverage).add_(0.5)


def plate_evidence(plate: Tensor, clean: Tensor, coverage: Tensor) -> Tensor:
    """``evidence_of`` two pictures N x 3 x H x W."""
    outside = outside_range(plate, -highest_around(-clean), highest_around(clean))
    return evidence_of(outside, noise_of(outside), coverage)


def evidence_levels(evidence: Tensor, octaves: int) -> list[Tensor]:
    """The smallest and the largest evidence within each pixel of every resolution, N x 2 x h x w each, the coarse
    size first. ``evidence``: N x 1 x H x W, sides multiples of 2 ** ``octaves``."""
    levels = [evidence.expand(-1, 2, -1, -1)]
    for _ in range(octaves):
        least, most = levels[-1][:, :1], levels[-1][:, 1:]
        levels.append(torch.cat([_extreme(least, torch.minimum), _extreme(most, torch.maximum)], 1))
    return levels[::-1]


def coarse_evidence(mean: Tensor, equal: Tensor, extremes: Tensor) -> Tensor:
    """The coarse stage's part of the evidence, N x ``EVIDENCE`` x h x w, about -1..1: for each of its pixels the
    mean evidence, the share of full-resolution pixels that ``shows_clean_plate``, the least and the most."""
    return torch.cat([mean, equal, extremes], 1) * 2 - 1


def shows_clean_plate(evidence: Tensor) -> Tensor:
    """1 where a pixel equals the clean plate within the noise, else 0."""
    return (evidence < CLEAN).to(evidence.dtype)


def _extreme(picture: Tensor, of_two: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The minimum or maximum over every 2 x 2 pixels."""
    rows = of_two(picture[..., ::2, :], picture[..., 1::2, :])
    return of_two(rows[..., ::2], rows[..., 1::2])
