"""Hair from Blender's own procedural hair nodes (they come with the ``bpy`` wheel, CC0) on a plain head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .groom import Strands
from .obj import Points
from .parts import Colour, Material, Part, Subject, Tuft
from .styles import Split
from .surface import ellipsoid

STYLES: dict[Split, tuple[str, ...]] = {
    "train": ("straight", "wavy", "clumped", "frizzy"),
    "heldout": ("locks", "tight curls"),
}
_STEPS = 14


@dataclass(frozen=True)
class NodeGroom:
    """What the nodes are given. Metres; ``density`` strands a square metre; ``clump`` 0..1 and ``clump_distance``
    between guides; ``curl`` radius, ``turns`` along a strand; ``frizz`` how far points stray; ``fall`` 0..1."""

    style: str
    length: float
    density: float
    radius: float
    clump: float
    clump_distance: float
    curl: float
    turns: float
    frizz: float
    fall: float
    colour: Colour
    seed: int
    steps: int = _STEPS


Grow = Callable[[NodeGroom, Points], Strands]
"""Strands of a groom on an ellipsoid of these radii (3,), by Blender."""


def node_groom(split: Split, rng: np.random.Generator, colour: Colour) -> NodeGroom:
    """A groom of one of the split's styles."""
    style = STYLES[split][int(rng.integers(len(STYLES[split])))]
    curls = {"wavy": (0.006, 2.0), "locks": (0.012, 3.0), "tight curls": (0.006, 9.0)}
    curl, turns = curls.get(style, (0.0, 0.0))
    clumps = {"clumped": 0.8, "locks": 0.9, "tight curls": 0.6}
    return NodeGroom(
        style=style,
        length=float(rng.uniform(0.05, 0.22)),
        density=float(rng.uniform(80_000, 200_000)),
        radius=float(rng.uniform(0.00008, 0.0002)),
        clump=clumps.get(style, float(rng.uniform(0, 0.3))),
        clump_distance=float(rng.uniform(0.008, 0.03)),
        curl=curl * float(rng.uniform(0.6, 1.5)),
        turns=turns,
        frizz=float(rng.uniform(0.004, 0.015)) if style == "frizzy" else float(rng.uniform(0, 0.003)),
        fall=float(rng.uniform(0.3, 1.0)),
        colour=colour,
        seed=int(rng.integers(1_000_000)),
    )


def fallen(strands: Strands, fall: float, radii: Points) -> Strands:
    """Strands that lean towards the ground by ``fall`` at their tips, and stay outside the ellipsoid."""
    points = strands.points
    steps = np.diff(points, axis=1)
    share = np.linspace(0, 1, steps.shape[1])[None, :, None]
    length = np.linalg.norm(steps, axis=2, keepdims=True)
    lean = steps / np.maximum(length, 1e-9) + np.array([0, 0, -1.0]) * (7.0 * fall * share)
    lean *= length / np.maximum(np.linalg.norm(lean, axis=2, keepdims=True), 1e-9)
    moved = np.concatenate([points[:, :1], points[:, :1] + np.cumsum(lean, axis=1)], axis=1)
    inside = np.linalg.norm(moved / radii, axis=2, keepdims=True)
    return Strands(points=moved / np.minimum(inside, 1.0).clip(0.05), radii=strands.radii)


def build_groomed(groom: NodeGroom, rng: np.random.Generator, grow: Grow) -> Subject:
    """A head without a face, with hair; a close framing holds a part of its edge."""
    radii = np.array([0.078, 0.095, 0.12]) * rng.uniform(0.9, 1.1)
    skin = Material(look="plastic", colours=(groom.colour, groom.colour), roughness=0.8)
    mesh = ellipsoid(np.zeros(3), np.diag(radii * 0.98))
    grown = grow(groom, radii)
    shorter = rng.uniform(0.45, 1.0, (len(grown.points), 1, 1))
    roots = grown.points[:, :1]
    uneven = Strands(points=roots + (grown.points - roots) * shorter, radii=grown.radii)
    strands = fallen(uneven, groom.fall, radii)
    tuft = Tuft(
        name="hair", strands=strands, material=Material(look="hair", colours=(groom.colour,) * 2, roughness=0.35)
    )
    side = strands.points[:, -1] @ rng.normal(0, 1, 3)
    head = strands.points[side > np.quantile(side, 0.7)].reshape(-1, 3)
    return Subject(parts=(Part(name="head", mesh=mesh, material=skin),), tufts=(tuft,), head=head)
