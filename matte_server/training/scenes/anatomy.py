"""A person: the base mesh shaped, dressed and posed, and the regions of skin where hair grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .mhclo import Garment, read_garment
from .obj import Indices, Mesh, Points, read_obj
from .rig import Rig, Rotation, read_rig, skin
from .surface import triangles, vertex_normals
from .targets import Build, apply_targets, macro_weights

_BODY_VERTICES = 13380


@dataclass(frozen=True)
class Library:
    """MakeHuman's data folder, read once."""

    folder: Path

    @cached_property
    def base(self) -> Mesh:
        """The base mesh with its helpers and joint cubes, neutral and unposed."""
        return read_obj(self.folder / "3dobjs" / "base.obj")

    @cached_property
    def rig(self) -> Rig:
        """The game rig over the base mesh."""
        return read_rig(self.folder / "rigs", self.base)

    @cached_property
    def regions(self) -> dict[str, Indices]:
        """Triangles of the skin where hair grows: ``scalp``, ``beard``, ``moustache``, ``brow``."""
        return hair_regions(self.base)

    def garment(self, name: str) -> Garment:
        """The garment called ``name`` (file stem), wherever it lies under clothes/ or hair/."""
        found = sorted(self.folder.glob(f"*/*/{name}.mhclo"))
        if not found:
            raise ValueError(f"no garment {name} under {self.folder}")
        return read_garment(found[0])

    def shape(self, build: Build, details: Mapping[str, float]) -> Points:
        """Vertices of the base mesh for ``build`` and ``details`` (path under targets/ -> weight)."""
        targets = self.folder / "targets"
        weights = macro_weights(targets / "macrodetails", build)
        weights |= {targets / name: weight for name, weight in details.items()}
        return apply_targets(self.base.vertices, weights)


@dataclass(frozen=True)
class Person:
    """A shaped body in a pose. Vertices in metres, z up, feet at the lowest vertex of the pose."""

    library: Library
    rest: Points
    matrices: NDArray[np.float64]
    garments: tuple[Garment, ...] = field(default=())

    @classmethod
    def make(
        cls,
        library: Library,
        rest: Points,
        turns: Mapping[str, Rotation],
        garments: tuple[Garment, ...] = (),
    ) -> Person:
        """A person whose bones have the world rotations ``turns``."""
        return cls(library, rest, library.rig.matrices(rest, turns), garments)

    @cached_property
    def posed(self) -> Points:
        """Every vertex of the base mesh, helpers included, in the pose."""
        return skin(self.rest, self.library.rig.weights, self.matrices)

    @cached_property
    def faces(self) -> Indices:
        """Triangles of the skin, none hidden."""
        return triangles(self.library.base.polygons(_in_group(self.library.base, "body")))

    @cached_property
    def normals(self) -> Points:
        """Posed vertex normals of the skin; zero for helpers."""
        return vertex_normals(self.posed, self.faces)

    def skin_mesh(self) -> Mesh:
        """The posed skin without what the garments hide."""
        base = self.library.base
        hidden = np.zeros(len(base.vertices), bool)
        for garment in self.garments:
            hidden[garment.binding.hidden] = True
        covered = np.logical_and.reduceat(hidden[base.loops], base.starts)
        return base.polygons(_in_group(base, "body") & ~covered).with_vertices(self.posed)

    def garment_mesh(self, garment: Garment) -> Mesh:
        """``garment`` fitted at rest and skinned as the body under it."""
        binding = garment.binding
        weights = np.einsum("nk,nkb->nb", binding.weights, self.library.rig.weights[binding.corners])
        weights = np.maximum(weights, 0)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
        return garment.mesh.with_vertices(skin(binding.fit(self.rest), weights.astype(np.float32), self.matrices))

    def helper_mesh(self, *names: str) -> Mesh:
        """The posed helper geometry ``names`` (teeth, tongue...)."""
        base = self.library.base
        keep = np.logical_or.reduce([_in_group(base, n) for n in names])
        return base.polygons(keep).with_vertices(self.posed)

    def bone(self, name: str) -> NDArray[np.float64]:
        """(3, 4) rest to posed of the bone ``name``."""
        return np.asarray(self.matrices[self.library.rig.names.index(name)])

    def eyes(self) -> list[tuple[Points, float]]:
        """Posed centre and radius in metres of each eye ball, left then right."""
        out = []
        for side in "lr":
            ball = self.posed[self.library.base.group_vertices(f"helper-{side}-eye")]
            centre = (ball.min(axis=0) + ball.max(axis=0)) / 2
            out.append((centre, float(np.linalg.norm(ball - centre, axis=1).max())))
        return out


def _in_group(mesh: Mesh, name: str) -> NDArray[np.bool_]:
    inside = np.zeros(len(mesh.sizes), bool)
    inside[mesh.groups[name]] = True
    return inside


# The hairline on the neutral base mesh: lowest z in metres over the angle from the nose (0) to the nape (pi).
_HAIRLINE_ANGLE = (0.0, 0.55, 0.95, 1.3, 1.75, 2.1, 2.5, np.pi)
_HAIRLINE_Z = (0.797, 0.797, 0.774, 0.734, 0.730, 0.688, 0.668, 0.660)
HEAD_CENTRE = np.array([0.0, -0.035, 0.752])


def hair_regions(base: Mesh) -> dict[str, Indices]:
    """Triangles of the base mesh's skin per hair region. Only valid for MakeHuman's hm08 base mesh."""
    faces = triangles(base.polygons(_in_group(base, "body")))
    points = base.vertices[:_BODY_VERTICES]
    x, y, z = (points - HEAD_CENTRE).T + HEAD_CENTRE[:, None]
    angle = np.arctan2(np.abs(x), -(y - HEAD_CENTRE[1]))
    ear = (np.abs(x) > 0.0705) & (z < 0.742) & (y > -0.075) & (y < 0.005)
    scalp = (z > np.interp(angle, _HAIRLINE_ANGLE, _HAIRLINE_Z)) & ~ear
    jaw = (z < 0.700) & (z > 0.622) & (angle < 1.35) & ~ear & (y < -0.02)
    lips = (np.abs(x) < 0.027) & (z > 0.648) & (z < 0.692) & (y < -0.1)
    chin_side = z < 0.6805 + 0.35 * np.maximum(np.abs(x) - 0.035, 0)
    beard = jaw & ~lips & chin_side
    moustache = (np.abs(x) < 0.029) & (z > 0.675) & (z < 0.691) & (y < -0.12)
    brow = (np.abs(x) > 0.006) & (np.abs(x) < 0.06) & (z > 0.738) & (z < 0.765) & (y < -0.09)
    inner = _inside_head(points)
    return {
        name: faces[(mask & ~inner)[faces].all(axis=1)]
        for name, mask in (("scalp", scalp), ("beard", beard), ("moustache", moustache), ("brow", brow))
    }


def _inside_head(points: Points) -> NDArray[np.bool_]:
    """The mouth's and eye sockets' insides: well inside the skull's outer shape."""
    reach = (points - HEAD_CENTRE) / np.array([0.078, 0.115, 0.12])
    return np.asarray((np.linalg.norm(reach, axis=1) < 0.6) & (points[:, 2] > 0.62))
