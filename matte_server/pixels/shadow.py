"""How the subject changes the light on the set: shadows below 1, bounced light above it.

The plate over the aligned clean plate where there is no subject, in small cells, so that grain averages out; what
grain explains becomes 1, and what lies beneath the subject is carried on from around it. So that ``foreground *
alpha + background * shadow * (1 - alpha)`` keeps the contact shadow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as nnf
from torch import Tensor

from .box import box_max, box_mean, box_sum
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
_MOSTLY_SUBJECT = 0.9
"""Above this, alpha leaves too little of the set to see."""
_BELIEVED = 0.5
"""A change behind a subject that alpha sees counts as a shadow where it is believed by more than this."""
_WIDE = 2
"""A square of so many cells on each side of one fits into its area: in hair a few look like a shadow by chance."""
# The part of an area's changes that must be believed for any of them to be, and that may be by chance.
_SHARE, _BY_CHANCE = 0.15, 0.08
_AREA, _STRIDE = 6, 4
"""An area reaches a sixth of the frame's longer side in each direction; it is measured in blocks of 4 x 4 cells."""
_MOST = 2.0
"""Light that a subject throws back seldom doubles what is there; more is subject that alpha missed."""
_POOL = 7
"""Cells across the area over which it is judged whether a change is one of light."""
# The part of a change that its neighbours must explain to be believed whole; the part of the detail that may differ
# until the change is believed less, and not at all.
_EXPLAINED, _MAY_DIFFER, _DIFFERS = 0.5, 0.35, 0.65
# What a shadow leaves of the light at least, as some always comes from elsewhere: believed whole, and not at all.
_DEEP, _DEEPEST = 0.15, 0.05
# How much worse light that is multiplied may explain the detail than light that is added.
_MAY_BE_ADDED, _ADDED = 0.8, 1.3
# The same of light that is brighter, over the cells around: a factor may leave this part of the squares that a sum
# leaves to be believed, and not at all.
_BOUNCE, _GLARE = 0.7, 0.97
_POOL_OF_GLARE = 7


@dataclass(frozen=True, eq=False)
class _CellLight:
    """The set in cells. ``lit``: its light in the plate, and ``behind`` in the clean plate, 1 x 3, scene-linear.
    ``sigma``: how far grain alone moves ``lit``. ``known``: 1 where enough of the cell is seen, else 0, 1 x 1."""

    lit: Tensor
    behind: Tensor
    sigma: Tensor
    known: Tensor

    def change(self) -> tuple[Tensor, Tensor]:
        """The ratio less 1 without what grain explains, 1 x 3, and how far it is believed to be one of light."""
        ratio = (self.lit + _DARK) / (self.behind + _DARK)
        noise = _DEVIATIONS * self.sigma / (self.behind + _DARK)
        # The median of nine cells: a book that was moved, or a hair that alpha missed, is no shadow.
        away = _median_around(ratio - 1.0, self.known > 0)
        changed = (away * away.square() / (away.square() + noise.square() / 4.0)).clamp(-1.0, _MOST - 1.0)
        believed = _confidence(self.lit, self.behind, changed, self.known, self.sigma)
        return changed, believed * self._explains_the_area(changed, believed)

    def _explains_the_area(self, changed: Tensor, believed: Tensor) -> Tensor:
        """0..1, 1 x 1: whether the changes that are believed are a good part of all that changed in the area. Among
        the many that a glare or a clean plate a little aside leaves, a few look like light by chance."""
        light = (changed.abs() * self.behind).mean(1, keepdim=True) * self.known
        radius = max(light.shape[-2:]) // (_AREA * _STRIDE)
        coarse = partial(nnf.avg_pool2d, kernel_size=_STRIDE, ceil_mode=True)
        shared, whole = (box_mean(coarse(each), radius) for each in (light * believed, light))
        share = ((shared / whole.clamp(min=1e-9) - _BY_CHANCE) / (_SHARE - _BY_CHANCE)).clamp(0.0, 1.0)
        return nnf.interpolate(share, light.shape[-2:], mode="bilinear", align_corners=False)


def shadow(plate: Tensor, clean: Tensor, coverage: Tensor, alpha: Tensor, foreground: Tensor) -> Tensor:
    """The ratio of each channel, 1 x 3 x H x W, scene-linear; 1 where nothing changed, and where a change does not
    look like one of light. ``plate``, ``clean`` (aligned, exposure-matched) and ``foreground``: 1 x 3 x H x W; the
    others 1 x 1 x H x W.

    An alpha that took part of a shadow for subject leaves too much light: its foreground cannot be darker than
    black. What is missing there, once the foreground's light is taken out of the plate, is in the ratio too."""
    height, width = int(plate.shape[-2]), int(plate.shape[-1])
    # Even, as the upsampling wants it.
    side = max(4, 2 * round(max(height, width) / (2 * _CELLS)))
    grain = grain_of(plate, clean, coverage)
    set_alone = ((alpha < BACKGROUND) & (coverage > 0)).to(plate.dtype)
    seen = ((alpha < _MOSTLY_SUBJECT) & (coverage > 0)).to(plate.dtype)
    sure = _in_cells(plate * set_alone, clean, set_alone, grain, side)
    subject = alpha * foreground * (1.0 - set_alone)
    rest = torch.maximum(set_alone, seen * (1.0 - alpha))
    behind_subject = _in_cells((plate - subject) * seen, clean, rest, grain, side)
    changed, believed = sure.change()
    darker, is_light = behind_subject.change()
    # Light that is too much says that alpha is too high; only what is missing is a shadow.
    is_light = is_light * behind_subject.known * (darker.amax(1, keepdim=True) < 0)
    taken = _wide_areas(is_light > (believed * sure.known).clamp(min=_BELIEVED))
    known = torch.where(taken, 1.0, sure.known)
    whole = spread_colour(1.0 + torch.where(taken, darker, changed * believed), known)
    cells = torch.where(known > 0, whole, box_mean(whole, 1)).clamp(0.0, _MOST)
    return CoarseGrid(values=cells, side=side, size=(height, width)).whole()


def _wide_areas(mask: Tensor) -> Tensor:
    """The areas of a mask, 1 x 1 in cells, into which a square of 2 ``_WIDE`` + 1 cells fits; past the frame's edge
    they go on."""
    inner = 1.0 - box_max((~mask).float(), _WIDE)
    return box_max(inner, _WIDE) > 0


def _in_cells(light: Tensor, clean: Tensor, share: Tensor, grain: Tensor, side: int) -> _CellLight:
    """``share``: how much of each pixel is set, 1 x 1 x H x W, 0..1; ``light``: the set's own in the plate, 0 where
    ``share`` is."""
    height, width = share.shape[-2:]
    pad = (0, -width % side, 0, -height % side)
    pictures = (light.clamp(min=0.0), clean.clamp(min=0.0) * share, share, (share > 0).to(share.dtype))
    lit, expected, part, counted = (cell_means(nnf.pad(each, pad), side) for each in pictures)
    part = part.clamp(min=1e-6)
    behind = expected / part
    # Of a cell's pixels half count as independent: pictures are filtered and compressed.
    pixels = counted.clamp(min=1e-6) * side * side / 2.0
    sigma = grain_at(grain, behind) * counted.clamp(min=1e-6) / (part * pixels.sqrt())
    return _CellLight(lit=lit / part, behind=behind, sigma=sigma, known=(counted > _FEWEST).to(share.dtype))


def _confidence(lit: Tensor, behind: Tensor, changed: Tensor, known: Tensor, sigma: Tensor) -> Tensor:
    """How far a change is believed to be one of light, 0..1, 1 x 1 in cells. Light changes smoothly, so that the
    cells around say what a cell should show, and it keeps the detail of what it falls on. A subject that alpha
    missed, or a clean plate that lies a little aside, does neither."""
    pooled = partial(_mean_over, known=known, size=_POOL)
    ring = _ring_mean(changed, known)
    alone, left = (lit - behind).abs(), (lit - (1.0 + ring) * behind).abs()
    explained = 1.0 - pooled(left) / pooled(alone).clamp(min=1e-6)
    own, before = _detail(lit, known), _detail(behind, known)
    grain = pooled(sigma)
    brighter = (ring.mean(1, keepdim=True) > 0).to(ring.dtype)
    # What grain alone would differ by is allowed.
    unlike, veiled = (
        (pooled((own - each).abs()) - 1.5 * grain).clamp(min=0.0) for each in ((1.0 + ring) * before, before)
    )
    differs = unlike / (pooled(own.abs() + before.abs()) + grain).clamp(min=1e-6)
    # Glare adds light and leaves the detail as it is; a shadow weakens that with the light.
    added = unlike / (veiled + grain).clamp(min=1e-6)
    return (
        (explained / _EXPLAINED).clamp(0.0, 1.0)
        * ((_DIFFERS - differs) / (_DIFFERS - _MAY_DIFFER)).clamp(0.0, 1.0)
        * (((1.0 + ring).mean(1, keepdim=True) - _DEEPEST) / (_DEEP - _DEEPEST)).clamp(0.0, 1.0)
        * ((_ADDED - added) / (_ADDED - _MAY_BE_ADDED)).clamp(0.0, 1.0)
        * (1.0 - brighter * (1.0 - _multiplied(lit, behind, known, sigma)))
    )


def _multiplied(lit: Tensor, behind: Tensor, known: Tensor, sigma: Tensor) -> Tensor:
    """How far light that is multiplied explains brighter cells clearly better than light that is added, 0..1, 1 x 1
    in cells: what a subject throws back is multiplied with the set's own colour, glare lies over it. Of a plain
    wall neither can be told, and the layer stays 1."""

    def pooled(cells: Tensor) -> Tensor:
        # Each channel by itself: a red carpet makes only red brighter.
        means = [_mean_over(cells[:, each : each + 1], known, _POOL_OF_GLARE) for each in range(cells.shape[1])]
        return torch.cat(means, dim=1)

    by_factor = pooled(lit.square()) - pooled(lit * behind).square() / pooled(behind.square()).clamp(min=1e-9)
    away = lit - behind
    by_sum = pooled(away.square()) - pooled(away).square()
    left = [each.clamp(min=0.0).sum(1, keepdim=True) for each in (by_factor, by_sum, pooled(sigma.square()))]
    worse = (left[0] + left[2]) / (left[1] + left[2]).clamp(min=1e-9)
    return ((_GLARE - worse) / (_GLARE - _BOUNCE)).clamp(0.0, 1.0)


def _mean_over(cells: Tensor, known: Tensor, size: int) -> Tensor:
    """The mean of the known cells, all channels together, of a square ``size`` cells across: 1 x 1."""
    around = partial(box_sum, radius=size // 2)
    return around(cells.mean(1, keepdim=True) * known) / around(known).clamp(min=1e-6)


def _ring_mean(cells: Tensor, known: Tensor) -> Tensor:
    """The mean of the known cells at a distance of two from each cell; 0 where none is known."""

    def total(each: Tensor) -> Tensor:
        return box_sum(each, 2) - box_sum(each, 1)

    return total(cells * known) / total(known.expand_as(cells)).clamp(min=1.0)


def _detail(cells: Tensor, known: Tensor) -> Tensor:
    """What differs in each cell from the known ones around it."""
    return (cells - box_sum(cells * known, 1) / box_sum(known, 1).clamp(min=1e-6)) * known


def _median_around(cells: Tensor, known: Tensor) -> Tensor:
    """The median of the known cells among each cell and the eight around it; 0 where none is known."""
    height, width = cells.shape[-2:]
    padded = nnf.pad(torch.where(known, cells, torch.nan), (1, 1, 1, 1), value=torch.nan)
    nine = nnf.unfold(padded.transpose(0, 1), 3)
    return nine.nanmedian(dim=1).values.nan_to_num(0.0).view(1, -1, height, width)
