"""Which gains between clean plate and plate the pictures speak for.

A smooth subject before a smooth set has one brightness ratio to it everywhere, as the set has to itself, so what
most pixels agree on may be the subject. Two things tell them apart. The set agrees in all three channels at the
same places. And what the set shows, the plate shows at the same places: compared with a plate that is shifted,
fewer agree. A subject agrees as well with the shifted one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .image import Float32, Mask

_Part = tuple[slice, slice]
_Shift = tuple[_Part, _Part]
_CELLS_ACROSS = 160
_FEWEST_CELLS = 40
_LEAST_OF_CELL = 0.3
# Five stops either way, in bins of a hundredth.
_BINS, _LOG_RANGE = 700, 3.5
_MOST_PEAKS = 6
# Logarithms of ratios. Cells are first gathered around a peak as widely as what agrees may lie from a line.
_GATHERED = 0.12
_LEAST_SPREAD, _MOST_SPREAD = 0.004, 0.06
# What lies within three standard deviations belongs to a peak. What lies within four, or 3 %, is no other peak.
_BELONGS, _TAKEN, _LEAST_TAKEN = 3.0, 4.0, 0.03
# Parts of the cells across: detail of several sizes.
_SHIFTS = (0.025, 0.1)
# A peak is supported where so many more of all cells, and of its own, agree than with a shifted plate.
_LEAST_SUPPORT, _LEAST_OWN_SUPPORT = 0.02, 0.1
# Of a wide peak between subject and set less than half is lost, of a set with detail nearly all.
_FOLLOWED = 0.6


@dataclass(frozen=True, eq=False)
class GainPeak:
    """A gain that many places agree on in all channels: its natural logarithm and the spread of that, 3 each;
    the ``part`` of the cells that agree, 0..1, and how much of it a shifted plate loses: ``support``."""

    gain_log: Float32
    spread: Float32
    part: float
    support: float

    @property
    def is_supported(self) -> bool:
        """Whether the plate follows the clean plate at some of its places."""
        return self.support >= max(_LEAST_SUPPORT, _LEAST_OWN_SUPPORT * self.part)

    @property
    def is_followed(self) -> bool:
        """Whether the plate follows the clean plate at most of its places: no other gain does so better."""
        return self.support >= _FOLLOWED * self.part

    @property
    def is_sharp(self) -> bool:
        """Whether its places agree more closely than any that were gathered."""
        return bool((self.spread < _MOST_SPREAD).all())


class LightRatios:
    """The brightness of two aligned pictures, averaged over cells of a hundred and sixtieth of the longer side."""

    def __init__(self, plate: Float32, clean: Float32, usable: Mask, floor: tuple[float, float, float]) -> None:
        """``plate``, ``clean``: H x W x 3, scene-linear; ``usable``: H x W; ``floor``: below it nothing counts."""
        # Not more than there are rows, or columns.
        self._side = max(1, min(round(max(usable.shape) / _CELLS_ACROSS), *usable.shape))
        self._shape = usable.shape
        part = _cells(usable.astype(np.float32), self._side)
        # The light of those pixels alone that count, the same ones in both.
        shown = (np.where(usable[..., None], picture, np.float32(0)) for picture in (plate, clean))
        scale = np.maximum(part, np.float32(_LEAST_OF_CELL))
        plate, clean = (np.asarray(_planes(picture, self._side) / scale, np.float32) for picture in shown)
        dark = _column(floor)
        with np.errstate(invalid="ignore"):
            lit = (clean > dark) & (plate > 0.1 * dark) & np.isfinite(plate) & np.isfinite(clean)
        self._seen = lit.all(0) & (part >= _LEAST_OF_CELL)
        # 3 x rows x columns, as what compares them is three times as fast with them.
        self._clean = np.where(self._seen, clean, np.float32(1))
        self._plate_log = np.where(
            self._seen, np.log(np.where(self._seen, plate, np.float32(1))), np.float32(np.nan)
        )

    @property
    def are_enough(self) -> bool:
        """Whether there are cells enough to judge by."""
        return int(self._seen.sum()) >= _FEWEST_CELLS

    def support_of(self, gain: tuple[float, float, float], offset: tuple[float, float, float]) -> GainPeak:
        """The cells that agree with ``plate = gain * clean + offset``, around a ``gain_log`` of 0."""
        return self._peak(self._lit(gain, offset), np.zeros(3, np.float32), wander=False)

    def agrees(self, peak: GainPeak, gain: tuple[float, float, float], offset: tuple[float, float, float]) -> bool:
        """Whether ``plate = gain * clean + offset`` fits the cells of ``peak``."""
        own = _within(self._plate_log - np.log(self._clean), peak.gain_log, _BELONGS * peak.spread)
        away = (self._plate_log - self._lit(gain, offset))[:, own]
        return away.size > 0 and bool((np.abs(np.median(away, axis=1)) < _LEAST_TAKEN).all())

    def peaks(self) -> list[GainPeak]:
        """The gains that most cells agree on, one after another; each leaves out the cells of those before."""
        expected = np.log(self._clean)
        ratios = (self._plate_log - expected)[:, self._seen]
        left, found = (np.abs(ratios) < _LOG_RANGE).all(0), list[GainPeak]()
        for _ in range(_MOST_PEAKS):
            if left.sum() < max(_FEWEST_CELLS, _LEAST_SUPPORT * len(left)):
                break
            peak = self._peak(expected, _densest(ratios[:, left]), wander=True)
            own = _within(ratios, peak.gain_log, np.maximum(_TAKEN * peak.spread, _LEAST_TAKEN))
            is_new = 2 * (own & left).sum() > own.sum()
            if not (own & left).any():
                break
            left &= ~own
            found += [peak] if is_new else []
        return found

    def pixels_of(self, peak: GainPeak) -> Mask:
        """The pixels of the cells that agree with ``peak``: H x W."""
        ratios = self._plate_log - np.log(self._clean)
        own = _within(ratios, peak.gain_log, np.maximum(_TAKEN * peak.spread, _LEAST_TAKEN))
        whole = np.zeros(self._shape, np.bool_)
        grown = own.repeat(self._side, 0).repeat(self._side, 1)
        whole[: grown.shape[0], : grown.shape[1]] = grown
        return whole

    def _lit(self, gain: tuple[float, float, float], offset: tuple[float, float, float]) -> Float32:
        """The logarithm of the clean plate in another light."""
        light = np.maximum(self._clean * _column(gain) + _column(offset), 1e-9)
        return np.asarray(np.log(light), np.float32)

    def _peak(self, expected: Float32, start: Float32, *, wander: bool) -> GainPeak:
        """The peak around ``start``; it stays there unless it may ``wander`` to the middle of what agrees."""
        ratios = (self._plate_log - expected)[:, self._seen]
        centre, reach = start, np.full(3, _GATHERED, np.float32)
        spread = np.full(3, _LEAST_SPREAD, np.float32)
        for _ in range(3):
            near = ratios[:, _within(ratios, centre, reach)]
            if near.shape[1] < 20:
                break
            centre = np.median(near, axis=1) if wander else centre
            middle = 1.4826 * np.median(np.abs(near - centre[:, None]), axis=1)
            spread = np.clip(middle, _LEAST_SPREAD, _MOST_SPREAD).astype(np.float32)
            reach = _BELONGS * spread
        part = float(_within(ratios, centre, reach).sum()) / max(1, ratios.shape[1])
        return GainPeak(gain_log=centre, spread=spread, part=part, support=self._support(expected, centre, reach))

    def _support(self, expected: Float32, centre: Float32, reach: Float32) -> float:
        """How many more of the cells agree than with a shifted plate, 0..1."""
        own = _within(self._plate_log - expected, centre, reach)
        pairs = _shifts(self._seen.shape)
        return max((self._lost(own, expected + _column(centre), reach, pair) for pair in pairs), default=0.0)

    def _lost(self, own: Mask, expected: Float32, reach: Float32, pair: _Shift) -> float:
        """The same for one shift, there and back: what a subject loses at one side it gains at the other."""
        lost, still = 0.0, np.zeros(3, np.float32)
        for there, here in (pair, pair[::-1]):
            both = self._seen[there] & self._seen[here]
            shifted = _within(self._plate_log[:, *there] - expected[:, *here], still, reach)
            # Where one of them is not seen the difference is NaN or that of a filler.
            more = int((own[here] & both).sum()) - int((shifted & both).sum())
            lost += 0.5 * more / max(1, int(both.sum()))
        return lost


def _column(values: tuple[float, float, float] | Float32) -> Float32:
    """Three channels' values, for pictures of 3 x rows x columns."""
    return np.asarray(values, np.float32)[:, None, None]


def _cells(picture: Float32, side: int) -> Float32:
    """The averages of whole cells of ``side`` x ``side`` pixels."""
    rows, columns = picture.shape[0] // side, picture.shape[1] // side
    whole = picture[: rows * side, : columns * side]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def _planes(picture: Float32, side: int) -> Float32:
    """The cells of H x W x 3, as 3 x rows x columns."""
    return _cells(picture, side).reshape(picture.shape[0] // side, -1, 3).transpose(2, 0, 1)


def _within(ratios: Float32, centre: Float32, reach: Float32) -> Mask:
    """Where all three channels (3 x ...) lie around ``centre``; nowhere where they are NaN."""
    wide = (3, *(1,) * (ratios.ndim - 1))
    return np.asarray((np.abs(ratios - centre.reshape(wide)) < reach.reshape(wide)).all(0), np.bool_)


def _densest(ratios: Float32) -> Float32:
    """The middle of the densest place of 3 x n logarithms: the sharpest channel first, then the others among what
    agrees in it."""
    centre, open_channels = np.zeros(3, np.float32), {0, 1, 2}
    while open_channels and ratios.size:
        tops = {channel: most_frequent_log(ratios[channel]) for channel in sorted(open_channels)}
        channel = max(tops, key=lambda each: tops[each][0])
        centre[channel] = tops[channel][1]
        ratios = ratios[:, np.abs(ratios[channel] - centre[channel]) < _GATHERED]
        open_channels.remove(channel)
    return centre


def most_frequent_log(values: npt.NDArray[np.floating]) -> tuple[float, float]:
    """How high the highest peak of logarithms is, and where; none beyond 3.5 counts. Outliers have no influence."""
    counts, edges = np.histogram(values, bins=_BINS, range=(-_LOG_RANGE, _LOG_RANGE))
    smooth = np.convolve(counts, np.hanning(11), mode="same")
    at = int(smooth.argmax())
    return float(smooth[at]), float((edges[at] + edges[at + 1]) / 2)


def _shifts(shape: tuple[int, ...]) -> Iterator[_Shift]:
    """Pairs of equal parts of a picture that lie apart by each shift, across and down."""
    for part in _SHIFTS:
        by = max(1, round(part * max(shape)))
        near, far, whole = slice(None, -by), slice(by, None), slice(None)
        if by < shape[0]:
            yield (near, whole), (far, whole)
        if by < shape[1]:
            yield (whole, near), (whole, far)
