"""The forward pass of training, and its losses: of the packaged network, and of a shot's own weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..models.networks.cleanplate import CleanplateNet, Coarse, CoarseInput, with_solid
from ..models.networks.cleanplate_features import (
    coarse_evidence,
    encode,
    evidence_levels,
    plate_evidence,
    shows_clean_plate,
)
from ..models.networks.cleanplate_refiner import (
    ALPHA_ERROR,
    COLOUR,
    COLOUR_ERROR,
    Cells,
    DetailRefiner,
    Refined,
)

CROP_CELLS = 40
"""Cells (2 x 2 pixels) of a training crop of the last octave, without its halo."""
CROPS = 2
"""Crops per picture."""
LEAK = 0.02
"""Slope of the loss outside 0..1: enough to bring alpha back, too little to keep it away from 0 and 1."""


_LEAST_ERROR = 2e-3
"""The smallest expected error that counts: half a step of 8 bits."""
_SHARES = {
    "coarse": 1.0, "colour": 0.4, "doubt": 0.5, "errors": 0.01, "held": 1.0,
    "octave middle": 0.5, "octave fine": 1.0, "octave colour": 0.2, "octave errors": 0.01,
}  # fmt: skip
"""The weight of each term in the total."""


@dataclass(frozen=True, eq=False)
class Losses:
    """The losses of one step. ``total`` is minimised; ``parts`` are for the curves and stay on the device, because
    reading one waits for the device."""

    total: Tensor
    parts: dict[str, Tensor]


def leaky_clamp(alpha: Tensor) -> Tensor:
    """Alpha clamped to 0..1 with a slope of ``LEAK`` outside."""
    inside = alpha.clamp(0, 1)
    return inside + LEAK * (alpha - inside)


def alpha_loss(prediction: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute error plus that of the first differences, N x 1 x H x W, weighted pixel by pixel."""
    error = (leaky_clamp(prediction) - truth) * weight
    across = (error[..., 1:] - error[..., :-1]).abs().mean()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return error.abs().mean() + across + down


def pooled(batch: dict[str, Tensor], factor: int) -> dict[str, Tensor]:
    """The batch averaged by ``factor`` in linear light; the foreground weighted by alpha."""
    if factor == 1:
        return batch
    small = {name: nnf.avg_pool2d(value, factor) for name, value in batch.items()}
    weight = batch["alpha"] + 1e-4
    small["foreground"] = nnf.avg_pool2d(batch["foreground"] * weight, factor) / nnf.avg_pool2d(weight, factor)
    return small


def halvings(batch: dict[str, Tensor], octaves: int) -> list[dict[str, Tensor]]:
    """The batch at every resolution, the coarse stage's first: halving again and again gives what averaging at once
    does, and reads the full resolution only once."""
    levels = [batch]
    for _ in range(octaves):
        levels.insert(0, pooled(levels[0], 2))
    return levels


def double(alpha: Tensor) -> Tensor:
    """Alpha at twice the resolution, bilinear."""
    return nnf.interpolate(alpha, scale_factor=2.0, mode="bilinear")


@dataclass(frozen=True, eq=False)
class Level:
    """One resolution of a batch in training. ``batch``: the composites at this resolution; ``cells``: the same at
    half of it; ``evidence`` N x 2 (of a detailed network); ``alpha`` N x 1 of the resolution below, 0..1;
    ``context`` and ``state`` at the resolution of the cells."""

    batch: dict[str, Tensor]
    cells: dict[str, Tensor]
    evidence: Tensor | None
    alpha: Tensor
    context: Tensor
    state: Tensor | None


def refine_whole(net: CleanplateNet, level: Level) -> Refined:
    """One octave over whole pictures, with the cells at the frame's edge replicated as the adapter does."""
    halo = net.refiner.HALO

    def cells(picture: Tensor | None) -> Tensor | None:
        return None if picture is None else nnf.pad(picture, (halo,) * 4, mode="replicate")

    def pixels(picture: Tensor) -> Tensor:
        return nnf.pad(nnf.pixel_unshuffle(picture, 2), (halo,) * 4, mode="replicate")

    given = Cells(
        plate=pixels(level.batch["plate"]),
        clean=pixels(level.batch["clean"]),
        alpha=pixels(double(level.alpha)),
        context=nnf.pad(level.context, (halo,) * 4, mode="replicate"),
        evidence=None if level.evidence is None else pixels(level.evidence),
        state=cells(level.state),
    )
    refined: Refined = net.refiner(given)
    return refined


@dataclass(frozen=True, eq=False)
class Places:
    """N crops of a batch: for each the index of its picture, and its first row and column in cells."""

    pictures: Tensor
    rows: Tensor
    columns: Tensor

    def cut(self, tensor: Tensor, size: int, scale: int) -> Tensor:
        """The crops out of ``tensor``: ``size`` x ``size`` cells each, a cell being ``scale`` x ``scale``
        pixels."""
        steps = torch.arange(size * scale, device=tensor.device)
        y, x = (first[:, None] * scale + steps for first in (self.rows, self.columns))
        return tensor[self.pictures[:, None, None], :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)

    def moved(self, cells: int) -> Places:
        """The crops that begin ``cells`` further down and to the right."""
        return replace(self, rows=self.rows + cells, columns=self.columns + cells)


def crop_places(
    batch: dict[str, Tensor], evidence: Tensor | None, generator: torch.Generator, cells: int
) -> Places:
    """``CROPS`` crops of ``cells`` x ``cells`` cells per picture, around partial alpha that is trusted, where the
    picture has any, sometimes around mixed evidence (N x 2, least and most, at the resolution of the cells). First
    rows and columns are even, as the blocks' are."""
    alpha = batch["alpha"]
    unsure = nnf.avg_pool2d(4 * alpha * (1 - alpha) * batch["trust"], 2).squeeze(1)
    if evidence is not None:
        unsure = unsure + 0.1 * (evidence[:, 1] - evidence[:, 0])
    rows, columns = unsure.shape[-2:]
    picks = torch.multinomial((unsure + 1e-4).flatten(1), CROPS, generator=generator).flatten()
    middles = (picks.div(columns, rounding_mode="floor"), picks % columns)
    row, column = (
        (middle - cells // 2).clamp(0, sides - cells) // 2 * 2
        for middle, sides in zip(middles, (rows, columns), strict=True)
    )
    return Places(
        pictures=torch.arange(len(alpha), device=alpha.device).repeat_interleave(CROPS), rows=row, columns=column
    )


def least_side(octaves: int) -> int:
    """The shortest side in pixels of a batch with so many octaves: a crop and its halo fit into the lowest one."""
    return 2 * (CROP_CELLS + 2 * DetailRefiner.HALO) << (octaves - 1)


def training_losses(
    net: CleanplateNet,
    batch: dict[str, Tensor],
    octaves: int,
    generator: torch.Generator,
    earlier: CleanplateNet | None = None,
) -> Losses:
    """All losses of one batch. The coarse stage works ``octaves`` halvings below the batch's resolution; with 0 it
    is trained alone. Where the batch has ``trust`` (N x 1 x H x W, 0..1), every error is weighted with it.
    ``earlier``: the network that training began with; errors of the coarse alpha above its own count twice."""
    batch = batch if "trust" in batch else {**batch, "trust": torch.ones_like(batch["alpha"])}
    levels = halvings(batch, octaves)
    evidence, of_coarse = seen_evidence(net, batch, octaves)
    coarse = net.coarse_stage(coarse_input(levels[0], of_coarse))
    parts = coarse_losses(coarse, batch, levels[0], octaves)
    if earlier is not None:
        with torch.no_grad():
            before = earlier.coarse_stage(coarse_input(levels[0], of_coarse)).alpha
        parts["held"] = held_loss(coarse.alpha, before, levels[0]["alpha"], levels[0]["trust"])
    if octaves:
        parts |= _octave_losses(net, levels, coarse, evidence, generator)
    return weighted(parts, _SHARES)


def weighted(parts: dict[str, Tensor], shares: Mapping[str, float]) -> Losses:
    """The losses of a step whose terms are ``parts``, each with its weight in the total."""
    total = sum((shares[name] * value for name, value in parts.items()), torch.zeros_like(parts["coarse"]))
    return Losses(total=total, parts={name: value.detach() for name, value in (parts | {"total": total}).items()})


def solid_core(alpha: Tensor, octaves: int) -> Tensor:
    """The core matte that the coarse stage gets in its second look (``CleanplateNet.second_look``) where the first,
    ``octaves`` halvings below ``alpha`` (N x 1 x H x W), makes no mistake."""
    small = nnf.avg_pool2d(alpha, 1 << octaves)
    solid = with_solid(torch.zeros_like(small), small)
    return nnf.interpolate(solid, scale_factor=float(1 << octaves), mode="bilinear")


def coarse_input(small: dict[str, Tensor], evidence: Tensor | None) -> CoarseInput:
    """What the coarse stage sees of a batch at its size; ``evidence``: its part of ``seen_evidence``."""
    names = ("plate", "clean", "coverage", "core", "holdout")
    return CoarseInput(**{name: small[name] for name in names}, evidence=evidence)


def level_of(
    levels: list[dict[str, Tensor]],
    evidence: list[Tensor] | None,
    octave: int,
    alpha: Tensor,
    context: Tensor,
    state: Tensor | None,
) -> Level:
    """The octave that leads to ``levels[octave]``. Its cells are the pixels of the level below."""
    return Level(
        batch=levels[octave],
        cells=levels[octave - 1],
        evidence=None if evidence is None else evidence[octave],
        alpha=alpha.clamp(0, 1),
        context=context,
        state=state,
    )


@torch.no_grad()
def seen_evidence(
    net: CleanplateNet, batch: dict[str, Tensor], octaves: int
) -> tuple[list[Tensor] | None, Tensor | None]:
    """Evidence at every resolution, and the coarse stage's part of it, for a detailed network."""
    if not net.layout.detailed:
        return None, None
    full = plate_evidence(batch["plate"], batch["clean"], batch["coverage"])
    levels = evidence_levels(full, octaves)
    mean, equal = (nnf.avg_pool2d(x, 1 << octaves) for x in (full, shows_clean_plate(full)))
    return levels, coarse_evidence(mean, equal, levels[0])


def coarse_losses(
    coarse: Coarse, batch: dict[str, Tensor], small: dict[str, Tensor], octaves: int
) -> dict[str, Tensor]:
    """The terms of the coarse stage, which sees ``small``, ``octaves`` halvings below ``batch``."""
    weight = (0.3 + 0.7 * small["coverage"]) * small["trust"]
    wide = nnf.avg_pool2d((leaky_clamp(coarse.alpha) - small["alpha"]) * small["trust"], 8)
    parts = {
        "coarse": alpha_loss(coarse.alpha, small["alpha"], weight) + wide.abs().mean(),
        "colour": colour_loss(colour_error(coarse.context[:, :3], small), small),
    }
    if octaves:
        parts["doubt"] = doubt_loss(coarse, batch, octaves)
    if coarse.state is not None:
        parts["errors"] = errors_loss(coarse.state, coarse.alpha, coarse.context[:, :3], small, small)
    return parts


def _octave_losses(
    net: CleanplateNet,
    levels: list[dict[str, Tensor]],
    coarse: Coarse,
    evidence: list[Tensor] | None,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Every octave below the last on whole pictures, the last one on crops."""
    sums: dict[str, list[Tensor]] = {"middle": [], "fine": [], "colour": [], "errors": []}
    alpha, context, state = coarse.alpha, coarse.context, coarse.state
    for octave in range(1, len(levels)):
        level = level_of(levels, evidence, octave, alpha, context, state)
        last = octave == len(levels) - 1
        crop = None if evidence is None else evidence[octave - 1]
        refined, level = refine_crops(net, level, crop, generator) if last else (refine_whole(net, level), level)
        alpha, state = nnf.pixel_shuffle(refined.alpha, 2), refined.state
        sums["fine" if last else "middle"].append(alpha_loss(alpha, level.batch["alpha"], level.batch["trust"]))
        if state is not None:
            colour = level.context[:, :3] + state[:, COLOUR]
            sums["colour"].append(colour_loss(colour_error(colour, level.cells), level.cells))
            sums["errors"].append(errors_loss(state, alpha, colour, level.batch, level.cells))
        if not last:
            context, state = double(context), None if state is None else double(state)
    return {f"octave {name}": torch.stack(values).sum() for name, values in sums.items() if values}


def colour_error(colour: Tensor, truth: dict[str, Tensor]) -> Tensor:
    """Absolute error of the encoded foreground, N x 1, at most 1."""
    return (colour - encode(truth["foreground"])).abs().clamp(max=1.0).mean(1, keepdim=True)


def colour_loss(error: Tensor, truth: dict[str, Tensor]) -> Tensor:
    """The mean of ``colour_error`` where there is a subject, weighted towards partial alpha."""
    weight = _foreground_weight(truth)
    return (error * weight).sum() / (weight.sum() + 33.0)


def _foreground_weight(truth: dict[str, Tensor]) -> Tensor:
    alpha = truth["alpha"]
    return (alpha > 0.02) * (0.25 + 4 * alpha * (1 - alpha)) * truth["trust"]


def errors_loss(
    state: Tensor, alpha: Tensor, colour: Tensor, pixels: dict[str, Tensor], cells: dict[str, Tensor]
) -> Tensor:
    """The negative log likelihood of the errors of alpha and colour under Laplace distributions of the expected
    size; it moves the expected errors, not alpha or colour. ``state`` and ``colour`` lie on ``cells``, ``alpha`` on
    ``pixels``, which may be the same."""
    size = (int(state.shape[-2]), int(state.shape[-1]))
    with torch.no_grad():
        of_alpha = nnf.adaptive_avg_pool2d((alpha.clamp(0, 1) - pixels["alpha"]).abs(), size)
        of_colour = colour_error(colour, cells)
    weight = _foreground_weight(cells)
    alphas = (_surprise(of_alpha, state[:, ALPHA_ERROR]) * cells["trust"]).mean()
    colours = _surprise(of_colour, state[:, COLOUR_ERROR])
    return alphas + (colours * weight).sum() / (weight.sum() + 33.0)


def _surprise(error: Tensor, logit: Tensor) -> Tensor:
    expected = torch.sigmoid(logit).clamp(min=_LEAST_ERROR)
    return error / expected + expected.log()


def held_loss(alpha: Tensor, before: Tensor, truth: Tensor, trust: Tensor) -> Tensor:
    """By how much the error of ``alpha`` exceeds that of ``before``, which an earlier network found; N x 1 x H x W.
    Keeps what the earlier network knew while new material is learnt, without pulling towards its mistakes."""
    error, allowed = (leaky_clamp(alpha) - truth).abs(), (before.clamp(0, 1) - truth).abs()
    return (nnf.relu(error - allowed) * trust).mean()


def doubt_loss(coarse: Coarse, batch: dict[str, Tensor], octaves: int) -> Tensor:
    """Squared error of the coarse stage's expected error, against the largest error in each coarse pixel."""
    with torch.no_grad():
        factor = 1 << octaves
        grown = nnf.interpolate(coarse.alpha.clamp(0, 1), scale_factor=float(factor), mode="bilinear")
        target = nnf.max_pool2d((grown - batch["alpha"]).abs(), factor)
        trust = -nnf.max_pool2d(-batch["trust"], factor)
    return ((coarse.doubt - target).square() * trust).mean() * 4


def refine_crops(
    net: CleanplateNet, level: Level, evidence: Tensor | None, generator: torch.Generator
) -> tuple[Refined, Level]:
    """One octave on crops; also returns the part of the level that they cover, without the halo. ``evidence``: that
    of the resolution of the cells."""
    halo = net.refiner.HALO
    size = CROP_CELLS + 2 * halo
    places = crop_places(level.batch, evidence, generator, size)

    def pixels(picture: Tensor) -> Tensor:
        return nnf.pixel_unshuffle(places.cut(picture, size, 2), 2)

    cells = Cells(
        plate=pixels(level.batch["plate"]),
        clean=pixels(level.batch["clean"]),
        alpha=pixels(double(level.alpha)),
        context=places.cut(level.context, size, 1),
        evidence=None if level.evidence is None else pixels(level.evidence),
        state=None if level.state is None else places.cut(level.state, size, 1),
    )
    refined: Refined = net.refiner(cells)
    inner = places.moved(halo)
    covered = Level(
        batch={name: inner.cut(level.batch[name], CROP_CELLS, 2) for name in ("alpha", "trust")},
        cells={name: inner.cut(level.cells[name], CROP_CELLS, 1) for name in ("alpha", "foreground", "trust")},
        evidence=None,
        alpha=level.alpha,
        context=inner.cut(level.context, CROP_CELLS, 1),
        state=None,
    )
    return refined, covered
