"""Alpha that follows the plate: estimates of single pixels made consistent by the matting Laplacian.

Locally alpha is a linear function of the plate's colours (Levin et al. 2008). The Laplacian's product with a
picture is that picture minus its guided filtering (He et al. 2010, section 4), so nothing is assembled; conjugate
gradients run on whole tensors, coarse to fine.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

from .box import box_sum
from .symmetric import Factors, products

_RADIUS = 1
_WINDOW = (2 * _RADIUS + 1) ** 2
_ROUNDS = (24, 10, 6)
# Colour noise inside a window, relative to its brightness, that alpha must not follow.
_NOISE = 0.01
_DARK = 0.01


def consistent_alpha(plate: Tensor, alpha: Tensor, weight: Tensor) -> Tensor:
    """Minimises ``x' L x + sum weight * (x - alpha)^2``: ``plate`` 1 x 3 x H x W scene-linear, ``alpha`` and
    ``weight`` (0 or more) 1 x 1 x H x W. Not clamped."""
    pyramid = [(plate, alpha, weight)]
    for _ in _ROUNDS[1:]:
        picture, value, trust = pyramid[-1]
        if min(picture.shape[-2:]) < 16:
            break
        total = _half(trust)
        pyramid.append((_half(picture), _half(trust * value) / total.clamp(min=1e-9), total))
    solution = pyramid[-1][1]
    for level in range(len(pyramid) - 1, -1, -1):
        picture, value, trust = pyramid[level]
        if solution.shape != value.shape:
            solution = nnf.interpolate(solution, size=value.shape[-2:], mode="bilinear", align_corners=False)
            # A pixel with a good estimate of its own counts more than the coarser level.
            solution = (trust * value + 0.3 * solution) / (trust + 0.3)
        rounds = _ROUNDS[len(pyramid) - 1 - level]
        solution = _conjugate_gradients(_Laplacian.of(picture), value, trust, solution, rounds)
    return solution


def _half(picture: Tensor) -> Tensor:
    pad = (0, picture.shape[-1] % 2, 0, picture.shape[-2] % 2)
    return nnf.avg_pool2d(nnf.pad(picture, pad, mode="replicate"), 2)


@dataclass(frozen=True, eq=False)
class _Laplacian:
    """The plate, its window means, the factors of each window's colour covariance, and each window's size.
    Windows are cut at the frame's edge, which keeps the operator symmetric."""

    plate: Tensor
    mean: Tensor
    factors: Factors
    count: Tensor

    @staticmethod
    def of(plate: Tensor) -> _Laplacian:
        count = box_sum(torch.ones_like(plate[:, :1]), _RADIUS)
        mean = box_sum(plate, _RADIUS) / count
        covariance = box_sum(products(plate), _RADIUS) / count - products(mean)
        floor = (_NOISE * (mean.abs().amax(1, keepdim=True) + _DARK)).square()
        factors = Factors.of(covariance.chunk(6, 1), floor)
        return _Laplacian(plate=plate, mean=mean, factors=factors, count=count)

    def times(self, x: Tensor) -> Tensor:
        """The Laplacian's product with ``x``, divided by the number of pixels of a whole window."""
        means = box_sum(torch.cat([x, self.plate * x], 1), _RADIUS) / self.count
        mean_x = means[:, :1]
        slope = torch.cat(self.factors.solve(*(means[:, 1:] - self.mean * mean_x).chunk(3, 1)), 1)
        level = mean_x - (slope * self.mean).sum(1, keepdim=True)
        fit = box_sum(torch.cat([slope, level], 1), _RADIUS)
        fitted = (fit[:, :3] * self.plate).sum(1, keepdim=True) + fit[:, 3:]
        return (self.count * x - fitted) / _WINDOW


def _conjugate_gradients(
    laplacian: _Laplacian, value: Tensor, weight: Tensor, start: Tensor, rounds: int
) -> Tensor:
    """A fixed number of rounds with the diagonal as preconditioner: the same result on every run."""
    diagonal = weight + 1.0
    x = start
    rest = weight * (value - x) - laplacian.times(x)
    towards = rest / diagonal
    direction = towards
    power = (rest * towards).sum()
    for _ in range(rounds):
        moved = laplacian.times(direction) + weight * direction
        step = power / (direction * moved).sum().clamp(min=1e-20)
        x = x + step * direction
        rest = rest - step * moved
        towards = rest / diagonal
        fresh = (rest * towards).sum()
        direction = towards + (fresh / power.clamp(min=1e-20)) * direction
        power = fresh
    return x
