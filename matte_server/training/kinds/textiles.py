"""Lace, and nets drawn over something solid. Each ``draw`` takes a sheet and the variant's name."""

# ruff: noqa: RUF005  (vectors are added here, not lists joined)

from __future__ import annotations

import numpy as np

from ..procedural import Float32, colour, rounded
from .sheet import Numbers, Place, Sheet, circle, material, pose


def lace(sheet: Sheet, variant: str) -> None:
    """Variants: "rosettes", "eyelets", "crochet"; only the benchmark uses "doily" (round)."""
    rng, place = sheet.rng, pose(sheet.rng, tilt=0.5, reach=1.0)
    paint = np.full(3, rng.uniform(0.4, 0.85), np.float32) if rng.random() < 0.6 else colour(rng)
    thread = rng.uniform(0.002, 0.006)
    if variant == "doily":
        for ring in np.linspace(0.06, 0.46, int(rng.integers(5, 10))):
            around = int(ring * 90) + 6
            for angle in np.linspace(0, 2 * np.pi, around, endpoint=False):
                at = (0.5 + ring * float(np.cos(angle)), 0.5 + ring * float(np.sin(angle)))
                sheet.line(place(circle(at, (0.025, 0.025), 20)), thread, paint * rng.uniform(0.8, 1.1))
        sheet.texture(0.1, 8)
        return
    cells = int(rng.integers(5, 13))
    ground = int(rng.integers(30, 70))
    if variant == "eyelets":
        sheet.fill(place(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)), paint)
    elif variant == "rosettes":
        for k in np.linspace(0, 1, ground):
            for ends in ([[k, 0], [1, 1 - k]], [[0, k], [1 - k, 1]], [[k, 0], [0, k]], [[1, k], [k, 1]]):
                sheet.line(place(np.array(ends, np.float32)), thread * 0.4, paint * 0.9)
    for row in range(cells):
        for column in range(cells):
            at = ((column + 0.5) / cells, (row + 0.5) / cells)
            _motif(sheet, place, at, 0.5 / cells, paint, thread, variant)
    for k in np.linspace(0, 1, 3 * cells):
        sheet.fill(place(circle((k, 1.0), (0.02, 0.025), 16)), paint)
    sheet.texture(0.12, 10)


def _motif(
    sheet: Sheet, place: Place, at: tuple[float, float], size: float, paint: Float32, thread: float, variant: str
) -> None:
    """One repeat of the pattern about ``at``."""
    rng = sheet.rng
    petals = int(rng.integers(5, 9))
    for angle in np.linspace(0, 2 * np.pi, petals, endpoint=False):
        middle = (at[0] + 0.55 * size * np.cos(angle), at[1] + 0.55 * size * np.sin(angle))
        leaf = place(circle(middle, (0.26 * size, 0.26 * size), 18))
        if variant == "eyelets":
            sheet.cut(leaf)
        elif variant == "rosettes":
            sheet.fill(leaf, paint * rng.uniform(0.85, 1.05))
        sheet.line(leaf, thread, paint * 0.85)
    ring = place(circle(at, (0.9 * size, 0.9 * size), 30))
    sheet.line(ring, thread * (2 if variant == "crochet" else 1), paint)
    if variant == "eyelets":
        sheet.cut(place(circle(at, (0.22 * size, 0.22 * size), 18)))
    if variant == "crochet":
        for angle in np.linspace(0, np.pi, petals, endpoint=False):
            way = 0.95 * size * np.array([np.cos(angle), np.sin(angle)])
            sheet.line(place(np.asarray([at - way, at + way], np.float32)), thread, paint)


def wrapped(sheet: Sheet, variant: str) -> None:
    """A solid in a net that stands off it: "fruit" (round), "bundle"; only the benchmark uses "catch" (several in
    one net)."""
    rng = sheet.rng
    count = {"fruit": 1, "bundle": int(rng.integers(2, 4))}.get(variant, int(rng.integers(4, 8)))
    middles = []
    for _ in range(count):
        middle = rng.uniform(0.4, 0.6, 2) if count > 1 else np.array([0.5, 0.5])
        radii = (rng.uniform(0.14, 0.3, 2) if count < 4 else rng.uniform(0.08, 0.16, 2)).tolist()
        middle = middle + (rng.uniform(-0.15, 0.15, 2) if count > 3 else 0)
        _ball(sheet, rounded(rng, middle, radii, 0.12), middle, colour(rng))
        middles.append(middle)
    centre, reach = np.mean(middles, 0), rng.uniform(0.32, 0.44)
    paint = np.asarray(material(rng) + rng.choice([0.0, 0.3]), np.float32)
    cells, width = int(rng.integers(7, 22)), rng.uniform(0.0015, 0.006)
    bulge = rng.uniform(0.6, 1.4)
    for slope in (1.0, -1.0):
        for k in np.linspace(-1.4, 1.4, 2 * cells):
            t = np.linspace(-1.4, 1.4, 70)
            u, v = t, k + slope * t * bulge
            keep = np.hypot(u, v) < 1 + 0.04 * np.sin(9 * u)
            far = np.hypot(u, v)
            ball = np.where(far > 1e-6, np.sin(np.clip(far, 0, 1) * np.pi / 2) / np.maximum(far, 1e-6), 1)
            points = centre + reach * np.stack([u * ball, v * ball], 1)
            if keep.sum() > 2:
                sheet.line(points[keep].astype(np.float32), width, paint * rng.uniform(0.7, 1.2))
    knot = centre - [0, reach]
    for _ in range(int(rng.integers(5, 14))):
        ends = np.asarray(
            [knot + [0, 0.08], knot, knot + [rng.normal(0, 0.06), -rng.uniform(0.03, 0.14)]], np.float32
        )
        sheet.line(ends, width, paint)


def _ball(sheet: Sheet, outline: Float32, middle: Numbers, paint: Float32) -> None:
    """A rounded solid, lit from the upper left."""
    for share in np.linspace(1, 0.15, 14):
        inner = middle + (outline - middle) * share - (1 - share) * 0.05
        sheet.fill(np.asarray(inner, np.float32), paint * (0.25 + 0.9 * (1 - share)))
