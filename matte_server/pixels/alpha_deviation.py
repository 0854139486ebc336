"""How sure alpha is, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .coarse_grid import CoarseGrid

_MOST = 0.5


@dataclass(frozen=True, eq=False)
class AlphaDeviation:
    """The standard deviation of a frame's alpha, 0..0.5. ``values``, N, are those of the pixels at ``places``,
    rising indices into height x width in row order; all others are those that the model ``expected``. Few frames
    need it in every pixel: it is computed only on demand."""

    expected: CoarseGrid
    places: Tensor
    values: Tensor

    @classmethod
    def of(cls, picture: Tensor) -> AlphaDeviation:
        """From every pixel, 1 x 1 x H x W."""
        none = torch.zeros(0, dtype=torch.long, device=picture.device)
        return cls(expected=CoarseGrid.of(picture), places=none, values=picture.new_zeros(0))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All that is kept."""
        return self.expected.values, self.places, self.values

    def whole(self) -> Tensor:
        """Every pixel, 1 x 1 x H x W."""
        found = self.expected.whole().clone(memory_format=torch.contiguous_format)
        found.view(-1)[self.places] = self.values
        return found.clamp_(0.0, _MOST)

    def at(self, places: Tensor) -> Tensor:
        """The pixels at ``places``, N indices: 1 x N."""
        if not len(self.places):
            return self.expected.at(places).clamp(0.0, _MOST)
        nearest = torch.searchsorted(self.places, places.contiguous()).clamp_(max=len(self.places) - 1)
        found, known = self.values[nearest], self.places[nearest] == places
        if not bool(known.all()):
            found = torch.where(known, found, self.expected.at(places)[0])
        return found.clamp(0.0, _MOST)[None]
