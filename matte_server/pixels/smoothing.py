"""Alpha that follows its neighbours in time, where the pictures say that nothing but alpha has changed.

Each neighbour's alpha is brought onto the frame along the motion between the two plates. A pixel of it counts as
far as the motion is to be believed (``core/flow.py``), the place lies inside the neighbour, and the neighbour's
plate there shows the same as the frame's own to within grain. What is hidden, moves too fast to be followed, or
moves before something that does not, keeps the frame's own alpha: it is not smeared.

Of what counts a mean is taken. Where both neighbours agree and the frame's own alpha alone stands out, as a hole
that flashes up for one frame does, the two outvote it (as a median of the three would).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..core.window import Window
from .difference import difference, even_noise
from .strips import strips, stripwise

# The mean square of a difference in units of its noise is 1. Over 3 x 3 pixels of 3 channels grain alone reaches 2
# in 1 of 700 places (chi-square, 27 degrees of freedom); beyond 5 another thing is seen.
_SAME, _OTHER = 2.0, 5.0
# Alpha stands out from its neighbours by so many times what those differ by, and by this much at the least.
_STANDS_OUT, _CLEARLY, _LEAST_STEP = 1.0, 3.0, 0.1
# A sample between pixels that are there.
_WHOLLY = 0.99
_LARGEST_HALF = 6e4
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class TemporalFeatures:
    """What smoothing keeps of a frame. ``alpha``: 1 x 1 x H x W float32, 0..1, as its network gave it. ``plate``:
    1 x 3 x H x W float16, scene-linear. ``there``: 1 x 1 x H x W, 1 where it has pixels; None: everywhere."""

    alpha: Tensor
    plate: Tensor
    there: Tensor | None = None


@dataclass(frozen=True, eq=False)
class MovedFeatures:
    """A neighbour and the way to it: ``flow`` 1 x 2 x h x w, from a pixel of the frame to its place in the
    neighbour, x and y in parts of the picture's width and height; ``trust`` 1 x 1 x h x w, 0..1. Any working size
    h x w."""

    look: TemporalFeatures
    flow: Tensor
    trust: Tensor


@dataclass(frozen=True, eq=False)
class AlignedNeighbour:
    """A neighbour's alpha on the frame's pixels and its weight there, both 1 x 1 x H x W, 0..1."""

    alpha: Tensor
    weight: Tensor


def temporal_features(plate: Tensor, alpha: Tensor) -> TemporalFeatures:
    """A frame (``plate`` 1 x 3 x H x W scene-linear) as its neighbours will see it."""
    return TemporalFeatures(alpha, plate.clamp(-_LARGEST_HALF, _LARGEST_HALF).half())


def placed(look: TemporalFeatures, own: Window, wanted: Window) -> TemporalFeatures:
    """A frame with the data window ``own``, cut and filled up to another one."""
    if own == wanted:
        return look
    both = wanted.intersect(own)

    def put(picture: Tensor) -> Tensor:
        whole = picture.new_zeros(*picture.shape[:2], wanted.height, wanted.width)
        if both.area:
            rows, columns = _inside(both, own)
            y, x = _inside(both, wanted)
            whole[..., y, x] = picture[..., rows, columns]
        return whole

    return TemporalFeatures(put(look.alpha), put(look.plate), put(torch.ones_like(look.alpha)))


def _inside(part: Window, whole: Window) -> tuple[slice, slice]:
    x, y = part.x - whole.x, part.y - whole.y
    return slice(y, y + part.height), slice(x, x + part.width)


def grey_of(look: TemporalFeatures, height: int, width: int) -> Tensor:
    """A small picture to measure motion in: ``height`` x ``width`` uint8, light of 0 to 3 in the even-noise
    encoding."""
    grey = _grey(look.plate)
    small = nnf.interpolate(grey, (height, width), mode="bilinear", antialias=True, align_corners=False)
    return (small[0, 0] * 255.0).round().clamp(0.0, 255.0).to(torch.uint8)


@stripwise
def _grey(plate: Tensor) -> Tensor:
    return even_noise(plate.float()).mean(1, keepdim=True)


def align_neighbour(look: TemporalFeatures, moved: MovedFeatures) -> AlignedNeighbour:
    """A neighbour onto the frame."""
    height, width = look.alpha.shape[-2:]
    other = moved.look
    seen = other.plate.new_empty(1, 3, height, width, dtype=torch.float32)
    alpha, weight = (torch.empty_like(look.alpha) for _ in range(2))
    theirs = other.plate.float()
    for rows in strips(height, width, seen.device):
        here = _centres(rows, height, width, seen.device)
        grid = here + 2.0 * _at(moved.flow, here).permute(0, 2, 3, 1)
        seen[..., rows, :] = _at(theirs, grid)
        alpha[..., rows, :] = _at(other.alpha, grid)
        inside = (grid.abs() < 1.0).all(-1)[:, None]
        if other.there is not None:
            inside = inside & (_at(other.there, grid) > _WHOLLY)
        weight[..., rows, :] = _at(moved.trust, here) * inside
    distance = difference(seen, look.plate.float(), weight).distance
    # Over a few pixels, so that the weight does not follow the grain; at the frame's edge there are fewer.
    square = nnf.avg_pool2d(distance.square(), 3, stride=1, padding=1, count_include_pad=False)
    return AlignedNeighbour(alpha, weight * ((_OTHER - square) / (_OTHER - _SAME)).clamp(0.0, 1.0))


def smoothed(alpha: Tensor, neighbours: Iterable[AlignedNeighbour], amount: float) -> Tensor:
    """Alpha ``amount`` (0..1) of the way to the robust mean of itself and its one or two neighbours (see above),
    1 x 1 x H x W. Where no neighbour counts it is the frame's own, to the bit."""
    one, *others = neighbours
    if others:
        return _between(alpha, one.alpha, one.weight, others[0].alpha, others[0].weight, amount)
    return _beside(alpha, one.alpha, one.weight, amount)


@stripwise
def _beside(own: Tensor, other: Tensor, weight: Tensor, amount: float) -> Tensor:
    return own + amount * weight * (other - own) / (1.0 + weight)


@stripwise
def _between(own: Tensor, one: Tensor, sure: Tensor, other: Tensor, as_sure: Tensor, amount: float) -> Tensor:
    weight = sure + as_sure
    pull = sure * (one - own) + as_sure * (other - own)
    step = (pull / weight.clamp(min=_TINY)).abs() / ((one - other).abs() + _LEAST_STEP)
    outvoted = ((step - _STANDS_OUT) / (_CLEARLY - _STANDS_OUT)).clamp(0.0, 1.0) * torch.minimum(sure, as_sure)
    return own + amount * pull / (1.0 - outvoted + weight).clamp(min=_TINY)


def _centres(rows: slice, height: int, width: int, device: torch.device) -> Tensor:
    """The pixels of some rows as ``grid_sample`` wants them: 1 x rows x width x 2."""
    x = (2 * torch.arange(width, device=device, dtype=torch.float32) + 1) / width - 1
    y = (2 * torch.arange(rows.start, rows.stop, device=device, dtype=torch.float32) + 1) / height - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]


def _at(picture: Tensor, grid: Tensor) -> Tensor:
    return nnf.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)
