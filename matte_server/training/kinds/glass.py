"""Glass: tumblers, bottles, mugs, bulbs, by the profile of a body of revolution.

``u`` is a pixel's distance from the axis divided by the radius at its height. Walls absorb light by the length of
its path through them (Lambert and Beer), reflect by Schlick's approximation of Fresnel's equations, and shift what
is behind them, most at the rim.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..procedural import Float32, Random, colour, smooth_noise, surface
from .botany import grass, twigs
from .see_through import SeeThrough, closed, halved, opaque, over
from .sheet import Numbers, Sheet, material

_TINTS = ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (3.0, 0.7, 2.2), (0.6, 1.5, 4.0), (2.5, 1.2, 0.5))
"""What the glass itself absorbs, R, G, B: clear twice as often as green, brown and blue."""

_PROFILES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    # Heights from the top, and the radius there.
    "tumbler": ((0.12, 0.9), (0.3, 0.24)),
    "bottle": ((0.04, 0.3, 0.42, 0.95, 0.96), (0.055, 0.06, 0.16, 0.16, 0.15)),
    "wine": ((0.06, 0.2, 0.4, 0.52, 0.56, 0.86, 0.92, 0.94), (0.16, 0.22, 0.21, 0.08, 0.02, 0.02, 0.17, 0.19)),
    "mug": ((0.2, 0.85), (0.3, 0.29)),
    "jar": ((0.14, 0.2, 0.26, 0.88, 0.92), (0.2, 0.2, 0.29, 0.29, 0.25)),
    "vase": ((0.3, 0.4, 0.6, 0.85, 0.95), (0.15, 0.12, 0.16, 0.24, 0.18)),
}


def _pixels(size: int) -> tuple[Float32, Float32]:
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    return (x + 0.5) / size, (y + 0.5) / size


def _radius(y: Float32, heights: npt.ArrayLike, radii: npt.ArrayLike) -> Float32:
    """Radius of the profile at every row, 0 above and below it, corners rounded."""
    line = np.interp(y[:, 0], np.asarray(heights), np.asarray(radii), left=0, right=0)
    blur = max(1, len(line) // 60)
    kernel = np.hanning(2 * blur + 3)[1:-1]
    inside = line > 0
    smooth = np.convolve(np.pad(line, blur, mode="edge"), kernel / kernel.sum(), "valid")
    return np.where(inside, np.minimum(smooth, line * 1.2), 0).astype(np.float32)[:, None]


def _reflections(rng: Random, size: int, u: Numbers, y: Float32) -> Float32:
    """What a curved wall mirrors: soft streaks and a window or two, height x width x 3."""
    streaks = np.interp(u, np.linspace(-1, 1, 24), rng.uniform(0, 1, 24) ** 3)
    room = (0.3 + streaks[..., None]) * np.exp(0.4 * smooth_noise(rng, size, size, 3))
    for _ in range(int(rng.integers(1, 4))):
        middle, wide = rng.uniform(-0.85, 0.85), rng.uniform(0.03, 0.12)
        top, bottom = np.sort(rng.uniform(0.1, 0.95, 2))
        window = np.clip((wide - np.abs(u - middle)) * 40, 0, 1)
        window = window * np.clip((y - top) * 60, 0, 1) * np.clip((bottom - y) * 60, 0, 1)
        room = room + (window * rng.uniform(4, 25))[..., None]
    return np.asarray(room, np.float32)


def shell(
    rng: Random, size: int, heights: npt.ArrayLike, radii: npt.ArrayLike, wall: float, density: Float32, bend: float
) -> SeeThrough:
    """A hollow body of revolution about the picture's middle column. ``wall`` is its thickness divided by its
    radius, ``density`` what one radius of glass absorbs in each colour, and ``bend`` the shift at the rim divided
    by the radius."""
    x, y = _pixels(size)
    radius = _radius(y, heights, radii)
    u = (x - 0.5) / np.maximum(radius, 1e-4)
    inside = np.clip((radius - np.abs(x - 0.5)) * size + 0.5, 0, 1)[..., None]
    flat = np.clip(np.abs(u), 0, 0.9995)
    chord = np.sqrt(1 - flat**2) - np.sqrt(np.maximum((1 - wall) ** 2 - flat**2, 0))
    passed = np.exp(-2 * chord[..., None] * density)
    facing = np.sqrt(1 - flat**2)[..., None]
    mirror = 0.04 + 0.96 * (1 - facing) ** 5
    passed = passed * (1 - mirror) ** 2
    light = _reflections(rng, size, u, y) * mirror * rng.uniform(0.5, 1.2)
    light = light + (1 - passed) * density / (density.max() + 1e-6) * 0.04
    slope = np.gradient(radius[:, 0])[:, None] * size / 40
    across = bend * radius * size * np.sign(u) * flat**3 / (facing[..., 0] + 0.25)
    down = np.clip(slope, -1, 1) * bend * radius * size * 0.5 * np.ones_like(u)
    shift = np.dstack([-across, down]) * inside
    return closed(light * inside, (1 - passed) * inside, shift.astype(np.float32))


def _liquid(rng: Random, size: int, heights: Numbers, radii: Numbers, wall: float) -> SeeThrough:
    """The liquid in the glass: coloured, and a lens that shows what is behind it upside down."""
    x, y = _pixels(size)
    level = rng.uniform(0.35, 0.75)
    radius = _radius(y, heights, radii) * (1 - wall)
    u = (x - 0.5) / np.maximum(radius, 1e-4)
    wet = np.clip((radius - np.abs(x - 0.5)) * size, 0, 1) * np.clip((y - level) * size, 0, 1)
    deep = np.sqrt(np.maximum(1 - u**2, 0))[..., None] * radius[..., None] / 0.25
    tint = np.array(_TINTS[int(rng.integers(len(_TINTS)))]) * rng.choice([0.03, 0.3, 2.5])
    passed = np.exp(-deep * tint)
    shift = np.dstack([-2 * np.clip(u, -1, 1) * radius * size * 0.8, np.zeros_like(x)]) * wet[..., None]
    stopped = (1 - passed) * wet[..., None]
    scatter = stopped * (0.05 + 0.3 * rng.random() ** 2) / (1 + tint)
    rim = np.exp(-(((y - level) * size / 2) ** 2)) * np.clip((radius - np.abs(x - 0.5)) * size, 0, 1)
    rim = rim[..., None] * rng.uniform(0.1, 0.5)
    return closed(scatter + rim * 0.3, np.maximum(stopped, rim), shift.astype(np.float32))


def _label(rng: Random, size: int, heights: Numbers, radii: Numbers, top: float, bottom: float) -> SeeThrough:
    """Paper, cork or metal around the glass: solid, shaded as a cylinder."""
    x, y = _pixels(size)
    radius = _radius(y, heights, radii) * 1.02
    u = (x - 0.5) / np.maximum(radius, 1e-4)
    covers = np.clip((radius - np.abs(x - 0.5)) * size, 0, 1)
    covers = (covers * np.clip((y - top) * size, 0, 1) * np.clip((bottom - y) * size, 0, 1))[..., None]
    lit = np.clip(np.sqrt(np.maximum(1 - u**2, 0)) * 0.7 + 0.35 * u * rng.choice([-1, 1]), 0.05, 1)
    return opaque(np.dstack([surface(rng, size, size) * lit[..., None] * covers, covers]).astype(np.float32))


def glass(rng: Random, size: int, variant: str) -> SeeThrough:
    """Variants: "tumbler", "bottle", "wine", "mug", "pane", "lens"; only the benchmark uses "jar" and "vase".
    Upright, in the middle."""
    double = 2 * size
    if variant in ("pane", "lens"):
        return halved(_pane(rng, double, bent=variant == "lens"))
    heights, radii = (np.asarray(part) for part in _PROFILES[variant])
    radii = radii * rng.uniform(0.75, 1.15)
    wall = rng.uniform(0.05, 0.16)
    density = np.asarray(_TINTS[int(rng.integers(len(_TINTS)))] * rng.choice([[0.08], [0.3], [1.2]]), np.float32)
    thing = shell(rng, double, heights, radii, wall, density.reshape(3), rng.uniform(0.05, 0.35))
    foot = (float(heights[-1]) - rng.uniform(0.015, 0.05), float(heights[-1]))
    base = shell(rng, double, [*foot], [radii[-1], radii[-1]], 0.9, density.reshape(3) + 0.25, 0.4)
    inner = base
    if rng.random() < 0.55:
        inner = over(_liquid(rng, double, heights, radii, wall), inner)
    if variant == "vase" or rng.random() < 0.15:
        inner = over(inner, _bunch(rng, double))
    elif rng.random() < 0.25:
        inner = over(inner, _straw(rng, double))
    thing = over(thing, inner)
    if variant == "mug":
        thing = over(_handle(rng, double, float(radii[0])), thing)
    if variant in ("bottle", "jar") and rng.random() < 0.7:
        thing = over(_label(rng, double, heights, radii, *sorted(rng.uniform(0.5, 0.9, 2))), thing)
    if variant in ("bottle", "jar"):
        thing = over(_label(rng, double, heights, radii, float(heights[0]), float(heights[0]) + 0.06), thing)
    return halved(thing)


def _bend(rng: Random, size: int, x: Float32, y: Float32) -> Float32:
    """The shift by a lens, which enlarges, shrinks or turns over what is behind it, or by a wavy pane; height x
    width x 2, pixels."""
    if rng.random() < 0.5:
        power = rng.choice([-0.6, 0.3, 0.7, 1.4, 2.0]) * rng.uniform(0.7, 1.2)
        return np.asarray(np.dstack([0.5 - x, 0.5 - y]) * power * size, np.float32)
    cells, reach = rng.uniform(2, 14), rng.uniform(0.005, 0.05) * size
    waves = [np.asarray(smooth_noise(rng, size, size, cells)).reshape(size, size) for _ in range(2)]
    return np.asarray(np.dstack(waves) * reach, np.float32)


def _pane(rng: Random, size: int, bent: bool) -> SeeThrough:
    """A sheet of glass: a window, a table top, a lens; most of it shows what is behind it, a flat one as it is.
    A few are framed, and some are smeared."""
    x, y = _pixels(size)
    turn, aspect = rng.normal(0, 0.25), rng.uniform(0.5, 1.0)
    along = (x - 0.5) * np.cos(turn) + (y - 0.5) * np.sin(turn)
    across = (y - 0.5) * np.cos(turn) - (x - 0.5) * np.sin(turn)
    power = rng.choice([2.0, 6.0, 40.0])  # an ellipse, rounded corners, sharp ones
    wide = rng.uniform(0.36, 0.47)
    far = (np.abs(along / wide) ** power + np.abs(across / (wide * aspect)) ** power) ** (1 / power)
    depth = np.asarray((1 - far) * wide * aspect * size, np.float32)  # pixels from the edge
    inside = np.clip(depth + 0.5, 0, 1)[..., None]
    edge = np.clip(1 - depth / (rng.uniform(0.002, 0.012) * size), 0, 1)[..., None]
    density = np.asarray(_TINTS[int(rng.integers(len(_TINTS)))], np.float32)
    passed = np.exp(-density * (rng.choice([0.02, 0.08, 0.4]) + edge * rng.uniform(0.3, 2)))
    mirror = rng.uniform(0.02, 0.2) + 0.4 * edge * rng.random()
    room = _reflections(rng, size, np.clip(along / wide, -1, 1), y) * rng.choice([0.3, 1.0])
    milk = np.clip(smooth_noise(rng, size, size, 6), 0, 1) * rng.choice([0.0, 0.0, 0.15])
    stopped = 1 - passed * (1 - mirror) * (1 - milk)
    shift = np.dstack([edge, edge]) * rng.normal(0, 0.01, 2) * size
    if bent:
        shift = shift + _bend(rng, size, x, y)
    light = (room * mirror + 0.3 * milk) * inside * np.ones(3)
    pane = closed(np.asarray(light, np.float32), stopped * inside, np.asarray(shift * inside, np.float32))
    if rng.random() > 0.35:
        return pane
    bars = np.clip(1 - np.abs(depth) / (rng.uniform(0.004, 0.03) * size), 0, 1)
    bars = np.clip(bars * 8, 0, 1)[..., None]
    return over(opaque(np.dstack([surface(rng, size, size) * bars, bars]).astype(np.float32)), pane)


def _twice_as_large(sheet: Sheet) -> SeeThrough:
    """The sheet's picture at twice its size, at which glass is made."""
    return opaque(np.asarray(np.repeat(np.repeat(sheet.finish(), 2, 0), 2, 1), np.float32))


def _bunch(rng: Random, size: int) -> SeeThrough:
    """Stems that stand in the vase."""
    sheet = Sheet(rng, size // 2)
    twigs(sheet, str(rng.choice(["leafy", "blossom"]))) if rng.random() < 0.6 else grass(sheet, "meadow")
    return _twice_as_large(sheet)


def _straw(rng: Random, size: int) -> SeeThrough:
    sheet = Sheet(rng, size // 2)
    ends = np.array([[rng.uniform(0.3, 0.7), 0.02], [rng.uniform(0.45, 0.55), 0.85]], np.float32)
    sheet.tube(ends, rng.uniform(0.008, 0.025), material(rng))
    return _twice_as_large(sheet)


def _handle(rng: Random, size: int, radius: float) -> SeeThrough:
    """A bent bar of glass beside the mug."""
    x, y = _pixels(size)
    away = np.hypot((x - 0.5 - radius) / 0.14, (y - 0.5) / 0.2)
    thick = rng.uniform(0.12, 0.25)
    u = np.clip((away - 1) / thick, -1, 1)
    on = np.clip((1 - np.abs((away - 1) / thick)) * thick * 0.15 * size, 0, 1) * (x > 0.5 + radius)
    facing = np.sqrt(1 - np.minimum(u * u, 0.999))
    mirror = 0.05 + 0.95 * (1 - facing) ** 4
    light = _reflections(rng, size, u, y) * (mirror * on * 0.6)[..., None]
    stopped = np.repeat((on * (0.1 + 0.6 * mirror))[..., None], 3, 2)
    shift = np.dstack([u * on * 0.05 * size, np.zeros_like(x)])
    return closed(light, stopped, shift.astype(np.float32))


def bulb(rng: Random, size: int, variant: str) -> SeeThrough:
    """Variants: "clear" with its filament, "frosted", "globe"; only the benchmark uses "candle"."""
    double = 2 * size
    wide = {"globe": 0.34, "candle": 0.15}.get(variant, rng.uniform(0.22, 0.3))
    t = np.linspace(0, np.pi * 0.82, 24)
    heights = 0.08 + (0.6 if variant != "candle" else 0.62) * (1 - np.cos(t)) / (1 - np.cos(t[-1]))
    radii = wide * np.sin(t) ** (0.75 if variant != "candle" else 1.1) + 0.002
    radii = np.maximum(radii, np.where(heights > 0.4, 0.1 if variant != "candle" else 0.05, 0))
    density = np.asarray(_TINTS[int(rng.integers(len(_TINTS)))], np.float32) * rng.choice([0.05, 0.4])
    thing = shell(rng, double, heights, radii, rng.uniform(0.02, 0.06), density, rng.uniform(0.02, 0.12))
    if variant == "frosted":
        milk = rng.uniform(0.35, 0.85)
        body = (thing.stopped.max(2, keepdims=True) > 0.02).astype(np.float32)
        glow = body * milk * rng.uniform(0.4, 0.9)
        thing = closed(thing.light + glow, 1 - (1 - thing.stopped) * (1 - milk * body), thing.shift)
    else:
        thing = over(thing, _filament(rng, size))
    cap = _label(rng, double, np.array([0.66, 0.9]), np.array([0.1, 0.085]) * wide / 0.25, 0.66, 0.9)
    return halved(over(cap, thing))


def _filament(rng: Random, size: int) -> SeeThrough:
    sheet = Sheet(rng, size)
    paint = material(rng)
    for x in (0.46, 0.54):
        sheet.line(np.array([[0.5, 0.66], [x, 0.45], [x, 0.34]], np.float32), 0.004, paint)
    t = np.linspace(0, 1, 120)
    lit = np.array([2.0, 1.1, 0.4], np.float32) * rng.choice([0.1, 1.0])
    coil = np.stack([0.46 + 0.08 * t, 0.34 + 0.012 * np.sin(t * 60) - 0.03 * np.sin(np.pi * t)], 1)
    sheet.line(coil.astype(np.float32), 0.003, lit)
    return _twice_as_large(sheet)


def jelly(rng: Random, size: int, variant: str) -> SeeThrough:
    """Variants: "medusa" with tentacles, "bubbles"; only the benchmark uses "drop" (one large clear blob)."""
    x, y = _pixels(size)
    if variant != "medusa":
        count = int(rng.integers(4, 22)) if variant == "bubbles" else 1
        thing = None
        for _ in range(count):
            r = rng.uniform(0.03, 0.16) if count > 1 else rng.uniform(0.28, 0.42)
            one = _ball(rng, size, rng.uniform(0.15, 0.85, 2) if count > 1 else np.array([0.5, 0.5]), r)
            thing = one if thing is None else over(one, thing)
        assert thing is not None
        return thing
    paint = np.asarray(np.clip(colour(rng) + 0.15, 0, 1), np.float32)
    r = rng.uniform(0.22, 0.34)
    sheet = Sheet(rng, size)
    for _ in range(int(rng.integers(8, 40))):
        x0, t = 0.5 + rng.uniform(-0.85, 0.85) * r, np.linspace(0, 1, 40)
        sway = rng.normal(0, 0.06) * np.sin(t * rng.uniform(4, 12) + rng.uniform(0, 6)) + rng.normal(0, 0.05) * t
        curve = np.stack([x0 + sway, 0.4 + rng.uniform(0.2, 0.55) * t], 1).astype(np.float32)
        sheet.line(curve, rng.uniform(0.002, 0.012), paint * rng.uniform(0.7, 1.3))
    legs = sheet.finish() * rng.uniform(0.3, 0.9)
    u, v = (x - 0.5) / r, (y - 0.4) / (r * 0.8)
    inside = np.clip((1 - np.hypot(u, v)) * r * size, 0, 1) * np.clip(
        (0.42 + 0.02 * np.cos(u * 20) - y) * size, 0, 1
    )
    rim = np.clip(np.hypot(u, v), 0, 1) ** 4
    ribs = 0.15 * np.clip(np.cos(np.arctan2(v, u) * 24), 0, 1)
    body = inside * np.clip(rng.uniform(0.12, 0.35) + 0.5 * rim + ribs, 0, 0.95)
    milk = np.exp(0.3 * smooth_noise(rng, size, size, 8))
    bell = closed(
        body[..., None] * paint * milk, np.repeat(body[..., None], 3, 2), np.zeros((size, size, 2), np.float32)
    )
    return over(bell, opaque(legs))


def _ball(rng: Random, size: int, at: Numbers, r: float) -> SeeThrough:
    """A bubble: nothing in its middle, a bright rim, highlights."""
    x, y = _pixels(size)
    u, v = (x - at[0]) / r, (y - at[1]) / r
    far = np.hypot(u, v)
    inside = np.clip((1 - far) * r * size, 0, 1)[..., None]
    facing = np.sqrt(np.maximum(1 - np.minimum(far, 0.999) ** 2, 0))[..., None]
    mirror = 0.03 + 0.9 * (1 - facing) ** 4
    rainbow = 0.5 + 0.5 * np.cos(6 * facing + np.array([0, 2, 4]) + 3 * smooth_noise(rng, size, size, 4))
    light = mirror * (0.2 + 0.8 * rainbow) * rng.uniform(0.3, 1.0)
    glint = np.exp(-((u + 0.4) ** 2 + (v + 0.45) ** 2) * 60) + 0.4 * np.exp(
        -((u - 0.45) ** 2 + (v - 0.4) ** 2) * 90
    )
    light = light + (glint * rng.uniform(1, 3))[..., None]
    bend = rng.uniform(0, 0.25) * r * size
    shift = np.dstack([-u * far**2 * bend, -v * far**2 * bend]) * inside
    return closed(light * inside, (0.01 + mirror * 0.8) * inside * np.ones(3), shift.astype(np.float32))
