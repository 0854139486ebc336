"""Resamples a picture into another's window, in scene-linear light, and says where it did not reach."""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

from .box import box_max
from .device_facts import coordinate_type
from .strips import strips


def warp(picture: Tensor, matrix: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """``picture`` (1 x C x h x w) resampled to 1 x C x ``height`` x ``width``, and its coverage (1 x 1 x ...).

    ``matrix`` (3 x 3, float64) maps target array coordinates to source array coordinates, pixel centres at
    whole numbers. Cubic, third order accurate along rows and columns; exact where the movement is by whole pixels.
    Coverage is 1 where the sample lies inside the source's pixels, else 0; there the nearest pixel stands in
    so that no black edge bleeds in, and the coverage says not to believe it.
    """
    source_height, source_width = picture.shape[-2:]
    shift = _whole_pixels(matrix)
    if shift is not None:
        columns = (torch.arange(width, device=picture.device) + shift[0]).clamp(0, source_width - 1)
        rows = (torch.arange(height, device=picture.device) + shift[1]).clamp(0, source_height - 1)
        moved = picture[:, :, rows][:, :, :, columns]
    else:
        moved = picture.new_empty(1, picture.shape[1], height, width)
        highest, lowest = box_max(picture, 1), box_max(-picture, 1)
    coverage = picture.new_empty(1, 1, height, width)
    for part in strips(height, width, picture.device):
        x, y = _sources(matrix, part, width)
        covered = (x > -0.5) & (x < source_width - 0.5) & (y > -0.5) & (y < source_height - 0.5)
        coverage[0, 0, part] = covered.to(picture.dtype)
        if shift is None:
            grid = _grid(x, y, picture)
            moved[..., part, :] = _within(_cubic(picture, x, y, grid), highest, lowest, grid)
    return moved, coverage


def _grid(x: Tensor, y: Tensor, picture: Tensor) -> Tensor:
    """Array coordinates as grid_sample wants them: 1 x H x W x 2 in -1..1."""
    height, width = picture.shape[-2:]
    return torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)[None].to(picture.dtype)


def _cubic(picture: Tensor, x: Tensor, y: Tensor, grid: Tensor) -> Tensor:
    """Torch has Keys' cubic convolution (1981) at a = -0.75, which bends straight ramps by up to 0.05 pixel; the
    third order accurate one has a = -0.5. Keys' kernel is linear in a, and at a = 0 it is linear interpolation
    with eased fractions: two thirds of the one and a third of the other cancel that error, at no cubic cost."""
    sharp = nnf.grid_sample(picture, grid, mode="bicubic", padding_mode="border", align_corners=False)
    eased = _grid(_eased(x), _eased(y), picture)
    soft = nnf.grid_sample(picture, eased, mode="bilinear", padding_mode="border", align_corners=False)
    return (2.0 * sharp + soft) / 3.0


def _eased(place: Tensor) -> Tensor:
    whole = place.floor()
    part = place - whole
    return whole + part * part * (3.0 - 2.0 * part)


def _sources(matrix: Tensor, part: slice, width: int) -> tuple[Tensor, Tensor]:
    dtype = coordinate_type(matrix.device)
    columns = torch.arange(width, device=matrix.device, dtype=dtype)[None, :]
    rows = torch.arange(part.start, part.stop, device=matrix.device, dtype=dtype)[:, None]
    m = matrix.to(dtype)
    depth = m[2, 0] * columns + m[2, 1] * rows + m[2, 2]
    x = (m[0, 0] * columns + m[0, 1] * rows + m[0, 2]) / depth
    y = (m[1, 0] * columns + m[1, 1] * rows + m[1, 2]) / depth
    return x, y


def _whole_pixels(matrix: Tensor) -> tuple[int, int] | None:
    shift = matrix[:2, 2].round()
    plain = torch.eye(3, dtype=matrix.dtype, device=matrix.device)
    plain[:2, 2] = shift
    return (int(shift[0]), int(shift[1])) if torch.equal(plain, matrix) else None


def _within(warped: Tensor, highest: Tensor, lowest: Tensor, grid: Tensor) -> Tensor:
    """Takes cubic overshoot off where it leaves the range of the nearest pixels: a lamp at 50 beside a black wall
    would otherwise ring with values below zero. ``highest``, ``lowest``: the largest of the picture around each of
    its pixels, and of the picture's negative."""

    def nearest(extreme: Tensor) -> Tensor:
        return nnf.grid_sample(extreme, grid, mode="nearest", padding_mode="border", align_corners=False)

    return torch.minimum(torch.maximum(warped, -nearest(lowest)), nearest(highest))
