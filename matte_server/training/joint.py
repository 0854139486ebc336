"""The loss on what both looks of our own network give together, as a frame's solve joins them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as nnf
from torch import Tensor

from ..learning.losses import (
    Losses,
    alpha_loss,
    coarse_input,
    coarse_losses,
    double,
    halvings,
    held_loss,
    leaky_clamp,
    level_of,
    pooled,
    refine_whole,
    seen_evidence,
    weighted,
)
from ..models.cleanplate_looks import SECOND_LOOK, second_share
from ..models.networks.cleanplate import CleanplateNet, Coarse

_SHARES = {
    "joint": 1.0, "refined": 0.25, "coarse": 0.25, "second": 0.3, "colour": 0.3, "doubt": 0.5, "held": 1.0,
}  # fmt: skip
"""The weight of each term in the total."""
_WIDE = 16
"""Side in pixels of the squares in which the mean error of the joined alpha counts once more: a third term beside
those of ``alpha_loss``, for areas that are wrong as a whole."""


@dataclass(frozen=True, eq=False)
class BothLooks:
    """Both looks at composites of H x W. ``first`` sees them at half the size, ``second`` at full size.
    ``refined``: the first look's alpha after an octave, unclamped; ``joined``: both alphas as one, clamped with a
    slope outside 0..1 (``leaky_clamp``); N x 1 x H x W each."""

    first: Coarse
    refined: Tensor
    second: Coarse
    joined: Tensor


def both_looks(net: CleanplateNet, batch: dict[str, Tensor]) -> BothLooks:
    """The steps of the adapter (``models/cleanplate.py``) for a frame of one octave, every block refined.
    ``batch``: composites of even sides. No gradient passes through the solid areas and the shares."""
    levels = halvings(batch, 1)
    evidence, of_first = seen_evidence(net, batch, 1)
    first = net.coarse_stage(coarse_input(levels[0], of_first))
    level = level_of(levels, evidence, 1, first.alpha, first.context, first.state)
    refined = nnf.pixel_shuffle(refine_whole(net, level).alpha, 2)
    seen = coarse_input(batch, seen_evidence(net, batch, 0)[1])
    second = net.mirrored_stage(seen, first.alpha.detach().clamp(0, 1))
    return BothLooks(first=first, refined=refined, second=second, joined=_joined(first, refined, second))


def _joined(first: Coarse, refined: Tensor, second: Coarse) -> Tensor:
    ours, theirs = leaky_clamp(refined), leaky_clamp(second.alpha)
    with torch.no_grad():
        clamped = replace(second, alpha=theirs.clamp(0, 1))
        share = second_share(ours.clamp(0, 1), double(first.doubt), clamped, SECOND_LOOK)
    return torch.lerp(ours, theirs, share)


def joint_losses(net: CleanplateNet, batch: dict[str, Tensor], earlier: CleanplateNet | None = None) -> Losses:
    """The losses of one batch of composites. ``earlier``: the network that training began with; errors of the
    joined alpha above its own count twice."""
    truth, trust = batch["alpha"], torch.ones_like(batch["alpha"])
    batch = {**batch, "trust": trust}
    found = both_looks(net, batch)
    wide = nnf.avg_pool2d(found.joined - truth, _WIDE).abs().mean()
    of_first = coarse_losses(found.first, batch, pooled(batch, 2), 1)
    of_second = coarse_losses(found.second, batch, batch, 0)
    parts = {
        "joint": alpha_loss(found.joined, truth, trust) + wide,
        "refined": alpha_loss(found.refined, truth, trust),
        "coarse": of_first["coarse"],
        "second": of_second["coarse"],
        "colour": of_second["colour"],
        "doubt": of_first["doubt"],
    }
    if earlier is not None:
        with torch.no_grad():
            before = both_looks(earlier, batch).joined
        parts["held"] = held_loss(found.joined, before, truth, trust)
    return weighted(parts, _SHARES)
