"""The gain and offset between clean plate and plate, in scene-linear light, robust against the subject."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .exposure_evidence import GainPeak, LightRatios, most_frequent_log
from .image import Float32, Mask

_ROUNDS = 8
"""Of the fit of a line. Each drops what the one before disagrees with."""
_LEAST_PART = 0.15
"""The smallest part of the pixels that may agree on an exposure."""
_AGREED = 0.12
"""Pixels agree where they differ from the line by less than this part of their light."""
# Pixels: fewer say nothing, and more than the second nothing new. With grain of 1 % in both plates that many give
# the gain to 1e-4.
_FEWEST, _MOST = 200, 40_000
_SPREAD_STEP = 4
_MOSTLY_CLIPPED = 0.5
# Parts of the frame's cells. What most of it agrees on needs no detail to be the set's.
_HALF, _MOST_OF_IT = 0.5, 0.97
_LEAST_PEAK, _LEAST_BARE = 0.04, 0.1
# Natural logarithms: what exposures and white balances differ by, as standard deviations.
_USUAL_GAIN, _USUAL_TINT, _MOST_BARE_TINT = 0.5, 0.15, 0.4
# Tungsten taken for daylight is 0.5; at 0.8 one channel has 2.2 times the gain of the others.
_POSSIBLE_TINT, _MOST_TINT = 0.3, 0.8
# A peak at a gain of 1, within 3 %, is so many times as likely. The likeliest must be so many times as likely as
# the next.
_SAME, _UNCHANGED, _CLEARLY = 0.03, 6.0, 5.0
UNMATCHED = "The exposure was not matched"
"""The warning of an exposure that could not be measured begins with this."""
_DOUBTFUL = (
    f"{UNMATCHED}: nothing tells the set from what hides it. Where the clean plate is brighter or "
    "darker than the plate, grade it to match."
)


@dataclass(frozen=True)
class Exposure:
    """``plate = gain * clean + offset`` per channel; ``agreeing`` is the part of the pixels that fit."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    agreeing: float = 1.0
    warning: str = ""


def match_exposure(plate: Float32, clean: Float32, covered: Mask, clipped: Mask | None = None) -> Exposure:
    """Gain and offset per channel from two aligned small pictures (H x W x 3, scene-linear). Only pixels that are
    ``covered`` (H x W) and not ``clipped`` in a channel (H x W x 3) count in it.

    The start is the most frequent ratio of each channel; from there a line is fitted with weights that drop what
    disagrees (Tukey's biweight). Where half of the frame agrees with it in all channels, and follows the clean
    plate there, that is the exposure. Else a subject may have been taken for the set: of all ratios that places
    agree on, the one where the plate follows the clean plate most is fitted, or where neither shows detail to
    follow, a likely one. Unchanged and with a warning where too little agrees, and where several ratios are as
    likely.
    """
    found = _from_all_pixels(plate, clean, covered, clipped)
    usable = covered if clipped is None else covered & ~clipped.any(-1)
    floor = [_floor(clean[..., c][usable]) for c in range(3)]
    ratios = LightRatios(plate, clean, usable, (floor[0], floor[1], floor[2]))
    if not ratios.are_enough:
        return found
    own = None if found.warning else ratios.support_of(found.gain, found.offset)
    if own is not None and _is_plain(own, found):
        return found
    chosen = _chosen([peak for peak in ratios.peaks() if peak.part >= _LEAST_PEAK])
    if chosen is None or not chosen.is_supported:
        is_cut = usable.sum() < _MOSTLY_CLIPPED * covered.sum()
        warning = found.warning or (_reason(float(covered.sum()), float(usable.sum())) if is_cut else "")
        if warning or chosen is None:
            return Exposure(agreeing=found.agreeing, warning=warning or _DOUBTFUL)
    if own is not None and own.part >= _HALF and ratios.agrees(chosen, found.gain, found.offset):
        return found
    return _from_peak(plate, clean, usable & ratios.pixels_of(chosen), chosen)


def _is_plain(own: GainPeak, found: Exposure) -> bool:
    """Whether what agrees with an exposure, ``own``, leaves no doubt of it."""
    is_light = _tint(np.log(np.maximum(found.gain, 1e-6))) <= _MOST_TINT
    return is_light and (own.part >= _MOST_OF_IT or (own.part >= _HALF and own.is_followed))


def _from_all_pixels(plate: Float32, clean: Float32, covered: Mask, clipped: Mask | None) -> Exposure:
    """The exposure from all pixels, each channel by itself."""
    used = [covered if clipped is None else covered & ~clipped[..., c] for c in range(3)]
    channels = [_fitted(plate[..., c][use], clean[..., c][use]) for c, use in enumerate(used)]
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


def _chosen(peaks: list[GainPeak]) -> GainPeak | None:
    """The peak that is the set's; None where that cannot be told."""
    followed = [peak for peak in peaks if peak.is_supported and _tint(peak.gain_log) <= _MOST_TINT]
    if followed:
        return max(followed, key=lambda peak: peak.support * _usual(_tint(peak.gain_log), _POSSIBLE_TINT))
    # Nothing to follow: a bare wall, hidden by something as bare.
    bare = sorted((peak for peak in peaks if peak.is_sharp), key=_likelihood, reverse=True)
    if not bare or bare[0].part < _LEAST_BARE or _tint(bare[0].gain_log) > _MOST_BARE_TINT:
        return None
    return bare[0] if len(bare) < 2 or _likelihood(bare[0]) >= _CLEARLY * _likelihood(bare[1]) else None


def _likelihood(peak: GainPeak) -> float:
    """How likely a peak without detail is the set's, before others: by its size, and by what exposures differ by.
    Most pairs are shot at one exposure."""
    known = _usual(float(peak.gain_log.mean()), _USUAL_GAIN) * _usual(_tint(peak.gain_log), _USUAL_TINT)
    return peak.part * known * (_UNCHANGED if float(np.abs(peak.gain_log).max()) < _SAME else 1.0)


def _usual(value: float, deviation: float) -> float:
    return math.exp(-0.5 * (value / deviation) ** 2)


def _tint(gain_log: npt.NDArray[np.floating]) -> float:
    """How far one channel's gain is from all three channels' mean, as a natural logarithm."""
    return float(np.abs(gain_log - gain_log.mean()).max())


def _from_peak(plate: Float32, clean: Float32, used: Mask, peak: GainPeak) -> Exposure:
    """The exposure from the pixels of one peak; its own gain in a channel whose line leaves it."""
    gains, offsets = list[float](), list[float]()
    for channel, middle in enumerate(np.exp(peak.gain_log.astype(np.float64))):
        x, y = clean[..., channel][used], plate[..., channel][used]
        gain, offset, agreeing = _fitted(y, x)
        at = float(np.median(x))
        fits = agreeing > 0 and abs((gain * at + offset) / (middle * at) - 1.0) < _AGREED
        gains.append(gain if fits else float(middle))
        offsets.append(offset if fits else 0.0)
    return Exposure(
        gain=(gains[0], gains[1], gains[2]), offset=(offsets[0], offsets[1], offsets[2]), agreeing=peak.part
    )


def _reason(covered: float, used: float) -> str:
    """Why the exposure could not be matched."""
    if used < _MOSTLY_CLIPPED * covered:
        lost = 100 * (1 - used / covered)
        return (
            f"{UNMATCHED}: {lost:.0f}% of the frame is clipped in the plate or the clean plate. "
            "Shoot both at one exposure, or give them unclipped."
        )
    return f"{UNMATCHED}: too little of the plate looks like the clean plate."


def _floor(clean: Float32) -> float:
    """The light below which ratios are noise, from the pixels of a channel."""
    return max(1e-4, 0.05 * float(np.median(np.abs(clean)))) if clean.size else 1e-4


def _fitted(plate: Float32, clean: Float32) -> tuple[float, float, float]:
    """Gain and offset of one channel from N pixels of it, and the part of them that agrees, 0..1: 1, 0 and 0 where
    too few are lit."""
    floor = _floor(clean)
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
    """The ``y / x`` that most pairs agree on; outliers have no influence. Both above 0, at most e^3.5 apart."""
    _, peak = most_frequent_log(np.log(y / x))
    return float(np.exp(peak))


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
