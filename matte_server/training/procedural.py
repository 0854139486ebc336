"""Endless subjects without a renderer: shapes with strands, drawn as premultiplied scene-linear RGBA.

Every function takes a ``numpy.random.Generator``; the same seed gives the same picture.
"""

# ruff: noqa: RUF005  (vectors are added here, not lists joined)

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Byte = npt.NDArray[np.uint8]
Random = np.random.Generator

SUPERSAMPLE = 2
_SHIFT = 3
"""Fractional bits of the coordinates that OpenCV draws with."""


def smooth_noise(rng: Random, height: int, width: int, cells: float, channels: int = 1) -> Float32:
    """Band-limited noise of unit range about 0, height x width x channels, ``cells`` bumps across."""
    rows = max(2, round(cells * height / max(height, width)))
    columns = max(2, round(cells * width / max(height, width)))
    coarse = rng.uniform(-1, 1, (rows + 1, columns + 1, channels)).astype(np.float32)
    grown = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown, np.float32).reshape(height, width, channels)


def fractal_noise(rng: Random, height: int, width: int, cells: float, octaves: int, channels: int = 1) -> Float32:
    """A sum of ``smooth_noise`` octaves, each twice as fine and 0.55 as strong."""
    total = np.zeros((height, width, channels), np.float32)
    for octave in range(octaves):
        total += 0.55**octave * smooth_noise(rng, height, width, cells * 2**octave, channels)
    return total


def colour(rng: Random) -> Float32:
    """A plausible reflectance, scene-linear RGB: dark, grey and skin tones more often than loud ones."""
    kind = rng.random()
    if kind < 0.25:
        skin = np.array([0.45, 0.25, 0.17], np.float32)
        return np.asarray(skin * rng.uniform(0.15, 1.5) * rng.uniform(0.9, 1.1, 3), np.float32)
    base = rng.uniform(0.01, 0.9) ** 2
    spread = rng.uniform(0.0, 0.25) if kind < 0.6 else rng.uniform(0.3, 2.0)
    tint = np.exp(rng.normal(0, 1, 3) * spread)
    return np.asarray(np.clip(base * tint / tint.mean(), 0.003, 1.0), np.float32)


def surface(rng: Random, height: int, width: int) -> Float32:
    """A material: flat, mottled, striped, chequered or patterned; height x width x 3 scene-linear."""
    base, other = colour(rng), colour(rng)
    kind = rng.integers(6)
    if kind <= 1:
        weight = 0.15 * fractal_noise(rng, height, width, rng.uniform(3, 12), 5)
        return np.asarray(base * np.exp(weight * rng.uniform(0.2, 3)), np.float32)
    if kind == 2:
        weight = np.clip(0.5 + fractal_noise(rng, height, width, rng.uniform(2, 30), 4), 0, 1)
    elif kind == 3:
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        angle, period = rng.uniform(0, np.pi), rng.uniform(4, 60)
        phase = (x * np.cos(angle) + y * np.sin(angle)) * (2 * np.pi / period)
        phase += 3 * smooth_noise(rng, height, width, 5)[..., 0] * rng.random()
        weight = np.clip(0.5 + rng.uniform(1, 6) * np.sin(phase), 0, 1)[..., None]
    elif kind == 4:
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        period = rng.uniform(8, 80)
        weight = ((x // period + y // period) % 2)[..., None]
    else:
        dots = smooth_noise(rng, height, width, rng.uniform(15, 60))
        weight = np.clip(0.5 + 8 * (dots - rng.uniform(-0.2, 0.4)), 0, 1)
    grain = 1 + 0.1 * rng.random() * rng.standard_normal((height, width, 1)).astype(np.float32)
    return np.asarray((base * (1 - weight) + other * weight) * np.clip(grain, 0.3, 2), np.float32)


def shade(rng: Random, matte: Byte) -> Float32:
    """Diffuse light over a flat shape, as if it bulged; height x width x 1, around 1."""
    depth = cv2.distanceTransform((matte > 127).astype(np.uint8), cv2.DIST_L2, 3)
    depth = np.sqrt(np.minimum(depth, matte.shape[0] * rng.uniform(0.02, 0.12)))
    depth = cv2.GaussianBlur(depth, (0, 0), rng.uniform(2, 6))
    slope_y, slope_x = np.gradient(depth)
    angle = rng.uniform(0, 2 * np.pi)
    light = (slope_x * np.cos(angle) + slope_y * np.sin(angle)) * rng.uniform(0.5, 5)
    folds = fractal_noise(rng, matte.shape[0], matte.shape[1], rng.uniform(3, 9), 3)[..., 0]
    value = np.exp(np.clip(light + folds * rng.uniform(0, 0.5), -2.0, 1.2))
    return np.asarray(value[..., None], np.float32)


class Canvas:
    """A picture being drawn, at ``SUPERSAMPLE`` times the final size; later shapes cover earlier ones."""

    def __init__(self, rng: Random, size: int) -> None:
        self.rng = rng
        self.size = size * SUPERSAMPLE
        self.rgb = np.zeros((self.size, self.size, 3), np.float32)
        self.alpha = np.zeros((self.size, self.size), np.float32)
        self.wardrobe: list[Float32] = []

    def lay(self, matte: Byte, texture: Float32 | None = None, opacity: float = 1.0) -> None:
        """Cover with a shape (0..255), shaded, in a new material where none is given."""
        x, y, width, height = cv2.boundingRect(matte)
        if width == 0:
            return
        # A limb that leaves the picture may show one row of pixels alone, and light needs a slope.
        x, y, width, height = min(x, self.size - 2), min(y, self.size - 2), max(width, 2), max(height, 2)
        part = (slice(y, y + height), slice(x, x + width))
        cut = np.ascontiguousarray(matte[part])
        if texture is None:
            texture = self._material(height, width)
        lit = texture * shade(self.rng, cut)
        weight = cut.astype(np.float32)[..., None] * (opacity / 255)
        self.rgb[part] = self.rgb[part] * (1 - weight) + lit * weight
        self.alpha[part] = self.alpha[part] * (1 - weight[..., 0]) + weight[..., 0]

    def _material(self, height: int, width: int) -> Float32:
        """Cloth in one of the wardrobe's colours, or any surface where the wardrobe is empty."""
        if not self.wardrobe:
            return surface(self.rng, height, width)
        base = self.wardrobe[int(self.rng.integers(len(self.wardrobe)))]
        weave = fractal_noise(self.rng, height, width, self.rng.uniform(2, 10), 5)
        return np.asarray(base * np.exp(weave * self.rng.uniform(0.05, 0.4)), np.float32)

    def polygon(self, points: Float32, opacity: float = 1.0, texture: Float32 | None = None) -> Byte:
        """Lay a filled polygon (unit coordinates, N x 2, x then y); returns its matte."""
        matte = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(matte, [self._fixed(points)], 255, cv2.LINE_AA, _SHIFT)
        self.lay(matte, texture, opacity)
        return matte

    def strands(self, curves: Float32, base: Float32, thickness: int, variety: float) -> None:
        """Draw curves (count x points x 2, unit coordinates) in about the colour ``base``."""
        groups = np.array_split(np.arange(len(curves)), min(14, len(curves)))
        for group in groups:
            matte = np.zeros((self.size, self.size), np.uint8)
            lines = [self._fixed(curves[i]) for i in group]
            cv2.polylines(matte, lines, False, 255, thickness, cv2.LINE_AA, _SHIFT)
            tint = base * np.exp(self.rng.normal(0, variety)) * np.exp(self.rng.normal(0, 0.05, 3))
            x, y, width, height = cv2.boundingRect(matte)
            part = (slice(y, y + height), slice(x, x + width))
            weight = matte[part].astype(np.float32)[..., None] / 255
            shine = np.exp(0.6 * smooth_noise(self.rng, max(1, height), max(1, width), 6))
            self.rgb[part] = self.rgb[part] * (1 - weight) + np.asarray(tint, np.float32) * shine * weight
            self.alpha[part] = self.alpha[part] * (1 - weight[..., 0]) + weight[..., 0]

    def finish(self) -> Float32:
        """The picture at its final size: premultiplied scene-linear R, G, B, A."""
        whole = np.dstack([self.rgb, self.alpha])
        size = self.size // SUPERSAMPLE
        return np.asarray(cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA), np.float32)

    def _fixed(self, points: Float32) -> npt.NDArray[np.int32]:
        scale = self.size * (1 << _SHIFT)
        return np.asarray(np.clip(points, -2, 3) * scale, np.int32).reshape(-1, 1, 2)


def rounded(rng: Random, centre: npt.ArrayLike, radii: Sequence[float], rough: float, lobes: int = 7) -> Float32:
    """A closed curve about ``centre``: an ellipse with random lobes; 96 x 2 unit coordinates."""
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    radius = np.ones_like(angle)
    for lobe in range(2, 2 + lobes):
        radius += rough / lobe * rng.normal() * np.cos(lobe * angle + rng.uniform(0, 2 * np.pi))
    points = np.stack([np.cos(angle) * radii[0], np.sin(angle) * radii[1]], 1) * radius[:, None]
    return np.asarray(points + np.asarray(centre), np.float32)


def limb(start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], wide: float, narrow: float) -> Float32:
    """A tapering bar with round ends between two points."""
    along = end - start
    angle = np.arctan2(along[1], along[0])
    cap = np.linspace(np.pi / 2, 3 * np.pi / 2, 12)
    first = start + wide * np.stack([np.cos(angle + cap), np.sin(angle + cap)], 1)
    second = end + narrow * np.stack([np.cos(angle + cap + np.pi), np.sin(angle + cap + np.pi)], 1)
    return np.asarray(np.concatenate([first, second]), np.float32)


def hair_curves(
    rng: Random, roots: Float32, normals: Float32, count: int, length: float, curl: float, fall: float
) -> Float32:
    """Strands that leave ``roots`` along ``normals``, fall and curl; count x 18 x 2 unit coordinates."""
    pick = rng.integers(len(roots), size=count)
    steps = 18
    lengths = length * rng.uniform(0.3, 1.2, count) * (1 + 0.8 * (rng.random(count) < 0.08))
    heading = np.arctan2(normals[pick, 1], normals[pick, 0]) + rng.normal(0, 0.3, count)
    phase, rate = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.3, 1.5, count)
    position = roots[pick].astype(np.float64).copy()
    curves = np.empty((count, steps, 2), np.float32)
    for step in range(steps):
        curves[:, step] = position
        down = np.arctan2(np.sin(np.pi / 2 - heading), np.cos(np.pi / 2 - heading))
        heading = heading + fall * down + curl * np.sin(phase + step * rate * 1.7) + rng.normal(0, 0.05, count)
        position += np.stack([np.cos(heading), np.sin(heading)], 1) * (lengths / steps)[:, None]
    return curves


def add_hair(canvas: Canvas, outline: Float32, reach: float, sparse: bool = False) -> None:
    """Hair of a random style along a closed outline: strands under a few flyaways."""
    rng = canvas.rng
    normals = outline - outline.mean(0)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-6
    base = colour(rng) * rng.choice([0.15, 0.5, 1.0])
    curl = rng.choice([0.0, 0.1, 0.35, 0.8]) * rng.random()
    fall = rng.choice([0.0, 0.08, 0.2])
    count = int(rng.integers(60, 250) if sparse else rng.integers(500, 2500))
    inset = outline - normals * reach * 0.25 * rng.random((len(outline), 1)).astype(np.float32)
    thickness = int(rng.choice([1, 1, 1, 2, 3]))
    canvas.strands(hair_curves(rng, inset, normals, count, reach, curl, fall), base, thickness, 0.35)
    flyaways = hair_curves(rng, outline, normals, int(rng.integers(5, 60)), reach * 2, curl + 0.1, fall * 0.7)
    canvas.strands(flyaways, base, 1, 0.35)


def person(canvas: Canvas) -> None:
    """A figure of capsules: standing, sitting or waving, whole or only head and shoulders."""
    rng = canvas.rng
    head = rng.uniform(0.045, 0.065) if rng.random() < 0.5 else rng.uniform(0.1, 0.2)
    centre = np.array([rng.uniform(0.4, 0.6), head * rng.uniform(1.6, 2.6)])
    canvas.wardrobe = [colour(rng), colour(rng)] if rng.random() < 0.6 else []
    neck = centre + [rng.normal(0, 0.1) * head, 1.4 * head]
    hips = neck + np.array([rng.normal(0, 0.6), rng.uniform(4.0, 5.0)]) * head
    skin = surface(rng, 8, 8).mean((0, 1)) if rng.random() < 0.3 else colour(rng)
    for side in (-1, 1):
        _leg(canvas, hips, side, head)
    if rng.random() < 0.5:
        add_hair(canvas, rounded(rng, centre + [0, 0.3 * head], [head * 1.1, head * 1.3], 0.1), head * 1.6)
    shoulder = rng.uniform(1.3, 1.9) * head
    torso = np.array([
        neck + [-0.35 * head, 0], neck + [0.35 * head, 0], neck + [shoulder, 0.6 * head],
        hips + [rng.uniform(0.8, 1.4) * head, 0], hips + [rng.uniform(-1.4, -0.8) * head, 0],
        neck + [-shoulder, 0.6 * head],
    ])  # fmt: skip
    canvas.polygon(np.asarray(torso, np.float32))
    for side in (-1, 1):
        _arm(canvas, neck + [side * shoulder * 0.9, 0.75 * head], side, head, skin)
    canvas.polygon(limb(centre, neck + [0, 0.3 * head], 0.4 * head, 0.4 * head), texture=None)
    _face(canvas, centre, head, skin)


def _face(canvas: Canvas, centre: npt.NDArray[np.float64], head: float, skin: npt.NDArray[np.floating]) -> None:
    """A mottled face with eyes, mostly with hair."""
    rng = canvas.rng
    face = rounded(rng, centre, [head * 0.8, head], 0.08)
    matte = np.zeros((canvas.size, canvas.size), np.uint8)
    cv2.fillPoly(matte, [canvas._fixed(face)], 255, cv2.LINE_AA, _SHIFT)
    box = cv2.boundingRect(matte)
    mottle = np.exp(0.2 * fractal_noise(rng, max(1, box[3]), max(1, box[2]), 5, 4))
    canvas.lay(matte, np.asarray(skin * mottle, np.float32))
    for side in (-1, 1):
        canvas.polygon(rounded(rng, centre + [side * 0.3 * head, -0.1 * head], [0.13 * head, 0.07 * head], 0.1))
    if rng.random() < 0.85:
        scalp = face[(face[:, 1] < centre[1] + rng.uniform(-0.5, 0.6) * head)]
        if len(scalp) > 4:
            add_hair(canvas, scalp, head * rng.uniform(0.2, 2.0))


def _leg(canvas: Canvas, hips: npt.NDArray[np.float64], side: int, head: float) -> None:
    rng = canvas.rng
    knee = hips + np.array([side * rng.uniform(0.3, 1.6), rng.uniform(2.0, 3.6)]) * head
    foot = knee + np.array([side * rng.uniform(-0.6, 0.8), rng.uniform(2.0, 3.6)]) * head
    start = hips + np.array([side * 0.5 * head, 0])
    canvas.polygon(limb(start, knee, 0.62 * head, 0.42 * head))
    canvas.polygon(limb(knee, foot, 0.4 * head, 0.25 * head))
    canvas.polygon(limb(foot, foot + np.array([side * 0.7, 0.1]) * head, 0.25 * head, 0.2 * head))


def _arm(canvas: Canvas, joint: npt.NDArray[np.float64], side: int, head: float, skin: Float32) -> None:
    rng = canvas.rng
    elbow_angle = rng.uniform(-0.6, 1.7)
    elbow = joint + np.array([side * np.cos(elbow_angle), np.sin(elbow_angle)]) * 1.9 * head
    wrist_angle = elbow_angle + rng.normal(0, 1.0)
    wrist = elbow + np.array([side * np.cos(wrist_angle), np.sin(wrist_angle)]) * 1.7 * head
    canvas.polygon(limb(joint, elbow, 0.4 * head, 0.3 * head))
    canvas.polygon(limb(elbow, wrist, 0.3 * head, 0.2 * head))
    flat = np.ones((canvas.size, canvas.size, 1), np.float32)[:1, :1] * skin
    for finger in rng.normal(0, 0.45, 5):
        reach = np.array([side * np.cos(wrist_angle + finger), np.sin(wrist_angle + finger)])
        tip = wrist + reach * rng.uniform(0.55, 0.85) * head
        canvas.polygon(limb(wrist, tip, 0.16 * head, 0.06 * head), texture=flat)


def creature(canvas: Canvas) -> None:
    """A rounded body or two, furred half the time."""
    rng = canvas.rng
    for _ in range(int(rng.integers(1, 4))):
        radii = rng.uniform(0.08, 0.3, 2)
        outline = rounded(rng, rng.uniform(0.3, 0.7, 2).tolist(), radii.tolist(), rng.uniform(0.05, 0.6))
        canvas.polygon(outline)
        if rng.random() < 0.6:
            add_hair(canvas, outline, float(radii.min() * rng.uniform(0.1, 0.9)))


def furniture(canvas: Canvas) -> None:
    """Slabs on thin legs, frames with holes, wires."""
    rng = canvas.rng
    for _ in range(int(rng.integers(2, 9))):
        x, y = rng.uniform(0.1, 0.8, 2)
        width, height = rng.uniform(0.01, 0.35, 2)
        lean = rng.normal(0, 0.05)
        box = np.array([[x, y], [x + width, y + lean], [x + width + lean, y + height], [x + lean, y + height]])
        canvas.polygon(np.asarray(box, np.float32))
    for _ in range(int(rng.integers(0, 10))):
        ends = rng.uniform(0.1, 0.9, (2, 2))
        width = rng.uniform(0.001, 0.012)
        canvas.polygon(limb(ends[0], ends[1], width, width))


def plant(canvas: Canvas) -> None:
    """Stems with leaves."""
    rng = canvas.rng
    root = np.array([[rng.uniform(0.4, 0.6), 0.95]], np.float32)
    up = np.array([[0.0, -1.0]], np.float32)
    stems = hair_curves(rng, root, up, int(rng.integers(4, 18)), rng.uniform(0.5, 0.9), 0.15, -0.02)
    green = colour(rng) * np.array([0.6, 1.3, 0.5], np.float32)
    canvas.strands(stems, np.asarray(green, np.float32), int(rng.integers(2, 7)), 0.3)
    slim = rng.uniform(0.1, 0.5)
    for stem in stems:
        for point in stem[3::2]:
            for _ in range(int(rng.integers(1, 4))):
                angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.09)
                leaf = rounded(rng, [0, 0], [length, length * slim], 0.05)
                turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
                shape = np.asarray((leaf + [length, 0]) @ turn + point, np.float32)
                flat = (green * np.exp(rng.normal(0, 0.4, 3)))[None, None]
                canvas.polygon(shape, texture=np.asarray(flat, np.float32))


def thin_things(canvas: Canvas) -> None:
    """Nets, wires, loose strands without a body, a sheer sheet."""
    rng = canvas.rng
    if rng.random() < 0.4:
        radii = rng.uniform(0.15, 0.4, 2).tolist()
        canvas.polygon(rounded(rng, [0.5, 0.5], radii, 0.3), opacity=float(rng.uniform(0.15, 0.9)))
    outline = rounded(rng, rng.uniform(0.35, 0.65, 2).tolist(), rng.uniform(0.05, 0.25, 2).tolist(), 0.3)
    add_hair(canvas, outline, float(rng.uniform(0.1, 0.5)), sparse=True)
    for _ in range(int(rng.integers(0, 4))):
        centre = rng.uniform(0.25, 0.75, 2)
        ring = rounded(rng, centre.tolist(), rng.uniform(0.05, 0.2, 2).tolist(), 0.1)
        closed = np.concatenate([ring, ring[:1]])[None]
        canvas.strands(closed, colour(rng), int(rng.integers(1, 8)), 0.1)


KINDS = {person: 0.5, creature: 0.18, furniture: 0.1, plant: 0.08, thin_things: 0.14}


def subject(rng: Random, size: int = 640) -> Float32:
    """One random subject: size x size x 4, premultiplied scene-linear R, G, B, A, alpha in 0..1."""
    canvas = Canvas(rng, size)
    draw = rng.choice(np.array(list(KINDS), dtype=object), p=list(KINDS.values()))
    draw(canvas)
    if rng.random() < 0.1:
        glint = np.clip(fractal_noise(rng, canvas.size, canvas.size, 8, 3) - 0.6, 0, 1) * 20
        canvas.rgb += glint * canvas.alpha[..., None]
    return np.clip(canvas.finish(), 0.0, 60.0)
