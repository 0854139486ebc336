"""The foreground out of the compositing equation, in scene-linear light, unclamped.

``plate = alpha * foreground + (1 - alpha) * clean`` determines the foreground where alpha is 1 and says nothing
about it where alpha is 0. In between the equation is solved with a pull towards an estimate (the colour of the
subject nearby, blended with the model's estimate by alpha) whose strength vanishes as alpha grows (Tikhonov's
regularisation): noise is divided by alpha, so where alpha is small the equation alone would return mostly noise.
Where alpha is 0 the foreground is the colour nearby.

Lamps behind hair need one more rule. Where alpha is a little too small, the equation subtracts too much of the
clean plate: a lamp of 20 leaves a foreground of -10. There is no such light, so a foreground below zero is limited
to what the plate itself, the estimate and the grain explain (:func:`limit_negative`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as nnf
from torch import Tensor

from .coarse_grid import CoarseGrid, cell_means, upsampled
from .difference import grain_at
from .strips import strips

# Strength at alpha 0; the pull on a pixel is STRENGTH * (1 - alpha)^2 / alpha^2 against the equation. At alpha
# 0.5 that leaves 0.4% of the difference between equation and estimate: below 1e-3 of the plate's range.
STRENGTH = 4e-3
# Grain below zero is kept up to this many standard deviations, so that its mean does not change.
_GRAINS = 3.0
# Grain is limited to that of white: a lamp's grain would hide the negative light that is to be found.
_WHITE = 1.0
_LEAST_ALPHA = 1e-3
# How far :func:`plausible` lets the foreground leave the estimate. Measured against no bound: on the held-out
# benchmark's hair and edges, where alpha is often wrong, the comp over black is 6 % nearer to the truth, the
# subject's colour 10 %, a fifth of the negative light is left, and the median re-composition error in the band goes
# from 0.8e-3 to 2.1e-3 of the range. On six easy renders (bench_fringe) the comp is 2 % further off, with true
# alpha 0.009 instead of 0.006. On real footage before a bright sky saturated specks go, and re-composition stays
# below 1e-4. A bound of 1 gains and costs twice that.
_FREEDOM = 2.0
# Side in pixels of the square cells in which the subject's colour is averaged before it is extended.
_CELL = 8
_DARK = 0.03


def solve_foreground(plate: Tensor, clean: Tensor, alpha: Tensor, estimate: Tensor) -> Tensor:
    """The unpremultiplied foreground: 1 x 3 x H x W scene-linear, like ``plate``, ``clean``, ``estimate``;
    ``alpha`` 1 x 1 x H x W in 0..1. Exactly the plate where alpha is 1, the estimate where alpha is 0."""
    pull = STRENGTH * (1.0 - alpha) ** 2
    own = plate - (1.0 - alpha) * clean
    return (alpha * own + pull * estimate) / (alpha * alpha + pull)


def limit_negative(foreground: Tensor, plate: Tensor, alpha: Tensor, estimate: Tensor, grain: Tensor) -> Tensor:
    """``foreground``, no further below zero than the plate (colours outside the gamut), the estimate and the grain
    explain; all other values are unchanged. ``grain``: standard deviation of the grain in the plate, 1 x 3 x H x
    W."""
    seen = alpha.clamp(min=_LEAST_ALPHA)
    explained = torch.minimum(estimate, plate / seen).clamp(max=0.0)
    return torch.maximum(foreground, explained - _GRAINS * grain / seen)


def plausible(foreground: Tensor, alpha: Tensor, estimate: Tensor) -> Tensor:
    """``foreground``, no further from ``estimate`` than ``_FREEDOM * (|estimate| + _DARK) * alpha / (1 - alpha)``
    in each channel.

    Where alpha is a little wrong, the equation turns the clean plate's light into colours that no subject has, the
    more so the smaller alpha is. Where alpha is 0 the result is the estimate; nearly solid pixels are not
    limited."""
    light = estimate.abs().add_(_DARK)
    reach = _FREEDOM * light * (alpha / (1.0 - alpha).clamp(min=_LEAST_ALPHA))
    return torch.minimum(torch.maximum(foreground, estimate - reach), estimate + reach)


def foreground_of(
    plate: Tensor, clean: Tensor, alpha: Tensor, estimate: CoarseGrid | None, grain: Tensor
) -> Tensor:
    """The foreground of a frame, 1 x 3 x H x W scene-linear, like ``plate`` and ``clean``; ``alpha`` 1 x 1 x H x W.

    The plate where alpha is 1, the extended edge colour where it is 0 (:func:`extend_edges`). In between
    :func:`solve_foreground`, limited by :func:`plausible` and :func:`limit_negative`; only these pixels, few in
    most frames, are solved. ``estimate``: the model's foreground, which is blended in by alpha, or None. ``grain``:
    that of ``Difference``."""
    whole = extend_edges(plate, clean, alpha)
    pixels = whole.view(whole.shape[1], -1)
    pictures = [picture[0].flatten(1) for picture in (plate, clean, alpha)]
    seen = pictures[2][0]
    places = ((seen > 0.0) & (seen < 1.0)).nonzero()[:, 0]
    for some in strips(len(places), 1, places.device):
        part = places[some]
        own, behind, cover = (each[:, part][None, :, None] for each in pictures)
        near = pixels[:, part][None, :, None]
        if estimate is not None:
            near = torch.lerp(near, estimate.at(part)[None, :, None], cover)
        pixels[:, part] = _solve_partial(grain, own, behind, cover, near)[0, :, 0]
    return whole


def extend_edges(plate: Tensor, clean: Tensor, alpha: Tensor) -> Tensor:
    """The plate where alpha is 1, elsewhere the colour of the subject's edge extended over the frame: 1 x 3 x H x
    W, smooth and never negative there, black in a frame without a subject. A matte that is blurred, resized or
    dilated later meets the subject's colour there instead of the old background; a smooth colour also compresses
    well."""
    height, width = alpha.shape[-2:]
    light, weight = _in_cells(plate, clean, alpha)
    colour = spread_colour(light / weight.clamp(min=1e-6), weight)
    whole = torch.empty_like(plate)
    for cells in strips(colour.shape[-2], _CELL * width, plate.device):
        near = slice(max(0, cells.start - 1), cells.stop + 1)
        above = (cells.start - near.start) * _CELL
        rows = slice(cells.start * _CELL, min(cells.stop * _CELL, height))
        beside = upsampled(colour[..., near, :], _CELL)[..., above : above + rows.stop - rows.start, :width]
        torch.where(alpha[..., rows, :] < 1.0, beside, plate[..., rows, :], out=whole[..., rows, :])
    return whole


def _in_cells(plate: Tensor, clean: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """The subject's light in each cell of ``_CELL`` x ``_CELL`` pixels, and its weight; both times alpha squared,
    because a faint pixel says little about the subject's colour."""
    height, width = alpha.shape[-2:]
    rows_of_cells, right = -(-height // _CELL), -width % _CELL
    light, weight = (plate.new_empty(1, channels, rows_of_cells, -(-width // _CELL)) for channels in (3, 1))
    for cells in strips(rows_of_cells, _CELL * width, plate.device):
        rows = slice(cells.start * _CELL, min(cells.stop * _CELL, height))
        seen, own = alpha[..., rows, :], plate[..., rows, :]
        own = torch.addcmul(own, 1.0 - seen, clean[..., rows, :], value=-1.0).clamp_(min=0.0).mul_(seen)
        counts, below = seen * seen, -(rows.stop - rows.start) % _CELL
        if right or below:
            own, counts = (nnf.pad(picture, (0, right, 0, below)) for picture in (own, counts))
        light[..., cells, :] = cell_means(own, _CELL)
        weight[..., cells, :] = cell_means(counts, _CELL)
    return light, weight


def _solve_partial(grain: Tensor, plate: Tensor, clean: Tensor, alpha: Tensor, estimate: Tensor) -> Tensor:
    """The foreground where alpha lies between 0 and 1. The grain is that of the clean plate, which the equation
    subtracts from the plate."""
    solved = plausible(solve_foreground(plate, clean, alpha, estimate), alpha, estimate)
    return limit_negative(solved, plate, alpha, estimate, grain_at(grain, clean.clamp(max=_WHITE)))


def spread_colour(colour: Tensor, weight: Tensor) -> Tensor:
    """Fills unknown pixels from known ones by averages over ever larger areas (push-pull, Gortler et al. 1996,
    section 6.3.2): 1 x 3 x H x W; ``weight`` 1 x 1 x H x W: 1 where a pixel is known, 0 where it is not."""
    levels = [(colour * weight, weight)]
    while max(levels[-1][1].shape[-2:]) > 1:
        values, weights = levels[-1]
        pad = (0, values.shape[-1] % 2, 0, values.shape[-2] % 2)
        values, weights = nnf.pad(values, pad), nnf.pad(weights, pad)
        # Weights saturate: four barely known pixels do not become one that is fully known.
        values, weights = nnf.avg_pool2d(values, 2), nnf.avg_pool2d(weights, 2)
        bounded = (4.0 * weights).clamp(max=1.0)
        levels.append((values * bounded / weights.clamp(min=1e-12), bounded))
    values, weights = levels.pop()
    filled = values / weights.clamp(min=1e-12)
    while levels:
        values, weights = levels.pop()
        size = (values.shape[-2], values.shape[-1])
        up = nnf.interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
        filled = values + (1.0 - weights) * up[..., : size[0], : size[1]]
    return filled
