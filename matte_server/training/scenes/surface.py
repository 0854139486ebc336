"""Small geometry over polygon meshes: normals, roots sampled on a surface, tubes and ellipsoids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .obj import Indices, Mesh, Points


@dataclass(frozen=True)
class Roots:
    """Points that stay at the same place of a surface while it deforms: corner indices and weights (N, 3)."""

    corners: Indices
    weights: Points

    def on(self, values: Points) -> Points:
        """``values`` (V, C) of the vertices, interpolated at the roots: (N, C)."""
        return np.asarray((values[self.corners] * self.weights[..., None]).sum(axis=1))


def triangles(mesh: Mesh) -> Indices:
    """(T, 3) vertex indices: every polygon as a fan."""
    fans: list[Indices] = []
    for size in np.unique(mesh.sizes):
        starts = mesh.starts[mesh.sizes == size]
        for k in range(1, int(size) - 1):
            fans.append(np.stack([mesh.loops[starts], mesh.loops[starts + k], mesh.loops[starts + k + 1]], 1))
    return np.concatenate(fans) if fans else np.zeros((0, 3), np.int64)


def vertex_normals(vertices: Points, faces: Indices) -> Points:
    """(V, 3) unit normals, each triangle weighed by its area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, faces[:, k], face)
    return unit(total)


def unit(vectors: Points) -> Points:
    """Vectors of length 1; a null vector stays null."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12))


def scatter(rng: np.random.Generator, vertices: Points, faces: Indices, count: int) -> Roots:
    """``count`` roots spread evenly by area over the triangles ``faces``."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if len(faces) == 0 or areas.sum() <= 0:
        return Roots(corners=np.zeros((0, 3), np.int64), weights=np.zeros((0, 3)))
    # Stratified over the cumulated area: fewer clumps and bald spots than independent draws.
    places = (np.arange(count) + rng.random(count)) / count
    chosen = np.searchsorted(np.cumsum(areas) / areas.sum(), places, side="right").clip(0, len(faces) - 1)
    u, v = np.sqrt(rng.random(count)), rng.random(count)
    return Roots(corners=faces[chosen], weights=np.stack([1 - u, u * (1 - v), u * v], axis=1))


def tube(path: Points, radius: float | Points, sides: int = 8, closed: bool = False) -> Mesh:
    """A tube of ``radius`` metres (one, or one per point) along ``path`` (N, 3); open ends are capped."""
    count = len(path)
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    if not closed:
        ahead[0], ahead[-1] = path[1] - path[0], path[-1] - path[-2]
    ahead = unit(ahead)
    side = np.zeros_like(path)
    last = np.array([0.31, 0.95, 0.05])
    for k in range(count):  # parallel transport, so that the tube does not twist
        last = last - ahead[k] * (last @ ahead[k])
        if np.linalg.norm(last) < 1e-6:
            last = np.cross(ahead[k], [1.0, 0.0, 0.0]) + 1e-9
        last = last / np.linalg.norm(last)
        side[k] = last
    up = np.cross(ahead, side)
    angles = np.arange(sides) * (2 * np.pi / sides)
    size = np.broadcast_to(np.asarray(radius, np.float64), (count,))[:, None, None]
    ring = np.cos(angles)[:, None] * side[:, None] + np.sin(angles)[:, None] * up[:, None]
    vertices = (path[:, None] + size * ring).reshape(-1, 3)
    rows = count if closed else count - 1
    i, j = np.meshgrid(np.arange(rows), np.arange(sides), indexing="ij")
    i2, j2 = (i + 1) % count, (j + 1) % sides
    quads = np.stack([i * sides + j, i * sides + j2, i2 * sides + j2, i2 * sides + j], -1).reshape(-1, 4)
    loops, sizes = quads.reshape(-1), np.full(len(quads), 4, np.int64)
    if not closed:
        caps = np.concatenate([np.arange(sides)[::-1], (count - 1) * sides + np.arange(sides)])
        loops = np.concatenate([loops, caps])
        sizes = np.concatenate([sizes, [sides, sides]])
    return plain_mesh(vertices, loops, sizes)


def grid(points: NDArray[np.float64], wrap: bool = False) -> Mesh:
    """A sheet over ``points`` (R, C, 3); ``wrap`` joins the last column to the first."""
    rows, columns = points.shape[:2]
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns if wrap else columns - 1), indexing="ij")
    j2 = (j + 1) % columns
    quads = np.stack([i * columns + j, i * columns + j2, (i + 1) * columns + j2, (i + 1) * columns + j], -1)
    uv = np.stack(np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows)), -1).reshape(-1, 2)
    loops = quads.reshape(-1)
    sizes = np.full(quads.size // 4, 4, np.int64)
    return Mesh(vertices=points.reshape(-1, 3), loops=loops, sizes=sizes, loop_uvs=uv[loops], groups={})


def ellipsoid(centre: Points, axes: Points, rings: int = 24, columns: int = 36) -> Mesh:
    """An ellipsoid about ``centre``; the rows of ``axes`` (3, 3) are its half axes, the last one its pole."""
    theta = np.linspace(0.01, np.pi - 0.01, rings)[:, None]
    phi = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    ball = np.stack(np.broadcast_arrays(np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)))
    points = np.einsum("kij,kc->ijc", ball, axes) + centre
    return grid(points[::-1], wrap=True)


def box(low: Points, high: Points) -> Mesh:
    """The axis-aligned box between two corners."""
    x, y, z = np.meshgrid(*zip(low, high, strict=True), indexing="ij")
    vertices = np.stack([x, y, z], -1).reshape(-1, 3)
    loops = np.array([0, 1, 3, 2, 4, 6, 7, 5, 0, 4, 5, 1, 2, 3, 7, 6, 0, 2, 6, 4, 1, 5, 7, 3])
    return plain_mesh(vertices, loops, np.full(6, 4, np.int64))


def plain_mesh(vertices: Points, loops: Indices, sizes: Indices) -> Mesh:
    """A mesh without texture coordinates or groups."""
    return Mesh(
        vertices=vertices,
        loops=loops.astype(np.int64),
        sizes=sizes.astype(np.int64),
        loop_uvs=np.zeros((len(loops), 2)),
        groups={},
    )


def join(meshes: list[Mesh]) -> Mesh:
    """One mesh of all; groups are dropped."""
    shift = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    return Mesh(
        vertices=np.concatenate([m.vertices for m in meshes]),
        loops=np.concatenate([m.loops + s for m, s in zip(meshes, shift, strict=True)]),
        sizes=np.concatenate([m.sizes for m in meshes]),
        loop_uvs=np.concatenate([m.loop_uvs for m in meshes]),
        groups={},
    )
