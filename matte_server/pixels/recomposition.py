"""The error of re-composition: how far the matte over the clean plate is from the plate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .strips import strips, stripwise

BAND = (0.02, 0.98)
"""Alpha that counts as semi-transparent."""


@dataclass(frozen=True)
class Recomposition:
    """``median`` over the semi-transparent pixels (over all where there are none) and ``largest`` of all, in the
    plate's light; ``band``: the semi-transparent part of the frame, 0..1."""

    median: float
    largest: float
    band: float


@stripwise
def recomposition_error(plate: Tensor, clean: Tensor, alpha: Tensor, foreground: Tensor) -> Tensor:
    """``|alpha * foreground + (1 - alpha) * clean - plate|``, largest channel: 1 x 1 x H x W."""
    red, green, blue = _missed(plate, clean, alpha, foreground).abs_().unbind(1)
    return torch.maximum(torch.maximum(red, green), blue)[:, None]


def _missed(plate: Tensor, clean: Tensor, alpha: Tensor, foreground: Tensor) -> Tensor:
    return torch.lerp(clean, foreground, alpha).sub_(plate)


def recomposition(plate: Tensor, clean: Tensor, alpha: Tensor, foreground: Tensor) -> Recomposition:
    """The figures of :func:`recomposition_error`, without a picture of it."""
    of_band: list[Tensor] = []
    ends: list[Tensor] = []
    height, width = alpha.shape[-2:]
    for rows in strips(height, width, alpha.device):
        here = [picture[..., rows, :] for picture in (plate, clean, alpha, foreground)]
        missed = _missed(*here)
        ends += torch.aminmax(missed)
        band = (here[2] > BAND[0]) & (here[2] < BAND[1])
        of_band.append(missed[0][:, band[0, 0]].abs_().amax(0))
    errors = torch.cat(of_band)
    count = len(errors)
    if not count:
        errors = recomposition_error(plate, clean, alpha, foreground).flatten()
    largest = torch.stack(ends).abs_().amax()
    return Recomposition(median=float(errors.median()), largest=float(largest), band=count / alpha.numel())
