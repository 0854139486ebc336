"""Fills what is unknown from what is known around it."""

from __future__ import annotations

import torch.nn.functional as nnf
from torch import Tensor


def spread_colour(colour: Tensor, weight: Tensor) -> Tensor:
    """Fills unknown pixels from known ones by averages over ever larger areas (push-pull, Gortler et al. 1996,
    section 6.3.2): 1 x 3 x H x W; ``weight`` 1 x 1 x H x W: 1 where a pixel is known, 0 where it is not."""
    levels = [(colour * weight, weight)]
    while max(levels[-1][1].shape[-2:]) > 1:
        values, weights = levels[-1]
        pad = (0, values.shape[-1] % 2, 0, values.shape[-2] % 2)
        values, weights = nnf.pad(values, pad), nnf.pad(weights, pad)
        # Weights saturate: four barely known pixels do not become one that is fully known.
        values, weights = nnf.avg_pool2d(values, 2), nnf.avg_pool2d(weights, 2)
        bounded = (4.0 * weights).clamp(max=1.0)
        levels.append((values * bounded / weights.clamp(min=1e-12), bounded))
    values, weights = levels.pop()
    filled = values / weights.clamp(min=1e-12)
    while levels:
        values, weights = levels.pop()
        size = (values.shape[-2], values.shape[-1])
        up = nnf.interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
        filled = values + (1.0 - weights) * up[..., : size[0], : size[1]]
    return filled
