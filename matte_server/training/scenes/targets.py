"""MakeHuman's shape targets: sparse offsets of the base mesh, and how age, sex and build weigh them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path

import numpy as np

from .obj import Indices, Points, to_blender

# Where each age lies on MakeHuman's 0..1 axis (targets/macrodetails/macro.json).
_AGES = (("baby", 0.0), ("child", 0.1875), ("young", 0.5), ("old", 1.0))


@dataclass(frozen=True)
class Target:
    """``offsets`` (K, 3) metres, z up, to add to the vertices ``indices`` (K,)."""

    indices: Indices
    offsets: Points


@dataclass(frozen=True)
class Build:
    """A body in MakeHuman's terms, each 0..1: ``age`` 0.19 a child, 0.5 about 25, 1 about 90 years.

    ``male``, ``muscle`` and ``weight`` are what they say; ``races`` weighs african, asian, caucasian (sum 1);
    ``ideal`` in -1..1 leans towards uncommon or ideal proportions.
    """

    male: float
    age: float
    muscle: float
    weight: float
    races: tuple[float, float, float]
    ideal: float = 0.0


def parse_target(lines: Iterable[str]) -> Target:
    """The target in ``lines`` of "index dx dy dz" (decimetres, y up)."""
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    indices = np.array([int(r[0]) for r in rows], np.int64)
    offsets = np.array([[float(t) for t in r[1:4]] for r in rows], np.float64).reshape(-1, 3)
    return Target(indices=indices, offsets=to_blender(offsets))


@lru_cache(maxsize=512)
def read_target(path: Path) -> Target:
    """Read a gzipped ``.target``."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return parse_target(stream)


def apply_targets(vertices: Points, weights: Mapping[Path, float]) -> Points:
    """``vertices`` with every target added, times its weight."""
    moved = vertices.copy()
    for path, weight in weights.items():
        target = read_target(path)
        moved[target.indices] += weight * target.offsets
    return moved


def _ages(age: float) -> dict[str, float]:
    for (low, a), (high, b) in pairwise(_AGES):
        if age <= b:
            t = (age - a) / (b - a)
            return {low: 1 - t, high: t}
    return {"old": 1.0}


def _levels(value: float) -> dict[str, float]:
    """Piecewise linear: 0 is min, 0.5 average, 1 max."""
    if value < 0.5:
        return {"min": 1 - 2 * value, "average": 2 * value}
    return {"average": 2 - 2 * value, "max": 2 * value - 1}


def macro_weights(folder: Path, build: Build) -> dict[Path, float]:
    """Weights of the macro targets under ``folder`` (``targets/macrodetails``) for ``build``."""
    genders = {"female": 1 - build.male, "male": build.male}
    ages = _ages(build.age)
    races = dict(zip(("african", "asian", "caucasian"), build.races, strict=True))
    weights: dict[Path, float] = {}
    for (sex, s), (age, a) in product(genders.items(), ages.items()):
        for race, r in races.items():
            weights[folder / f"{race}-{sex}-{age}.target.gz"] = s * a * r
        for (muscle, m), (fat, f) in product(_levels(build.muscle).items(), _levels(build.weight).items()):
            shape = f"{sex}-{age}-{muscle}muscle-{fat}weight"
            weights[folder / f"universal-{shape}.target.gz"] = s * a * m * f
            kind = "ideal" if build.ideal > 0 else "uncommon"
            proportion = folder / "proportions" / f"{shape}-{kind}proportions.target.gz"
            weights[proportion] = s * a * m * f * abs(build.ideal)
    return {p: w for p, w in weights.items() if w > 1e-4 and p.is_file()}
