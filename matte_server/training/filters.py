"""Blur, motion blur and resampling of training pictures: C x H x W float32, scene-linear."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor


def blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of C x H x W; above 4 pixels on a reduced copy."""
    if sigma < 0.15:
        return x
    if sigma > 4.0 and min(x.shape[-2:]) >= 16:
        small = nnf.interpolate(x[None], scale_factor=0.5, mode="area")[0]
        grown = nnf.interpolate(blur(small, sigma / 2)[None], size=x.shape[-2:], mode="bilinear")
        return grown[0]
    radius = min(max(1, int(3 * sigma + 0.5)), *(side - 1 for side in x.shape[-2:]))
    offsets = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = nnf.pad(x[:, None], (radius, radius, 0, 0), mode="replicate")
    across = nnf.conv2d(padded, kernel.view(1, 1, 1, -1))
    padded = nnf.pad(across, (0, 0, radius, radius), mode="replicate")
    return nnf.conv2d(padded, kernel.view(1, 1, -1, 1))[:, 0]


def streak(x: Tensor, length: float, angle: float) -> Tensor:
    """Motion blur of C x H x W along a line of ``length`` pixels."""
    size = int(length) // 2 * 2 + 3
    middle = size // 2
    line = np.zeros((size, size), np.float32)
    for t in np.linspace(-length / 2, length / 2, 2 * size):
        line[round(middle + t * np.sin(angle)), round(middle + t * np.cos(angle))] += 1
    kernel = torch.from_numpy(line / line.sum()).to(x.device)
    padded = nnf.pad(x[:, None], (middle,) * 4, mode="replicate")
    return nnf.conv2d(padded, kernel[None, None])[:, 0]


def displaced(picture: Tensor, flow: Tensor) -> Tensor:
    """``picture`` resampled at every pixel's place plus ``flow`` (2 x H x W, pixels, x then y)."""
    height, width = picture.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device) + 0.5, torch.arange(width, device=flow.device) + 0.5, indexing="ij"
    )
    grid = torch.stack([(x + flow[0]) * (2 / width) - 1, (y + flow[1]) * (2 / height) - 1], -1)
    found = nnf.grid_sample(picture[None], grid[None], mode="bilinear", padding_mode="border", align_corners=False)
    return found[0]
