"""How the subject changes the light on the set: shadows below 1, bounced light above it.

The plate over the aligned clean plate where there is no subject, in small cells, so that grain averages out; what
grain explains becomes 1, and what lies beneath the subject is carried on from around it. So that ``foreground *
alpha + background * shadow * (1 - alpha)`` keeps the contact shadow.
"""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

from .coarse_grid import CoarseGrid, cell_means
from .difference import grain_at, grain_of
from .local_light import BACKGROUND
from .push_pull import spread_colour

_CELLS = 480
"""Cells along the frame's longer side, about."""
_FEWEST = 0.6
"""A cell with a smaller part of background takes its ratio from around it."""
# Light that is added before dividing, and how many standard deviations of a cell's ratio are let pass as grain.
_DARK, _DEVIATIONS = 0.004, 3.0
_LEAST, _MOST = 0.0, 8.0


def shadow(plate: Tensor, clean: Tensor, coverage: Tensor, alpha: Tensor) -> Tensor:
    """The ratio of each channel, 1 x 3 x H x W, scene-linear; 1 where nothing changed. ``plate`` and ``clean``
    (aligned, exposure-matched): 1 x 3 x H x W; the others 1 x 1 x H x W."""
    height, width = int(plate.shape[-2]), int(plate.shape[-1])
    # Even, as the upsampling wants it.
    side = max(4, 2 * round(max(height, width) / (2 * _CELLS)))
    empty = ((alpha < BACKGROUND) & (coverage > 0)).to(plate.dtype)
    pad = (0, -width % side, 0, -height % side)
    seen, behind_all = plate.clamp(min=0.0) * empty, clean.clamp(min=0.0) * empty
    lit, expected, part = (cell_means(nnf.pad(each, pad), side) for each in (seen, behind_all, empty))
    share = part.clamp(min=1e-6)
    behind = expected / share
    ratio = (lit / share + _DARK) / (behind + _DARK)
    grain = grain_at(grain_of(plate, clean, coverage), behind) / (behind + _DARK)
    # Pixels of a cell, half of which count as independent: pictures are filtered and compressed.
    noise = _DEVIATIONS * grain / (share * side * side / 2.0).sqrt()
    # The median of nine cells: a book that was moved, or a hair that alpha missed, is no shadow.
    away = _median_around(ratio - 1.0, part > _FEWEST)
    changed = away * away.square() / (away.square() + noise.square() / 4.0)
    known = (part > _FEWEST).to(plate.dtype)
    whole = spread_colour(1.0 + changed, known)
    cells = torch.where(known > 0, whole, _around(whole)).clamp(_LEAST, _MOST)
    return CoarseGrid(values=cells, side=side, size=(height, width)).whole()


def _around(cells: Tensor) -> Tensor:
    """The mean of each cell and the eight around it."""
    return nnf.avg_pool2d(nnf.pad(cells, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def _median_around(cells: Tensor, known: Tensor) -> Tensor:
    """The median of the known cells among each cell and the eight around it; 0 where none is known."""
    height, width = cells.shape[-2:]
    padded = nnf.pad(torch.where(known, cells, torch.nan), (1, 1, 1, 1), value=torch.nan)
    nine = nnf.unfold(padded.transpose(0, 1), 3)
    return nine.nanmedian(dim=1).values.nan_to_num(0.0).view(1, -1, height, width)
