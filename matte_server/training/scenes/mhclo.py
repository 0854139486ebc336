"""MakeHuman's clothes binding: every vertex of a garment hangs on three vertices of the body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .obj import Indices, Mesh, Points, read_obj, to_blender


@dataclass(frozen=True)
class Binding:
    """``corners`` (N, 3) body vertices, ``weights`` (N, 3), ``offsets`` (N, 3) MakeHuman axes, unscaled.

    ``scales`` is, for MakeHuman's x, y, z, the two body vertices whose distance along that axis scales the
    offset, and that distance on the body the garment was made on (decimetres). ``hidden`` are the body
    vertices under the garment.
    """

    corners: Indices
    weights: Points
    offsets: Points
    scales: tuple[tuple[int, int, float], ...]
    hidden: Indices

    def fit(self, body: Points) -> Points:
        """Garment vertices over ``body`` (metres, z up). The formula of MakeHuman's proxy.py."""
        base = (body[self.corners] * self.weights[..., None]).sum(axis=1)
        # Axes of MakeHuman's x, y, z in ours.
        ours = (0, 2, 1)
        factors = np.ones(3)
        for axis, (a, b, reference) in enumerate(self.scales):
            if reference > 0:
                factors[axis] = abs(body[a, ours[axis]] - body[b, ours[axis]]) * 10.0 / reference
        return np.asarray(base + to_blender(self.offsets * factors))


@dataclass(frozen=True)
class Garment:
    """A piece of clothing, hat, shoes or hair made for the base mesh."""

    name: str
    mesh: Mesh
    binding: Binding


def read_garment(path: Path) -> Garment:
    """Read a ``.mhclo`` and the OBJ that it names."""
    lines = path.read_text(encoding="utf-8").splitlines()
    names = [line.split(maxsplit=1)[1] for line in lines if line.startswith("obj_file")]
    if not names:
        raise ValueError(f"{path} names no obj_file")
    return Garment(name=path.stem, mesh=read_obj(path.parent / names[0].strip()), binding=parse_binding(lines))


def parse_binding(lines: Iterable[str]) -> Binding:
    """The binding in ``lines`` of a ``.mhclo``."""
    scales = [(0, 0, 0.0)] * 3
    rows: list[tuple[list[int], list[float], list[float]]] = []
    hidden: list[int] = []
    section = ""
    for line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("x_scale", "y_scale", "z_scale"):
            scales["xyz".index(words[0][0])] = (int(words[1]), int(words[2]), float(words[3]))
        elif words[0] in ("verts", "delete_verts"):
            section = words[0]
        elif words[0] == "weights":
            section = ""
        elif not words[0].isdigit():  # headers may follow "verts" before its rows do
            continue
        elif section == "verts":
            rows.append(_corner(words))
        elif section == "delete_verts":
            hidden.extend(_ranges(words))
    return Binding(
        corners=np.array([r[0] for r in rows], np.int64),
        weights=np.array([r[1] for r in rows], np.float64),
        offsets=np.array([r[2] for r in rows], np.float64),
        scales=tuple(scales),
        hidden=np.array(sorted(set(hidden)), np.int64),
    )


def _corner(words: Sequence[str]) -> tuple[list[int], list[float], list[float]]:
    if len(words) == 1:  # the garment's vertex is the body's
        return [int(words[0])] * 3, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    numbers = [float(w) for w in words[3:9]]
    return [int(w) for w in words[:3]], numbers[:3], numbers[3:]


def _ranges(words: Sequence[str]) -> list[int]:
    """``["3", "-", "5", "9"]`` is 3, 4, 5, 9."""
    numbers: list[int] = []
    position = 0
    while position < len(words):
        first = int(words[position])
        if position + 2 < len(words) and words[position + 1] == "-":
            numbers.extend(range(first, int(words[position + 2]) + 1))
            position += 3
        else:
            numbers.append(first)
            position += 1
    return numbers
