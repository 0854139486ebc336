"""The forward pass of training, and its losses: of the packaged network, and of a shot's own weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.networks.cleanplate import HALO, CleanplateNet, Coarse, encode

CROP_CELLS = 40
"""Cells (2 x 2 pixels) of a training crop of the last octave, without its halo."""
CROPS = 2
"""Crops per picture."""
LEAK = 0.02
"""Slope of the loss outside 0..1: enough to bring alpha back, too little to keep it away from 0 and 1."""


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
    small = {name: F.avg_pool2d(value, factor) for name, value in batch.items()}
    weight = batch["alpha"] + 1e-4
    small["foreground"] = F.avg_pool2d(batch["foreground"] * weight, factor) / F.avg_pool2d(weight, factor)
    return small


def double(alpha: Tensor) -> Tensor:
    """Alpha at twice the resolution, bilinear."""
    return F.interpolate(alpha, scale_factor=2.0, mode="bilinear")


def refine_whole(net: CleanplateNet, level: dict[str, Tensor], alpha: Tensor, context: Tensor) -> Tensor:
    """One octave over whole pictures, with the cells at the frame's edge replicated as the adapter does."""
    cells = [F.pixel_unshuffle(x, 2) for x in (level["plate"], level["clean"], double(alpha))]
    padded = [F.pad(x, (HALO,) * 4, mode="replicate") for x in (*cells, context)]
    return F.pixel_shuffle(net.refiner(*padded), 2)


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


def crop_places(alpha: Tensor, trust: Tensor, generator: torch.Generator, cells: int) -> Places:
    """``CROPS`` crops of ``cells`` x ``cells`` cells per picture, around partial alpha that is trusted, where the
    picture has any."""
    unsure = F.avg_pool2d(4 * alpha * (1 - alpha) * trust, 2).squeeze(1)
    rows, columns = unsure.shape[-2:]
    picks = torch.multinomial((unsure + 1e-4).flatten(1), CROPS, generator=generator).flatten()
    middles = (picks.div(columns, rounding_mode="floor"), picks % columns)
    row, column = (
        (middle - cells // 2).clamp(0, sides - cells)
        for middle, sides in zip(middles, (rows, columns), strict=True)
    )
    return Places(
        pictures=torch.arange(len(alpha), device=alpha.device).repeat_interleave(CROPS), rows=row, columns=column
    )


def training_losses(
    net: CleanplateNet, batch: dict[str, Tensor], octaves: int, generator: torch.Generator
) -> Losses:
    """All losses of one batch. The coarse stage works ``octaves`` halvings below the batch's resolution; with 0 it
    is trained alone. Where the batch has ``trust`` (N x 1 x H x W, 0..1), every error is weighted with it."""
    batch = batch if "trust" in batch else {**batch, "trust": torch.ones_like(batch["alpha"])}
    small = pooled(batch, 1 << octaves)
    coarse = net.coarse_stage(small["plate"], small["clean"], small["coverage"], small["core"], small["holdout"])
    weight = (0.3 + 0.7 * small["coverage"]) * small["trust"]
    coarse_alpha = alpha_loss(coarse.alpha, small["alpha"], weight)
    wide = F.avg_pool2d((leaky_clamp(coarse.alpha) - small["alpha"]) * small["trust"], 8).abs().mean()
    colour = foreground_loss(coarse, small)
    doubt = doubt_loss(coarse, batch, octaves) if octaves else torch.zeros_like(wide)
    alpha, context = coarse.alpha, coarse.context
    for octave in range(1, octaves):
        level = pooled(batch, 1 << (octaves - octave))
        alpha = refine_whole(net, level, alpha.clamp(0, 1), context)
        coarse_alpha = coarse_alpha + 0.5 * alpha_loss(alpha, level["alpha"], level["trust"])
        context = F.interpolate(context, scale_factor=2.0, mode="bilinear")
    fine = crop_loss(net, batch, alpha.clamp(0, 1), context, generator) if octaves else torch.zeros_like(wide)
    total = coarse_alpha + wide + 0.4 * colour + 0.5 * doubt + fine
    parts = {"coarse": coarse_alpha, "colour": colour, "doubt": doubt, "fine": fine, "total": total}
    return Losses(total=total, parts={name: value.detach() for name, value in parts.items()})


def foreground_loss(coarse: Coarse, small: dict[str, Tensor]) -> Tensor:
    """Absolute error of the encoded foreground where there is a subject, weighted towards partial alpha."""
    alpha = small["alpha"]
    weight = (alpha > 0.02) * (0.25 + 4 * alpha * (1 - alpha)) * small["trust"]
    error = (coarse.context[:, :3] - encode(small["foreground"])).abs().clamp(max=1.0)
    return (error * weight).sum() / (3 * weight.sum() + 100.0)


def doubt_loss(coarse: Coarse, batch: dict[str, Tensor], octaves: int) -> Tensor:
    """Squared error of the coarse stage's expected error, against the largest error in each coarse pixel."""
    with torch.no_grad():
        factor = 1 << octaves
        grown = F.interpolate(coarse.alpha.clamp(0, 1), scale_factor=float(factor), mode="bilinear")
        target = F.max_pool2d((grown - batch["alpha"]).abs(), factor)
        trust = -F.max_pool2d(-batch["trust"], factor)
    return ((coarse.doubt - target).square() * trust).mean() * 4


def crop_loss(
    net: CleanplateNet, batch: dict[str, Tensor], alpha: Tensor, context: Tensor, generator: torch.Generator
) -> Tensor:
    """The last octave on crops where alpha is partial."""
    cells = CROP_CELLS + 2 * HALO
    places = crop_places(batch["alpha"], batch["trust"], generator, cells)
    refined = net.refiner(
        F.pixel_unshuffle(places.cut(batch["plate"], cells, 2), 2),
        F.pixel_unshuffle(places.cut(batch["clean"], cells, 2), 2),
        F.pixel_unshuffle(places.cut(double(alpha), cells, 2), 2),
        places.cut(context, cells, 1),
    )
    edge = 2 * HALO
    truth, trust = (places.cut(batch[name], cells, 2)[..., edge:-edge, edge:-edge] for name in ("alpha", "trust"))
    return alpha_loss(F.pixel_shuffle(refined, 2), truth, trust)
