"""Composites in linear light, with what goes wrong on a set; torch, so on any device.

Every picture here is C x H x W float32, scene-linear. Chances come from a ``numpy.random.Generator``
(decisions) and a ``torch.Generator`` on the device (noise); the same two seeds give the same composite on the
same kind of device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .procedural import Random


@dataclass(frozen=True, eq=False)
class Composite:
    """One training picture. ``plate``, ``clean``, ``foreground`` 3 x H x W; the others 1 x H x W, 0..1.

    ``foreground`` is unpremultiplied and noiseless; where alpha is 0 it repeats the clean plate.
    """

    plate: Tensor
    clean: Tensor
    foreground: Tensor
    alpha: Tensor
    coverage: Tensor
    core: Tensor
    holdout: Tensor


@dataclass(frozen=True)
class Faults:
    """How often and how strongly things go wrong; 1 is what training uses. The ablations switch parts off."""

    misalignment: float = 1.0
    linear_light: bool = True
    people: float = 0.55


@dataclass(frozen=True)
class Dice:
    """The two sources of chance."""

    rng: Random
    noise: torch.Generator

    @property
    def device(self) -> torch.device:
        return self.noise.device

    def maybe(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def normal(self, shape: Sequence[int]) -> Tensor:
        return torch.randn(tuple(shape), generator=self.noise, device=self.device)


def blur(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of C x H x W; above 4 pixels on a reduced copy."""
    if sigma < 0.15:
        return x
    if sigma > 4.0 and min(x.shape[-2:]) >= 16:
        small = F.interpolate(x[None], scale_factor=0.5, mode="area")[0]
        grown = F.interpolate(blur(small, sigma / 2)[None], size=x.shape[-2:], mode="bilinear")
        return grown[0]
    radius = min(max(1, int(3 * sigma + 0.5)), *(side - 1 for side in x.shape[-2:]))
    offsets = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(x[:, None], (radius, radius, 0, 0), mode="replicate")
    across = F.conv2d(padded, kernel.view(1, 1, 1, -1))
    padded = F.pad(across, (0, 0, radius, radius), mode="replicate")
    return F.conv2d(padded, kernel.view(1, 1, -1, 1))[:, 0]


def streak(x: Tensor, length: float, angle: float) -> Tensor:
    """Motion blur of C x H x W along a line of ``length`` pixels."""
    size = int(length) // 2 * 2 + 3
    middle = size // 2
    line = np.zeros((size, size), np.float32)
    for t in np.linspace(-length / 2, length / 2, 2 * size):
        line[round(middle + t * np.sin(angle)), round(middle + t * np.cos(angle))] += 1
    kernel = torch.from_numpy(line / line.sum()).to(x.device)
    padded = F.pad(x[:, None], (middle,) * 4, mode="replicate")
    return F.conv2d(padded, kernel[None, None])[:, 0]


def bumps(dice: Dice, size: tuple[int, int], cells: float, channels: int = 1) -> Tensor:
    """Smooth noise, channels x H x W, about -1..1, ``cells`` bumps across the longer side."""
    height, width = size
    per = cells / max(height, width)
    coarse = torch.rand(
        (1, channels, max(2, round(height * per)) + 1, max(2, round(width * per)) + 1),
        generator=dice.noise,
        device=dice.device,
    )
    return F.interpolate(coarse * 2 - 1, size=size, mode="bicubic", align_corners=True)[0]


def patch(dice: Dice, size: tuple[int, int], share: float) -> Tensor:
    """A soft random region, 1 x H x W, 0..1, covering about ``share`` of the picture."""
    field = bumps(dice, size, dice.between(2, 7))
    level = field.flatten()[:: max(1, field.numel() // 2000)].quantile(1 - share)
    return ((field - level) * dice.between(3, 30) + 0.5).clamp(0, 1)


def fit_set(dice: Dice, picture: Tensor, size: tuple[int, int]) -> Tensor:
    """A random window of a set, scaled to fill ``size``, perhaps mirrored."""
    height, width = picture.shape[-2:]
    largest = min(height / size[0], width / size[1])
    zoom = largest * dice.between(0.55, 1.0)
    h, w = min(height, round(size[0] * zoom)), min(width, round(size[1] * zoom))
    top, left = int(dice.rng.integers(height - h + 1)), int(dice.rng.integers(width - w + 1))
    window = picture[:, top : top + h, left : left + w].float()
    if dice.maybe(0.5):
        window = window.flip(-1)
    return F.interpolate(window[None], size=size, mode="bilinear", antialias=True)[0].clamp(min=0)


def place_subject(dice: Dice, subject: Tensor, size: tuple[int, int]) -> Tensor:
    """A subject (premultiplied RGBA, trimmed) somewhere in a frame of ``size``, whole or close up."""
    height, width = size
    rows, columns = subject.shape[-2:]
    close = dice.maybe(0.35)
    tall = dice.between(1.0, 2.6) if close else dice.between(0.2, 1.0) ** 0.7
    scale = min(tall * height / rows, 1.7)
    if not close:
        scale = min(scale, 1.3 * width / columns)
    small = subject.float()[None]
    shape = (max(4, round(rows * scale)), max(4, round(columns * scale)))
    small = F.interpolate(small, size=shape, mode="bilinear", antialias=True)
    angle = dice.rng.normal(0, 0.1)
    mirror = -1.0 if dice.maybe(0.5) else 1.0
    middle_x = dice.between(0.15, 0.85) * width
    if close:
        middle_y = shape[0] / 2 + dice.between(-0.25, 0.3) * height
    else:
        slack = height - shape[0]
        middle_y = shape[0] / 2 + (slack if dice.maybe(0.6) else slack * dice.between(-0.1, 1.0))
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    y, x = torch.meshgrid(
        torch.arange(height, device=subject.device) + 0.5 - middle_y,
        torch.arange(width, device=subject.device) + 0.5 - middle_x,
        indexing="ij",
    )
    grid = torch.stack([(cos * x + sin * y) * (2 * mirror / shape[1]), (cos * y - sin * x) * (2 / shape[0])], -1)
    placed = F.grid_sample(small, grid[None].float(), mode="bilinear", align_corners=False)[0]
    placed[3].clamp_(0, 1)
    return placed.clamp(min=0)


def grade(dice: Dice, layer: Tensor, scene: Tensor) -> Tensor:
    """Light a subject for its set, and sometimes give part of it the colours behind it."""
    rgb, alpha = layer[:3], layer[3:]
    mean = scene.mean((1, 2), keepdim=True)
    level = rgb.sum() / (3 * alpha.sum() + 1e-3)
    gain = (mean.mean() / (level + 1e-3)).clamp(0.1, 10) ** dice.between(0, 0.9)
    tint = (mean / mean.mean().clamp(min=1e-4)) ** dice.between(0, 0.7)
    rgb = rgb * (gain * float(np.exp(dice.rng.normal(0, 0.5)))) * tint
    if dice.maybe(0.4):
        where = patch(dice, (layer.shape[1], layer.shape[2]), dice.between(0.05, 0.5)) * dice.between(0.5, 1)
        # From a little beside it: the very pixels would be a see-through subject, which nobody could tell.
        beside = torch.full((2, *scene.shape[-2:]), 0.03 * max(scene.shape[-2:]), device=scene.device)
        same = blur(displaced(scene, beside), 0.0 if dice.maybe(0.4) else dice.between(1, 12)) * float(
            np.exp(dice.rng.normal(0, 0.12))
        )
        rgb = rgb * (1 - where) + same * alpha * where
    if dice.maybe(0.08):
        alike = mean * (0.6 + 0.8 * rgb.mean(0, keepdim=True) / (level * gain + 1e-3))
        rgb = rgb + (alike * alpha - rgb) * dice.between(0.5, 1)
    return torch.cat([rgb, alpha])


def blend(front: Tensor, back: Tensor) -> Tensor:
    """One premultiplied layer over another."""
    return front + back * (1 - front[3:])


def displaced(picture: Tensor, flow: Tensor) -> Tensor:
    """``picture`` resampled at every pixel's place plus ``flow`` (2 x H x W, pixels, x then y)."""
    height, width = picture.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device) + 0.5, torch.arange(width, device=flow.device) + 0.5, indexing="ij"
    )
    grid = torch.stack([(x + flow[0]) * (2 / width) - 1, (y + flow[1]) * (2 / height) - 1], -1)
    return F.grid_sample(picture[None], grid[None], mode="bilinear", padding_mode="border", align_corners=False)[0]


def misalignment(dice: Dice, size: tuple[int, int], strength: float) -> Tensor:
    """What alignment leaves behind: a drift of up to 3 px over the frame, steps of parallax, leaves that
    swayed; 2 x H x W pixels. A whole-frame drift is small most of the time."""
    flow = torch.zeros(2, *size, device=dice.device)
    if strength <= 0 or dice.maybe(0.25):
        return flow
    reach = strength * dice.between(0, 1) ** 2 * 2.0
    flow = (
        flow
        + reach * bumps(dice, size, 2, 2)
        + reach * 0.5 * torch.from_numpy(dice.rng.normal(0, 1, (2, 1, 1)).astype(np.float32)).to(dice.device)
    )
    if dice.maybe(0.35):
        step = torch.from_numpy(dice.rng.normal(0, 1.2, (2, 1, 1)).astype(np.float32)).to(dice.device)
        flow = flow + strength * step * patch(dice, size, dice.between(0.1, 0.5))
    if dice.maybe(0.12):
        sway = bumps(dice, size, dice.between(8, 40), 2) * dice.between(1, 6)
        flow = flow + strength * sway * patch(dice, size, dice.between(0.05, 0.4))
    return flow


def cast(dice: Dice, scene: Tensor, alpha: Tensor, colour: Tensor) -> Tensor:
    """The subject's soft shadows and bounce on the set."""
    longest = max(scene.shape[-2:])
    for _ in range(int(dice.rng.integers(0, 3))):
        moved = torch.roll(
            alpha,
            (int(dice.rng.normal(0.02, 0.06) * longest), int(dice.rng.normal(0, 0.08) * longest)),
            (-2, -1),
        )
        soft = blur(moved, dice.between(0.005, 0.07) * longest)
        depth = dice.between(0.05, 0.75)
        warm = torch.from_numpy(dice.rng.normal(1, 0.08, (3, 1, 1)).astype(np.float32)).to(dice.device)
        scene = scene * (1 - (soft * depth * warm).clamp(0, 0.95))
    if dice.maybe(0.3):
        near = blur(alpha, dice.between(0.02, 0.08) * longest)
        scene = scene * (1 + near * dice.between(0, 0.25) * colour / colour.mean().clamp(min=1e-3))
    return scene


def drift(dice: Dice, picture: Tensor) -> Tensor:
    """What exposure matching leaves: gain, white balance, a slow change of light over the frame."""
    spread = dice.rng.choice([0.0, 0.01, 0.03, 0.1], p=[0.25, 0.4, 0.25, 0.1])
    gain = np.exp(dice.rng.normal(0, spread) + dice.rng.normal(0, spread * 0.5, (3, 1, 1)))
    picture = picture * torch.from_numpy(gain.astype(np.float32)).to(dice.device)
    if dice.maybe(0.3):
        picture = picture * (1 + dice.between(0, 0.12) * bumps(dice, (picture.shape[1], picture.shape[2]), 2))
    if dice.maybe(0.15):
        picture = picture + dice.rng.normal(0, 0.006)
    return picture


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


def uncovered(dice: Dice, clean: Tensor) -> tuple[Tensor, Tensor]:
    """A border of the clean plate goes missing; returns the clean plate and its coverage."""
    height, width = clean.shape[-2:]
    y, x = torch.meshgrid(
        torch.linspace(0, 1, height, device=clean.device),
        torch.linspace(0, 1, width, device=clean.device),
        indexing="ij",
    )
    side = int(dice.rng.integers(4))
    edge = (x, 1 - x, y, 1 - y)[side] + (y if side < 2 else x) * dice.between(-0.1, 0.1)
    reach = dice.between(0.02, 0.2)
    coverage = (edge > reach).float()[None]
    choice = dice.rng.integers(4)
    if choice == 0:
        filling = torch.zeros_like(clean)
    elif choice == 1:
        inside = clean * coverage
        filling = blur(inside, 20) / (blur(coverage, 20) + 1e-2)
    else:  # the nearest covered pixel, as the pipeline's warp fills
        inwards = (reach - edge).clamp(min=0) * (1 - 2 * (side % 2))
        flow = torch.zeros(2, height, width, device=clean.device)
        flow[side // 2] = inwards * (width if side < 2 else height)
        filling = displaced(clean, flow)
    return clean * coverage + filling * (1 - coverage), coverage


def draw_guides(dice: Dice, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Core and holdout mattes as an artist might draw them; empty most of the time."""
    core, holdout = torch.zeros_like(alpha), torch.zeros_like(alpha)
    size = (alpha.shape[1], alpha.shape[2])
    if dice.maybe(0.08):
        solid = -F.max_pool2d(-(alpha > 0.98).float()[None], 9, 1, 4)[0]
        core = solid * (patch(dice, size, dice.between(0.2, 0.9)) > 0.5)
    if dice.maybe(0.08):
        free = -F.max_pool2d(-(alpha < 0.02).float()[None], 9, 1, 4)[0]
        holdout = free * (patch(dice, size, dice.between(0.2, 0.9)) > 0.5)
    return core, holdout


def stage(dice: Dice, subjects: Sequence[Tensor], scene: Tensor) -> Tensor:
    """The subjects in the frame as one premultiplied RGBA layer, blurred by focus and motion."""
    size = (scene.shape[1], scene.shape[2])
    layer = torch.zeros(4, *size, device=scene.device)
    for subject in subjects:
        placed = grade(dice, place_subject(dice, subject, size), scene)
        if dice.maybe(0.04):
            sheer = 1 - dice.between(0.2, 0.8) * patch(dice, size, dice.between(0.2, 1.0))
            placed = placed * sheer
        if dice.maybe(0.12):
            placed = streak(placed, dice.between(2, 18), dice.between(0, float(np.pi)))
        if dice.maybe(0.2):
            placed = blur(placed, dice.between(0.5, 3.5))
        layer = blend(placed, layer)
    layer[3].clamp_(0, 1)
    return layer


def compose(
    dice: Dice, subjects: Sequence[Tensor], picture: Tensor, size: tuple[int, int], faults: Faults
) -> Composite:
    """One composite of ``size`` (height, width): no subject gives an empty frame."""
    scene = fit_set(dice, picture, size)
    exposure = float(np.exp(dice.rng.normal(0, 0.7)))
    scene = scene * exposure
    layer = stage(dice, subjects, scene)
    if subjects and dice.maybe(0.03):
        layer = layer * 0
    softness = dice.between(0.0, 0.8) if dice.maybe(0.75) else dice.between(0.8, 1.6)
    layer, scene = blur(layer, softness), blur(scene, softness)
    alpha = layer[3:]
    colour = layer[:3].sum((1, 2), keepdim=True) / (alpha.sum() + 1e-3)
    shadow_of = alpha
    if not subjects and dice.maybe(0.5):
        shadow_of = patch(dice, size, 0.2)
    behind = cast(dice, scene, shadow_of, colour) if dice.maybe(0.75) else scene
    clean = displaced(scene, misalignment(dice, size, faults.misalignment))
    clean = drift(dice, clean)
    if dice.maybe(0.3):
        clean = blur(clean, dice.between(0.3, 1.2))
    if dice.maybe(0.06):
        behind = blur(behind, dice.between(0.3, 1.2))
    plate, foreground = _over(layer, behind, clean, faults.linear_light)
    plate, clean = _recorded(dice, plate, clean)
    coverage = torch.ones_like(alpha)
    if dice.maybe(0.1):
        clean, coverage = uncovered(dice, clean)
    core, holdout = draw_guides(dice, alpha)
    return Composite(plate, clean, foreground, alpha, coverage, core, holdout)


def _over(layer: Tensor, behind: Tensor, clean: Tensor, linear_light: bool) -> tuple[Tensor, Tensor]:
    rgb, alpha = layer[:3], layer[3:]
    foreground = torch.where(alpha > 1e-3, rgb / alpha.clamp(min=1e-3), clean)
    if linear_light:
        return rgb + behind * (1 - alpha), foreground
    video = to_video(foreground) * alpha + to_video(behind) * (1 - alpha)
    return from_video(video), foreground


def _recorded(dice: Dice, plate: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
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


def mirrored(sample: Composite) -> Composite:
    """The same composite, left and right exchanged."""
    return replace(sample, **{name: value.flip(-1) for name, value in vars(sample).items()})
