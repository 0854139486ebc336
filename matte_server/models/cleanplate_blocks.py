"""Blocks of cells of a frame: which are refined, how they are gathered, and how results are put back.

A cell is 2 x 2 pixels of an octave, a block ``BLOCK`` x ``BLOCK`` cells. On a CPU, OpenCV and NumPy copy and
resample in a fraction of torch's time; other devices take torch's own steps."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..core.image import Float32
from .networks.cleanplate_features import CLEAN

BLOCK = 16
"""Cells of a refinement block either way."""
LOWEST, HIGHEST = 0.01, 0.99
"""A block is refined where its largest alpha is above ``LOWEST`` and its smallest below ``HIGHEST``, ..."""
DOUBT = 0.12
"""... or where the coarse stage expects an error above this, ..."""
OTHER, SHARE = 0.75, 0.03
"""... or where a ``SHARE`` of its pixels has evidence below ``CLEAN`` (the plate shows the clean plate) and a
``SHARE`` above ``OTHER`` (it certainly shows something else): one alpha for all of them contradicts the full
resolution."""


def on_processor(picture: Tensor) -> bool:
    """Whether OpenCV and NumPy can work on ``picture``."""
    return picture.device.type == "cpu"


def chosen_blocks(alpha: Tensor, doubt: Tensor, octave: int, evidence: Tensor | None) -> tuple[Tensor, Tensor]:
    """Rows and columns of the blocks to refine. ``alpha`` 1 x 1 x h x w and ``evidence`` 1 x 2 x h x w (least and
    most) have half the octave's resolution; ``doubt`` has the coarse stage's. A block takes in one cell beyond its
    edge."""
    height, width = alpha.shape[-2:]
    down, right = -height % BLOCK, -width % BLOCK
    grown = nnf.pad(alpha, (1, 1 + right, 1, 1 + down), mode="replicate")
    highest = nnf.max_pool2d(grown, BLOCK + 2, BLOCK)
    lowest = -nnf.max_pool2d(-grown, BLOCK + 2, BLOCK)
    unsure = _of_blocks(doubt, octave)[..., : highest.shape[2], : highest.shape[3]]
    chosen = ((highest > LOWEST) & (lowest < HIGHEST)) | (unsure > DOUBT)
    if evidence is not None:
        both = torch.cat([evidence[:, :1] < CLEAN, evidence[:, 1:] > OTHER], 1).to(alpha.dtype)
        shares = averaged(nnf.pad(both, (0, right, 0, down)), BLOCK)
        chosen |= (shares > SHARE).all(1, keepdim=True)
    rows, columns = torch.nonzero(chosen[0, 0], as_tuple=True)
    return rows, columns


def _of_blocks(doubt: Tensor, octave: int) -> Tensor:
    """The largest doubt of each of an octave's blocks. From the sixth octave on, which pictures of more than 16,384
    pixels either way have, a block is smaller than a pixel of the coarse stage."""
    pixels = BLOCK >> (octave - 1)
    if pixels:
        return nnf.max_pool2d(doubt, pixels, pixels, ceil_mode=True)
    blocks = (1 << (octave - 1)) // BLOCK
    return doubt.repeat_interleave(blocks, -2).repeat_interleave(blocks, -1)


def averaged(picture: Tensor, side: int) -> Tensor:
    """The mean of every ``side`` x ``side`` pixels of 1 x C x H x W; OpenCV takes a third of torch's time on a
    CPU."""
    if not on_processor(picture):
        return nnf.avg_pool2d(picture, side)
    _, channels, height, width = picture.shape
    small = np.empty((1, channels, height // side, width // side), np.float32)
    for source, target in zip(picture[0].contiguous().numpy(), small[0], strict=True):
        cv2.resize(source, (width // side, height // side), dst=target, interpolation=cv2.INTER_AREA)
    return torch.from_numpy(small)


def upsampled_into(picture: Tensor, factor: int, room: tuple[int, int]) -> Tensor:
    """1 x C x h x w at ``factor`` times the size, bilinear, in the upper left corner of a picture of size
    ``room``; the rest of that picture is undefined. OpenCV takes a tenth of torch's time on a CPU."""
    height, width = (factor * side for side in picture.shape[-2:])
    if not on_processor(picture):
        grown = nnf.interpolate(picture, scale_factor=float(factor), mode="bilinear") if factor > 1 else picture
        return nnf.pad(grown, (0, room[1] - width, 0, room[0] - height))
    whole = np.empty((1, picture.shape[1], *room), np.float32)
    for source, target in zip(picture[0].float().contiguous().numpy(), whole[0], strict=True):
        if factor > 1:
            cv2.resize(source, (width, height), dst=target[:height, :width], interpolation=cv2.INTER_LINEAR)
        else:
            target[:height, :width] = source
    return torch.from_numpy(whole)


def put_pixels(canvas: Tensor, rows: Tensor, columns: Tensor, refined: Tensor) -> None:
    """Writes blocks of alpha, N x 4 x BLOCK x BLOCK, into 1 x 1 x H x W, whose sides are multiples of 2 BLOCK."""
    height, width = (side // (2 * BLOCK) for side in canvas.shape[-2:])
    blocks = canvas.view(height, BLOCK, 2, width, BLOCK, 2)
    blocks.permute(0, 3, 2, 5, 1, 4)[rows, columns] = refined.view(-1, 2, 2, BLOCK, BLOCK)


def put_cells(canvas: Tensor, rows: Tensor, columns: Tensor, refined: Tensor) -> None:
    """Writes blocks N x C x BLOCK x BLOCK into 1 x C x H x W, whose sides are multiples of BLOCK."""
    height, width = (side // BLOCK for side in canvas.shape[-2:])
    blocks = canvas.view(canvas.shape[1], height, BLOCK, width, BLOCK)
    blocks.permute(1, 3, 0, 2, 4)[rows, columns] = refined


def patches_at(picture: Tensor, top: Tensor, left: Tensor, size: int) -> Tensor:
    """N patches of ``size`` pixels either way, N x C x size x size, of 1 x C x H x W, from N places; the edge is
    replicated."""
    if on_processor(picture):
        return torch.from_numpy(_windows(picture[0].numpy(), top.tolist(), left.tolist(), size))
    y, x = _reach(top, size, picture.shape[-2]), _reach(left, size, picture.shape[-1])
    return picture[0][:, y[:, :, None], x[:, None, :]].transpose(0, 1)


def _reach(starts: Tensor, size: int, limit: int) -> Tensor:
    """Indices of ``size`` places from each start, held inside 0..limit-1 (the edge is replicated)."""
    return (starts[:, None] + torch.arange(size, device=starts.device)).clamp(0, limit - 1)


def gather_cells(picture: Tensor, rows: Tensor, columns: Tensor, halo: int) -> Tensor:
    """Blocks of cells with their halo, N x 4C x (BLOCK + 2 halo) x (BLOCK + 2 halo), from 1 x C x 2h x 2w; cells
    outside the picture repeat those at its edge."""
    _, channels, height, width = picture.shape
    cells = picture.view(channels, height // 2, 2, width // 2, 2)
    top, left, size = rows * BLOCK - halo, columns * BLOCK - halo, BLOCK + 2 * halo
    if on_processor(picture):
        windows = _windows(cells.permute(0, 2, 4, 1, 3).numpy(), top.tolist(), left.tolist(), size)
        return torch.from_numpy(windows).flatten(1, 3)
    y, x = _reach(top, size, height // 2), _reach(left, size, width // 2)
    found = cells.permute(1, 3, 0, 2, 4)[y[:, :, None], x[:, None, :]]
    return found.flatten(3).permute(0, 3, 1, 2)


def _windows(picture: Float32, tops: list[int], lefts: list[int], size: int) -> Float32:
    """N windows of ``size`` pixels either way, N x ... x size x size, of ... x H x W, the edge replicated; one by
    one: a CPU then copies rows, not single pixels."""
    windows = np.empty((len(tops), *picture.shape[:-2], size, size), np.float32)
    height, width = picture.shape[-2:]
    for window, top, left in zip(windows, tops, lefts, strict=True):
        if top >= 0 and left >= 0 and top + size <= height and left + size <= width:
            window[:] = picture[..., top : top + size, left : left + size]
        else:
            y = np.arange(top, top + size).clip(0, height - 1)
            x = np.arange(left, left + size).clip(0, width - 1)
            window[:] = picture[..., y[:, None], x]
    return windows


def gather_upsampled(grid: Tensor, rows: Tensor, columns: Tensor, scale: int, halo: int) -> Tensor:
    """Blocks of ``grid`` (1 x C x h x w, one value for ``scale`` x ``scale`` cells) with their halo, bilinearly
    upsampled to cells: N x C x (BLOCK + 2 halo) x (BLOCK + 2 halo)."""
    places = (torch.arange(BLOCK + 2 * halo, device=grid.device) - halo + 0.5) / scale - 0.5
    first = int(places[0].floor())
    size = int(places[-1].floor()) + 2 - first
    step = BLOCK // scale
    patches = patches_at(grid, rows * step + first, columns * step + first, size)
    steps = torch.arange(size, device=grid.device) + first
    grow = (1 - (places[:, None] - steps[None]).abs()).clamp(min=0).to(grid.dtype)
    return grow @ patches @ grow.T
