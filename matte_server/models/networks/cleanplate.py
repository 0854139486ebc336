"""Our own network: a coarse stage over the whole frame, and octaves of refinement where alpha is uncertain.

Tensors only. The coarse stage works at a fixed size: the frame, averaged by a power of two in linear light, with a
long side of 256 to 512 pixels. It looks a second time at twice that size. Each octave doubles the resolution of
alpha with the same few convolutions, so that the same weights serve any number of octaves, and 8K takes one more
than 4K. A block of an octave depends on its own cells and the refiner's ``HALO`` around: batching blocks
differently changes only the order of float32 sums.

It has two layouts. ``LIGHT`` knows the full resolution only through its averages. ``DETAILED`` also gets evidence
(:mod:`cleanplate_features`): in each coarse pixel, how much of the plate equals the clean plate. It is larger, and
it estimates the errors of its alpha and of its foreground colour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from .cleanplate_features import EVIDENCE, FEATURES, coarse_features, encode, highest_around, joined
from .cleanplate_layers import Attention, ConvUnit, Residual, Surroundings, exact
from .cleanplate_refiner import CONTEXT, STATE, DetailRefiner, OctaveRefiner
from .folding import fold

COARSE_LONG_SIDE = 512
"""Longest side of the coarse stage's input; the frame is halved until it fits."""
MULTIPLE = 32
"""Sides of the coarse stage's input are padded (edge replicated) to a multiple of this."""
MORE_CONTEXT = 4
"""Channels that ``DetailRefiner`` gets from the coarse stage beyond ``CONTEXT``."""
SOLID, SOLID_REACH = 0.97, 3
"""The first look counts as solid what has alpha above ``SOLID`` for ``SOLID_REACH`` pixels around. Chosen on
training composites; values from 0.9 to 0.99 and 2 to 8 pixels differ by at most 1 %."""
_FIRST_DOUBT, _FIRST_COLOUR_ERROR = -3.0, -2.0
"""Logits of the expected errors before training: 0.05 in alpha, 0.12 in the encoded colour."""


@dataclass(frozen=True)
class NetworkLayout:
    """The size of a network. ``widths`` and ``blocks``: channels and residual blocks of each level of the coarse
    stage. ``detailed``: with evidence, attention, expected errors and ``DetailRefiner``."""

    widths: tuple[int, int, int, int, int]
    blocks: tuple[int, int, int, int, int]
    detailed: bool


LIGHT = NetworkLayout(widths=(24, 48, 96, 160, 256), blocks=(0, 1, 2, 3, 3), detailed=False)
DETAILED = NetworkLayout(widths=(32, 64, 112, 192, 320), blocks=(0, 1, 3, 4, 4), detailed=True)
LAYOUTS = {"light": LIGHT, "detailed": DETAILED}
_ONLY_DETAILED = "refiner.third.weight"


def layout_of(names: Iterable[str]) -> NetworkLayout:
    """The layout of the network that has tensors of these names."""
    return DETAILED if _ONLY_DETAILED in set(names) else LIGHT


def octaves_for(height: int, width: int) -> int:
    """The number of octaves between the coarse stage and a frame of this size, at least one."""
    octaves = 1
    while max(height, width) > COARSE_LONG_SIDE << octaves:
        octaves += 1
    return octaves


@dataclass(frozen=True, eq=False)
class CoarseInput:
    """One frame (or N) at the coarse size: ``plate``, ``clean`` N x 3, scene-linear; ``coverage``, ``core``,
    ``holdout`` N x 1, 0..1; ``evidence`` N x EVIDENCE for a detailed network (see ``coarse_evidence``)."""

    plate: Tensor
    clean: Tensor
    coverage: Tensor
    core: Tensor
    holdout: Tensor
    evidence: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Coarse:
    """The coarse stage's output at its own size: ``alpha`` N x 1 (unclamped in training), ``doubt`` N x 1 (expected
    absolute error of alpha), ``context`` N x C (the first three channels are the encoded foreground), ``state``
    N x STATE for a detailed network (see ``cleanplate_refiner``)."""

    alpha: Tensor
    doubt: Tensor
    context: Tensor
    state: Tensor | None


class CoarseNet(nn.Module):
    """A U-Net over the whole frame with five halvings; its widest level has half the input's resolution."""

    def __init__(self, layout: NetworkLayout) -> None:
        super().__init__()
        w = layout.widths
        features = FEATURES + (EVIDENCE if layout.detailed else 0)
        outputs = 2 + CONTEXT + (1 + MORE_CONTEXT if layout.detailed else 0)
        self.down = nn.ModuleList(
            nn.Sequential(ConvUnit(before, after, stride=2), *(Residual(after) for _ in range(blocks)))
            for before, after, blocks in zip((features, *w[:-1]), w, layout.blocks, strict=True)
        )
        self.surroundings = Surroundings(w[-1])
        self.attention = Attention(w[-1]) if layout.detailed else nn.Identity()
        self.lift = nn.ModuleList(nn.Conv2d(w[i + 1], w[i], 1) for i in range(4))
        self.merge = nn.ModuleList(
            [ConvUnit(w[0], w[0]), ConvUnit(w[1], w[1]), ConvUnit(w[2], w[2]), Residual(w[3])]
        )
        self.head = nn.Conv2d(w[0], 4 * outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """N x C x H x W, sides multiples of ``MULTIPLE`` -> N x C' x H x W: alpha, doubt, ``CONTEXT`` channels;
        from a detailed network also the logit of the expected error of the colour, and ``MORE_CONTEXT``
        channels."""
        skips: list[Tensor] = []
        x = features
        for down in self.down:
            x = down(x)
            skips.append(x)
        x = self.attention(self.surroundings(x))
        for level in (3, 2, 1, 0):
            up = nnf.interpolate(self.lift[level](x), scale_factor=2.0, mode="nearest")
            x = self.merge[level](up + skips[level])
        return nnf.pixel_shuffle(exact(self.head, x), 2)


def with_solid(core: Tensor, alpha: Tensor) -> Tensor:
    """The core matte, set to 1 also where alpha is above ``SOLID`` for ``SOLID_REACH`` pixels around; N x 1
    each."""
    elsewhere = (alpha <= SOLID).to(core.dtype)
    for _ in range(SOLID_REACH):
        elsewhere = highest_around(elsewhere)
    return torch.maximum(core, 1.0 - elsewhere)


class CleanplateNet(nn.Module):
    """Both stages. For inference: ``first_look``, ``refiner`` for one octave, ``second_look``, then ``refiner`` for
    each further octave; ``refiner`` in the blocks that the adapter chooses."""

    def __init__(self, layout: NetworkLayout = LIGHT) -> None:
        super().__init__()
        self.layout = layout
        self.coarse = CoarseNet(layout)
        self.refiner: OctaveRefiner | DetailRefiner = (
            DetailRefiner(CONTEXT + MORE_CONTEXT) if layout.detailed else OctaveRefiner()
        )

    def coarse_stage(self, given: CoarseInput) -> Coarse:
        """One pass over the whole frame at the coarse size, any sides."""
        return self._pass(_features(given, mirrored=False), given.plate)

    def _pass(self, features: Tensor, plate: Tensor) -> Coarse:
        height, width = plate.shape[-2:]
        answer = self.coarse(features)[..., :height, :width].float()
        doubt = answer[:, 1:2] + _FIRST_DOUBT
        context, more = answer[:, 2 : 2 + CONTEXT], answer[:, 2 + CONTEXT :]
        colour = encode(plate) + context[:, :3]
        return Coarse(
            alpha=answer[:, :1] + 0.5,
            doubt=torch.sigmoid(doubt),
            context=torch.cat([colour, context[:, 3:], more[:, 1:]], 1),
            state=_first_state(doubt, more[:, :1] + _FIRST_COLOUR_ERROR) if self.layout.detailed else None,
        )

    def first_look(self, given: CoarseInput) -> Coarse:
        """The coarse stage as it is, for inference: alpha is clamped."""
        answer = self.coarse_stage(given)
        return replace(answer, alpha=answer.alpha.clamp(0.0, 1.0))

    def mirrored_stage(self, given: CoarseInput, first: Tensor) -> Coarse:
        """One pass over the mirrored frame at twice the resolution of ``first``, the alpha of the first look (N x 1
        x h x w, 0..1), whose solid areas are added to the core matte. Nothing of the result is mirrored.

        It is not told of the holdout matte: training has holdouts in empty places only, so that both looks take a
        subject that one cuts for none far beyond the cut. On 19 held-out stills with a cut across the subject the
        error within 40 pixels of it is 0.083 where both are told, 0.048 where the first is (0.038 where none is);
        beside a moved prop 0.034, 0.035 (0.040), before a changed set 0.052, 0.053 (0.064)."""
        solid = nnf.interpolate(with_solid(torch.zeros_like(first), first), scale_factor=2.0, mode="bilinear")
        guided = replace(given, core=torch.maximum(given.core, solid), holdout=torch.zeros_like(given.holdout))
        features = _features(guided, mirrored=True)
        answer = self._pass(features, given.plate.flip(-1))
        return Coarse(
            alpha=answer.alpha.flip(-1),
            doubt=answer.doubt.flip(-1),
            context=answer.context.flip(-1),
            state=None if answer.state is None else answer.state.flip(-1),
        )

    def second_look(self, given: CoarseInput, first: Tensor) -> Coarse:
        """:meth:`mirrored_stage` for inference: alpha is clamped. It closes holes in clothes that match the set."""
        answer = self.mirrored_stage(given, first)
        return replace(answer, alpha=answer.alpha.clamp_(0.0, 1.0))

    def folded(self) -> CleanplateNet:
        """Itself, for inference only: see :func:`folding.fold`."""
        fold(self)
        return self


def _features(given: CoarseInput, mirrored: bool) -> Tensor:
    """The coarse stage's input, with its sides extended to multiples of ``MULTIPLE``."""
    parts = coarse_features(given.plate, given.clean, given.coverage, given.core, given.holdout)
    return joined(parts if given.evidence is None else [*parts, given.evidence], mirrored, MULTIPLE)


def _first_state(doubt: Tensor, colour_error: Tensor) -> Tensor:
    """The state before the first octave, N x STATE, from the logits of the coarse stage's expected errors."""
    zeros = doubt.new_zeros((doubt.shape[0], STATE, *doubt.shape[-2:]))
    return torch.cat([zeros[:, :3], doubt, colour_error, zeros[:, 5:]], 1)
