"""Composites in linear light, with what goes wrong on a set; torch, so on any device.

Every picture here is C x H x W float32, scene-linear. Chances come from a ``numpy.random.Generator``
(decisions) and a ``torch.Generator`` on the device (noise); the same two seeds give the same composite on the
same kind of device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from .camera import from_video, record, to_video
from .clean_plate import drift, misalignment, parallax, uncovered
from .filters import blur, displaced, streak
from .ground import grounded, passed
from .random_fields import Dice, patch

SEE_THROUGH = 8
"""Channels of a layer that light passes: light 3, share stopped 3, shift of what is behind in pixels 2 (x, y). Any
other has premultiplied R, G, B and alpha."""
SWEEP = 16
"""Moments that a motion blur along a path is made of."""


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
    camera: float = 0.12
    """Chance of each thing that cameras do differently in plate and clean plate."""
    kinds: float = 0.4
    """Share of the subjects that are of a kind with gaps, fibres or glass."""
    shaded: float = 0.25
    """Chance that a subject with the colours behind it is darker than they are, as a wall in shadow would be."""
    ground: float = 0.3
    """Chance of shadows with edges, and of a mirror image, on the ground that a subject stands on."""
    passing: float = 0.12
    """Chance that something outside the frame casts its shadow or light on the set, in the plate alone."""
    focus: float = 0.08
    """Chance that the plate's set is far out of focus, and the clean plate's is not."""
    alike: float = 0.1
    """Chance that a whole subject has the colour of the set, brighter or darker."""
    parallax: float = 0.08
    """Chance that part of the set lies up to 5 pixels aside in the clean plate."""
    lit: float = 0.35
    """Share of the pictures that a renderer lit as a whole, where there are such pairs."""


MEASURED = Faults(shaded=0.0, ground=0.0, passing=0.0, focus=0.0, alike=0.0, parallax=0.0, lit=0.0)
"""What benchmarks compose with: these faults came to the training later, and pictures must stay comparable."""


def cut_out(dice: Dice, picture: Tensor, size: tuple[int, int], smallest: float) -> Tensor:
    """A random window of a picture, of the shape of ``size`` and at least ``smallest`` times the largest such."""
    height, width = picture.shape[-2:]
    largest = min(height / size[0], width / size[1])
    zoom = largest * dice.between(smallest, 1.0)
    h, w = min(height, round(size[0] * zoom)), min(width, round(size[1] * zoom))
    top, left = int(dice.rng.integers(height - h + 1)), int(dice.rng.integers(width - w + 1))
    return picture[:, top : top + h, left : left + w].float()


def fitted(dice: Dice, window: Tensor, size: tuple[int, int]) -> Tensor:
    """A window scaled to ``size``, perhaps mirrored."""
    if dice.maybe(0.5):
        window = window.flip(-1)
    return nnf.interpolate(window[None], size=size, mode="bilinear", antialias=True)[0].clamp(min=0)


def softness(dice: Dice) -> float:
    """The blur of a lens, pixels."""
    return dice.between(0.0, 0.8) if dice.maybe(0.75) else dice.between(0.8, 1.6)


def place_subject(dice: Dice, subject: Tensor, size: tuple[int, int]) -> Tensor:
    """A subject (channels of a layer, trimmed) somewhere in a frame of ``size``, whole or close up."""
    height, width = size
    rows, columns = subject.shape[-2:]
    close = dice.maybe(0.35)
    tall = dice.between(1.0, 2.6) if close else dice.between(0.2, 1.0) ** 0.7
    scale = min(tall * height / rows, 1.7)
    if not close:
        scale = min(scale, 1.3 * width / columns)
    small = subject.float()[None]
    shape = (max(4, round(rows * scale)), max(4, round(columns * scale)))
    small = nnf.interpolate(small, size=shape, mode="bilinear", antialias=True)
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
    placed = nnf.grid_sample(small, grid[None].float(), mode="bilinear", align_corners=False)[0]
    stopped = placed[3:-2] if len(placed) == SEE_THROUGH else placed[3:]
    stopped.clamp_(0, 1)
    placed[:3].clamp_(min=0)
    if len(placed) == SEE_THROUGH:
        placed[-2] *= mirror * shape[1] / columns
        placed[-1] *= shape[0] / rows
    return placed


def grade(dice: Dice, layer: Tensor, scene: Tensor, faults: Faults) -> Tensor:
    """Light a subject for its set, and sometimes give part of it the colours behind it, or all of it their mean."""
    rgb, alpha, rest = layer[:3], alpha_of(layer), layer[3:]
    mean = scene.mean((1, 2), keepdim=True)
    level = rgb.sum() / (3 * alpha.sum() + 1e-3)
    gain = (mean.mean() / (level + 1e-3)).clamp(0.1, 10) ** dice.between(0, 0.9)
    tint = (mean / mean.mean().clamp(min=1e-4)) ** dice.between(0, 0.7)
    rgb = rgb * (gain * float(np.exp(dice.rng.normal(0, 0.5)))) * tint
    # A see-through subject in the colours behind it would be invisible.
    if len(layer) == 4 and dice.maybe(0.4):
        where = patch(dice, (layer.shape[1], layer.shape[2]), dice.between(0.05, 0.5)) * dice.between(0.5, 1)
        # From a little to the side: with the very pixels behind it, the subject could not be told from glass.
        beside = torch.full((2, *scene.shape[-2:]), 0.03 * max(scene.shape[-2:]), device=scene.device)
        same = blur(displaced(scene, beside), 0.0 if dice.maybe(0.4) else dice.between(1, 12)) * float(
            np.exp(dice.rng.normal(0, 0.12))
        )
        if dice.ever(faults.shaded):
            same = same * dice.between(0.55, 0.85)
        rgb = rgb * (1 - where) + same * alpha * where
    if dice.maybe(0.08):
        alike = mean * (0.6 + 0.8 * rgb.mean(0, keepdim=True) / (level * gain + 1e-3))
        rgb = rgb + (alike * alpha - rgb) * dice.between(0.5, 1)
    if len(layer) == 4 and dice.ever(faults.alike):
        rgb = _tinted(dice, rgb, alpha, scene)
    return torch.cat([rgb, rest])


def _tinted(dice: Dice, rgb: Tensor, alpha: Tensor, scene: Tensor) -> Tensor:
    """A subject (premultiplied ``rgb``) in the colour of its set, with its own light and shade: as if the set were
    lit or shaded there, were it not for the subject's detail."""
    near = dice.maybe(0.5)
    hue = blur(scene, 0.08 * max(scene.shape[-2:])) if near else scene.mean((1, 2), keepdim=True)
    light = rgb.mean(0, keepdim=True)
    level = light.sum() / (alpha.sum() + 1e-3)
    shade = (light / (alpha * level + 1e-3)) ** dice.between(0.4, 1.0) * alpha
    tone = float(np.exp(dice.rng.normal(-0.1, 0.45)))
    return torch.lerp(rgb, torch.minimum(hue * shade * tone, 60 * alpha), dice.between(0.6, 1.0))


def alpha_of(layer: Tensor) -> Tensor:
    """1 x H x W: the share of the light from behind that a layer stops, its mean over the colours."""
    return layer[3:4] if len(layer) == 4 else layer[3:6].mean(0, keepdim=True)


def blend(front: Tensor, back: Tensor) -> Tensor:
    """One premultiplied layer over another; both see-through where either is."""
    if len(front) == len(back) == 4:
        return front + back * (1 - front[3:])
    front, back = see_through(front), see_through(back)
    behind = displaced(back, front[6:])
    through = 1 - front[3:6]
    light, stopped = front[:3] + through * behind[:3], 1 - through * (1 - behind[3:6])
    return torch.cat([light, stopped, front[6:] + behind[6:]])


def see_through(layer: Tensor) -> Tensor:
    """A layer with a share stopped for each colour and a shift: ``SEE_THROUGH`` channels."""
    if len(layer) == SEE_THROUGH:
        return layer
    return torch.cat([layer[:3], layer[3:].expand(3, -1, -1), torch.zeros_like(layer[:2])])


def swept(dice: Dice, layer: Tensor) -> Tensor:
    """Motion blur along a real path: a turn about a pivot, a bent way, a change of size, in one exposure."""
    height, width = layer.shape[-2:]
    turn, grow = dice.rng.normal(0, 0.06), dice.rng.normal(0, 0.03)
    way, bend = dice.rng.normal(0, 0.025, 2), dice.rng.normal(0, 0.012, 2)
    pivot = torch.tensor([dice.between(-0.8, 0.8), dice.between(-0.8, 1.2)], device=layer.device)
    aspect = torch.tensor([width / height, 1.0], device=layer.device)
    y, x = torch.meshgrid(
        (torch.arange(height, device=layer.device) + 0.5) * (2 / height) - 1,
        (torch.arange(width, device=layer.device) + 0.5) * (2 / width) - 1,
        indexing="ij",
    )
    place = (torch.stack([x, y], -1) - pivot) * aspect
    total = torch.zeros_like(layer)
    for time in np.linspace(-1, 1, SWEEP):
        angle, scale = turn * time, float(np.exp(grow * time))
        cos, sin = float(np.cos(angle)) * scale, float(np.sin(angle)) * scale
        moved = torch.stack(
            [cos * place[..., 0] + sin * place[..., 1], cos * place[..., 1] - sin * place[..., 0]], -1
        )
        shift = torch.from_numpy((way * time + bend * time * time).astype(np.float32)).to(layer.device)
        grid = (moved / aspect + pivot + shift)[None]
        total += nnf.grid_sample(layer[None], grid, mode="bilinear", align_corners=False)[0]
    return total / SWEEP


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


def draw_guides(dice: Dice, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Core and holdout mattes as an artist might draw them; empty most of the time."""
    core, holdout = torch.zeros_like(alpha), torch.zeros_like(alpha)
    size = (alpha.shape[1], alpha.shape[2])
    if dice.maybe(0.08):
        solid = -nnf.max_pool2d(-(alpha > 0.98).float()[None], 9, 1, 4)[0]
        core = solid * (patch(dice, size, dice.between(0.2, 0.9)) > 0.5)
    if dice.maybe(0.08):
        free = -nnf.max_pool2d(-(alpha < 0.02).float()[None], 9, 1, 4)[0]
        holdout = free * (patch(dice, size, dice.between(0.2, 0.9)) > 0.5)
    return core, holdout


def stage(dice: Dice, subjects: Sequence[Tensor], scene: Tensor, faults: Faults) -> Tensor:
    """The subjects in the frame as one premultiplied RGBA layer, blurred by focus and motion."""
    size = (scene.shape[1], scene.shape[2])
    layer = torch.zeros(4, *size, device=scene.device)
    for subject in subjects:
        placed = grade(dice, place_subject(dice, subject, size), scene, faults)
        if dice.maybe(0.04):
            sheer = 1 - dice.between(0.2, 0.8) * patch(dice, size, dice.between(0.2, 1.0))
            placed = placed * sheer
        if dice.maybe(0.1):
            placed = streak(placed, dice.between(2, 18), dice.between(0, float(np.pi)))
        elif dice.maybe(0.07):
            placed = swept(dice, placed)
        if dice.maybe(0.2):
            placed = blur(placed, dice.between(0.5, 3.5))
        layer = blend(placed, layer)
    layer[3 : 6 if len(layer) == SEE_THROUGH else 4].clamp_(0, 1)
    return layer


def compose(
    dice: Dice, subjects: Sequence[Tensor], picture: Tensor, size: tuple[int, int], faults: Faults
) -> Composite:
    """One composite of ``size`` (height, width): no subject gives an empty frame."""
    scene = fitted(dice, cut_out(dice, picture, size, 0.55), size)
    exposure = float(np.exp(dice.rng.normal(0, 0.7)))
    scene = scene * exposure
    layer = stage(dice, subjects, scene, faults)
    if subjects and dice.maybe(0.03):
        layer = layer * 0
    soft = softness(dice)
    layer, scene = blur(layer, soft), blur(scene, soft)
    alpha = alpha_of(layer).clamp(0, 1)  # a blur may round up
    colour = layer[:3].sum((1, 2), keepdim=True) / (alpha.sum() + 1e-3)
    shadow_of = patch(dice, size, 0.2) if not subjects and dice.maybe(0.5) else alpha
    behind = cast(dice, scene, shadow_of, colour) if dice.maybe(0.75) else scene
    if subjects and dice.ever(faults.ground):
        behind = grounded(dice, behind, layer[:3], alpha)
    if dice.ever(faults.passing):
        behind = passed(dice, behind)
    clean = clean_plate_of(dice, scene, faults)
    if dice.maybe(0.06):
        behind = blur(behind, dice.between(0.3, 1.2))
    if dice.ever(faults.focus):
        behind = blur(behind, dice.between(0.002, 0.01) * max(size))
    plate, foreground = _over(layer, behind, clean, faults.linear_light)
    return recorded(dice, plate, clean, foreground, alpha, faults)


def recorded(
    dice: Dice, plate: Tensor, clean: Tensor, foreground: Tensor, alpha: Tensor, faults: Faults
) -> Composite:
    """The composite as cameras record it, now and then with a border missing in the clean plate, and guides."""
    plate, clean = record(dice, plate, clean, faults.camera)
    coverage = torch.ones_like(alpha)
    if dice.maybe(0.1):
        clean, coverage = uncovered(dice, clean)
    core, holdout = draw_guides(dice, alpha)
    return Composite(
        plate=plate,
        clean=clean,
        foreground=foreground,
        alpha=alpha,
        coverage=coverage,
        core=core,
        holdout=holdout,
    )


def clean_plate_of(dice: Dice, scene: Tensor, faults: Faults) -> Tensor:
    """The set as the clean plate shows it after alignment and exposure matching, now and then out of focus."""
    height, width = scene.shape[-2:]
    flow = misalignment(dice, (height, width), faults.misalignment)
    if dice.ever(faults.parallax):
        flow = flow + parallax(dice, (height, width))
    clean = drift(dice, displaced(scene, flow))
    return blur(clean, dice.between(0.3, 1.2)) if dice.maybe(0.3) else clean


def _over(layer: Tensor, behind: Tensor, clean: Tensor, linear_light: bool) -> tuple[Tensor, Tensor]:
    rgb, alpha = layer[:3], alpha_of(layer)
    own = rgb
    if len(layer) == SEE_THROUGH:
        # The colour that an over needs for it: its own light, and the tint that it gives to the set's mean light.
        own = (rgb + (alpha - layer[3:6]) * behind.mean((1, 2), keepdim=True)).clamp(min=0)
    foreground = torch.where(alpha > 1e-3, own / alpha.clamp(min=1e-3), clean)
    if len(layer) == SEE_THROUGH:
        return rgb + displaced(behind, layer[6:]) * (1 - layer[3:6]), foreground
    if linear_light:
        return rgb + behind * (1 - alpha), foreground
    video = to_video(foreground) * alpha + to_video(behind) * (1 - alpha)
    return from_video(video), foreground
