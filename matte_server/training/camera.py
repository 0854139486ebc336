"""What a camera does to a picture: noise, clipping, 8-bit video and its compression.

Pictures are C x H x W float32, scene-linear.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as nnf
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
        padded = nnf.pad(video[None], (0, -width % 8, 0, -height % 8), mode="replicate")[0]
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


def clipped(picture: Tensor, white: float) -> Tensor:
    """A picture whose sensor clips at ``white``; below that its light is as it was."""
    return picture.clamp(max=white)


def toned(picture: Tensor, contrast: float) -> Tensor:
    """Another tone curve: contrast about mid grey, as is left where a camera's picture profile was decoded as
    sRGB."""
    return 0.18 * (picture.clamp(min=0) / 0.18) ** contrast


def banded(dice: Dice, picture: Tensor, depth: float) -> Tensor:
    """Rolling bands: light that flickers while the rows are read out."""
    rows = torch.linspace(0, 1, picture.shape[1], device=picture.device).view(1, -1, 1)
    phase, count = dice.between(0, 6.28), dice.between(0.7, 6)
    return picture * (1 + depth * torch.sin(rows * count * 6.28 + phase))


def vignetted(picture: Tensor, depth: float) -> Tensor:
    """Corners darker by ``depth``."""
    height, width = picture.shape[-2:]
    y = torch.linspace(-1, 1, height, device=picture.device).view(1, -1, 1)
    x = torch.linspace(-1, 1, width, device=picture.device).view(1, 1, -1)
    return picture * (1 - depth * 0.5 * (x * x + y * y))


def subsampled(picture: Tensor, sharpening: float) -> Tensor:
    """4:2:0 video: chroma at half the resolution, luma sharpened, in display-encoded values."""
    video = to_video(picture)
    luma = (video * video.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)
    chroma = (video - luma)[None]
    small = nnf.interpolate(chroma, scale_factor=0.5, mode="area") if min(video.shape[1:]) > 3 else chroma
    chroma = nnf.interpolate(small, size=video.shape[1:], mode="bilinear")[0]
    luma = luma + sharpening * (luma - blur(luma, 1.0))
    return from_video((luma + chroma).clamp(0, 1))


def faulty(dice: Dice, plate: Tensor, clean: Tensor, chance: float) -> tuple[Tensor, Tensor]:
    """What cameras do differently in plate and clean plate, each with ``chance``."""
    if dice.maybe(chance):
        whites = dice.rng.uniform(0.4, 2.0, 2)
        plate, clean = clipped(plate, float(whites[0])), clipped(clean, float(whites[1]))
    if dice.maybe(chance / 2):
        plate, clean = (toned(x, float(np.exp(dice.rng.normal(0, 0.06)))) for x in (plate, clean))
    if dice.maybe(chance / 2):
        plate, clean = (banded(dice, x, dice.between(0, 0.08)) for x in (plate, clean))
    if dice.maybe(chance / 2):
        depth = dice.between(0, 0.5)
        plate, clean = vignetted(plate, depth), vignetted(clean, depth * dice.between(0.7, 1.2))
    if dice.maybe(chance / 3):
        plate = blur(plate, dice.between(0.3, 1.5))
    if dice.maybe(chance):
        sharp = dice.between(0, 1.5)
        plate, clean = subsampled(plate, sharp), subsampled(clean, sharp)
    return plate, clean


def record(dice: Dice, plate: Tensor, clean: Tensor, faults: float) -> tuple[Tensor, Tensor]:
    """Both pictures through the camera: noise of their own, faults with that chance, clipping, compression."""
    amount = dice.rng.choice([0.0, dice.between(0, 0.06), dice.between(0.06, 0.25)], p=[0.12, 0.6, 0.28])
    grain = dice.between(0, 1.0)
    quieter = dice.between(0, 0.4) if dice.maybe(0.3) else 1.0
    plate = sensor(dice, plate, float(amount), grain)
    clean = sensor(dice, clean, float(amount) * quieter, grain)
    plate, clean = faulty(dice, plate, clean, faults)
    way = dice.rng.random()
    if way < 0.5:
        coarseness = 0.0 if dice.maybe(0.4) else dice.between(0.1, 2.0)
        return compressed(plate, coarseness), compressed(clean, coarseness)
    if way < 0.7:
        return plate.clamp(min=0), clean.clamp(min=0)
    return plate, clean
