"""The part of a frame that our own network looks at in the frame's place, where the subject is small.

The coarse stage sees a frame's longer side in 256 to 512 pixels, and a subject that fills a third of it in a third
of these. Where the first look finds all of the subject in a part that takes fewer octaves, that part is the picture
and every look sees the subject larger. On 75 frames of 1440 x 1080 with subjects of 40 to 800 pixels, held-out
stills made smaller, the error is 0.82 over the frame, 0.84 at edges and 0.84 of Grad, in 0.7 to 1.3 times the
time. A part of at most 512 pixels is seen at twice its size besides, and each pixel believes the one or the other
by the error that the network expects there; the model card has more."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..pixels.coarse_grid import CoarseGrid
from .cleanplate_blocks import averaged
from .cleanplate_looks import DOUBLED, share_by_error
from .networks.cleanplate import COARSE_LONG_SIDE, Coarse, octaves_for
from .networks.cleanplate_features import decode, encode, highest_around
from .protocols import FrameTensors, Prediction

_ALPHA, _DOUBT = 0.05, 0.05
"""Where the first look finds more than one of these there may be subject. In none of 114 frames was any of it left
out; 0.1 and 0.1 make a tenth of the parts smaller and no error."""
_AROUND, _LEAST_AROUND, _LEAST = 0.125, 48, 384
"""How far the part reaches beyond the subject: a share of its longer side, and a number of pixels at least. A
quarter is no better. The part's own sides have the last number of pixels at least: on 26 frames with small subjects
that takes 6 % off the error; 640 takes half more time and 1 % less off."""
_STEP = 64
"""A part begins and ends at multiples of so many pixels, so that the network's cells lie where they lay in the
frame before, wherever a subject reaches."""
_SOFT = 0.85
"""From this part of an octave's largest size on the result goes over into that of one octave more: the matte of
somebody who comes nearer does not jump."""


@dataclass(frozen=True)
class CloserPart:
    """``rows`` and ``columns`` of the frame, and how many ``octaves`` it takes. Where that is 0, the part is seen
    at twice its size, with one octave. ``share``: what the part's result counts beside its result with an octave
    more, 0..1."""

    rows: slice
    columns: slice
    octaves: int
    share: float


def closer_part(first: Coarse, octaves: int, size: tuple[int, int]) -> CloserPart | None:
    """The part that holds all that the ``first`` look of a frame of ``size`` (height, width) takes for subject or
    doubts; None where there is no such thing, or the part takes as many ``octaves`` as the frame."""
    found = ((first.alpha > _ALPHA) | (first.doubt > _DOUBT))[0, 0]
    reached = [found.any(axis).nonzero()[:, 0].tolist() for axis in (1, 0)]
    if not reached[0]:
        return None
    ends = [(cells[0] << octaves, (cells[-1] + 1) << octaves) for cells in reached]
    around = max(_LEAST_AROUND, round(_AROUND * max(end - start for start, end in ends)))
    wanted = [_with_surroundings(*each, around, side) for each, side in zip(ends, size, strict=True)]
    longer = max(end - start for start, end in wanted)
    fewer = octaves_for(longer, longer) if longer > COARSE_LONG_SIDE else 0
    if fewer >= octaves:
        return None
    rows, columns = (
        slice(start // _STEP * _STEP, min(side, -(-end // _STEP) * _STEP))
        for (start, end), side in zip(wanted, size, strict=True)
    )
    room = 1.0 - longer / (COARSE_LONG_SIDE << fewer)
    return CloserPart(rows=rows, columns=columns, octaves=fewer, share=min(1.0, room / (1.0 - _SOFT)))


def _with_surroundings(start: int, end: int, around: int, side: int) -> tuple[int, int]:
    more = max(around, (_LEAST - (end - start)) // 2)
    return max(0, start - more), min(side, end + more)


def in_frame(part: CloserPart, found: Prediction, first: Coarse, octaves: int, size: tuple[int, int]) -> Prediction:
    """What was ``found`` in ``part``, in its frame of ``size`` with so many ``octaves``: elsewhere there is no
    subject, and colour and doubt are those of the ``first`` look."""
    assert found.foreground is not None and found.expected_error is not None
    alpha = found.alpha.new_zeros((1, 1, *size))
    alpha[..., part.rows, part.columns] = found.alpha

    def placed(grid: CoarseGrid, outside: Tensor) -> CoarseGrid:
        times = (1 << octaves) // grid.side
        values = _repeated(outside, times)
        values = values[..., : -(-size[0] // grid.side), : -(-size[1] // grid.side)].contiguous()
        top, left = part.rows.start // grid.side, part.columns.start // grid.side
        inside = values[..., top:, left:][..., : grid.values.shape[-2], : grid.values.shape[-1]]
        inside.copy_(grid.values[..., : inside.shape[-2], : inside.shape[-1]])
        return CoarseGrid(values=values, side=grid.side, size=size)

    return Prediction(
        alpha=alpha,
        foreground=placed(found.foreground, decode(first.context[:, :3])),
        confidence=placed(found.confidence, 1.0 - first.doubt),
        expected_error=placed(found.expected_error, first.doubt),
    )


def doubled(frame: FrameTensors) -> FrameTensors:
    """The frame at twice its size: pictures bicubic in the network's encoding, never beyond what lies around, so
    that no highlight rings; guides and coverage as they are."""

    def smooth(picture: Tensor) -> Tensor:
        seen = encode(picture)
        larger = nnf.interpolate(seen, scale_factor=2.0, mode="bicubic")
        return decode(larger.clamp(-_repeated(highest_around(-seen), 2), _repeated(highest_around(seen), 2)))

    whole = frame.mapped(lambda matte: _repeated(matte, 2))
    return replace(whole, plate=smooth(frame.plate), clean_plate=smooth(frame.clean_plate))


def _repeated(cells: Tensor, times: int) -> Tensor:
    """Every cell as a square of ``times`` x ``times`` pixels."""
    return cells.repeat_interleave(times, -2).repeat_interleave(times, -1)


def halved(found: Prediction) -> Prediction:
    """What was found in a frame of even sides, at half its size."""
    assert found.foreground is not None and found.expected_error is not None

    def smaller(grid: CoarseGrid) -> CoarseGrid:
        return CoarseGrid.of(averaged(grid.whole(), 2))

    return Prediction(
        alpha=averaged(found.alpha, 2),
        foreground=smaller(found.foreground),
        confidence=smaller(found.confidence),
        expected_error=smaller(found.expected_error),
    )


def share_of_doubled(found: Prediction, seen_larger: Prediction) -> Tensor:
    """What each pixel of the part that was ``seen_larger`` counts beside what was ``found`` at its own size:
    1 x 1 x H x W, 0..1."""
    assert found.expected_error is not None and seen_larger.expected_error is not None
    return share_by_error(found.expected_error.whole(), seen_larger.expected_error.whole(), DOUBLED)


def mixed(one: Prediction, other: Prediction, share: float | Tensor) -> Prediction:
    """Two predictions for one frame as one, in which the ``other`` counts ``share``, everywhere or by pixels."""
    assert one.foreground is not None and other.foreground is not None
    assert one.expected_error is not None and other.expected_error is not None

    def both(first: CoarseGrid, second: CoarseGrid) -> CoarseGrid:
        return CoarseGrid.of(torch.lerp(first.whole(), second.whole(), share))

    return Prediction(
        alpha=torch.lerp(one.alpha, other.alpha, share),
        foreground=both(one.foreground, other.foreground),
        confidence=both(one.confidence, other.confidence),
        expected_error=both(one.expected_error, other.expected_error),
    )
