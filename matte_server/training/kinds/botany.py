"""Feathers, seed heads, grass, twigs. Each ``draw`` takes a sheet and the variant's name."""

# ruff: noqa: RUF005  (vectors are added here, not lists joined)

from __future__ import annotations

import numpy as np

from ..procedural import Float32, Random, colour, hair_curves, rounded
from .sheet import Numbers, Place, Sheet, circle, pose


def feather(sheet: Sheet, variant: str) -> None:
    """Variants: "vane": one or several stiff feathers; "down": fluff; "fan": many spread; only the benchmark uses
    "plume"."""
    rng = sheet.rng
    paint = colour(rng) if rng.random() < 0.6 else np.full(3, rng.uniform(0.4, 0.8), np.float32)
    if variant == "down":
        for _ in range(int(rng.integers(3, 12))):
            _fluff(sheet, rng.uniform(0.25, 0.75, 2), rng.uniform(0.08, 0.25), paint)
    else:
        count = int(rng.integers(7, 18)) if variant == "fan" else int(rng.integers(1, 4))
        spread = 1.1 if variant == "fan" else 0.4
        for k in range(count):
            angle = spread * (2 * (k + 0.5) / count - 1) + rng.normal(0, 0.05)
            _one_feather(sheet, angle, rng.uniform(0.7, 0.85), paint, loose=variant == "plume")
    sheet.texture(0.1, 6)


def _one_feather(sheet: Sheet, angle: float, length: float, paint: Float32, loose: bool) -> None:
    """Barbs either side of a bent shaft, with splits where they part."""
    rng = sheet.rng
    bend, t = rng.normal(0, 0.25), np.linspace(0, 1, 60)
    heading = angle + bend * t
    step = length / 60
    shaft = np.stack([0.5 + np.cumsum(np.sin(heading)) * step, 0.92 - np.cumsum(np.cos(heading)) * step], 1)
    wide = length * rng.uniform(0.07, 0.2) * (2 if loose else 1)
    barbs, reach = int(rng.integers(120, 240)) // (2 if loose else 1), rng.uniform(0.5, 1.1)
    bands = rng.uniform(0, 0.6)
    for side in (-1, 1):
        split = np.cumsum((rng.random(barbs) < 0.04) * rng.normal(0, 0.35, barbs)) * 0.4
        curves = np.empty((barbs, 6, 2), np.float32)
        for k in range(barbs):
            share = 0.12 + 0.88 * k / barbs
            at = shaft[min(int(share * 60), 59)]
            long = wide * np.sin(np.pi * min(share, 0.985)) ** 0.6 * (1 - 0.2 * rng.random() * loose)
            out = heading[min(int(share * 60), 59)] + side * (reach + 0.4 * split[k] + rng.normal(0, 0.3 * loose))
            s = np.linspace(0, 1, 6)
            way = out - side * 0.5 * s + (rng.normal(0, 0.5) * s if loose else 0)
            curves[k] = at + np.stack([np.sin(way), -np.cos(way)], 1) * (long * s)[:, None]
        shades = paint * (1 - bands * (np.sin(np.linspace(0, 25, 6)) > 0)[:, None])
        for group, tint in zip(np.array_split(curves, 6), shades, strict=True):
            sheet.strands(group, (0.0015 if loose else 0.0045), np.asarray(tint, np.float32), 0.1, 0.08, 0.6)
    sheet.line(shaft.astype(np.float32), 0.006, np.asarray(paint * 0.6 + 0.05, np.float32))
    sheet.line(shaft[:12].astype(np.float32), 0.009, np.asarray(paint * 0.6 + 0.1, np.float32))


def _fluff(sheet: Sheet, centre: Numbers, reach: float, paint: Float32) -> None:
    rng = sheet.rng
    count = int(rng.integers(40, 160))
    roots = np.repeat(np.asarray(centre, np.float32)[None], count, 0)
    angle = rng.uniform(0, 2 * np.pi, count)
    ways = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    curves = hair_curves(rng, roots, ways, count, reach, 0.35, 0.0)
    sheet.strands(curves, 0.0016, np.asarray(paint + 0.1, np.float32), 0.2, 0.1)
    side = curves[::2, 4::2].reshape(-1, 2)
    wild = rng.normal(0, 1, side.shape).astype(np.float32)
    sheet.strands(hair_curves(rng, side, wild, count * 4, reach * 0.25, 0.2, 0.0), 0.0008, paint, 0.2, 0.1)


def dandelion(sheet: Sheet, variant: str) -> None:
    """Variants: "clock": a full seed head; "blown": half of it gone; "drifting": loose seeds; only the benchmark
    uses "thistle"."""
    rng = sheet.rng
    paint = np.asarray(np.array([0.75, 0.72, 0.66]) * rng.uniform(0.5, 1.2), np.float32)
    heads = int(rng.integers(1, 4))
    for _ in range(heads):
        centre = rng.uniform(0.3, 0.7, 2) if heads > 1 else rng.uniform(0.4, 0.6, 2)
        reach = rng.uniform(0.14, 0.3) if heads > 1 else rng.uniform(0.25, 0.4)
        stem = hair_curves(
            rng, centre[None].astype(np.float32), np.array([[0.0, 1.0]], np.float32), 1, 0.9, 0.03, 0.1
        )
        if variant != "drifting":
            sheet.tube(stem[0], 0.012, np.array([0.12, 0.16, 0.05], np.float32) * rng.uniform(0.5, 1.5), 0.1)
        if variant == "thistle":
            roots = np.repeat(centre[None], 500, 0).astype(np.float32)
            ways = np.stack([rng.normal(0, 0.6, 500), -np.abs(rng.normal(1, 0.4, 500))], 1).astype(np.float32)
            purple = colour(rng) + np.array([0.1, 0.0, 0.12], np.float32)
            sheet.strands(hair_curves(rng, roots, ways, 500, reach, 0.05, 0.0), 0.002, purple, 0.2, 0.2)
            sheet.fill(circle((float(centre[0]), float(centre[1])), (reach * 0.3, reach * 0.4)), paint * 0.2)
            continue
        gap = rng.uniform(0, 2 * np.pi)
        for _ in range(int(rng.integers(90, 190)) // (4 if variant == "drifting" else 1)):
            z = rng.uniform(-1, 1)
            angle = rng.uniform(0, 2 * np.pi)
            if variant == "blown" and np.cos(angle - gap) > -0.1:
                continue
            far = reach * np.sqrt(1 - z * z) * rng.uniform(0.92, 1.05) * (0.3 if variant == "drifting" else 1)
            seat = centre + rng.normal(0, 0.25, 2) if variant == "drifting" else centre
            _parachute(sheet, seat, seat + far * np.array([np.cos(angle), np.sin(angle)]), reach * 0.22, paint)
        middle = (float(centre[0]), float(centre[1]))
        if variant != "drifting":
            sheet.fill(circle(middle, (reach * 0.1, reach * 0.1)), paint * 0.15)
    sheet.texture(0.05, 5)


def _parachute(sheet: Sheet, start: Numbers, end: Numbers, size: float, paint: Float32) -> None:
    rng = sheet.rng
    sheet.line(np.asarray([start, end], np.float32), 0.0008, paint * 0.8)
    out = np.arctan2(*(end - start)[::-1])
    for angle in out + np.linspace(-1.3, 1.3, int(rng.integers(9, 18))):
        tip = end + size * np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.8, 1.1)
        bow = (end + tip) / 2 + rng.normal(0, 0.05 * size, 2)
        sheet.line(np.asarray([end, bow, tip], np.float32), 0.0006, paint * rng.uniform(0.8, 1.3))


def grass(sheet: Sheet, variant: str) -> None:
    """Variants: "blades", "meadow" (blades with ears), "wheat"; only the benchmark uses "reed"."""
    rng = sheet.rng
    green = np.asarray(colour(rng) * 0.5 + np.array([0.1, 0.2, 0.03]) * rng.uniform(0.3, 1.5), np.float32)
    if variant == "wheat":
        green = np.asarray(np.array([0.5, 0.36, 0.14]) * rng.uniform(0.5, 1.4), np.float32)
    count = int(rng.integers(40, 220)) if variant == "blades" else int(rng.integers(20, 80))
    roots = np.stack([rng.uniform(0.02, 0.98, count), rng.uniform(0.95, 1.1, count)], 1).astype(np.float32)
    ways = np.stack([rng.normal(0, 0.25, count), -np.ones(count)], 1).astype(np.float32)
    curves = hair_curves(rng, roots, ways, count, rng.uniform(0.5, 0.9), 0.04, rng.uniform(-0.03, 0.05))
    wide = rng.uniform(0.004, 0.018)
    sheet.strands(curves, wide if variant == "blades" else wide * 0.4, green, 0.15, 0.35, 0.85)
    if variant in ("meadow", "wheat", "reed"):
        for curve in curves:
            _ear(
                sheet,
                curve,
                np.asarray(green * rng.uniform(0.8, 2.0) * np.array([1.1, 1, 0.9]), np.float32),
                variant,
            )
    sheet.texture(0.15, 8)


def _ear(sheet: Sheet, curve: Float32, paint: Float32, variant: str) -> None:
    """Grains along a stem's end, with awns on wheat and plumes on reed."""
    rng = sheet.rng
    way = curve[-1] - curve[-3]
    way = way / (np.linalg.norm(way) + 1e-6)
    side = np.array([-way[1], way[0]], np.float32)
    long = rng.uniform(0.05, 0.12)
    for share in np.linspace(0, 1, 9):
        for sign in (-1, 1):
            at = curve[-1] + way * long * share
            tip = at + (way * 0.8 + side * sign * rng.uniform(0.2, 0.6)) * long * (
                0.25 if variant != "reed" else 0.5
            )
            sheet.line(np.asarray([at, tip], np.float32), 0.006 * (1 - 0.5 * share), paint * rng.uniform(0.7, 1.2))
            if variant != "meadow":
                awn = tip + (way + side * sign * rng.uniform(0.05, 0.35)) * long * rng.uniform(0.5, 1.3)
                sheet.line(np.asarray([tip, awn], np.float32), 0.0009, paint)


def twigs(sheet: Sheet, variant: str) -> None:
    """Variants: "bare": a branch in winter; "leafy"; "blossom"; only the benchmark uses "fir"."""
    rng = sheet.rng
    bark = np.asarray(np.array([0.14, 0.09, 0.06]) * rng.uniform(0.3, 2.0), np.float32)
    green = np.asarray(colour(rng) * np.array([0.6, 1.3, 0.4]), np.float32)
    place = pose(rng, tilt=0.5, reach=1.0)
    for start, end, width in _branches(rng):
        sheet.tube(place(np.asarray([start, end], np.float32)), width, bark, 0.1)
        if variant == "fir" and width < 0.012:
            _needles(sheet, place, start, end, green)
        if variant in ("leafy", "blossom") and width < 0.008:
            for _ in range(int(rng.integers(1, 4))):
                _leaf(sheet, place, start + (end - start) * rng.random(), green, variant == "blossom")
    sheet.texture(0.15, 8)


def _branches(rng: Random) -> list[tuple[Float32, Float32, float]]:
    """Segments of a branching twig, thick ones first."""
    found: list[tuple[Float32, Float32, float]] = []
    ends = [(np.array([0.5, 1.0]), -np.pi / 2, rng.uniform(0.015, 0.04), rng.uniform(0.17, 0.25))]
    while ends and len(found) < 420:
        at, heading, width, long = ends.pop(0)
        for _ in range(2):
            heading += rng.normal(0, 0.18)
            to = at + long / 2 * np.array([np.cos(heading), np.sin(heading)])
            found.append((at.astype(np.float32), to.astype(np.float32), width))
            at = to
        if width > 0.0016:
            forks = 2 if rng.random() < 0.8 else 3
            ends += [
                (at, heading + rng.normal(0, 0.6), width * rng.uniform(0.55, 0.8), long * 0.86)
                for _ in range(forks)
            ]
    return found


def _needles(sheet: Sheet, place: Place, start: Float32, end: Float32, paint: Float32) -> None:
    rng = sheet.rng
    for _ in range(24):
        at = start + (end - start) * rng.random()
        tip = at + rng.normal(0, 0.022, 2) + (end - start) * 0.3
        sheet.line(place(np.asarray([at, tip], np.float32)), 0.0018, paint * rng.uniform(0.3, 1.5))


def _leaf(sheet: Sheet, place: Place, at: Float32, paint: Float32, blossom: bool) -> None:
    rng = sheet.rng
    if blossom and rng.random() < 0.6:
        pink = np.asarray(np.array([0.8, 0.6, 0.66]) * rng.uniform(0.7, 1.1), np.float32)
        for angle in np.linspace(0, 2 * np.pi, 5, endpoint=False) + rng.uniform(0, 1):
            petal = at + 0.011 * np.array([np.cos(angle), np.sin(angle)])
            sheet.fill(
                place(circle((float(petal[0]), float(petal[1])), (0.008, 0.008), 12)), pink * rng.uniform(0.8, 1.1)
            )
        return
    long = rng.uniform(0.015, 0.045)
    leaf = rounded(rng, [0, 0], [long, long * rng.uniform(0.3, 0.6)], 0.05)
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    sheet.fill(place(np.asarray((leaf + [long, 0]) @ turn + at, np.float32)), paint * rng.uniform(0.4, 1.6))
