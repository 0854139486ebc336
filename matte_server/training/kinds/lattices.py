"""Hard things full of gaps: combs, sieves, nets, baskets. Each ``draw`` takes a sheet and the variant's name."""

# ruff: noqa: RUF005  (vectors are added here, not lists joined)

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..procedural import Float32, colour
from .sheet import Place, Sheet, arc, bar, circle, material, pose


def comb(sheet: Sheet, variant: str) -> None:
    """Teeth on a spine: "straight", "tapered", "brush", "fork"; only the benchmark uses "double" and "arched"."""
    rng, place, paint = sheet.rng, pose(sheet.rng), material(sheet.rng)
    count = int(rng.integers(4, 7)) if variant == "fork" else int(rng.integers(14, 56))
    share = rng.uniform(0.35, 0.65)
    spine = rng.uniform(0.08, 0.25)
    length = rng.uniform(0.3, 0.6)
    bow = rng.uniform(0.1, 0.25) if variant == "arched" else 0.0
    narrow = rng.uniform(0.2, 0.6) if variant in ("tapered", "fork") else rng.uniform(0.7, 1.0)
    for side in (1, -1) if variant == "double" else (1,):
        for x in (np.arange(count) + 0.5) / count:
            lift = -bow * (1 - (2 * x - 1) ** 2)
            start = np.array([x, 0.42 + lift])
            end = start + [0, side * (spine / 2 + length * rng.uniform(0.97, 1.0))]
            wide = share / count
            if variant == "brush":
                for _ in range(3):
                    tip = end + rng.normal(0, 0.02, 2)
                    sheet.line(place(np.asarray([start, tip], np.float32)), 0.0015, paint * rng.uniform(0.5, 2))
                continue
            sheet.fill(place(bar(start, end, wide, wide * narrow)), paint)
            shift = np.array([wide * 0.28, 0])
            sheet.fill(
                place(bar(start + shift, end + shift * narrow, wide * 0.4, wide * 0.4 * narrow)), paint * 0.5
            )
    x = np.linspace(0, 1, 24)
    top = np.stack([x, 0.42 - spine / 2 - bow * (1 - (2 * x - 1) ** 2)], 1)
    under = np.stack([x[::-1], 0.42 + spine / 2 - bow * (1 - (2 * x[::-1] - 1) ** 2)], 1)
    sheet.fill(place(np.concatenate([top, under]).astype(np.float32)), paint)
    sheet.line(place((top + [0, 0.02]).astype(np.float32)), 0.012, np.asarray(paint + 0.1, np.float32))
    if variant in ("brush", "fork"):
        sheet.tube(place(np.array([[0.5, 0.42], [0.5, -0.1]], np.float32)), 0.06, paint, 0.2)
    sheet.texture(0.1, 6)


def _weave(sheet: Sheet, place: Place, count: int, width: float, paint: Float32, sag: float) -> None:
    """Wires both ways over the unit disc about the middle."""
    for k in range(count):
        at = (k + 0.5) / count
        half = np.sqrt(max(0.25 - (at - 0.5) ** 2, 0))
        run = np.linspace(0.5 - half, 0.5 + half, 30)
        dip = sag * (0.25 - (run - 0.5) ** 2 - (at - 0.5) ** 2)
        sheet.line(place(np.stack([run, at + dip], 1).astype(np.float32)), width, paint)
        sheet.line(place(np.stack([np.full(30, at), run + dip], 1).astype(np.float32)), width, paint * 0.75)


def sieve(sheet: Sheet, variant: str) -> None:
    """Variants: "sieve" (a rim with a mesh and a handle), "cup" (a mesh around a cylinder) and "grater" (a plate
    full of holes); only the benchmark uses "racket" and "colander"."""
    rng, paint = sheet.rng, material(sheet.rng)
    if variant == "cup":
        _mesh_cup(sheet, paint)
        return
    place = pose(rng, reach=rng.uniform(0.55, 0.85))
    rim = circle((0.5, 0.5), (0.5, 0.5))
    if variant in ("grater", "colander"):
        _holed(sheet, place, paint, variant == "colander")
        return
    count = int(rng.integers(12, 26)) if variant == "racket" else int(rng.integers(18, 60))
    width = (0.12 if variant == "racket" else rng.uniform(0.2, 0.4)) * 0.7 / count
    _weave(sheet, place, count, width, paint, 0.0 if variant == "racket" else rng.uniform(0, 1.2))
    sheet.tube(place(rim), rng.uniform(0.012, 0.04), material(rng))
    handle = np.array([[0.5, 1.0], [0.5, 1.0 + rng.uniform(0.2, 0.5)]], np.float32)
    sheet.tube(place(handle), rng.uniform(0.015, 0.05), material(rng))
    sheet.texture(0.1, 6)


def _holed(sheet: Sheet, place: Place, paint: Float32, round_one: bool) -> None:
    rng = sheet.rng
    box = np.array([[0, 0.1], [1, 0.1], [1, 0.9], [0, 0.9]], np.float32)
    sheet.fill(place(circle((0.5, 0.5), (0.52, 0.52)) if round_one else box), paint)
    rows = int(rng.integers(8, 22))
    radius = rng.uniform(0.25, 0.42) / rows
    for row in range(rows):
        for column in range(rows):
            centre = ((column + 0.5 + 0.5 * (row % 2)) / (rows + 1), (row + 0.5) / rows * 0.72 + 0.14)
            if round_one and np.hypot(centre[0] - 0.5, centre[1] - 0.5) > 0.44:
                continue
            ring = circle(centre, (radius, radius), 20)
            sheet.fill(place(ring + 0.15 * radius), paint * 0.4)
            sheet.cut(place(ring))
    sheet.texture(0.25, 5)


def _mesh_cup(sheet: Sheet, paint: Float32) -> None:
    """A cylinder or cone of wire mesh: its back is seen through its front."""
    rng = sheet.rng
    turn = pose(rng, tilt=0.3)
    top, bottom = rng.uniform(0.28, 0.42), rng.uniform(0.2, 0.36)
    flat = rng.uniform(0.15, 0.35)
    around, levels = int(rng.integers(24, 70)), int(rng.integers(14, 40))
    width = rng.uniform(0.15, 0.3) * 2.2 * top / around
    y0, y1 = 0.15, 0.85

    def ring(level: float, first: float, last: float) -> Float32:
        radius = top + (bottom - top) * level
        return turn(arc((0.5, y0 + (y1 - y0) * level), (radius, radius * flat), first, last, 40))

    for front in (False, True):
        span = (0.0, np.pi) if front else (np.pi, 2 * np.pi)
        shade = paint * (1.0 if front else 0.55)
        for level in np.linspace(0, 1, levels):
            sheet.line(ring(level, *span), width, shade)
        for angle in np.linspace(*span, around):
            ends = [ring(level, angle, angle)[0] for level in (0.0, 1.0)]
            sheet.line(np.asarray(ends, np.float32), width, shade * rng.uniform(0.7, 1.3))
    for level in (0.0, 1.0):
        sheet.tube(ring(level, 0, 2 * np.pi), rng.uniform(0.008, 0.02), paint)
    sheet.texture(0.05, 6)


def net(sheet: Sheet, variant: str) -> None:
    """Variants: "fishing" (sagging diamonds of cord), "fence" (zigzags of wire) and "trellis" (crossed laths); only
    the benchmark uses "web" and "hammock"."""
    rng, place = sheet.rng, pose(sheet.rng, tilt=0.6, reach=1.0)
    paint = material(rng)
    if variant == "web":
        _web(sheet, paint)
        return
    count = int(rng.integers(6, 22))
    width = rng.uniform(0.06, 0.22) / count * (1.8 if variant == "trellis" else 1.0)
    wave = rng.uniform(0.0, 0.02, 2) if variant in ("fishing", "hammock") else np.zeros(2)
    phase = rng.uniform(0, 6.28, 4)
    pull = rng.uniform(0.2, 0.45) if variant == "hammock" else 0.0
    edge = rng.uniform(0.1, 0.3)
    for slope in (1, -1):
        for k in range(-count, 2 * count):
            x = np.linspace(0, 1, 60)
            y = slope * x * rng.uniform(0.995, 1.005) + (k + 0.5) / count + (0 if slope > 0 else 0.5)
            if variant == "fence":
                y = y + 0.12 / count * np.sign(np.sin(x * count * np.pi + k * np.pi))
            warped = np.stack([x + wave[0] * np.sin(9 * y + phase[0]), y + wave[1] * np.sin(11 * x + phase[1])], 1)
            keep = (y > edge * 0.3) & (y < 1 - edge * np.sin(3 * x + phase[2]) ** 2)
            warped[:, 1] += pull * np.sin(np.pi * np.clip(x, 0, 1)) - pull / 2
            for piece in np.split(np.arange(60), np.flatnonzero(np.diff(keep.astype(int))) + 1):
                if len(piece) > 1 and keep[piece[0]]:
                    curve = place(warped[piece].astype(np.float32))
                    (sheet.tube if width > 0.006 else sheet.line)(curve, width, paint * rng.uniform(0.7, 1.2))
    sheet.texture(0.15, 6)


def _web(sheet: Sheet, paint: Float32) -> None:
    rng = sheet.rng
    centre = rng.uniform(0.4, 0.6, 2)
    spokes = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(11, 22))))
    reach = rng.uniform(0.35, 0.55, len(spokes))
    width = rng.uniform(0.001, 0.004)
    paint = np.asarray(paint + 0.15, np.float32)
    ways = np.stack([np.cos(spokes), np.sin(spokes)], 1)
    for way, far in zip(ways, reach, strict=True):
        sheet.line(np.asarray([centre, centre + way * far], np.float32), width, paint)
    for share in np.linspace(0.08, 0.95, int(rng.integers(9, 24))):
        ring = centre + ways * (reach * share * rng.uniform(0.97, 1.03, len(spokes)))[:, None]
        for first, second in zip(ring, np.roll(ring, -1, 0), strict=True):
            middle = (first + second) / 2 * 0.93 + centre * 0.07
            sheet.line(np.asarray([first, middle, second], np.float32), width * 0.8, paint)


@dataclass(frozen=True, eq=False)
class _Wall:
    """A basket's wall: ``at`` maps its width and height, 0..1, to the picture; ``share`` is the part of a row that
    its band covers."""

    sheet: Sheet
    place: Place
    paint: Float32
    flare: float
    rows: int
    columns: int
    share: float

    def at(self, u: float, v: float) -> list[float]:
        return [0.5 + (u - 0.5) * (1 - self.flare * v) * 0.95, 0.3 + 0.6 * v + 0.04 * np.sin(np.pi * u)]

    def line(self, *ends: tuple[float, float]) -> Float32:
        """The curve through these places of the wall, in the picture."""
        return self.place(np.array([self.at(u, v) for u, v in ends], np.float32))


def basket(sheet: Sheet, variant: str) -> None:
    """Variants: "woven" (bands over and under upright stakes) and "crate" (slats); only the benchmark uses "cane"
    (an open lattice)."""
    rng, place = sheet.rng, pose(sheet.rng, tilt=0.25, reach=0.85)
    paint = np.asarray(np.array([0.45, 0.28, 0.13]) * rng.uniform(0.3, 1.5), np.float32)
    if rng.random() < 0.3:
        paint = colour(rng)
    flare = rng.uniform(0.0, 0.15)
    rows, columns = int(rng.integers(7, 18)), int(rng.integers(9, 26))
    share = rng.uniform(0.3, 0.6) if variant == "cane" else rng.uniform(0.6, 0.93)
    wall = _Wall(sheet=sheet, place=place, paint=paint, flare=flare, rows=rows, columns=columns, share=share)
    if variant == "crate":
        _slats(wall)
    else:
        _weft(wall)
    sheet.texture(0.3, 12)


def _slats(wall: _Wall) -> None:
    """Every other row, and three uprights."""
    for row in range(0, wall.rows, 2):
        for column in range(wall.columns):
            _band(wall, row, column, 1.0)
    for u in (0.02, 0.5, 0.98):
        wall.sheet.line(wall.line((u, 0), (u, 1)), 0.03, wall.paint * 0.7)


def _weft(wall: _Wall) -> None:
    """Stakes, bands that pass over and under them, a rim and a handle."""
    for column in range(wall.columns + 1):
        u = column / wall.columns
        wall.sheet.line(wall.line((u, 0), (u, 1)), 0.3 / wall.columns, wall.paint * 0.4)
    for row in range(wall.rows):
        v0, v1 = row / wall.rows, (row + wall.share) / wall.rows
        lit = v0 * 0.7 + v1 * 0.3
        for column in range(wall.columns):
            is_over = (row + column) % 2 == 0
            _band(wall, row, column, 1.0 if is_over else 0.55)
            if is_over:
                light = wall.line((column / wall.columns, lit), ((column + 1) / wall.columns, lit))
                wall.sheet.line(light, 0.2 * wall.share / wall.rows, wall.paint * 1.4)
    rng = wall.sheet.rng
    for v in (0.0, 1.0):
        rim = wall.line(*((u, v) for u in np.linspace(0, 1, 20)))
        wall.sheet.tube(rim, rng.uniform(0.015, 0.04), wall.paint, 0.1)
    handle = arc((0.5, 0.3), (0.45, rng.uniform(0.2, 0.32)), np.pi, 2 * np.pi, 40)
    wall.sheet.tube(wall.place(handle), rng.uniform(0.012, 0.035), wall.paint, 0.1)


def _band(wall: _Wall, row: int, column: int, light: float) -> None:
    """One cell of a row."""
    u0, u1 = column / wall.columns, (column + 1) / wall.columns
    v0, v1 = row / wall.rows, (row + wall.share) / wall.rows
    wall.sheet.fill(
        wall.line((u0, v0), (u1, v0), (u1, v1), (u0, v1)), wall.paint * light * wall.sheet.rng.uniform(0.85, 1.15)
    )
