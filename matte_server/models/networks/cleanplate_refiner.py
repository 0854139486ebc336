"""The refiners of our own network: each doubles the resolution of alpha, with the same weights for every octave.

They work on cells: the 2 x 2 pixels of the octave that lie in one pixel of the resolution below it are channels, in
the order of ``pixel_unshuffle`` (channel, row, column). All convolutions are unpadded: a block of cells reads its
own cells and ``HALO`` cells around it, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from .cleanplate_features import decode, encode
from .cleanplate_layers import exact

CONTEXT = 12
"""Channels that ``OctaveRefiner`` gets from the coarse stage; the first three are the encoded foreground."""
PER_PIXEL = 11
"""Channels of a pixel that both refiners read: plate, clean plate, their difference, alpha, projected alpha."""
COLOUR, ALPHA_ERROR, COLOUR_ERROR, RESULTS = slice(0, 3), slice(3, 4), slice(4, 5), 5
"""Channels of the state that are results: the correction of the coarse stage's encoded foreground; the logits of
the expected absolute errors of alpha and of the encoded foreground."""
STATE = RESULTS + 4
"""Channels that ``DetailRefiner`` hands from octave to octave; those after ``RESULTS`` are internal to it."""


@dataclass(frozen=True, eq=False)
class Cells:
    """What a refiner reads, cells of h x w: ``plate``, ``clean`` N x 12, scene-linear; ``alpha`` N x 4, doubled
    bilinearly; ``context`` N x CONTEXT or more, from the coarse stage. ``DetailRefiner`` also reads ``evidence`` N
    x 8 (least and most evidence of every pixel) and ``state`` N x STATE, both upsampled from the octave before."""

    plate: Tensor
    clean: Tensor
    alpha: Tensor
    context: Tensor
    evidence: Tensor | None = None
    state: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Refined:
    """Alpha N x 4, unclamped, and the state N x STATE (None from ``OctaveRefiner``), of the cells without their
    halo."""

    alpha: Tensor
    state: Tensor | None


class OctaveRefiner(nn.Module):
    """The light refiner: one 1 x 1 and two 3 x 3 convolutions."""

    HALO = 2
    WIDTHS = (32, 24, 24)

    def __init__(self) -> None:
        super().__init__()
        w = self.WIDTHS
        self.blend = nn.Conv2d(4 * PER_PIXEL + CONTEXT, w[0], 1)
        self.first = nn.Conv2d(w[0], w[1], 3)
        self.second = nn.Conv2d(w[1], w[2], 3)
        self.last = nn.Conv2d(w[2], 8, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, cells: Cells) -> Refined:
        """The result mixes the doubled alpha, the projection of the plate between clean plate and foreground
        colour, and a correction."""
        projected, trust = project(cells.plate, cells.clean, cells.context[:, :3])
        x = torch.relu_(_blended(self.blend, cells, projected, [cells.context]))
        x = torch.relu_(self.first(x))
        x = torch.relu_(self.second(x))
        return Refined(alpha=_mixed(cells.alpha, projected, trust, exact(self.last, x), self.HALO), state=None)


class DetailRefiner(nn.Module):
    """The refiner that sees the evidence of full resolution and hands a state on to the next octave.

    Three 3 x 3 convolutions on cells, beside two of twice their reach on cells averaged 2 x 2. Grown from an
    ``OctaveRefiner`` it starts with that one's answer: what is new adds 0.
    """

    HALO = 4
    WIDTH, BELOW = 32, 40

    def __init__(self, context: int) -> None:
        super().__init__()
        w, below = self.WIDTH, self.BELOW
        self.blend = nn.Conv2d(4 * (PER_PIXEL + 2) + context + STATE, w, 1)
        self.first = nn.Conv2d(w, w, 3)
        self.second = nn.Conv2d(w, w, 3)
        self.third = nn.Conv2d(w, w, 3)
        self.below = nn.ModuleList([nn.Conv2d(w, below, 3), nn.Conv2d(below, below, 3)])
        self.lift = nn.Conv2d(below, w, 1)
        self.last = nn.Conv2d(w, 8 + STATE, 1)
        for layer in (self.third, self.lift, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, cells: Cells) -> Refined:
        """As :meth:`OctaveRefiner.forward`, projecting onto the foreground colour of the octave before."""
        assert cells.evidence is not None and cells.state is not None
        projected, trust = project(cells.plate, cells.clean, cells.context[:, :3] + cells.state[:, COLOUR])
        others = [cells.context, cells.evidence * 2 - 1, cells.state]
        x = torch.relu_(_blended(self.blend, cells, projected, others))
        below = nnf.avg_pool2d(x, 2)
        for layer in self.below:
            below = torch.relu_(layer(below))
        x = torch.relu_(self.first(_inner(x, 1)))
        x = torch.relu_(self.second(x))
        x = self.third(x) + _inner(x, 1) + nnf.interpolate(self.lift(below), scale_factor=2.0, mode="nearest")
        answer = exact(self.last, torch.relu_(x))
        return Refined(
            alpha=_mixed(cells.alpha, projected, trust, answer[:, :8], self.HALO),
            state=_inner(cells.state, self.HALO) + answer[:, 8:],
        )


def _inner(x: Tensor, halo: int) -> Tensor:
    return x[..., halo:-halo, halo:-halo]


def _mixed(alpha: Tensor, projected: Tensor, trust: Tensor, answer: Tensor, halo: int) -> Tensor:
    """Alpha from a refiner's answer N x 8: how far to go to the projected alpha, and a correction."""
    mix, correction = answer.chunk(2, 1)
    before = _inner(alpha, halo)
    share = torch.sigmoid(mix - 1.0) * _inner(trust, halo)
    refined: Tensor = before + share * (_inner(projected, halo) - before) + correction
    return refined


def _blended(layer: nn.Conv2d, cells: Cells, projected: Tensor, others: Sequence[Tensor]) -> Tensor:
    """The first layer over everything that a refiner reads."""
    p, c = encode(cells.plate), encode(cells.clean)
    if p.device.type == "cpu" and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu"):
        return _blended_at_once(layer, [p, c, cells.alpha, projected, *others])
    parts = [p * 2 - 1, (p - c) * 2, c * 2 - 1, cells.alpha * 2 - 1, projected * 2 - 1, *others]
    blended: Tensor = layer(torch.cat(parts, 1))
    return blended


def _blended_at_once(layer: nn.Conv2d, parts: Sequence[Tensor]) -> Tensor:
    """The same in float32 on a CPU, in a quarter of the time: the constants are merged into the weights, and one
    matrix product leaves the channels last, as the convolutions after it need them."""
    assert layer.bias is not None
    weight = layer.weight[..., 0, 0]
    of_p, of_both, of_c, of_alpha, of_projected, rest = torch.split(
        weight, [12, 12, 12, 4, 4, weight.shape[1] - 4 * PER_PIXEL], 1
    )
    weights = [2 * (of_p + of_both), 2 * (of_c - of_both), 2 * of_alpha, 2 * of_projected, rest]
    bias = layer.bias - torch.cat([of_p, of_c, of_alpha, of_projected], 1).sum(1)
    joined = torch.cat(list(parts), 1)
    count, channels, height, width = joined.shape
    rows = joined.view(count, channels, height * width).transpose(1, 2)
    blended = torch.bmm(rows, torch.cat(weights, 1).t().expand(count, -1, -1)).add_(bias)
    return blended.view(count, height, width, -1).permute(0, 3, 1, 2)


def project(plate: Tensor, clean: Tensor, colour: Tensor) -> tuple[Tensor, Tensor]:
    """Per pixel of the cells, N x 4 x h x w: the alpha, 0..1, of the point nearest to ``plate`` on the line from
    ``clean`` to the foreground ``colour`` (N x 3 x h x w, encoded); and the distance of the two ends, 0 (equal) to
    1."""
    count, _, height, width = plate.shape
    ends = decode(colour.float()).unsqueeze(2).unbind(1)
    plates, cleans = (x.view(count, 3, 4, height, width).unbind(1) for x in (plate, clean))
    lines = [end - c for end, c in zip(ends, cleans, strict=True)]
    length = _dot(lines, lines)
    size = _dot(cleans, cleans) + _dot(ends, ends)
    along = _dot([p - c for p, c in zip(plates, cleans, strict=True)], lines)
    return (along / (length + 1e-6)).clamp(0.0, 1.0), length / (length + 0.02 * size + 1e-6)


def _dot(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """The dot product over channels, one channel at a time: far faster than a reduction over three."""
    total = first[0] * second[0]
    for one, other in zip(first[1:], second[1:], strict=True):
        total = torch.addcmul(total, one, other)
    return total
