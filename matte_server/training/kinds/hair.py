"""Hair and fur so close that it fills the frame. Each ``draw`` takes a sheet and the variant's name."""

# ruff: noqa: RUF005  (vectors are added here, not lists joined)

from __future__ import annotations

import numpy as np

from ..procedural import Float32, colour, hair_curves, rounded
from .sheet import Sheet

_HAIRS = (
    (0.012, 0.009, 0.008), (0.03, 0.018, 0.011), (0.065, 0.032, 0.016), (0.13, 0.062, 0.026), (0.3, 0.17, 0.075),
    (0.5, 0.34, 0.17), (0.62, 0.5, 0.33), (0.2, 0.045, 0.015), (0.35, 0.34, 0.33), (0.7, 0.69, 0.67),
)  # fmt: skip


def hair(sheet: Sheet, variant: str) -> None:
    """The edge of a head, close up. Variants: "straight", "curly", "wet" (clumps), "backlit" (a bright rim) and
    "loose" (long flyaways); only the benchmark uses "braid" and "bob"."""
    rng = sheet.rng
    base = np.asarray(np.array(_HAIRS[int(rng.integers(len(_HAIRS)))]) * rng.uniform(0.7, 1.3), np.float32)
    outline = rounded(rng, rng.uniform(0.35, 0.65, 2) + [0, 0.2], rng.uniform(0.25, 0.45, 2).tolist(), 0.12)
    normals = outline - outline.mean(0)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-6
    curl = {"curly": 0.7, "wet": 0.1, "bob": 0.03, "braid": 0.45}.get(variant, rng.uniform(0, 0.15))
    fall = {"loose": 0.03, "bob": 0.3, "backlit": 0.05}.get(variant, rng.uniform(0.05, 0.2))
    reach = rng.uniform(0.12, 0.4) if variant != "wet" else rng.uniform(0.1, 0.25)
    width = rng.uniform(0.0009, 0.0026)
    sheet.fill(np.asarray(outline + (outline.mean(0) - outline) * 0.2, np.float32), base * 0.4)
    for depth in np.linspace(0, 1, 5):
        _layer(sheet, outline, normals, base * (0.4 + 0.6 * depth), reach, curl, fall, width, variant)
    count = int(rng.integers(30, 160))
    far = hair_curves(rng, outline, normals, count, reach * rng.uniform(1.2, 2.2), curl + 0.12, fall * 0.5)
    glow = 0.8 if variant == "backlit" else 0.15
    sheet.strands(far, width * 0.7, np.asarray(base + (0.25 if variant == "backlit" else 0), np.float32), glow, 0.2)
    sheet.texture(0.15, 8)


def _layer(
    sheet: Sheet, outline: Float32, normals: Float32, base: Float32, reach: float, curl: float, fall: float,
    width: float, variant: str,
) -> None:  # fmt: skip
    """One layer of strands; wet and braided hair is drawn in locks whose tips meet."""
    rng = sheet.rng
    # As far in as the middle: no bare disc remains.
    deep = rng.uniform(0, 1, (len(outline) * 6, 1)) ** 1.5
    way = np.repeat(outline - outline.mean(0), 6, 0)
    inset = np.asarray(np.repeat(outline, 6, 0) - way * deep, np.float32)
    normals = np.repeat(normals, 6, 0)
    shine = rng.uniform(0.05, 0.5) if variant != "wet" else rng.uniform(0.5, 1.5)
    if variant not in ("wet", "braid", "curly"):
        count = int(rng.integers(500, 900))
        curves = hair_curves(rng, inset, normals, count, reach, curl, fall)
        sheet.strands(curves, width, base, shine, 0.2)
        return
    locks, each = int(rng.integers(25, 70)), 14
    leaders = hair_curves(rng, inset, normals, locks, reach * 1.2, curl, fall)
    spread = rng.normal(0, 0.007 if variant == "wet" else 0.013, (locks, each, 1, 2))
    share = np.linspace(1, 0.15 if variant == "wet" else 0.7, leaders.shape[1])[None, None, :, None]
    locks_of = (leaders[:, None] + spread * share).reshape(-1, leaders.shape[1], 2)
    sheet.strands(locks_of.astype(np.float32), width, base, shine, 0.15)


def fur(sheet: Sheet, variant: str) -> None:
    """Variants: "plush": short and dense; "long": an animal's coat; "wool": curled; only the benchmark uses
    "tufts"."""
    rng = sheet.rng
    base = colour(rng) if rng.random() < 0.5 else np.full(3, rng.uniform(0.3, 0.8), np.float32)
    other = colour(rng)
    reach = {"plush": rng.uniform(0.02, 0.05), "wool": rng.uniform(0.04, 0.09)}.get(
        variant, rng.uniform(0.07, 0.16)
    )
    curl = {"wool": 0.9, "plush": 0.2}.get(variant, 0.1)
    for _ in range(int(rng.integers(1, 5))):
        radii = rng.uniform(0.12, 0.35, 2)
        outline = rounded(rng, rng.uniform(0.3, 0.7, 2), radii.tolist(), rng.uniform(0.1, 0.5))
        normals = outline - outline.mean(0)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-6
        sheet.fill(outline, base * 0.6)
        for layer in range(6):
            way = np.repeat(outline - outline.mean(0), 8, 0)
            inset = rng.uniform(0, 1, (len(way), 1)) ** 1.5 * (1 - layer / 8)
            roots = np.asarray(np.repeat(outline, 8, 0) - way * inset, np.float32)
            paint = base if layer < 5 else base * 0.75 + other * 0.25
            curves = hair_curves(
                rng, roots, np.repeat(normals, 8, 0), int(rng.integers(500, 900)), reach, curl, 0.08
            )
            if variant == "tufts":
                shorter = (curves - curves[:, :1]) * 0.3 * rng.random((len(curves), 1, 1))
                curves = np.asarray(curves - shorter, np.float32)
            sheet.strands(np.asarray(curves[:, ::2], np.float32), rng.uniform(0.001, 0.0025), paint, 0.1, 0.2, 0.7)
    sheet.texture(0.15, 5)
