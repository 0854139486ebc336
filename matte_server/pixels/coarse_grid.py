"""Frames on a coarse grid of square cells: means over cells, and bilinear upsampling back to pixels.

Implemented by views and broadcasting, which on a CPU take a fifth of the time of pooling and interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor


@dataclass(frozen=True, eq=False)
class CoarseGrid:
    """A frame of ``size`` (height, width) as square cells of ``side`` pixels, bilinear in between.

    ``values``: 1 x C x h x w. With a ``side`` of 1 they are the frame itself. Pixels are computed only on
    demand."""

    values: Tensor
    side: int
    size: tuple[int, int]

    @classmethod
    def of(cls, picture: Tensor) -> CoarseGrid:
        """A frame 1 x C x H x W, pixel by pixel."""
        return cls(values=picture, side=1, size=(int(picture.shape[-2]), int(picture.shape[-1])))

    def whole(self) -> Tensor:
        """Every pixel, 1 x C x H x W; ``values`` itself where ``side`` is 1."""
        height, width = self.size
        return self.values if self.side == 1 else upsampled(self.values, self.side)[..., :height, :width]

    def at(self, places: Tensor) -> Tensor:
        """The pixels at ``places`` (N indices into height x width in row order): C x N."""
        if self.side == 1:
            return self.values[0].flatten(1).index_select(1, places)
        # Cells as rows of channels: a processor then reads a cell at once.
        cells = self.values[0].flatten(1).t().contiguous()
        rows = places.div(self.size[1], rounding_mode="floor")
        row, below, down = self._between(rows, -2)
        column, beside, across = self._between(places - rows * self.size[1], -1)
        row, below, width = row * self.values.shape[-1], below * self.values.shape[-1], across[:, None]
        upper, lower = (
            torch.lerp(cells.index_select(0, at + column), cells.index_select(0, at + beside), width)
            for at in (row, below)
        )
        return torch.lerp(upper, lower, down[:, None]).t()

    def _between(self, pixels: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
        """The cells on both sides of each pixel's centre, and the centre's place from the first to the second,
        0..1."""
        last = self.values.shape[axis] - 1
        where = ((pixels + 0.5) / self.side - 0.5).clamp_(0.0, float(last))
        first = where.long()
        return first, (first + 1).clamp_(max=last), where - first


def cell_means(picture: Tensor, side: int) -> Tensor:
    """Means over ``side`` x ``side`` pixels: from N x C x H x W (H and W multiples of ``side``) to 1 / ``side`` of
    it."""
    count, channels, height, width = picture.shape
    rows = picture.reshape(count, channels, height // side, side, width).sum(3)
    return rows.view(count, channels, height // side, width // side, side).sum(4).mul_(1.0 / side**2)


def upsampled(cells: Tensor, side: int) -> Tensor:
    """N x C x h x w upsampled bilinearly by ``side``, an even number; constant past the outermost cells'
    centres."""
    return lengthened(widened(cells, side), side)


def widened(cells: Tensor, side: int) -> Tensor:
    """The first half of :func:`upsampled`, in width only: N x C x (h + 2) x (w * side), with the outermost rows
    twice."""
    around = nnf.pad(cells, (1, 1, 1, 1), mode="replicate")
    across = torch.lerp(around[..., :-1, None], around[..., 1:, None], _steps(cells, side)).flatten(-2)
    return across[..., side // 2 : side // 2 + cells.shape[-1] * side]


def lengthened(wide: Tensor, side: int) -> Tensor:
    """The second half of :func:`upsampled`: N x C x ((h - 2) * side) x w from any h rows of :func:`widened` that
    follow each other."""
    down = torch.lerp(wide[..., :-1, None, :], wide[..., 1:, None, :], _steps(wide, side)[:, None]).flatten(-3, -2)
    return down[..., side // 2 : side // 2 + (wide.shape[-2] - 2) * side, :]


def _steps(like: Tensor, side: int) -> Tensor:
    """How far each of ``side`` pixels lies on its way from one cell to the next."""
    return (torch.arange(side, device=like.device, dtype=like.dtype) + 0.5) / side
