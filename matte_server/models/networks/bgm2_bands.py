"""V2's refiner over whole bands of the frame: what it reads, and how its output is put back.

A patch computed in a band sees what it sees alone, because outside the frame there are zeros in both cases and
nowhere else: the bands read zeros around the pictures, and no convolution pads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

from .bgm2_tiles import PATCH, RESULTS, Reach

_PIXELS = 1 << 22
"""Pixels of the full size refined at once: bounds the memory at about a gibibyte, whatever the frame's size."""


@dataclass(frozen=True)
class Rows:
    """Rows of the full size, multiples of ``PATCH``."""

    first: int
    end: int


class Bands:
    """One frame as the refiner reads it: plate and clean plate 1 x 3 x H x W, ``coarse`` 1 x 36 x h x w (32 hidden
    channels, alpha, residual)."""

    def __init__(self, src: Tensor, bgr: Tensor, coarse: Tensor, reach: Reach) -> None:
        self._src = src
        self._coarse = coarse
        self._reach = reach
        pictures = torch.cat([src, bgr], 1)
        self._full = nnf.pad(pictures, (reach.full,) * 4)
        size = (src.shape[-2] // 2, src.shape[-1] // 2)
        seen = [nnf.interpolate(coarse, size, mode="bilinear"), nnf.avg_pool2d(pictures, 2)]
        self._half = nnf.pad(torch.cat(seen, 1), (reach.half,) * 4)

    def rows(self) -> Iterator[Rows]:
        """The bands, from the top."""
        height, width = self._src.shape[-2:]
        step = max(1, _PIXELS // width // PATCH) * PATCH
        for first in range(0, height, step):
            yield Rows(first=first, end=min(first + step, height))

    def upsampled(self) -> Tensor:
        """Alpha and foreground (0..1) from the coarse outputs alone: 1 x 4 x H x W."""
        canvas = nnf.interpolate(self._coarse[:, -RESULTS:], self._src.shape[-2:], mode="bilinear")
        canvas[:, 1:] += self._src
        return canvas.clamp_(0.0, 1.0)

    def half(self, rows: Rows) -> Tensor:
        """What the refiner's first convolution reads for a band: 1 x 42 x rows / 2 x W / 2 and its reach."""
        return self._half[:, :, rows.first // 2 : rows.end // 2 + 2 * self._reach.half]

    def full(self, rows: Rows) -> Tensor:
        """What its third convolution reads of the pictures: 1 x 6 x rows x W and its reach."""
        return self._full[:, :, rows.first : rows.end + 2 * self._reach.full]

    def put(self, canvas: Tensor, rows: Rows, chosen: Tensor, refined: Tensor) -> None:
        """Writes the chosen patches (H/4 x W/4, bool) of ``refined`` (1 x 4 x rows x W: alpha, residual) into
        :meth:`upsampled`'s canvas."""
        target = canvas[:, :, rows.first : rows.end]
        refined[:, 1:] += self._src[:, :, rows.first : rows.end]
        kept = chosen[rows.first // PATCH : rows.end // PATCH]
        kept = kept.repeat_interleave(PATCH, 0).repeat_interleave(PATCH, 1)
        torch.where(kept, refined.clamp_(0.0, 1.0), target, out=target)
