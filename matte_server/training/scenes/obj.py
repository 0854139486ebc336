"""Reads Wavefront OBJ as MakeHuman writes it: vertices, texture coordinates, named groups of polygons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Indices = NDArray[np.int64]
_METRES = 0.1


@dataclass(frozen=True)
class Mesh:
    """Polygons of any length.

    ``vertices`` (N, 3) metres, z up. ``loops`` vertex index of each polygon corner, ``sizes`` corners per
    polygon, ``loop_uvs`` (len(loops), 2). ``groups`` maps a name to the polygons in it.
    """

    vertices: Points
    loops: Indices
    sizes: Indices
    loop_uvs: Points
    groups: dict[str, Indices]

    @property
    def starts(self) -> Indices:
        """Index into ``loops`` of each polygon's first corner."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)

    def polygons(self, keep: NDArray[np.bool_]) -> Mesh:
        """The polygons where ``keep`` is true; vertices stay, so that indices keep their meaning."""
        corners = np.repeat(keep, self.sizes)
        renumber = np.cumsum(keep) - 1
        groups = {n: renumber[p[keep[p]]].astype(np.int64) for n, p in self.groups.items()}
        return Mesh(
            vertices=self.vertices,
            loops=self.loops[corners],
            sizes=self.sizes[keep],
            loop_uvs=self.loop_uvs[corners],
            groups=groups,
        )

    def with_vertices(self, vertices: Points) -> Mesh:
        """The same polygons over other positions."""
        return Mesh(
            vertices=vertices, loops=self.loops, sizes=self.sizes, loop_uvs=self.loop_uvs, groups=self.groups
        )

    def group_vertices(self, name: str) -> Indices:
        """Sorted vertex indices that the polygons of group ``name`` touch."""
        inside = np.zeros(len(self.sizes), bool)
        inside[self.groups[name]] = True
        return np.unique(self.loops[np.repeat(inside, self.sizes)])


def to_blender(points: Points) -> Points:
    """MakeHuman's decimetres, y up, face towards +z, as metres, z up, face towards -y."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1) * _METRES


def read_obj(path: Path) -> Mesh:
    """Read ``path``; raises ``ValueError`` where it holds no polygon."""
    return parse_obj(path.read_text(encoding="utf-8").splitlines(), str(path))


def parse_obj(lines: Iterable[str], name: str = "obj") -> Mesh:
    """The mesh in ``lines``; corners without texture coordinate get (0, 0)."""
    vertices: list[list[float]] = []
    uvs: list[list[float]] = []
    loops: list[int] = []
    loop_uv: list[int] = []
    sizes: list[int] = []
    groups: dict[str, list[int]] = {}
    group = "default"
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "v":
            vertices.append([float(t) for t in rest.split()[:3]])
        elif word == "vt":
            uvs.append([float(t) for t in rest.split()[:2]])
        elif word == "g":
            group = rest.strip() or "default"
        elif word == "f":
            corners = [c.split("/") for c in rest.split()]
            groups.setdefault(group, []).append(len(sizes))
            sizes.append(len(corners))
            loops.extend(int(c[0]) - 1 for c in corners)
            loop_uv.extend(int(c[1]) - 1 if len(c) > 1 and c[1] else -1 for c in corners)
    if not sizes:
        raise ValueError(f"{name} holds no polygon")
    table = np.array([*uvs, [0.0, 0.0]], np.float64)
    return Mesh(
        vertices=to_blender(np.array(vertices, np.float64)),
        loops=np.array(loops, np.int64),
        sizes=np.array(sizes, np.int64),
        loop_uvs=table[np.array(loop_uv)],
        groups={n: np.array(p, np.int64) for n, p in groups.items()},
    )
