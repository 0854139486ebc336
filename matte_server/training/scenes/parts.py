"""What a subject is made of once it is built: meshes and strands, each with what it looks like."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .groom import Strands
from .obj import Mesh, Points

Look = Literal["skin", "cloth", "eye", "lens", "metal", "plastic", "wood", "leaf", "hair"]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """``colours`` scene-linear reflectances, the second for the pattern; ``scale`` pattern repeats per metre."""

    look: Look
    colours: tuple[Colour, Colour] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    roughness: float = 0.5
    pattern: str = "plain"
    scale: float = 40.0
    sheen: float = 0.0


@dataclass(frozen=True)
class Part:
    """A mesh with one material. ``vertex_colours`` (V, 3) replace the material's colour where given."""

    name: str
    mesh: Mesh
    material: Material
    subdivide: int = 0
    smooth: bool = True
    vertex_colours: Points | None = None


@dataclass(frozen=True)
class Tuft:
    """Strands with one material."""

    name: str
    strands: Strands
    material: Material


@dataclass(frozen=True)
class Subject:
    """All there is to render. ``head`` (N, 3) points that a close framing must hold; ``waist`` z of a half figure's
    lower edge, ``chest`` of a bust's, metres."""

    parts: tuple[Part, ...]
    tufts: tuple[Tuft, ...] = ()
    head: Points | None = None
    waist: float = 0.0
    chest: float = 0.0
    notes: dict[str, str] = field(default_factory=dict)
