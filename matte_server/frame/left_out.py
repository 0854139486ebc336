"""Finds what may be subject where a region or a holdout matte leaves it out of the matte.

The shadow layer compares plate and clean plate where no subject is, and somebody who was left out on purpose is one
there, however empty alpha is. Only a network can tell: to a model without weights (``difference``) a shadow with
an edge is a subject, and a shadow layer that asked it would be without shadows."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..models.protocols import CancelCheck, FrameTensors, MattingModel, ModelSettings
from ..pixels.box import box_max
from .square_pixels import predict_in_square_pixels

_LONG_SIDE = 960
"""The model looks at a copy whose longer side has so many pixels at most: the shadow layer is as coarse."""
_MAY_BE_SUBJECT = 0.1
"""Alpha above this, as the model's residue in a strong shadow is below it; hair is thicker once it is averaged."""
_AROUND = 4
"""Pixels of the copy around what is found that may be its edge."""


def left_out(
    model: MattingModel, frame: FrameTensors, alpha: Tensor, settings: ModelSettings, check: CancelCheck
) -> Tensor:
    """1 where the whole frame shows more of a subject than ``alpha`` has, else 0, also of a model without weights:
    both 1 x 1 x H x W. Raises what ``model`` does."""
    if not model.spec.is_network:
        return torch.zeros_like(alpha)
    height, width = frame.size
    factor = min(1.0, _LONG_SIDE / max(height, width))
    size = (max(1, round(height * factor)), max(1, round(width * factor)))

    def small(picture: Tensor) -> Tensor:
        return nnf.interpolate(picture, size, mode="area").contiguous()

    seen = replace(
        frame,
        plate=small(frame.plate),
        clean_plate=small(frame.clean_plate),
        coverage=(small(frame.coverage) > 0.5).to(frame.coverage.dtype),
        # V1 finds nobody without it where the weights that find people are not there.
        core=None if frame.core is None else small(frame.core),
        holdout=None,
    )
    found = predict_in_square_pixels(model, seen, settings, check).alpha
    around = box_max((found - small(alpha) > _MAY_BE_SUBJECT).to(found.dtype), _AROUND)
    return nnf.interpolate(around, (height, width), mode="nearest")
