"""Symmetric 3 x 3 systems, one per pixel, safely in float32.

Colour covariances are close to singular (a shadow's edge is a line in colour space), and a determinant's
cancellation then leaves nothing of float32. The factors L D L' have no such trouble: with noise of variance
``floor`` in every direction no pivot can be smaller than that, which is enforced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def products(colour: Tensor) -> Tensor:
    """The products of each two channels, N x 6 x H x W (rr, rg, rb, gg, gb, bb), from N x 3 x H x W."""
    r, g, b = colour.chunk(3, 1)
    return torch.cat([r * r, r * g, r * b, g * g, g * b, b * b], 1)


@dataclass(frozen=True, eq=False)
class Factors:
    """``below``: the entries 21, 31, 32 of L. ``pivots``: the diagonal of D. All of one shape."""

    below: tuple[Tensor, Tensor, Tensor]
    pivots: tuple[Tensor, Tensor, Tensor]

    @staticmethod
    def of(covariance: Sequence[Tensor], floor: Tensor) -> Factors:
        """Of ``covariance`` (rr, rg, rb, gg, gb, bb; positive semi-definite) plus ``floor`` on its diagonal."""
        rr, rg, rb, gg, gb, bb = covariance
        first = rr.clamp(min=0.0) + floor
        l21, l31 = rg / first, rb / first
        second = torch.maximum(gg + floor - l21 * rg, floor)
        l32 = (gb - l31 * rg) / second
        third = torch.maximum(bb + floor - l31 * rb - l32 * l32 * second, floor)
        return Factors(below=(l21, l31, l32), pivots=(first, second, third))

    def solve(self, r: Tensor, g: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The inverse's product with a vector."""
        l21, l31, l32 = self.below
        y, z = self._forward(r, g, b)
        third = z / self.pivots[2]
        second = y / self.pivots[1] - l32 * third
        return r / self.pivots[0] - l21 * second - l31 * third, second, third

    def distance(self, r: Tensor, g: Tensor, b: Tensor) -> Tensor:
        """The squared Mahalanobis length of a vector."""
        y, z = self._forward(r, g, b)
        return r * r / self.pivots[0] + y * y / self.pivots[1] + z * z / self.pivots[2]

    def log_determinant(self) -> Tensor:
        """The logarithm of the determinant."""
        first, second, third = self.pivots
        return first.log() + second.log() + third.log()

    def _forward(self, r: Tensor, g: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        l21, l31, l32 = self.below
        y = g - l21 * r
        return y, b - l31 * r - l32 * y
