"""The gain and offset between clean plate and plate, in scene-linear light, robust against the subject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .image import Float32

_BINS = 400
_LOG_RANGE = 2.0
_ROUNDS = 8
_LEAST_PART = 0.15
_AGREED = 0.12
_FEWEST = 200
_MOSTLY_CLIPPED = 0.5
# Pixels that are enough: with grain of 1 % in both plates this many give the gain to 1e-4.
_MOST = 40_000
_SPREAD_STEP = 4


@dataclass(frozen=True)
class Exposure:
    """``plate = gain * clean + offset`` per channel; ``agreeing`` is the part of the pixels that fit."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    agreeing: float = 1.0
    warning: str = ""


def match_exposure(
    plate: Float32, clean: Float32, covered: npt.NDArray[np.bool_], clipped: npt.NDArray[np.bool_] | None = None
) -> Exposure:
    """Gain and offset per channel from two aligned small pictures (H x W x 3, scene-linear). Only pixels that are
    ``covered`` (H x W) and not ``clipped`` in a channel (H x W x 3) count in it.

    The start is the most frequent ratio, which the subject cannot shift while it covers less than most of the
    frame; from there a line is fitted with weights that drop what disagrees (Tukey's biweight). Unchanged and
    with a warning where too little agrees.
    """
    used = [covered if clipped is None else covered & ~clipped[..., c] for c in range(3)]
    channels = [_one(plate[..., c][use], clean[..., c][use]) for c, use in enumerate(used)]
    agreeing = min(part for _, _, part in channels)
    if agreeing < _LEAST_PART:
        return Exposure(
            agreeing=agreeing,
            warning=_reason(float(covered.sum()), min(float(use.sum()) for use in used)),
        )
    gains, offsets, _ = zip(*channels, strict=True)
    return Exposure(
        gain=(gains[0], gains[1], gains[2]), offset=(offsets[0], offsets[1], offsets[2]), agreeing=agreeing
    )


def _reason(covered: float, used: float) -> str:
    """Why the exposure could not be matched."""
    if used < _MOSTLY_CLIPPED * covered:
        lost = 100 * (1 - used / covered)
        return (
            f"The exposure was not matched: {lost:.0f}% of the frame is clipped in the plate or the clean plate. "
            "Shoot both at one exposure, or give them unclipped."
        )
    return "The exposure was not matched: too little of the plate looks like the clean plate."


def _one(plate: Float32, clean: Float32) -> tuple[float, float, float]:
    floor = max(1e-4, 0.05 * float(np.median(np.abs(clean)))) if clean.size else 1e-4
    lit = (clean > floor) & (plate > 0.1 * floor)
    count = int(lit.sum())
    if count < _FEWEST:
        return 1.0, 0.0, 0.0
    step = -(-count // _MOST)
    x, y = clean[lit][::step].astype(np.float64), plate[lit][::step].astype(np.float64)
    gain, offset = most_frequent_ratio(x, y), 0.0
    for _ in range(_ROUNDS):
        expected = gain * x
        scale = expected + floor
        residual = (y - expected - offset) / scale
        size = np.abs(residual)
        # Their spread is needed to a percent, no better.
        near = size[::_SPREAD_STEP]
        near = near[near < 0.3]
        spread = 1.4826 * float(np.median(near)) if near.size else 0.02
        bound = 4.0 * max(spread, 0.003)
        weight = np.where(size < bound, (1 - (residual / bound) ** 2) ** 2, 0.0) / scale**2
        gain, offset = _line(x, y, weight, gain, offset)
    # Not beyond _AGREED, however wide the spread: pictures of different things agree loosely with any line.
    agreeing = float(np.mean(np.abs((y - gain * x - offset) / (gain * x + floor)) < min(bound, _AGREED)))
    return gain, offset, agreeing


def most_frequent_ratio(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating]) -> float:
    """The ``y / x`` that most pairs agree on; outliers have no influence. Both above 0, at most e^2 apart."""
    ratios = np.log(y / x)
    counts, edges = np.histogram(ratios, bins=_BINS, range=(-_LOG_RANGE, _LOG_RANGE))
    smooth = np.convolve(counts, np.hanning(11), mode="same")
    peak = int(smooth.argmax())
    return float(np.exp((edges[peak] + edges[peak + 1]) / 2))


def _line(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    gain: float,
    offset: float,
) -> tuple[float, float]:
    """The weighted line; the offset is held near 0 unless the picture's range shows one clearly."""
    total = weight.sum()
    if total <= 0:
        return gain, offset
    mean_x, mean_y = (weight * x).sum() / total, (weight * y).sum() / total
    from_mean = x - mean_x
    # In the order of the covariance, so that equal pictures give equal numbers, bit by bit.
    variance = (weight * from_mean * from_mean).sum() / total
    # A prior of a tenth of the mean squared: a flat wall says nothing about the offset, a full range decides it.
    prior = 0.1 * mean_x**2
    covariance = (weight * from_mean * (y - mean_y)).sum() / total
    through_zero = mean_y / mean_x
    slope = (covariance + prior * through_zero) / (variance + prior)
    return float(slope), float(mean_y - slope * mean_x)
