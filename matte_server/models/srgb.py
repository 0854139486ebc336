"""Between scene-linear light and sRGB, in which the published networks see pictures."""

from __future__ import annotations

import torch
from torch import Tensor

_LINEAR_END = 0.0031308
_ENCODED_END = 0.04045


def encode_srgb(linear: Tensor) -> Tensor:
    """sRGB-encoded 0..1 from scene-linear Rec.709; what is darker than black or brighter than white is cut, as
    in the pictures that these networks know."""
    cut = linear.clamp(0.0, 1.0)
    return torch.where(cut <= _LINEAR_END, 12.92 * cut, 1.055 * _power(cut, 1.0 / 2.4) - 0.055)


def decode_srgb(encoded: Tensor) -> Tensor:
    """The inverse of :func:`encode_srgb`, 0..1."""
    cut = encoded.clamp(0.0, 1.0)
    return torch.where(cut <= _ENCODED_END, cut / 12.92, _power((cut + 0.055) / 1.055, 2.4))


def _power(base: Tensor, exponent: float) -> Tensor:
    """``base`` (0..1) to ``exponent``; half the time of torch's own, and as close in float32."""
    return base.log().mul_(exponent).exp_()
