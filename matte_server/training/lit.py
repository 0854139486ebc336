"""Composites whose light a renderer made (:mod:`tabletop`): a plate and a clean plate of one set.

The shadows, mirror images, refraction and bounce that :mod:`composite` and :mod:`ground` imitate are what light
makes of them here; the faults of cameras and of alignment come on top, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .calm import BRIGHTEST, calm
from .composite import Composite, Faults, clean_plate_of, cut_out, fitted, recorded, softness, stage
from .filters import blur
from .packed import read_packed, save_packed
from .procedural import Float32
from .random_fields import Dice

PAIR_CHANNELS = [3, 3, 4]
"""Of a pair: plate, clean plate, the subject's premultiplied RGBA; scene-linear, C x H x W in that order."""
_SMALLEST = 0.72
"""The smallest window, as a share of the largest that fits: a smaller one would be enlarged too much."""
_JOINED = 0.2
"""Chance that a subject of the bank stands before a pair, in the pair's light but without its shadow."""


def pairs_in(folder: Path) -> list[Path]:
    """The complete pairs in ``folder``, sorted: the EXR of each one's truth, or what :func:`pack_pairs` made."""
    return sorted([*folder.glob("truth.*.exr"), *folder.glob("pair.*.webp")])


def read_pair(path: Path) -> Float32:
    """A pair of :func:`pairs_in`: sum of ``PAIR_CHANNELS`` x H x W, at most 60. Raises ``MatteError`` and
    ``FileNotFoundError``."""
    if path.suffix == ".webp":
        plate, clean, subject = np.split(read_packed(path), 3, axis=1)
    else:
        plate, clean, subject = _rendered(path)
    return np.moveaxis(np.dstack([plate[..., :3], clean[..., :3], subject]), -1, 0)


def _rendered(truth: Path) -> tuple[Float32, Float32, Float32]:
    from ..io.exr import read_image  # late: training on packed pairs needs no OpenImageIO

    plate, clean, subject = (
        read_image(truth.with_name(truth.name.replace("truth", name, 1))).pixels.clip(0, BRIGHTEST)
        for name in ("plate", "clean", "truth")
    )
    # Colour is denoised in the renderer and alpha is not, so that one divided by the other has specks at edges.
    return plate, clean, calm(np.dstack([subject[..., :3], subject[..., 3].clip(0, 1)]))


def pack_pairs(folder: Path, target: Path) -> int:
    """Writes every complete pair of ``folder`` into ``target``, packed, its three pictures side by side. Returns
    how many there are."""
    target.mkdir(parents=True, exist_ok=True)
    found = pairs_in(folder)
    for path in found:
        packed = target / f"pair.{path.name.split('.')[1]}.webp"
        if not packed.exists():
            plate, clean, subject = _rendered(path)
            opaque = np.ones_like(subject[..., 3:])
            pictures = [np.dstack([each[..., :3], opaque]) for each in (plate, clean)]
            save_packed(np.hstack([*pictures, subject]), packed, {})
    return len(found)


def compose_lit(
    dice: Dice, pair: Tensor, subjects: Sequence[Tensor], size: tuple[int, int], faults: Faults
) -> Composite:
    """A composite of ``size`` (height, width) of a window of ``pair``. One of ``subjects`` may stand before it."""
    window = _window(dice, pair, size)
    exposure = float(np.exp(dice.rng.normal(0, 0.7)))
    window = torch.cat([window[:9] * exposure, window[9:]])
    plate, behind, subject = torch.split(blur(window, softness(dice)), PAIR_CHANNELS)
    if subjects and dice.maybe(_JOINED):
        layer = stage(dice, subjects[:1], plate, faults)
        if len(layer) == 4:
            through = 1 - layer[3:]
            plate, subject = layer[:3] + plate * through, layer + subject * through
    clean = clean_plate_of(dice, behind, faults)
    alpha = subject[3:].clamp(0, 1)
    foreground = torch.where(alpha > 1e-3, subject[:3] / alpha.clamp(min=1e-3), clean)
    return recorded(dice, plate, clean, foreground, alpha, faults)


def _window(dice: Dice, pair: Tensor, size: tuple[int, int]) -> Tensor:
    """A random window of a pair, scaled to ``size``, perhaps mirrored. It holds some of the subject mostly."""
    for _ in range(3):
        window = cut_out(dice, pair, size, _SMALLEST)
        if float(window[9, ::4, ::4].mean()) > 0.01:
            break
    return fitted(dice, window, size)
