"""What changes the set's light in the plate alone: shadows with edges, a subject's mirror image on a shiny ground.

Every picture here is C x H x W float32, scene-linear. The ground is a plane seen at a slant: what is ``rise``
pixels above the subject's foot falls ``depth * rise`` pixels below the foot (above it where ``depth`` is negative)
and ``lean * rise`` pixels to the side."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .filters import blur, displaced
from .random_fields import Dice, bumps, patch_with_edge

_SOLID = 0.5
"""The foot is the lowest row with alpha above this."""
_SHEER = 0.7
"""Below this mean of alpha over the subject, light passes it and may gather in its shadow."""
_FLATTEST, _STEEPEST = 0.08, 0.9
"""Limits of the size of ``depth``: light from low in front, and nearly a wall."""


def grounded(dice: Dice, scene: Tensor, colour: Tensor, alpha: Tensor) -> Tensor:
    """The set with what the subject casts on it. ``colour``: the subject's premultiplied light, 3 x H x W;
    ``alpha``: 1 x H x W, 0..1. Where the foot is outside the frame only a shadow on a wall is cast."""
    longest = max(scene.shape[-2:])
    foot = foot_of(alpha)
    if foot is None or dice.maybe(0.3):
        across, down = (round(float(dice.rng.normal(0, 0.07)) * longest) for _ in range(2))
        moved = torch.roll(alpha, (down, across), (-2, -1))
        return _darker(dice, scene, blur(moved, dice.between(0, 0.012) * longest), alpha)
    shaded = dice.maybe(0.75)
    if shaded:
        depth = dice.between(_FLATTEST, _STEEPEST) * (1 if dice.maybe(0.5) else -1)
        shadow, rise = fallen(alpha, foot, depth, float(dice.rng.normal(0, 0.8)))
        near, far = dice.between(0, 0.003) * longest, dice.between(0.004, 0.03) * longest
        share = (rise / (0.5 * longest)).clamp(0, 1)
        scene = _darker(dice, scene, torch.lerp(blur(shadow, near), blur(shadow, far), share), alpha)
    if not shaded or dice.maybe(0.5):
        scene = _mirrored(dice, scene, colour, alpha, foot)
    return scene


def passed(dice: Dice, scene: Tensor) -> Tensor:
    """The set with the shadow or the light of something outside the frame."""
    size = (scene.shape[-2], scene.shape[-1])
    where = patch_with_edge(dice, size, dice.between(0.05, 0.4))
    where = blur(where, dice.between(0, 0.01) * max(size))
    if dice.maybe(0.35):
        return scene * (1 + where * dice.between(0.1, 1.2))
    return scene * (1 - where * dice.between(0.1, 0.85))


def foot_of(alpha: Tensor) -> int | None:
    """The row below the lowest solid one of alpha (1 x H x W), or None where that is the frame's last row or there
    is none."""
    solid = torch.nonzero((alpha[0] > _SOLID).any(1))
    last = int(solid[-1]) + 1 if len(solid) else alpha.shape[-2]
    return last if last < alpha.shape[-2] else None


def fallen(picture: Tensor, foot: int, depth: float, lean: float) -> tuple[Tensor, Tensor]:
    """``picture`` laid on the ground from the row ``foot`` on, and the rise above the foot of what lies at each
    pixel (1 x H x W, pixels). Zero where nothing of the frame falls."""
    height, width = picture.shape[-2:]
    rows = torch.arange(height, device=picture.device, dtype=torch.float32)[:, None].expand(height, width) + 0.5
    columns = torch.arange(width, device=picture.device, dtype=torch.float32).expand(height, width) + 0.5
    rise = (rows - foot) / depth
    flow = torch.stack([-lean * rise, foot - rise - rows])
    source_x, source_y = columns + flow[0], rows + flow[1]
    seen = (rise >= 0) & (source_y >= 0) & (source_x >= 0) & (source_x <= width)
    return displaced(picture, flow) * seen, rise.clamp(min=0)[None]


def _darker(dice: Dice, scene: Tensor, shadow: Tensor, alpha: Tensor) -> Tensor:
    """The set in a shadow, 1 x H x W, 0..1; behind a sheer subject with light gathered in it."""
    tint = torch.from_numpy(dice.rng.normal(1, 0.06, (3, 1, 1)).astype(np.float32)).to(dice.device)
    darker = scene * (1 - (shadow * dice.between(0.15, 0.9) * tint).clamp(0, 0.95))
    covered = float(alpha.sum() / (alpha > 0.05).sum().clamp(min=1))
    if covered < _SHEER and dice.maybe(0.5):
        size = (scene.shape[-2], scene.shape[-1])
        gathered = bumps(dice, size, dice.between(8, 40)).clamp(min=0).square()
        darker = darker + scene * shadow * gathered * dice.between(0, 2)
    return darker


def _mirrored(dice: Dice, scene: Tensor, colour: Tensor, alpha: Tensor, foot: int) -> Tensor:
    """The set with the subject's mirror image below its foot, which fades with the distance."""
    longest = max(scene.shape[-2:])
    image, rise = fallen(torch.cat([colour, alpha]), foot, dice.between(0.7, 1.1), float(dice.rng.normal(0, 0.05)))
    image = blur(image, dice.between(0, 0.01) * longest)
    fades = torch.exp(-rise / (dice.between(0.1, 0.8) * longest)) * dice.between(0.03, 0.5)
    return scene * (1 - 0.6 * image[3:] * fades) + image[:3] * fades
