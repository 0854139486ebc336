"""Builds a person from its recipe: body, eyes, clothes, glasses, and all the hair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .anatomy import HEAD_CENTRE, Library, Person
from .groom import PushOut, Scalp, Strands, grow
from .obj import Indices, Mesh, Points
from .parts import Material, Part, Subject, Tuft
from .recipes import Cloth, PersonRecipe, View
from .rig import Rotation, axis_rotation, read_pose, slerp
from .surface import Roots, ellipsoid, join, plain_mesh, scatter, triangles, tube, unit, vertex_normals

# Makes a PushOut from the vertices (V, 3) and triangles (T, 3) that hair must stay out of.
Collider = Callable[[Points, Indices], PushOut]
_UPPER = ("spine_02", "spine_03", "neck_01", "head", "clavicle", "upperarm", "lowerarm", "hand",
          "thumb", "index", "middle", "ring", "pinky")  # fmt: skip


def build_person(
    library: Library, recipe: PersonRecipe, view: View, rng: np.random.Generator, collider: Collider
) -> Subject:
    """The subject of ``recipe``. Only ``view.wind`` and ``view.framing`` matter of the view."""
    rest = library.shape(recipe.build, recipe.details)
    garments = tuple(library.garment(c.garment) for c in recipe.clothes)
    person = Person.make(library, rest, _turns(library, recipe), garments)
    cloth_meshes = [person.garment_mesh(g) for g in garments]
    parts = _body(person, recipe)
    for cloth, mesh in zip(recipe.clothes, cloth_meshes, strict=True):
        parts.append(Part(name=cloth.garment, mesh=mesh, material=_stuff(cloth), subdivide=1))
    if recipe.glasses != "none":
        parts += _glasses(person, recipe, rng)
    push_out = collider(*_obstacle(person, cloth_meshes))
    tufts = _hair(person, recipe, view, rng, push_out)
    tufts += [t for c, m in zip(recipe.clothes, cloth_meshes, strict=True) if c.fuzz for t in [_fuzz(rng, c, m)]]
    head = _head_points(person)
    if tufts and tufts[0].name == "hair":
        head = np.concatenate([head, tufts[0].strands.points[::7, ::3].reshape(-1, 3)])
    pelvis = person.bone("pelvis")[:, :3] @ library.rig.heads(rest)[library.rig.names.index("pelvis")]
    waist = float((pelvis + person.bone("pelvis")[:, 3])[2]) - 0.03
    chin = float(_head_points(person)[:, 2].min())
    return Subject(parts=tuple(parts), tufts=tuple(tufts), head=head, waist=waist, chest=0.45 * waist + 0.55 * chin)


def _body(person: Person, recipe: PersonRecipe) -> list[Part]:
    """Skin, eyes and teeth."""
    skin = Part(
        name="skin",
        mesh=person.skin_mesh(),
        material=Material(look="skin", colours=(recipe.skin, recipe.hair_colour), roughness=0.45),
        subdivide=1,
    )
    teeth = Part(
        name="teeth",
        mesh=person.helper_mesh("helper-upper-teeth", "helper-lower-teeth"),
        material=Material(look="plastic", colours=((0.7, 0.66, 0.58),) * 2, roughness=0.25),
    )
    return [skin, *_eyes(person, recipe), teeth]


def _turns(library: Library, recipe: PersonRecipe) -> dict[str, Rotation]:
    """World rotations: the pose, weakened, with the waist and the head turned further."""
    pose = read_pose(library.folder / "poses" / f"{recipe.pose}.bvh")
    turns = {bone: slerp(np.eye(3), turn, recipe.pose_share) for bone, turn in pose.items()}
    waist = axis_rotation("Z", np.radians(recipe.waist_turn))
    turns = {bone: waist @ turn if bone.startswith(_UPPER) else turn for bone, turn in turns.items()}
    yaw, pitch, roll = np.radians(recipe.head_turn)
    for bone, share in (("neck_01", 0.4), ("head", 1.0)):
        nod = axis_rotation("X", pitch * share) @ axis_rotation("Y", roll * share)
        turns[bone] = axis_rotation("Z", yaw * share) @ nod @ turns[bone]
    return turns


def _head_points(person: Person) -> Points:
    base = person.library.base.vertices
    skin = np.arange(len(base)) < 13380
    return person.posed[skin & (base[:, 2] > 0.62)]


def _obstacle(person: Person, clothes: list[Mesh]) -> tuple[Points, Indices]:
    meshes = [person.library.base.with_vertices(person.posed), *clothes]
    faces = [person.faces, *(triangles(m) for m in clothes)]
    shift = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    return (
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([f + s for f, s in zip(faces, shift, strict=True)]),
    )


def _stuff(cloth: Cloth) -> Material:
    return Material(
        look="cloth",
        colours=cloth.colours,
        roughness=cloth.roughness,
        pattern=cloth.pattern,
        scale=cloth.scale,
        sheen=cloth.sheen,
    )


def _eyes(person: Person, recipe: PersonRecipe) -> list[Part]:
    gaze = person.bone("head")[:, :3] @ np.array([0.0, -1.0, 0.0])
    parts = []
    for centre, radius in person.eyes():
        side = unit(np.cross(gaze, [0.0, 0.0, 1.0]))
        axes = 0.97 * radius * np.stack([side, np.cross(side, gaze), gaze])
        mesh = ellipsoid(centre, axes, 48, 32)
        off = np.arccos(np.clip(unit(mesh.vertices - centre) @ gaze, -1, 1))
        colours = np.tile([0.78, 0.74, 0.70], (len(off), 1))
        colours[off < 0.50] = recipe.iris
        colours[off < 0.2] = 0.004
        parts.append(
            Part(name="eye", mesh=mesh, material=Material(look="eye", roughness=0.08), vertex_colours=colours)
        )
    return parts


def _glasses(person: Person, recipe: PersonRecipe, rng: np.random.Generator) -> list[Part]:
    """Spectacles of wire or of a thicker frame, with lenses that mostly let light through."""
    turn = person.bone("head")[:, :3]
    left, right, up, ahead = (*(c for c, _ in person.eyes()), turn @ [0.0, 0, 1], turn @ [0.0, -1, 0])
    across = unit(left - right)
    radius = 0.0006 if recipe.glasses == "wire" else 0.0021
    wide, tall = rng.uniform(0.020, 0.027), rng.uniform(0.015, 0.024)
    power = rng.uniform(2.0, 3.5)
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    c, s = np.cos(angles), np.sin(angles)
    rim_x, rim_y = (np.sign(v) * np.abs(v) ** (2 / power) for v in (c, s))
    tubes, lenses = [], []
    middle = (left + right) / 2 + ahead * 0.027 - up * 0.004
    half = float(np.linalg.norm(left - right)) / 2 + 0.001
    for sign in (1.0, -1.0):
        centre = middle + across * sign * half
        rim = centre + rim_x[:, None] * wide * across + rim_y[:, None] * tall * up
        tubes.append(tube(rim, radius, 6, closed=True))
        lenses.append(_disc(rim, centre))
        hinge = centre + across * sign * wide + up * tall * 0.3
        ear = hinge - ahead * 0.105 + across * sign * 0.004 + up * 0.002
        tubes.append(tube(np.stack([hinge, (hinge + ear) / 2, ear, ear - ahead * 0.02 - up * 0.02]), radius, 6))
    bridge = [middle + across * t * (half - wide) + up * 0.006 * (1.4 - t * t) for t in np.linspace(-1, 1, 7)]
    tubes.append(tube(np.stack(bridge), radius, 6))
    dark = rng.uniform(0.01, 0.1)
    tint = (dark * 4, dark * 3.5, dark * 3)
    metal = Material(look="metal" if recipe.glasses == "wire" else "plastic", colours=(tint, tint), roughness=0.2)
    return [
        Part(name="glasses", mesh=join(tubes), material=metal),
        Part(name="lenses", mesh=join(lenses), material=Material(look="lens", roughness=0.02), smooth=False),
    ]


def _disc(rim: Points, centre: Points) -> Mesh:
    count = len(rim)
    loops = np.stack([np.full(count, count), np.arange(count), (np.arange(count) + 1) % count], 1).reshape(-1)
    return plain_mesh(np.concatenate([rim, centre[None]]), loops, np.full(count, 3))


def _hair(
    person: Person, recipe: PersonRecipe, view: View, rng: np.random.Generator, push_out: PushOut
) -> list[Tuft]:
    """Head hair first, then brows, lashes and beard. Each has its own generator: a shot's frames agree."""
    material = Material(look="hair", colours=(recipe.hair_colour,) * 2, roughness=0.35)
    tufts = []
    streams = [np.random.default_rng(s) for s in rng.integers(0, 2**62, 5)]
    if recipe.hair is not None:
        near = view.framing in ("head", "bust")
        count = int(recipe.hair.count * (1.0 if near else 0.6))
        scalp = _scalp(person, streams[0], "scalp", count)
        strands = grow(streams[1], scalp, recipe.hair, push_out, np.array(view.wind), fast=not near)
        if not near:
            strands = Strands(points=strands.points, radii=strands.radii * 1.3)
        tufts.append(Tuft(name="hair", strands=strands, material=material))
    tufts.append(Tuft(name="brows", strands=_brows(person, streams[2], recipe.brow), material=material))
    tufts.append(
        Tuft(
            name="lashes",
            strands=_lashes(person, streams[3]),
            material=Material(look="hair", colours=((0.01, 0.008, 0.007),) * 2, roughness=0.4),
        )
    )
    if recipe.beard > 0:
        tufts.append(Tuft(name="beard", strands=_beard(person, streams[4], recipe.beard), material=material))
    return tufts


def _scalp(person: Person, rng: np.random.Generator, region: str, count: int) -> Scalp:
    faces = person.library.regions[region]
    roots = scatter(rng, person.rest, faces, count)
    bone = person.bone("head")
    base = person.library.base.vertices
    skull = np.concatenate([person.rest[:13380][base[:13380, 2] > 0.7]])
    centre = skull.mean(axis=0) + (HEAD_CENTRE - base[:13380][base[:13380, 2] > 0.7].mean(axis=0))
    posed = roots.on(person.posed)
    normals = unit(roots.on(person.normals))
    places = roots.on(person.rest) - centre
    return Scalp(roots=posed - normals * 0.001, normals=normals, places=places, turn=bone[:, :3])


def _brows(person: Person, rng: np.random.Generator, bushy: float) -> Strands:
    roots = scatter(rng, person.rest, person.library.regions["brow"], 7000)
    at = roots.on(person.library.base.vertices)
    u = (np.abs(at[:, 0]) - 0.011) / 0.043
    middle = 0.7475 + 0.0055 * np.sin(np.pi * np.clip(u, 0, 1) ** 1.2 * 0.9)
    band = 0.0042 * bushy * (1.1 - 0.75 * np.clip(u, 0, 1))
    keep = (u > 0) & (u < 1) & (np.abs(at[:, 2] - middle) < band) & (rng.random(len(u)) < 0.8)
    roots = Roots(corners=roots.corners[keep], weights=roots.weights[keep])
    start, normal = roots.on(person.posed), unit(roots.on(person.normals))
    turn = person.bone("head")[:, :3]
    rise = rng.normal(0.25, 0.2, (len(start), 1))
    side = np.sign(at[keep, :1]) * (turn @ [1.0, 0, 0]) + (turn @ [0.0, 0, 1]) * rise
    heading = unit(unit(side) + normal * rng.uniform(0.1, 0.35, (len(start), 1)))
    length = rng.uniform(0.004, 0.009, len(start)) * (0.7 + 0.3 * bushy)
    return _arcs(start, heading, -normal * 0.3, length, 0.00004, 5)


def _lashes(person: Person, rng: np.random.Generator) -> Strands:
    """Upper and lower lashes: fans from the lid's edge, where the skin meets the eye ball."""
    starts, headings = [], []
    turn = person.bone("head")[:, :3]
    ahead, up = turn @ [0.0, -1, 0], turn @ [0.0, 0, 1]
    for centre, radius in person.eyes():
        across = turn @ [1.0, 0.0, 0.0]
        skin = person.posed[:13380]
        near = skin[np.abs(np.linalg.norm(skin - centre, axis=1) - radius) < 0.0016]
        near = near[(near - centre) @ ahead > 0.25 * radius]
        for sign, count in ((1.0, 110), (-1.0, 50)):
            lid = near[((near - centre) @ up) * sign > 0]
            if len(lid) < 3:
                continue
            lid = lid[np.argsort(lid @ across)]
            where = rng.uniform(0, len(lid) - 1.001, count)
            low = where.astype(np.int64)
            start = lid[low] + (where - low)[:, None] * (lid[low + 1] - lid[low])
            fan = ((start - centre) @ across / radius)[:, None] * across * 0.6
            starts.append(start)
            headings.append(unit(ahead + fan + sign * 0.25 * up + rng.normal(0, 0.1, start.shape)))
    if not starts:
        return Strands(points=np.zeros((0, 5, 3)), radii=np.zeros((0, 5)))
    start, heading = np.concatenate(starts), np.concatenate(headings)
    length = rng.uniform(0.005, 0.009, len(start))
    return _arcs(start, heading, 0.8 * np.tile(up, (len(start), 1)), length, 0.00005, 5)


def _beard(person: Person, rng: np.random.Generator, length: float) -> Strands:
    strands = []
    turn = person.bone("head")[:, :3]
    down = turn @ unit(np.array([0.0, -0.25, -1.0]))
    for region, count, share in (("beard", 9000, 1.0), ("moustache", 2200, 0.45)):
        roots = scatter(rng, person.rest, person.library.regions[region], count)
        start, normal = roots.on(person.posed), unit(roots.on(person.normals))
        heading = unit(normal * 0.8 + down + rng.normal(0, 0.3, start.shape))
        bend = down * 0.7 + rng.normal(0, 0.5, start.shape)
        reach = length * share * rng.gamma(6, 1 / 6, len(start))
        strands.append(_arcs(start - normal * 0.0005, heading, bend, reach, 0.00006, 8))
    return Strands(
        points=np.concatenate([s.points for s in strands]), radii=np.concatenate([s.radii for s in strands])
    )


def _fuzz(rng: np.random.Generator, cloth: Cloth, mesh: Mesh) -> Tuft:
    """Wool fibres standing off a garment."""
    faces = triangles(mesh)
    normals = vertex_normals(mesh.vertices, faces)
    roots = scatter(rng, mesh.vertices, faces, 26000)
    start, normal = roots.on(mesh.vertices), unit(roots.on(normals))
    heading = unit(normal + rng.normal(0, 0.7, start.shape))
    length = cloth.fuzz * rng.gamma(2, 0.5, len(start))
    return Tuft(name="fuzz", strands=_arcs(start, heading, rng.normal(0, 0.8, start.shape), length, 0.00005, 5),
                material=Material(look="hair", colours=cloth.colours, roughness=0.7))  # fmt: skip


def _arcs(start: Points, heading: Points, bend: Points, length: Points, radius: float, steps: int) -> Strands:
    """Short strands: a parabola from ``start`` along ``heading``, bent towards ``bend``."""
    t = np.linspace(0, 1, steps)[None, :, None]
    points = start[:, None] + length[:, None, None] * (heading[:, None] * t + bend[:, None] * t * t * 0.5)
    radii = np.broadcast_to(radius * np.linspace(1, 0.3, steps), points.shape[:2]).copy()
    return Strands(points=points, radii=radii)
