"""Springs, wires, wheels, cages, and furniture of thin bars. Each takes a sheet and the variant's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..procedural import Float32, hair_curves
from .sheet import Place, Sheet, arc, circle, material, pose


def spring(sheet: Sheet, variant: str) -> None:
    """Variants: "helix", "slack" (its axis bends), "cord" (a telephone's); only the benchmark uses "cone"."""
    rng, place, paint = sheet.rng, pose(sheet.rng), material(sheet.rng)
    turns = int(rng.integers(14, 40)) if variant == "cord" else int(rng.integers(6, 26))
    radius = rng.uniform(0.05, 0.09) if variant == "cord" else rng.uniform(0.08, 0.24)
    width = rng.uniform(0.12, 0.5) / turns
    bend = rng.uniform(-0.35, 0.35) if variant in ("slack", "cord") else 0.0
    sway = rng.uniform(0.0, 0.12) if variant in ("slack", "cord") else 0.0
    t = np.linspace(0, 1, turns * 28)
    size = radius * (0.25 + 0.75 * t if variant == "cone" else np.ones_like(t))
    angle = 2 * np.pi * turns * t
    tilt = rng.uniform(0.15, 0.45) / turns
    axis_y = 0.5 + bend * (1 - (2 * t - 1) ** 2) - bend / 2 + sway * np.sin(7 * t)
    points = np.stack([0.05 + 0.9 * t + tilt * np.cos(angle), axis_y + size * np.sin(angle)], 1).astype(np.float32)
    front = np.cos(angle) > 0
    for near in (False, True):
        pieces = np.split(np.arange(len(t)), np.flatnonzero(np.diff(front.astype(int))) + 1)
        for piece in pieces:
            if front[piece[0]] == near:
                reach = np.arange(max(piece[0] - 1, 0), min(piece[-1] + 2, len(t)))
                sheet.tube(place(points[reach]), width, paint * (1.0 if near else 0.45), 0.7 if near else 0.1)
    sheet.texture(0.05, 5)


def wire(sheet: Sheet, variant: str) -> None:
    """Variants: "tangle", "wheel", "cage", "beads"; only the benchmark uses "fan" and "hanger"."""
    draw = {"tangle": _tangle, "wheel": _wheel, "cage": _cage, "beads": _beads, "fan": _fan, "hanger": _hanger}
    draw[variant](sheet, pose(sheet.rng, tilt=0.5), material(sheet.rng))
    sheet.texture(0.08, 5)


def _tangle(sheet: Sheet, place: Place, paint: Float32) -> None:
    rng = sheet.rng
    for _ in range(int(rng.integers(2, 12))):
        t = np.linspace(0, 1, 160)
        x, y = (
            0.5
            + sum(rng.normal(0, 0.28 / k) * np.sin(2 * np.pi * k * t + rng.uniform(0, 6.3)) for k in range(1, 6))
            for _ in range(2)
        )
        sheet.tube(place(np.stack([x, y], 1).astype(np.float32)), rng.uniform(0.002, 0.016), paint)
        if rng.random() < 0.4:
            paint = material(rng)


def _wheel(sheet: Sheet, place: Place, paint: Float32) -> None:
    rng = sheet.rng
    count = int(rng.integers(12, 44))
    cross = rng.uniform(0, 0.5)
    for k in range(count):
        angle = 2 * np.pi * k / count
        hub = angle + cross * (1 if k % 2 else -1)
        ends = [
            [0.5 + 0.04 * np.cos(hub), 0.5 + 0.04 * np.sin(hub)],
            [0.5 + 0.46 * np.cos(angle), 0.5 + 0.46 * np.sin(angle)],
        ]
        sheet.line(place(np.array(ends, np.float32)), rng.uniform(0.002, 0.005), paint)
    sheet.tube(place(circle((0.5, 0.5), (0.46, 0.46))), rng.uniform(0.01, 0.035), paint)
    sheet.tube(place(circle((0.5, 0.5), (0.485, 0.485))), rng.uniform(0.02, 0.05), paint * 0.2, 0.05)
    sheet.fill(place(circle((0.5, 0.5), (0.05, 0.05))), paint)


def _cage(sheet: Sheet, place: Place, paint: Float32) -> None:
    rng = sheet.rng
    bars, flat = int(rng.integers(12, 34)), rng.uniform(0.15, 0.35)
    width, dome = rng.uniform(0.003, 0.009), rng.uniform(0.15, 0.35)
    for near in (False, True):
        shade = paint * (1.0 if near else 0.5)
        for angle in np.linspace(0, np.pi, bars):
            u, depth = np.cos(angle), np.sin(angle) * (1 if near else -1)
            t = np.linspace(0, np.pi / 2, 14)
            top = np.stack(
                [0.5 + 0.38 * u * np.cos(t), 0.4 - dome * np.sin(t) + 0.38 * flat * depth * np.cos(t)], 1
            )
            foot = [[0.5 + 0.38 * u, 0.9 + 0.38 * flat * depth]]
            sheet.tube(place(np.concatenate([foot, top]).astype(np.float32)), width, shade)
        for level in (0.42, 0.65, 0.9):
            span = (0.0, np.pi) if near else (np.pi, 2 * np.pi)
            sheet.tube(place(arc((0.5, level), (0.38, 0.38 * flat), *span, 40)), width * 1.5, shade)


def _beads(sheet: Sheet, place: Place, paint: Float32) -> None:
    rng = sheet.rng
    for _ in range(int(rng.integers(5, 18))):
        x, sway = rng.uniform(0.05, 0.95), rng.normal(0, 0.05)
        y = np.linspace(0, rng.uniform(0.6, 1.0), 80)
        points = np.stack([x + sway * np.sin(3 * y), y], 1).astype(np.float32)
        sheet.line(place(points), 0.002, paint)
        size = rng.uniform(0.006, 0.016)
        for point in points[:: int(rng.integers(2, 6))]:
            middle = (float(point[0]), float(point[1]))
            sheet.fill(place(circle(middle, (size, size), 20)), paint)
            sheet.fill(place(circle(middle, (size / 3, size / 3), 12) - size * 0.3), np.asarray(paint + 0.6))


def _fan(sheet: Sheet, place: Place, paint: Float32) -> None:
    rng = sheet.rng
    for _ in range(3):
        angle = rng.uniform(0, 2 * np.pi)
        blade = [[0.5, 0.45]] + [
            [0.5 + 0.3 * np.cos(angle + a), 0.45 + 0.3 * np.sin(angle + a)] for a in (0, 0.3, 0.7)
        ]
        sheet.fill(place(np.array(blade, np.float32)), paint * 0.6)
    for radius in np.linspace(0.05, 0.42, int(rng.integers(10, 30))):
        sheet.line(place(circle((0.5, 0.45), (radius, radius))), rng.uniform(0.002, 0.004), paint)
    for angle in np.linspace(0, 2 * np.pi, int(rng.integers(6, 60)), endpoint=False):
        ray = [[0.5, 0.45], [0.5 + 0.43 * np.cos(angle), 0.45 + 0.43 * np.sin(angle)]]
        sheet.line(place(np.array(ray, np.float32)), 0.003, paint)
    sheet.tube(place(circle((0.5, 0.45), (0.43, 0.43))), 0.014, paint)
    sheet.tube(place(np.array([[0.5, 0.88], [0.5, 1.0]], np.float32)), 0.04, paint)


def _hanger(sheet: Sheet, place: Place, paint: Float32) -> None:
    rng = sheet.rng
    hook = arc((0.5, 0.2), (0.06, 0.06), -np.pi, 0.5 * np.pi, 24)
    frame = np.array([[0.5, 0.26], [0.5, 0.36], [0.05, 0.6], [0.95, 0.6], [0.5, 0.36]], np.float32)
    sheet.tube(place(np.concatenate([hook, frame])), rng.uniform(0.005, 0.014), paint)
    for x in rng.uniform(0.1, 0.9, 4):
        sheet.tube(place(np.array([[x, 0.6], [x, 0.7]], np.float32)), 0.006, paint)


@dataclass(frozen=True, eq=False)
class _Bars:
    """Draws bars of one material. Their thickness is ``width`` times a factor."""

    sheet: Sheet
    place: Place
    paint: Float32
    width: float

    def __call__(self, *ends: tuple[float, float, float, float], thick: float = 1.0) -> None:
        for x0, y0, x1, y1 in ends:
            line = self.place(np.array([[x0, y0], [x1, y1]], np.float32))
            self.sheet.tube(line, self.width * thick, self.paint, self.sheet.rng.uniform(0, 0.4))


def chair(sheet: Sheet, variant: str) -> None:
    """Hard thin furniture: "spindles", "stool", "ladder", "tripod", "rack"; only the benchmark uses "stand" and
    "cot"."""
    rng, place, paint = sheet.rng, pose(sheet.rng, tilt=0.15), material(sheet.rng)
    bars = _Bars(sheet=sheet, place=place, paint=paint, width=rng.uniform(0.006, 0.03))
    parts: dict[str, tuple[Callable[[_Bars], None], ...]] = {
        "spindles": (_chair_back, _seat),
        "stool": (_seat,),
        "ladder": (_ladder,),
        "tripod": (_tripod,),
        "stand": (_tripod, _desk),
        "rack": (_rack,),
        "cot": (_cot,),
    }
    for part in parts[variant]:
        part(bars)
    _cable(sheet, paint, place)
    sheet.texture(0.15, 6)


def _spindles(bars: _Bars, tall: float, low: float) -> None:
    """Upright bars between two level ones, at ``tall`` and ``low``."""
    count = int(bars.sheet.rng.integers(5, 14))
    for k in range(count):
        x = 0.25 + 0.5 * k / (count - 1)
        bars((x, tall + 0.02, x + 0.02 * (k - count / 2) / count, low), thick=0.6)
    bars((0.22, tall, 0.78, tall), (0.25, low, 0.75, low), thick=1.6)


def _chair_back(bars: _Bars) -> None:
    _spindles(bars, 0.08, 0.55)


def _cot(bars: _Bars) -> None:
    _spindles(bars, 0.3, 0.85)
    bars((0.22, 0.2, 0.22, 1.0), (0.78, 0.2, 0.78, 1.0), thick=1.8)


def _seat(bars: _Bars) -> None:
    """A seat on four legs with two rails."""
    seat = np.array([[0.2, 0.55], [0.72, 0.55], [0.82, 0.63], [0.26, 0.63]], np.float32)
    bars((0.25, 0.55, 0.2, 0.97), (0.72, 0.55, 0.76, 0.93), (0.3, 0.62, 0.27, 1.0), (0.78, 0.62, 0.84, 0.98))
    bars((0.22, 0.8, 0.76, 0.78), (0.28, 0.86, 0.81, 0.85), thick=0.7)
    bars.sheet.fill(bars.place(seat), bars.paint)
    bars.sheet.line(bars.place(seat[[3, 2]]), bars.width, bars.paint * 0.5)


def _ladder(bars: _Bars) -> None:
    bars((0.3, 0.02, 0.2, 1.0), (0.6, 0.02, 0.7, 1.0))
    for y in np.linspace(0.1, 0.92, int(bars.sheet.rng.integers(5, 12))):
        bars((0.3 - 0.1 * y, y, 0.6 + 0.1 * y, y), thick=0.8)


def _tripod(bars: _Bars) -> None:
    bars((0.5, 0.1, 0.5, 0.75), (0.5, 0.5, 0.2, 1.0), (0.5, 0.5, 0.82, 1.0), (0.5, 0.5, 0.55, 0.97))
    bars((0.35, 0.75, 0.5, 0.62), (0.66, 0.75, 0.5, 0.62), thick=0.5)


def _desk(bars: _Bars) -> None:
    """The desk of a music stand: wires in a frame."""
    for y in np.linspace(0.05, 0.32, 9):
        bars((0.2, y, 0.8, y), thick=0.4)
    bars((0.2, 0.05, 0.2, 0.32), (0.8, 0.05, 0.8, 0.32))


def _rack(bars: _Bars) -> None:
    """A clothes rack with hangers."""
    bars((0.1, 0.15, 0.1, 1.0), (0.9, 0.15, 0.9, 1.0), (0.1, 0.15, 0.9, 0.15), (0.1, 0.8, 0.9, 0.8))
    rng = bars.sheet.rng
    for x in rng.uniform(0.15, 0.85, int(rng.integers(3, 12))):
        bars((x, 0.15, x, 0.22), (x, 0.22, x - 0.09, 0.3), (x, 0.22, x + 0.09, 0.3), thick=0.4)
        bars((x - 0.09, 0.3, x + 0.09, 0.3), thick=0.4)


def _cable(sheet: Sheet, paint: Float32, place: Place) -> None:
    """Now and then a cable hangs over the furniture."""
    rng = sheet.rng
    if rng.random() < 0.25:
        root = rng.uniform(0.2, 0.5, (1, 2)).astype(np.float32)
        curve = hair_curves(rng, root, np.array([[0.5, 0.5]], np.float32), 1, 0.6, 0.25, 0.1)[0]
        sheet.tube(place(curve), 0.006, paint * 0.2, 0.1)
