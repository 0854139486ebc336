"""Thin things that light passes through: plastic bags, veils, smoke.

Each makes a see-through subject of ``size`` pixels."""

from __future__ import annotations

import cv2
import numpy as np

from ..procedural import Float32, Random, colour, fractal_noise, rounded, smooth_noise, subject
from .see_through import SeeThrough, closed, opaque, over


def _filled(size: int, outline: Float32) -> Float32:
    """A polygon's coverage, height x width, supersampled four times."""
    matte = np.zeros((size * 4, size * 4), np.uint8)
    cv2.fillPoly(matte, [np.asarray(np.clip(outline, -1, 2) * size * 4, np.int32).reshape(-1, 1, 2)], 255)
    return np.asarray(cv2.resize(matte, (size, size), interpolation=cv2.INTER_AREA) / 255, np.float32)


def bag(rng: Random, size: int, variant: str) -> SeeThrough:
    """Crumpled foil: "empty", "filled" (something stands in it); only the benchmark uses "wrap" (stretched
    film)."""
    outline = rounded(rng, [0.5, 0.55], rng.uniform(0.28, 0.42, 2).tolist(), 0.35, lobes=9)
    neck = np.clip(1 - 8 * np.maximum(0.3 - outline[:, 1:], 0), 0.25, 1)
    outline = np.concatenate([0.5 + (outline[:, :1] - 0.5) * neck, outline[:, 1:]], 1)
    inside = _filled(size, outline)
    folds = np.zeros((size, size), np.float32)
    for cells in (3, 6, 12, 24):
        waves = smooth_noise(rng, size, size, cells * rng.uniform(0.8, 1.3))[..., 0]
        folds = np.maximum(folds, np.exp(-((waves / 0.03) ** 2)) * rng.uniform(0.4, 1) * (0.6 if cells > 8 else 1))
    if variant == "wrap":
        y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
        way = rng.uniform(0, np.pi)
        stretch = np.sin((x * np.cos(way) + y * np.sin(way)) * 70 + 9 * smooth_noise(rng, size, size, 3)[..., 0])
        folds = np.clip(stretch * 4 - 3, 0, 1) * np.clip(smooth_noise(rng, size, size, 4)[..., 0] + 0.5, 0, 1)
    edge = inside - cv2.erode(inside, np.ones((5, 5)))
    haze = rng.uniform(0.04, 0.3)
    body = haze * np.exp(0.6 * smooth_noise(rng, size, size, 4)[..., 0]) + 0.35 * folds * rng.random() + 0.4 * edge
    tint = np.asarray(1 - rng.random() * 0.5 * rng.random(3), np.float32)
    side = smooth_noise(rng, size, size, 5)[..., 0]
    shine = folds * np.clip(side, 0, 1) ** 2 * rng.uniform(0.8, 4)
    soft = cv2.GaussianBlur(shine, (0, 0), 0.7)
    light = (body * rng.uniform(0.2, 0.8))[..., None] * tint + soft[..., None]
    relief = cv2.GaussianBlur(folds, (0, 0), 2)
    shift = np.dstack(np.gradient(relief)[::-1]) * rng.uniform(2, 12)
    film = closed(
        np.asarray(light * inside[..., None], np.float32),
        np.asarray((body * inside)[..., None] * (0.5 + 0.5 / tint), np.float32),
        np.asarray(shift * inside[..., None], np.float32),
    )
    return over(film, opaque(_content(rng, size, 0.55))) if variant != "empty" else film


def _content(rng: Random, size: int, share: float) -> Float32:
    """Any solid subject, smaller, in the middle of the picture."""
    small = cv2.resize(subject(rng, 320), (round(size * share),) * 2, interpolation=cv2.INTER_AREA)
    whole = np.zeros((size, size, 4), np.float32)
    top = int(size * (0.6 - share / 2))
    left = (size - small.shape[1]) // 2
    whole[top : top + small.shape[0], left : left + small.shape[1]] = small[: size - top]
    return whole


def _sheer_layer(rng: Random, size: int, paint: Float32, is_meshed: bool) -> SeeThrough:
    """One hanging cloth in folds."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    top = rng.uniform(0.15, 0.35)
    corners = np.array([[0.5 - top, 0.05], [0.5 + top, 0.05], [0.5 + rng.uniform(0.2, 0.48), 0.97],
                        [0.5 - rng.uniform(0.2, 0.48), 0.97]])  # fmt: skip
    hem = corners + rng.normal(0, 0.03, (4, 2))
    sides = [hem[k] + (hem[(k + 1) % 4] - hem[k]) * t for k in range(4) for t in np.linspace(0, 1, 16)[:-1, None]]
    ragged = np.concatenate(np.array(sides)[:, None]) + rng.normal(0, 0.004, (60, 2))
    inside = _filled(size, np.asarray(ragged, np.float32))
    phase = x * rng.uniform(20, 80) / (0.6 + 0.5 * y) + 4 * smooth_noise(rng, size, size, 3)[..., 0]
    fold = 0.5 + 0.5 * np.sin(phase + 2 * np.sin(phase * 0.37))
    depth = rng.uniform(0.12, 0.7) * (0.6 + 1.6 * fold**3)
    weave = np.ones_like(depth)
    if is_meshed:
        period = size / rng.uniform(90, 200)
        lines = [np.abs(np.sin(np.pi * size / period * (x * c + y * s))) for c, s in ((0.7, 0.7), (0.7, -0.7))]
        weave = 0.35 + 2.2 * np.clip(1 - np.minimum(*lines) * 2.5, 0, 1)
    sheer = (1 - np.exp(-depth * weave)) * inside
    edge = inside - cv2.erode(inside, np.ones((4, 4)))
    sheer = np.clip(sheer + 0.5 * edge, 0, 1)
    lit = 0.35 + 0.8 * (0.5 + 0.5 * np.cos(phase)) * rng.uniform(0.5, 1)
    light = (sheer * lit)[..., None] * paint
    stopped = np.repeat(sheer[..., None], 3, 2)
    return closed(np.asarray(light, np.float32), stopped, np.zeros((size, size, 2), np.float32))


def veil(rng: Random, size: int, variant: str) -> SeeThrough:
    """Sheer cloth: "hanging", "layered", "tulle" (its mesh shows); only the benchmark uses "bridal" (over
    somebody)."""
    cloth = None
    paint = np.full(3, rng.uniform(0.5, 0.85), np.float32) if rng.random() < 0.5 else colour(rng)
    for _ in range(int(rng.integers(2, 4)) if variant in ("layered", "bridal") else 1):
        one = _sheer_layer(rng, size, paint, is_meshed=variant == "tulle")
        cloth = one if cloth is None else over(one, cloth)
    assert cloth is not None
    within = variant == "bridal" or rng.random() < 0.3
    return over(cloth, opaque(_content(rng, size, 0.8))) if within else cloth


def smoke(rng: Random, size: int, variant: str) -> SeeThrough:
    """Variants: "plume", "haze", "steam"; only the benchmark uses "ink" (coloured)."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    flow = fractal_noise(rng, size, size, rng.uniform(2, 4), 4, 2) * size * rng.uniform(0.03, 0.1)
    clumps = fractal_noise(rng, size, size, rng.uniform(3, 7), 6)[..., 0]
    drawn = cv2.remap(clumps, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    clumps = np.asarray(drawn, np.float32)
    middle = size * (0.5 + 0.12 * np.sin(y / size * 7 + rng.uniform(0, 6)))
    spread = size * (0.06 + 0.25 * (1 - y / size)) * (2 if variant == "haze" else 1)
    shape = np.exp(-(((x + flow[..., 0] * 2 - middle) / spread) ** 2)) * np.clip(
        1.2 - np.abs(y / size - 0.5) * 2.2, 0, 1
    )
    level = {"haze": 0.8, "steam": 1.2}.get(variant, 2.5) * rng.uniform(0.6, 1.6)
    depth = np.clip(shape * (0.4 + clumps * 1.6), 0, None) ** 1.3 * level
    border = np.minimum(np.minimum(x, size - x), np.minimum(y, size - y)) / (0.06 * size)
    depth = (depth * np.clip(border, 0, 1))[..., None]
    white = np.full(3, rng.choice([0.02, 0.25, 0.5, 0.75]), np.float32)
    paint = colour(rng) if variant == "ink" else white
    absorbs = 1 + (0.8 * (1 - paint / paint.max()) if variant == "ink" else 0.0)
    stopped = np.asarray(1 - np.exp(-depth * absorbs), np.float32) * np.ones(3, np.float32)
    shade = np.exp(0.5 * smooth_noise(rng, size, size, 4) + 0.3 * clumps[..., None])
    light = np.asarray(stopped * paint * shade, np.float32)
    return closed(light, stopped, np.zeros((size, size, 2), np.float32))
