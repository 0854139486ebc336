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
_BRIGHTNESSES = 12
_MOST_GRAIN = 0.15


@dataclass(frozen=True, eq=False)
class VotedPlate:
    """``colour``: H x W x 3, scene-linear; ``support``: H x W, the part of the frames that agree, 0..1;
    ``evidence``: H x W, whether that is enough; ``noise``: the grain's standard deviation, relative to colour."""

    colour: Float32
    support: Float32
    evidence: Bools
    noise: float


@dataclass(frozen=True, eq=False)
class _Grain:
    """How far two samples of one colour lie apart: a standard deviation per brightness, both rising lists."""

    levels: Float32
    deviations: Float32

    def tolerance(self, colour: Float32) -> Float32:
        """The largest difference that grain and resampling explain, at each colour."""
        grain = np.interp(colour, self.levels, self.deviations)
        lit = np.abs(colour) + self.levels[0]
        return np.asarray(_SIGMAS * 2**0.5 * grain + _RESAMPLING * lit, np.float32)

    @property
    def relative(self) -> float:
        """The middle one, as a part of its brightness."""
        middle = len(self.levels) // 2
        return float(self.deviations[middle] / self.levels[middle])


def vote_clean_plate(frames: Sequence[Float32], seen: Sequence[Bools]) -> VotedPlate:
    """The composite of aligned, exposure-matched frames, each H x W x 3 scene-linear; ``seen`` says where a frame
    shows the pixel at all. Works in bands, so that frames may be memory maps larger than memory."""
    height, width = frames[0].shape[:2]
    grain = _grain(frames, seen)
    colour = np.zeros((height, width, 3), np.float32)
    support = np.zeros((height, width), np.float32)
    evidence = np.zeros((height, width), bool)
    rows = max(1, _BAND_SAMPLES // (width * len(frames)))
    for top in range(0, height, rows):
        band = slice(top, top + rows)
        samples = np.stack([np.asarray(frame[band]) for frame in frames])
        visible = np.stack([np.asarray(mask[band]) for mask in seen])
        colour[band], support[band], evidence[band] = _vote(samples, visible, grain)
    return VotedPlate(colour, support, evidence, grain.relative)


def _grain(frames: Sequence[Float32], seen: Sequence[Bools]) -> _Grain:
    """Measured between frames next to each other, and far apart where those share theirs (shot on twos, or
    compressed). The subject's movement lies in the tail that a median drops."""
    grid = (slice(None, None, _NOISE_STEP), slice(None, None, _NOISE_STEP))
    small = [np.asarray(frame[grid], np.float32) for frame in frames]
    masks = [np.asarray(mask[grid], bool) for mask in seen]
    middle = small[len(small) // 2].ravel()
    edges = np.unique(np.quantile(middle, np.linspace(0, 1, _BRIGHTNESSES + 1)))
    dark = max(0.05 * float(np.median(np.abs(middle))), 1e-5)
    levels = np.maximum((edges[:-1] + edges[1:]) / 2, dark) if len(edges) > 1 else np.array([max(edges[0], dark)])
    near, far = (_spread(small, masks, edges, lag) for lag in (1, max(1, len(frames) // 3)))
    # What moves in half of a brightness is no grain: no camera has more than this.
    deviations = np.minimum(np.maximum(near, far), _MOST_GRAIN * levels)
    return _Grain(np.maximum.accumulate(levels).astype(np.float32), deviations.astype(np.float32))


def _spread(
    frames: Sequence[Float32], seen: Sequence[Bools], edges: npt.NDArray[np.floating], lag: int
) -> npt.NDArray[np.float64]:
    """The grain's deviation per brightness, between the edges, from frames ``lag`` apart."""
    values, differences = [], []
    for first, second, here, there in zip(frames, frames[lag:], seen, seen[lag:], strict=False):
        both = here & there
        values.append((0.5 * (first + second))[both].ravel())
        differences.append(np.abs(first - second)[both].ravel())
    value, difference = np.concatenate(values), np.concatenate(differences)
    inside = np.clip(np.searchsorted(edges, value, "right") - 1, 0, max(len(edges) - 2, 0))
    found = np.zeros(max(len(edges) - 1, 1))
    for index in range(len(found)):
        mine = difference[inside == index]
        found[index] = 1.4826 * float(np.median(mine)) / 2**0.5 if mine.size else 0.0
    return found


def _vote(samples: Float32, visible: Bools, grain: _Grain) -> tuple[Float32, Float32, Bools]:
    agree = np.empty((len(samples), *visible.shape), bool)
    for index, sample in enumerate(samples):
        near = np.all(np.abs(samples - sample) < grain.tolerance(sample), axis=-1)
        agree[index] = near & visible & visible[index]
    votes = agree.sum(axis=1, dtype=np.int16)
    best = votes.argmax(axis=0)
    winners = np.take_along_axis(agree, best[None, None], axis=0)[0]
    most = np.take_along_axis(votes, best[None], axis=0)[0]
    # The best of those who are not with the winners: another colour that comes back.
    rival = np.where(winners | ~visible, 0, votes).max(axis=0)
    weight = winners[..., None].astype(np.float32)
    colour = (samples * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1.0)
    support = most / np.maximum(visible.sum(axis=0), 1)
    evidence = (most >= FEWEST) & (support >= LEAST_SUPPORT) & (most >= CLEARLY * rival)
    return colour.astype(np.float32), support.astype(np.float32), evidence
