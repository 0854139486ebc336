"""A model's alpha, once more from the compositing equation.

``plate - clean = alpha * (foreground - clean)``: where the foreground's colour is known roughly, each pixel says
what its alpha is, the more surely the further that colour is from the clean plate's. The model's alpha is the
prior, with the error that the model itself expects; the equation is the evidence, with the uncertainty of the
colour, of the clean plate and of the grain. Both are normal distributions, so the refined alpha is their weighted
mean (a scalar Kalman update)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .alpha_deviation import AlphaDeviation
from .coarse_grid import CoarseGrid
from .difference import grain_at, grain_of
from .foreground import near_colour, partial_places
from .local_light import local_light
from .strips import strips

# Standard deviation of the model's alpha: a floor, a part that is largest at alpha 0.5, and a part of the error
# that the model expects. Fitted to the errors of 700,000 unknown pixels of 63 procedural stills; see also
# foreground.py.
_SURE, _MIDDLE, _EXPECTED = 0.01, 0.05, 0.6
# How far the subject's colour departs from the one nearby: a share of its light, and what is added to that.
_COLOUR, _DARK = 0.4, 0.02
# Weight of the pixel's own evidence that the colour is wrong: its squared distance from the line between both
# colours.
_OFF_LINE = 2.0
_GRAINS = 1.5
_WHITE = 1.0
# The weighted mean's own standard deviation, times this, is the error that was measured on the same pixels: the
# uncertainties are not independent.
_CALIBRATED = 1.7


@dataclass(frozen=True, eq=False)
class RefinedAlpha:
    """``alpha``: 1 x 1 x H x W, 0..1, and its ``deviation``."""

    alpha: Tensor
    deviation: AlphaDeviation


@dataclass(frozen=True, eq=False)
class _Pixels:
    """N pixels: ``plate``, ``clean``, ``near`` (the subject's probable colour), ``noise`` (standard deviation of
    plate minus clean plate) 3 x N scene-linear; ``alpha`` and its ``deviation`` 1 x N."""

    plate: Tensor
    clean: Tensor
    near: Tensor
    noise: Tensor
    alpha: Tensor
    deviation: Tensor


def refined_alpha(
    plate: Tensor,
    clean: Tensor,
    coverage: Tensor,
    alpha: Tensor,
    estimate: CoarseGrid | None,
    expected_error: CoarseGrid,
) -> RefinedAlpha:
    """``plate``, ``clean``: 1 x 3 x H x W scene-linear; ``coverage``, ``alpha``: 1 x 1 x H x W; alpha is limited to
    0..1. ``estimate``: the model's foreground; ``expected_error``: mean absolute error of alpha that the model
    expects. Alpha changes only where it lies between 0 and 1 and the clean plate reaches."""
    # A contiguous copy, whatever layout the model has left.
    refined = torch.clamp(alpha, 0.0, 1.0, out=torch.empty(alpha.shape, device=alpha.device, dtype=alpha.dtype))
    light = local_light(plate, clean, coverage, refined)
    grain = grain_of(plate, clean, coverage)[0, :, 0]
    seen, behind, cover = (each[0].flatten(1) for each in (plate, clean, refined))
    places = partial_places(refined, coverage)
    deviation = plate.new_empty(len(places))
    for some in strips(len(places), 1, places.device):
        part = places[some]
        here, before = light.at(part), cover[:, part]
        matched = behind[:, part] * here.gain
        pixels = _Pixels(
            plate=seen[:, part],
            clean=matched,
            near=near_colour(here.subject, estimate, part, before),
            noise=torch.maximum(here.noise(matched), _GRAINS * grain_at(grain, matched.clamp(max=_WHITE))),
            alpha=before,
            deviation=_prior(before, expected_error.at(part)),
        )
        cover[0, part], deviation[some] = _updated(pixels)
    return RefinedAlpha(
        alpha=refined, deviation=AlphaDeviation(expected=expected_error, places=places, values=deviation)
    )


def _prior(alpha: Tensor, expected_error: Tensor) -> Tensor:
    middle = (4.0 * alpha * (1.0 - alpha)).clamp(min=0.0).sqrt()
    return _SURE + _MIDDLE * middle + _EXPECTED * expected_error


def _updated(pixels: _Pixels) -> tuple[Tensor, Tensor]:
    """Alpha and its deviation, N each."""
    line, away = pixels.near - pixels.clean, pixels.plate - pixels.clean
    along = (line * away).sum(0, keepdim=True) / line.square().sum(0, keepdim=True).clamp(min=1e-8)
    off = (away - along * line).square().mean(0, keepdim=True)
    light = pixels.near.abs().mean(0, keepdim=True)
    colour = pixels.alpha * (_COLOUR * light + _DARK)
    variance = pixels.noise.square() + colour.square() + _OFF_LINE * off
    prior = pixels.deviation.square().reciprocal()
    weight = (line.square() / variance).sum(0, keepdim=True) + prior
    alpha = ((line * away / variance).sum(0, keepdim=True) + pixels.alpha * prior) / weight
    return alpha.clamp(0.0, 1.0)[0], _CALIBRATED * weight.rsqrt()[0]
