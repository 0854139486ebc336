"""What a camera does to a picture: noise, clipping, 8-bit video and its compression.

Pictures are C x H x W float32, scene-linear.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .filters import blur
from .random_fields import Dice


def sensor(dice: Dice, picture: Tensor, amount: float, grain: float) -> Tensor:
    """Shot and read noise of relative strength ``amount`` at mid grey, correlated over ``grain`` pixels."""
    if amount <= 0:
        return picture
    noise = dice.normal(picture.shape)
    if grain > 0.3:
        noise = blur(noise, grain)
        noise = noise / noise.std().clamp(min=1e-3)
    variance = picture.clamp(min=0) * 0.18 + 0.03 * 0.18**2
    return picture + noise * variance.sqrt() * amount


def to_video(linear: Tensor) -> Tensor:
    """sRGB encoding of 0..1, clamped."""
    x = linear.clamp(0, 1)
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp(min=1e-5) ** (1 / 2.4) - 0.055)


def from_video(encoded: Tensor) -> Tensor:
    """The inverse of ``to_video``."""
    return torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _cosines(device: torch.device) -> Tensor:
    k = torch.arange(8, device=device, dtype=torch.float32)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * (torch.pi / 16)) * 0.5
    basis[0] *= 2**-0.5
    return basis


def compressed(picture: Tensor, coarseness: float) -> Tensor:
    """8-bit video through block-transform quantisation like JPEG's; ``coarseness`` 0 quantises only."""
    video = to_video(picture)
    if coarseness > 0:
        height, width = picture.shape[-2:]
        padded = F.pad(video[None], (0, -width % 8, 0, -height % 8), mode="replicate")[0]
        luma = (padded * padded.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)
        planes = torch.cat([luma, padded[0:1] - luma, padded[2:3] - luma])
        h, w = padded.shape[-2:]
        basis = _cosines(picture.device)
        blocks = planes.view(3, h // 8, 8, w // 8, 8).permute(0, 1, 3, 2, 4)
        waves = basis @ blocks @ basis.T
        k = torch.arange(8, device=picture.device, dtype=torch.float32)
        step = (1 + (k[:, None] + k[None]) * 0.9) * (coarseness * 12 / 255)
        steps = step * waves.new_tensor([1.0, 1.8, 1.8]).view(3, 1, 1, 1, 1)
        waves = (waves / steps).round() * steps
        planes = (basis.T @ waves @ basis).permute(0, 1, 3, 2, 4).reshape(3, h, w)[:, :height, :width]
        y, r, b = planes
        r, b = r + y, b + y
        video = torch.stack([r, (y - 0.299 * r - 0.114 * b) / 0.587, b])
    return from_video((video.clamp(0, 1) * 255).round() / 255)


def record(dice: Dice, plate: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    """Both pictures through the camera: noise of their own, clipping, compression."""
    amount = dice.rng.choice([0.0, dice.between(0, 0.06), dice.between(0.06, 0.25)], p=[0.12, 0.6, 0.28])
    grain = dice.between(0, 1.0)
    quieter = dice.between(0, 0.4) if dice.maybe(0.3) else 1.0
    plate = sensor(dice, plate, float(amount), grain)
    clean = sensor(dice, clean, float(amount) * quieter, grain)
    way = dice.rng.random()
    if way < 0.5:
        coarseness = 0.0 if dice.maybe(0.4) else dice.between(0.1, 2.0)
        return compressed(plate, coarseness), compressed(clean, coarseness)
    if way < 0.7:
        return plate.clamp(min=0), clean.clamp(min=0)
    return plate, clean
