"""What the frame shows around each place: the subject's colour, and how the clean plate differs from the plate.

A clean plate is never quite what lies behind the subject: the subject casts a shadow, daylight changed, a leaf
moved. Beside the subject, where alpha is 0, plate and clean plate can be compared; what they say there holds a
little way into the edge. All of this varies slowly, so it is measured on a sample of the frame, in cells."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

from .coarse_grid import CoarseGrid, cell_means
from .push_pull import spread_colour

# A sample keeps about so many pixels along the frame's longer side; the cells are _CELL of them wide.
_LONG_SIDE = 960
_CELL = 8
BACKGROUND = 0.004
"""Alpha below this is background. The network's own residue there is half of it."""
# A cell with fewer background pixels than this share takes its figures from the cells around it.
_FEWEST = 0.02
# Light that is added before dividing, and the limits of the gain: two stops.
_DARK = 0.005
_GAIN = (0.25, 4.0)
# Spreads are relative to this much light and the clean plate's own.
_FLOOR = 0.02


@dataclass(frozen=True, eq=False)
class LightAt:
    """N places. ``subject``: the colour of the subject nearby, 3 x N scene-linear. ``gain``: plate over clean plate
    where there is no subject, 3 x N. ``spread``: root mean square of the plate's distance from ``gain * clean
    plate`` there, relative to that plus ``_FLOOR``, 3 x N."""

    subject: Tensor
    gain: Tensor
    spread: Tensor

    def noise(self, behind: Tensor) -> Tensor:
        """Standard deviation of the plate where nothing covers it, 3 x N scene-linear; ``behind``: the clean plate
        there times the gain."""
        return self.spread * (behind.abs() + _FLOOR)


@dataclass(frozen=True, eq=False)
class LocalLight:
    """A frame's figures as 9 channels: those of :class:`LightAt` in order."""

    grid: CoarseGrid

    def at(self, places: Tensor) -> LightAt:
        """The figures at ``places``, N indices in row order."""
        subject, gain, spread = self.grid.at(places).chunk(3)
        return LightAt(subject=subject, gain=gain, spread=spread)


def local_light(plate: Tensor, clean: Tensor, coverage: Tensor, alpha: Tensor) -> LocalLight:
    """Measures a frame: ``plate``, ``clean`` 1 x 3 x H x W scene-linear, the others 1 x 1 x H x W."""
    size = (int(alpha.shape[-2]), int(alpha.shape[-1]))
    step = max(1, round(max(size) / _LONG_SIDE))
    seen, behind, covered, cover = (each[..., ::step, ::step] for each in (plate, clean, coverage, alpha))
    empty = ((cover < BACKGROUND) & (covered > 0)).to(plate.dtype)
    lit, expected = (each.clamp(min=0.0) for each in (seen, behind))
    gain = ((_spread(lit, empty) + _DARK) / (_spread(expected, empty) + _DARK)).clamp(*_GAIN)
    matched = behind * _whole(gain, behind)
    apart = ((seen - matched) / (matched.abs() + _FLOOR)).square_()
    own = (seen - (1.0 - cover) * behind).clamp_(min=0.0)
    subject = _spread(own / cover.clamp(min=1e-3), cover.square(), fewest=0.0)
    values = torch.cat([subject, gain, _spread(apart, empty).sqrt()], 1)
    return LocalLight(CoarseGrid(values=values, side=_CELL * step, size=size))


def _spread(values: Tensor, weight: Tensor, fewest: float = _FEWEST) -> Tensor:
    """The weighted means of ``values`` in cells, taken from around where too little weight lies: 1 x C x h x w."""
    pad = (0, -values.shape[-1] % _CELL, 0, -values.shape[-2] % _CELL)
    total, counts = (cell_means(nnf.pad(each, pad), _CELL) for each in (values * weight, weight))
    known = counts.sqrt() * (counts > fewest)
    return spread_colour(total / counts.clamp(min=1e-6), known)


def _whole(cells: Tensor, like: Tensor) -> Tensor:
    height, width = like.shape[-2:]
    return CoarseGrid(values=cells, side=_CELL, size=(int(height), int(width))).whole()
