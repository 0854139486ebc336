"""How far a matte, put back over the clean plate, misses the plate: the proof of the compositing equation."""

from __future__ import annotations

from collections.abc import Iterator
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
    red, green, blue = torch.lerp(clean, foreground, alpha).sub_(plate).abs_().unbind(1)
    return torch.maximum(torch.maximum(red, green), blue)[:, None]


def recomposition(plate: Tensor, clean: Tensor, alpha: Tensor, foreground: Tensor) -> Recomposition:
    """The figures of :func:`recomposition_error`, without a picture of it."""

    def parts() -> Iterator[tuple[Tensor, Tensor]]:
        height, width = alpha.shape[-2:]
        for rows in strips(height, width, alpha.device):
            here = [picture[..., rows, :] for picture in (plate, clean, alpha, foreground)]
            yield recomposition_error(*here), (here[2] > BAND[0]) & (here[2] < BAND[1])

    of_band, largest = [], []
    for error, band in parts():
        of_band.append(error[band])
        largest.append(error.amax())
    errors = torch.cat(of_band)
    count = len(errors)
    if not count:
        errors = torch.cat([error.flatten() for error, _ in parts()])
    return Recomposition(float(errors.median()), float(torch.stack(largest).amax()), count / alpha.numel())
