"""Alpha of each pixel by itself, where the clean plate behind it is known.

``plate = a * F + (1 - a) * clean + noise``. The subject's colour F is unknown, but the mean and covariance of the
nearest solid subject are known. For each alpha the plate's pixel is then a sample of a known normal distribution,
which gives the likelihood of alpha (Bayesian matting, Chuang et al. 2001, with a given background). A pixel that
the nearby colours do not explain may be a subject of any colour (a second, broad distribution), and then says
little about alpha.

Everything here works on lists of pixels: colours are N x 3, covariances N x 6 (rr, rg, rb, gg, gb, bb).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .symmetric import Factors

STEPS = 17
# A subject of a colour that its surroundings do not show: how probable, and how far it may be, relative to the
# brightness of the pixel.
_STRANGER_LOG = -9.0
_STRANGER_SPREAD = 0.5
_LOOSER = 2.0
# Of a covariance relative to the pixel's brightness: float32 loses as much between the mean of squares and the
# square of the mean. A subject much brighter than the clean plate would have a negative variance.
_ROUNDING = 1e-6
# So much of a normal's log-determinant counts: all of it would let a coincidence of colour in the middle of the
# subject look like certain clean plate, because the clean plate is known so much more exactly.
_OCCAM = 0.3
# Solid and empty are more common than anything between.
_ENDS_LOG, _ENDS_SHARE = 2.0, 0.3


@dataclass(frozen=True, eq=False)
class AlphaEstimate:
    """``alpha``: N, 0..1; ``variance``: N, of alpha; ``foreground``: N x 3, the probable colour given alpha."""

    alpha: Tensor
    variance: Tensor
    foreground: Tensor


def estimate_alpha(
    plate: Tensor, clean: Tensor, mean: Tensor, covariance: Tensor, noise: Tensor, prior: Tensor
) -> AlphaEstimate:
    """Alpha from each pixel by itself. ``plate``, ``clean``, ``mean`` (of the foreground): N x 3 scene-linear;
    ``covariance``: N x 6; ``noise``: N, standard deviation of plate minus clean plate where there is no subject;
    ``prior``: N, log-odds of subject against clean plate, before the pixel is seen."""
    # Colours relative to the pixel's brightness: one noise and one spread then fit 1e-3 as well as 50.
    scale = (0.02 + clean.abs() + mean.abs() + plate.abs()).amax(1, keepdim=True)
    pixel, behind, front = plate / scale, clean / scale, mean / scale
    # The nearest solid subject is not the pixel itself: its colours are only a rough guide.
    spread = _LOOSER * covariance / scale.square()
    quiet = (noise / scale[:, 0]).square().clamp(min=_ROUNDING)
    steps = torch.linspace(0.0, 1.0, STEPS, device=plate.device)
    scores = torch.stack([_score(float(a), pixel, behind, front, spread, quiet) for a in steps])
    scores = scores + _log_prior(prior, steps)
    alpha, variance = _moments(scores, steps)
    best = steps[scores.argmax(0)]
    sharp, sharpness = _between_steps(best, pixel, behind, front, spread, quiet)
    # Where the likelihood is narrower than a step, its maximum comes from the equation instead of the steps; but a
    # pixel that is probably solid or empty stays so.
    step = float(steps[1])
    fine = step * step / (step * step + variance) * ((best > 0) & (best < 1))
    alpha = alpha + fine * (sharp - alpha)
    return AlphaEstimate(
        alpha=alpha,
        variance=variance + sharpness,
        foreground=scale * _front(alpha, pixel, behind, front, spread, quiet),
    )


def _log_prior(odds: Tensor, steps: Tensor) -> Tensor:
    """STEPS x N: the odds decide between 0 and 1; the further they are from even, the less probable is any alpha in
    between."""
    between = (steps > 0) & (steps < 1)
    rarer = _ENDS_LOG + _ENDS_SHARE * odds.abs()
    return odds[None] * steps[:, None] - rarer[None] * between[:, None]


def _score(a: float, pixel: Tensor, behind: Tensor, front: Tensor, spread: Tensor, quiet: Tensor) -> Tensor:
    """log p(pixel | a), N: of a subject of the nearby colours and of one of any other colour together."""
    rest = pixel - a * front - (1.0 - a) * behind
    known, strange = _factors(a, spread, quiet), _factors(a, spread, quiet, _STRANGER_SPREAD**2)
    return torch.logaddexp(_log_normal(rest, known), _log_normal(rest, strange) + _STRANGER_LOG)


def _factors(a: float | Tensor, spread: Tensor, quiet: Tensor, more: float = 0.0) -> Factors:
    """Factors of the covariance of the plate's pixel at alpha ``a``: a^2 times the subject's, plus the noise."""
    square = a * a
    return Factors.of([square * c for c in spread.unbind(1)], quiet + more * square)


def _log_normal(rest: Tensor, covariance: Factors) -> Tensor:
    return -0.5 * covariance.distance(*rest.unbind(1)) - 0.5 * _OCCAM * covariance.log_determinant()


def _moments(scores: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.softmax(scores, 0)
    alpha = (weights * steps[:, None]).sum(0)
    variance = (weights * (steps[:, None] - alpha[None]).square()).sum(0)
    return alpha, variance


def _between_steps(
    best: Tensor, pixel: Tensor, behind: Tensor, front: Tensor, spread: Tensor, quiet: Tensor
) -> tuple[Tensor, Tensor]:
    """The weighted projection of the plate onto the line from clean plate to subject, within half a step of the
    best one, and its variance."""
    line = front - behind
    weighted = torch.stack(_factors(best, spread, quiet).solve(*line.unbind(1)), 1)
    power = (weighted * line).sum(1).clamp(min=1e-6)
    found = (weighted * (pixel - behind)).sum(1) / power
    half = 1.0 / (STEPS - 1)
    return torch.minimum(torch.maximum(found, best - half), best + half).clamp(0.0, 1.0), 1.0 / power


def _front(alpha: Tensor, pixel: Tensor, behind: Tensor, front: Tensor, spread: Tensor, quiet: Tensor) -> Tensor:
    """The subject's most probable colour at that alpha: the mean plus the part of the residual that belongs to
    it."""
    rest = pixel - alpha[:, None] * front - (1.0 - alpha[:, None]) * behind
    x, y, z = _factors(alpha, spread, quiet).solve(*rest.unbind(1))
    rr, rg, rb, gg, gb, bb = spread.unbind(1)
    moved = torch.stack([rr * x + rg * y + rb * z, rg * x + gg * y + gb * z, rb * x + gb * y + bb * z], 1)
    return front + alpha[:, None] * moved
