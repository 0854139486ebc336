"""Builds a clean plate from the shot itself: in every pixel the colour that most of the frames agree on.

The frames vote on each pixel. Two frames agree where their colours differ by no more than grain and resampling
explain. The frame that most others agree with wins, and the mean of those that agree with it is the result. That is
a mode, not a median: it also works where the subject covers a pixel more than half of the time, as long as the
background keeps its colour and the subject does not.

A pixel has no evidence where too few frames agree, or where a second colour is nearly as frequent (somebody stood
still there). Where nothing moves in any frame there is nothing to vote about, and the mean is the result: a codec
repeats some pictures of an empty set and codes others anew, so that half of them may agree to the bit and not with
the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .image import Float32, Mask

LEAST_FRAMES = 3
"""At least this many frames must agree."""
LEAST_SUPPORT = 0.2
"""At least this part of the frames that see the pixel must agree."""
LEAST_LEAD = 2.0
"""This many times as many frames must agree as on any other colour."""
# Two samples of one colour differ by less than this many standard deviations of their difference (0.02% of a
# normal distribution lie beyond) and by what bilinear resampling of a sharp picture leaves.
_SIGMAS, _RESAMPLING = 3.7, 0.012
_BAND_SAMPLES = 1 << 22
_NOISE_STEP = 4
_CELL = 6
_BRIGHTNESSES = 12
_MOST_GRAIN = 0.15
_FEW = 0.01
"""Smaller parts of the frame that lack evidence may show something small that moves."""
_SAME = 0.1
"""Where nothing moves, the means of cells differ by less than this part of their light between any two frames: an
empty set in H.264 (CRF 10 at 480 x 270) by up to 0.07."""


@dataclass(frozen=True, eq=False)
class VotedPlate:
    """``colour``: H x W x 3, scene-linear. ``support``: H x W, the part of the frames that agree, 0..1.
    ``evidence``: H x W, whether that is enough. ``noise``: the grain's standard deviation relative to the
    colour, NaN where it is not known."""

    colour: Float32
    support: Float32
    evidence: Mask
    noise: float


@dataclass(frozen=True, eq=False)
class _Grain:
    """The grain's standard deviation at each brightness of ``levels``, which rise."""

    levels: Float32
    deviations: Float32

    def tolerance(self, colour: Float32) -> Float32:
        """The largest difference that grain and resampling explain, at each colour."""
        grain = np.interp(colour, self.levels, self.deviations)
        lit = np.abs(colour) + self.levels[0]
        return np.asarray(_SIGMAS * 2**0.5 * grain + _RESAMPLING * lit, np.float32)

    @property
    def relative(self) -> float:
        """The deviation at the middle brightness, as a part of that brightness."""
        middle = len(self.levels) // 2
        return float(self.deviations[middle] / self.levels[middle])


def vote_clean_plate(frames: Sequence[Float32], seen: Sequence[Mask]) -> VotedPlate:
    """The clean plate from aligned, exposure-matched frames, each H x W x 3 scene-linear. ``seen``: per frame, H x
    W, where it shows the background or the subject at all. Works in bands of rows, so the frames may be memory maps
    that exceed memory."""
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
    if evidence.mean() < 1.0 - _FEW and not _moving_cells(frames, seen).any():
        return _mean_plate(frames, seen, evidence=np.any(seen, axis=0), noise=grain.relative)
    return VotedPlate(colour=colour, support=support, evidence=evidence, noise=grain.relative)


def average_clean_plate(frames: Sequence[Float32], seen: Sequence[Mask]) -> VotedPlate:
    """The mean of aligned frames that have nothing to vote about, or are too few for it. All that any of them shows
    counts as evidence, but for places where two of them show different things: somebody is in one of them. The
    noise of a single frame is not known (NaN)."""
    shown: Mask = np.any(seen, axis=0)
    if len(frames) == 1:
        return _mean_plate(frames, seen, shown, float("nan"))
    grain = _grain(frames, seen)
    changed = _areas(_moving_cells(frames, seen, grain), shown.shape)
    return _mean_plate(frames, seen, shown & ~changed, grain.relative)


def _mean_plate(frames: Sequence[Float32], seen: Sequence[Mask], evidence: Mask, noise: float) -> VotedPlate:
    weights = np.stack([np.asarray(mask, np.float32) for mask in seen])[..., None]
    total = weights.sum(axis=0)
    colour = sum(np.asarray(frame) * weight for frame, weight in zip(frames, weights, strict=True))
    return VotedPlate(
        colour=np.asarray(colour / np.maximum(total, 1.0), np.float32),
        support=np.asarray(total[..., 0] / len(frames), np.float32),
        evidence=evidence,
        noise=noise,
    )


def _moving_cells(frames: Sequence[Float32], seen: Sequence[Mask], grain: _Grain | None = None) -> Mask:
    """The cells in which a frame shows other light than the first, where both show anything; what ``grain`` leaves
    of itself in the mean of a cell is allowed beside ``_SAME``."""
    first, whole = _cells(frames[0], seen[0])
    dark = 0.05 * float(np.median(first[whole])) if whole.any() else 0.0
    moving = np.zeros(whole.shape, bool)
    for frame, mask in zip(frames[1:], seen[1:], strict=True):
        cells, visible = _cells(frame, mask)
        lit = (np.abs(first) + np.abs(cells)).mean(-1) / 2 + max(dark, 1e-5)
        left = 0.0 if grain is None else 2.0 * grain.tolerance(lit) / (_CELL * lit)
        moving |= visible & whole & (np.abs(cells - first).mean(-1) / lit > _SAME + left)
    return moving


def _areas(cells: Mask, shape: tuple[int, ...]) -> Mask:
    """The pixels of cells and of those beside them, height x width; a line of single cells is an edge of the set
    that alignment did not bring wholly together."""
    square = np.ones((2, 2), np.uint8)
    # OpenCV's own opening moves what it leaves by a cell where a kernel has no middle.
    opened = cv2.dilate(cv2.erode(cells.astype(np.uint8), square), square, anchor=(0, 0))
    grown = cv2.dilate(opened, np.ones((3, 3), np.uint8))
    return np.asarray(cv2.resize(grown, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST) > 0)


def _cells(frame: Float32, mask: Mask) -> tuple[Float32, Mask]:
    """The mean colours of cells of some pixels, and which cells are wholly seen."""
    size = (max(1, frame.shape[1] // _CELL), max(1, frame.shape[0] // _CELL))
    cells = cv2.resize(np.ascontiguousarray(frame), size, interpolation=cv2.INTER_AREA)
    whole = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 1.0 - 1e-3
    return np.asarray(cells, np.float32), np.asarray(whole)


def _grain(frames: Sequence[Float32], seen: Sequence[Mask]) -> _Grain:
    """The grain from the differences of adjacent frames, and of frames far apart because adjacent ones may share
    their grain (shot on twos, or compressed). The median drops the subject's movement, which is the tail."""
    grid = (slice(None, None, _NOISE_STEP), slice(None, None, _NOISE_STEP))
    small = [np.asarray(frame[grid], np.float32) for frame in frames]
    masks = [np.asarray(mask[grid], bool) for mask in seen]
    middle = small[len(small) // 2].ravel()
    edges = np.unique(np.quantile(middle, np.linspace(0, 1, _BRIGHTNESSES + 1)))
    dark = max(0.05 * float(np.median(np.abs(middle))), 1e-5)
    levels = np.maximum((edges[:-1] + edges[1:]) / 2, dark) if len(edges) > 1 else np.array([max(edges[0], dark)])
    near, far = (_spread(small, masks, edges, lag) for lag in (1, max(1, len(frames) // 3)))
    # No camera has more grain than this: a larger difference is movement.
    deviations = np.minimum(np.maximum(near, far), _MOST_GRAIN * levels)
    rising = np.maximum.accumulate(levels).astype(np.float32)
    return _Grain(levels=rising, deviations=deviations.astype(np.float32))


def _spread(
    frames: Sequence[Float32], seen: Sequence[Mask], edges: npt.NDArray[np.floating], lag: int
) -> npt.NDArray[np.float64]:
    """The grain's standard deviation in each brightness bin between ``edges``, from frames ``lag`` apart."""
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


def _vote(samples: Float32, visible: Mask, grain: _Grain) -> tuple[Float32, Float32, Mask]:
    """Colour, support and evidence of one band; ``samples``: frames x h x w x 3, ``visible``: frames x h x w."""
    agree = np.empty((len(samples), *visible.shape), bool)
    for index, sample in enumerate(samples):
        near = np.all(np.abs(samples - sample) < grain.tolerance(sample), axis=-1)
        agree[index] = near & visible & visible[index]
    votes = agree.sum(axis=1, dtype=np.int16)
    best = votes.argmax(axis=0)
    winners = np.take_along_axis(agree, best[None, None], axis=0)[0]
    most = np.take_along_axis(votes, best[None], axis=0)[0]
    # The most votes for another colour.
    rival = np.where(winners | ~visible, 0, votes).max(axis=0)
    weight = winners[..., None].astype(np.float32)
    colour = (samples * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1.0)
    support = most / np.maximum(visible.sum(axis=0), 1)
    evidence = (most >= LEAST_FRAMES) & (support >= LEAST_SUPPORT) & (most >= LEAST_LEAD * rival)
    return colour.astype(np.float32), support.astype(np.float32), evidence
