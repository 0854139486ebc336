"""Averages over square windows, quickly: the arithmetic under every local fit."""

from __future__ import annotations

import torch.nn.functional as nnf
from torch import Tensor


def box_sum(picture: Tensor, radius: int) -> Tensor:
    """The sum over (2 ``radius`` + 1)^2 pixels, N x C x H x W in and out; nothing lies past the frame's edge.
    Shifted sums, which for the small radii used here beat pooling several times over."""
    return _sums(nnf.pad(picture, (radius, radius, radius, radius)), radius)


def box_mean(picture: Tensor, radius: int) -> Tensor:
    """The mean over the same windows; past the frame's edge its last row and column repeat."""
    padded = nnf.pad(picture, (radius, radius, radius, radius), mode="replicate")
    return _sums(padded, radius).mul_(1.0 / (2 * radius + 1) ** 2)


def _sums(padded: Tensor, radius: int) -> Tensor:
    width, height = padded.shape[-1] - 2 * radius, padded.shape[-2] - 2 * radius
    across = padded[..., :width].clone()
    for step in range(1, 2 * radius + 1):
        across += padded[..., step : step + width]
    total = across[..., :height, :].clone()
    for step in range(1, 2 * radius + 1):
        total += across[..., step : step + height, :]
    return total


def box_max(picture: Tensor, radius: int) -> Tensor:
    """The largest value over (2 ``radius`` + 1)^2 pixels; borders as in :func:`box_mean`."""
    padded = nnf.pad(picture, (radius, radius, radius, radius), mode="replicate")
    width, height = picture.shape[-1], picture.shape[-2]
    across = padded[..., :width].clone()
    for step in range(1, 2 * radius + 1):
        across = across.maximum(padded[..., step : step + width])
    largest = across[..., :height, :]
    for step in range(1, 2 * radius + 1):
        largest = largest.maximum(across[..., step : step + height, :])
    return largest
