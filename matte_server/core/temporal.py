"""A clean plate out of the shot itself: in every pixel the colour that most of the frames agree on.

Each pixel votes: two frames agree where their colours differ by no more than grain and resampling explain, and
the frame that most others agree with speaks for the pixel; the mean of those is taken. That is a mode, not a
median: it holds where the subject covers a pixel more than half of the time, as long as what lies behind is the
same again and again and the subject is not.

What cannot be known is said: a pixel where too few frames agree, or where two colours come back nearly as often
(somebody stood still there), has no evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .image import Float32

Bools = npt.NDArray[np.bool_]

FEWEST = 3
"""Frames that must agree at the least."""
LEAST_SUPPORT = 0.2
"""... and their part of the frames that see the pixel."""
CLEARLY = 2.0
"""How many times more frames must agree than on any other colour."""
# Two samples of one colour differ by less than this many standard deviations of their difference (0.02% of a
# normal distribution lie beyond) and by what bilinear resampling of a sharp picture leaves.
_SIGMAS, _RESAMPLING = 3.7, 0.012
_BAND_SAMPLES = 1 << 22
_NOISE_STEP = 4


@dataclass(frozen=True, eq=False)
class TemporalPlate:
    """``colour``: H x W x 3, scene-linear; ``support``: H x W, the part of the frames that agree, 0..1;
    ``evidence``: H x W, whether that is enough; ``noise``: the grain's standard deviation, relative to colour."""

    colour: Float32
    support: Float32
    evidence: Bools
    noise: float


def temporal_plate(frames: Sequence[Float32], seen: Sequence[Bools]) -> TemporalPlate:
    """The composite of aligned, exposure-matched frames, each H x W x 3 scene-linear; ``seen`` says where a frame
    shows the pixel at all. Works in bands, so that frames may be memory maps larger than memory."""
    height, width = frames[0].shape[:2]
    dark = _dark(frames[len(frames) // 2])
    noise = _noise(frames, seen, dark)
    colour = np.zeros((height, width, 3), np.float32)
    support = np.zeros((height, width), np.float32)
    evidence = np.zeros((height, width), bool)
    rows = max(1, _BAND_SAMPLES // (width * len(frames)))
    for top in range(0, height, rows):
        band = slice(top, top + rows)
        samples = np.stack([np.asarray(frame[band]) for frame in frames])
        visible = np.stack([np.asarray(mask[band]) for mask in seen])
        colour[band], support[band], evidence[band] = _vote(samples, visible, noise, dark)
    return TemporalPlate(colour, support, evidence, noise)


def _dark(frame: Float32) -> float:
    """Below this, colours count as equally dark: a twentieth of the middle brightness."""
    return max(0.05 * float(np.median(np.abs(np.asarray(frame)[::_NOISE_STEP, ::_NOISE_STEP]))), 1e-5)


def _encoded(colour: Float32, dark: float) -> Float32:
    """Where a step means the same relative change at every brightness."""
    return np.asarray(np.log(np.maximum(colour, 0.0) + dark), np.float32)


def _noise(frames: Sequence[Float32], seen: Sequence[Bools], dark: float) -> float:
    """The grain: between frames next to each other, and far apart where those share theirs (shot on twos, or
    compressed). The subject's movement lies in the tail that a median drops."""
    near, far = 1, max(1, len(frames) // 3)
    return max(_difference(frames, seen, dark, near), _difference(frames, seen, dark, far))


def _difference(frames: Sequence[Float32], seen: Sequence[Bools], dark: float, lag: int) -> float:
    spreads = []
    grid = (slice(None, None, _NOISE_STEP), slice(None, None, _NOISE_STEP))
    for index in range(len(frames) - lag):
        both = np.asarray(seen[index][grid]) & np.asarray(seen[index + lag][grid])
        if both.any():
            first, second = (_encoded(np.asarray(frames[at][grid]), dark)[both] for at in (index, index + lag))
            spreads.append(1.4826 * float(np.median(np.abs(first - second))) / 2**0.5)
    return float(np.median(spreads)) if spreads else 0.0


def _vote(samples: Float32, visible: Bools, noise: float, dark: float) -> tuple[Float32, Float32, Bools]:
    count = len(samples)
    encoded = _encoded(samples, dark)
    tolerance = _SIGMAS * 2**0.5 * noise + _RESAMPLING
    agree = np.empty((count, *visible.shape), bool)
    for index in range(count):
        near = np.all(np.abs(encoded - encoded[index]) < tolerance, axis=-1)
        agree[index] = near & visible & visible[index]
    votes = agree.sum(axis=1, dtype=np.int16)
    best = votes.argmax(axis=0)
    winners = np.take_along_axis(agree, best[None, None], axis=0)[0]
    most = np.take_along_axis(votes, best[None], axis=0)[0]
    # The best of those who are not with the winners: another colour that comes back.
    rival = np.where(winners | ~visible, 0, votes).max(axis=0)
    weight = winners[..., None].astype(np.float32)
    total = np.maximum(weight.sum(axis=0), 1.0)
    colour = (samples * weight).sum(axis=0) / total
    support = most / np.maximum(visible.sum(axis=0), 1)
    evidence = (most >= FEWEST) & (support >= LEAST_SUPPORT) & (most >= CLEARLY * rival)
    return colour.astype(np.float32), support.astype(np.float32), evidence
