"""Subjects other than people: furniture of thin slats, plants, and animals with fur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .groom import Strands
from .obj import Mesh, Points
from .parts import Colour, Material, Part, Subject, Tuft
from .surface import box, ellipsoid, grid, join, scatter, triangles, tube, unit, vertex_normals

_Ball = tuple[Points, Points]
"""An ellipsoid: its centre, and its three half axes as rows."""


def build_prop(kind: str, rng: np.random.Generator) -> Subject:
    """A subject of ``kind`` "furniture", "plant" or "animal", all of it from ``rng``."""
    if kind == "furniture":
        makers = (_chair, _bicycle_wheel, _clothes_rack, _lamp)
        return Subject(parts=tuple(makers[rng.integers(len(makers))](rng)))
    return _plant(rng) if kind == "plant" else _animal(rng)


def _colour(rng: np.random.Generator, value: float | None = None) -> Colour:
    level = rng.uniform(0.03, 0.6) if value is None else value
    tint = rng.uniform(0.4, 1.0, 3)
    c = level * tint / tint.max()
    return (float(c[0]), float(c[1]), float(c[2]))


def _solid(rng: np.random.Generator) -> Material:
    look = ("wood", "plastic", "metal")[rng.integers(3)]
    if look == "wood":
        brown = np.array([0.28, 0.14, 0.06]) * rng.uniform(0.3, 2.0)
        dark = brown * 0.5
        (red, green, blue), (r, g, b) = brown.tolist(), dark.tolist()
        return Material(
            look="wood",
            colours=((red, green, blue), (r, g, b)),
            roughness=float(rng.uniform(0.2, 0.6)),
            scale=float(rng.uniform(20, 80)),
        )
    colour = _colour(rng)
    return Material(look=look, colours=(colour, colour), roughness=float(rng.uniform(0.1, 0.5)))  # type: ignore[arg-type]


def _rod(a: Points, b: Points, radius: float, sides: int = 10) -> Mesh:
    return tube(np.linspace(a, b, 4), radius, sides)


def _chair(rng: np.random.Generator) -> list[Part]:
    """Four legs, a seat (slats or a board) and a back of upright or level slats."""
    wide, deep, seat = rng.uniform(0.38, 0.5), rng.uniform(0.38, 0.5), rng.uniform(0.4, 0.5)
    high, leg = rng.uniform(0.35, 0.6), rng.uniform(0.008, 0.022)
    x, y = wide / 2, deep / 2
    meshes = [_rod(np.array([sx * x, sy * y, 0]), np.array([sx * x, sy * y, seat]), leg)
              for sx in (-1, 1) for sy in (-1, 1)]  # fmt: skip
    lean = rng.uniform(0.02, 0.12)
    posts = [np.array([[sx * x, y, seat], [sx * x, y + lean, seat + high]]) for sx in (-1, 1)]
    meshes += [_rod(p[0], p[1], leg) for p in posts]
    count = int(rng.integers(4, 12))
    thin = rng.uniform(0.002, 0.012)
    for t in (np.arange(count) + 0.5) / count:
        if rng.random() < 2:
            low, top = (p[0] + (p[1] - p[0]) * 0.12 for p in posts), (p[1] for p in posts)
            (a, b), (c, d) = tuple(low), tuple(top)
            upright = seat * 100 % 2 < 1
            pair = (a + (b - a) * t, c + (d - c) * t) if upright else (a + (c - a) * t, b + (d - b) * t)
            meshes.append(_rod(*pair, thin, 8))
    meshes.append(_rod(posts[0][1], posts[1][1], leg))
    if rng.random() < 0.5:
        for t in np.linspace(-y, y, int(rng.integers(5, 12))):
            meshes.append(box(np.array([-x, t - 0.012, seat - 0.008]), np.array([x, t + 0.012, seat + 0.006])))
    else:
        corner, opposite = [-x - 0.01, -y - 0.01, seat - 0.015], [x + 0.01, y + 0.01, seat + 0.01]
        meshes.append(box(np.array(corner), np.array(opposite)))
    for z in rng.uniform(0.08, seat - 0.08, 2):
        meshes.append(_rod(np.array([-x, -y, z]), np.array([x, -y, z]), thin, 8))
    return [Part(name="chair", mesh=join(meshes), material=_solid(rng), smooth=False)]


def _bicycle_wheel(rng: np.random.Generator) -> list[Part]:
    """A tyre, a rim and spokes about a millimetre thick."""
    radius, turns = rng.uniform(0.25, 0.36), np.linspace(0, 2 * np.pi, 96, endpoint=False)
    ring = np.stack([np.cos(turns), np.zeros(96), np.sin(turns)], 1)
    tyre = tube(ring * radius, rng.uniform(0.012, 0.025), 12, closed=True)
    rim = tube(ring * (radius - 0.03), 0.008, 8, closed=True)
    hub = _rod(np.array([0, -0.05, 0]), np.array([0, 0.05, 0.0]), 0.02, 16)
    spokes = []
    count = int(rng.integers(16, 40))
    for k in range(count):
        angle = 2 * np.pi * k / count
        lead = angle + (0.9 if k % 2 else -0.9)
        start = np.array([0.02 * np.cos(lead), 0.03 * (1 if k % 4 < 2 else -1), 0.02 * np.sin(lead)])
        end = (radius - 0.03) * np.array([np.cos(angle), 0, np.sin(angle)])
        spokes.append(_rod(start, end, rng.uniform(0.0008, 0.0016), 5))
    black = Material(look="plastic", colours=((0.02, 0.02, 0.02),) * 2, roughness=0.7)
    steel = Material(look="metal", colours=((0.6, 0.6, 0.62),) * 2, roughness=0.25)
    return [
        Part(name="tyre", mesh=tyre, material=black),
        Part(name="steel", mesh=join([rim, hub, *spokes]), material=steel),
    ]


def _clothes_rack(rng: np.random.Generator) -> list[Part]:
    """Thin bars, wires and a see-through net hung between them."""
    wide, high, bar = rng.uniform(0.5, 1.0), rng.uniform(0.8, 1.5), rng.uniform(0.006, 0.015)
    feet = [_rod(np.array([s * wide / 2, -0.2, 0.0]), np.array([s * wide / 2, 0.2, 0.0]), bar) for s in (-1, 1)]
    posts = [_rod(np.array([s * wide / 2, 0, 0.0]), np.array([s * wide / 2, 0, high]), bar) for s in (-1, 1)]
    top = _rod(np.array([-wide / 2, 0, high]), np.array([wide / 2, 0, high]), bar)
    cells = int(rng.integers(8, 26))
    x, z = np.linspace(-wide / 2, wide / 2, 40), np.linspace(0.25 * high, high, 40)
    wave, phase = rng.uniform(0.01, 0.05), rng.uniform(0, 6)
    wires = []
    thread = rng.uniform(0.0006, 0.002)
    for t in np.linspace(0, 1, cells):
        across = np.stack([x, wave * np.sin(9 * x + phase), np.full(40, z[0] + t * (z[-1] - z[0]))], 1)
        place = x[0] + t * wide
        along = np.stack([np.full(40, place), np.full(40, wave * np.sin(9 * place + phase)), z], 1)
        wires += [tube(across, thread, 5), tube(along, thread, 5)]
    return [
        Part(name="rack", mesh=join([*feet, *posts, top]), material=_solid(rng)),
        Part(name="net", mesh=join(wires), material=_solid(rng)),
    ]


def _lamp(rng: np.random.Generator) -> list[Part]:
    """A floor lamp: a thin stand with a shade open at both ends."""
    high, foot = rng.uniform(0.9, 1.5), rng.uniform(0.1, 0.18)
    bend = rng.uniform(0, 0.25)
    t = np.linspace(0, 1, 24)
    stand = tube(np.stack([bend * t**3, np.zeros(24), high * t], 1), rng.uniform(0.004, 0.01), 10)
    base = ellipsoid(np.array([0, 0, 0.01]), np.diag([foot, foot, 0.015]))
    low, top, tall = rng.uniform(0.12, 0.22), rng.uniform(0.06, 0.14), rng.uniform(0.14, 0.26)
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    rings = [
        np.stack([bend + r * np.cos(turns), r * np.sin(turns), np.full(48, high - tall / 2 + h * tall)], 1)
        for h, r in zip(np.linspace(0, 1, 8), np.linspace(low, top, 8), strict=True)
    ]
    cord = np.stack([bend - 0.05 + 0.01 * np.sin(9 * t), 0.03 * np.ones(24), high - 0.1 - 0.3 * t], 1)
    shade = Material(look="leaf", colours=(_colour(rng, 0.6), _colour(rng, 0.6)), roughness=0.8, scale=3.0)
    return [
        Part(name="stand", mesh=join([stand, base, tube(cord, 0.0008, 6)]), material=_solid(rng)),
        Part(name="shade", mesh=grid(np.stack(rings), wrap=True), material=shade),
    ]


def _plant(rng: np.random.Generator) -> Subject:
    """A pot with grass, or with stems that lean out of it and leaves of one species along them."""
    grass = rng.random() < 0.3
    length, wide = (0.5, 0.006) if grass else (rng.uniform(0.05, 0.16), rng.uniform(0.015, 0.05))
    stems: list[Mesh] = []
    leaves: list[Mesh] = []
    for _ in range(60 if grass else int(rng.integers(7, 18))):
        angle, lean = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.5)
        out = np.array([np.cos(angle), np.sin(angle), 0.0])
        if grass:
            root = 0.05 * rng.random() * out + [0, 0, 0.2]
            heading = unit(out * lean + [0, 0, 1.0])
            leaves.append(_blade(rng, root, heading, length * rng.uniform(0.6, 1.3), wide, 1.2))
        else:
            path = _stem(rng, out * lean)
            stems.append(tube(path, np.linspace(0.004, 0.0012, 14), 6))
            leaves += _leaves_along(rng, path, length, wide)
    parts = [
        Part(name="leaves", mesh=join(leaves), material=_green(rng)),
        Part(name="pot", mesh=_pot(), material=_solid(rng), smooth=False),
    ]
    if stems:
        bark = Material(look="plastic", colours=((0.08, 0.1, 0.03),) * 2, roughness=0.6)
        parts.append(Part(name="stems", mesh=join(stems), material=bark))
    return Subject(parts=tuple(parts))


def _stem(rng: np.random.Generator, lean: Points) -> Points:
    """A stem's path of 14 points, out of the pot and towards ``lean``."""
    high = rng.uniform(0.25, 0.8)
    t = np.linspace(0, 1, 14)[:, None]
    wander = np.cumsum(rng.normal(0, 0.006, (14, 3)), axis=0)
    return np.asarray(np.array([0, 0, 0.18]) + lean * high * t**1.5 + np.array([0, 0, high]) * t + wander)


def _leaves_along(rng: np.random.Generator, path: Points, length: float, wide: float) -> list[Mesh]:
    """One to three leaves at each point of a stem, the lowest left out."""
    leaves = []
    for place in path[3:]:
        for _ in range(int(rng.integers(1, 4))):
            turn = rng.uniform(0, 2 * np.pi)
            heading = unit(np.array([np.cos(turn), np.sin(turn), rng.uniform(-0.1, 0.7)]))
            leaves.append(_blade(rng, place, heading, length * rng.uniform(0.5, 1.2), wide, 0.6))
    return leaves


def _green(rng: np.random.Generator) -> Material:
    green = np.array([0.05, 0.17, 0.03]) * rng.uniform(0.5, 1.8) * rng.uniform(0.7, 1.3, 3)
    dark = green * rng.uniform(0.3, 0.8)
    return Material(look="leaf", colours=((*map(float, green),), (*map(float, dark),)), roughness=0.4, scale=30.0)  # type: ignore[arg-type]


def _pot() -> Mesh:
    turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    rings = ((0.0, 0.02), (0.0, 0.08), (0.2, 0.11), (0.2, 0.095), (0.17, 0.09), (0.17, 0.01))
    profile = [np.stack([r * np.cos(turns), r * np.sin(turns), np.full(40, z)], 1) for z, r in rings]
    return grid(np.stack(profile), wrap=True)


def _blade(
    rng: np.random.Generator, root: Points, heading: Points, length: float, wide: float, droop: float
) -> Mesh:
    """A leaf: a folded, drooping sheet that tapers to a point."""
    t = np.linspace(0, 1, 9)
    spine = root + heading * (length * t)[:, None] - np.array([0, 0, 1.0]) * (droop * length * t * t)[:, None] * 0.5
    side = unit(np.cross(heading, [0.0, 0, 1]) + rng.normal(0, 0.25, 3))
    width = wide / 2 * np.sin(np.pi * t**0.7).clip(0.02)
    rise = np.array([0, 0, 1.0]) * (0.25 * width)[:, None]
    return grid(np.stack([spine - side * width[:, None] + rise, spine, spine + side * width[:, None] + rise], 1))


@dataclass(frozen=True, eq=False)
class _Body:
    """The measures of an animal, metres before it is scaled by ``size``: half its length, the height of its legs,
    the radii of belly and skull, and where its head and muzzle are."""

    size: float
    long: float
    tall: float
    belly: float
    skull: float
    head: Points
    muzzle: Points


def _animal(rng: np.random.Generator) -> Subject:
    """A four-legged animal of ellipsoids under fur, roughly a dog, cat or lamb."""
    body = _body(rng)
    balls = [*_trunk(body), *_ears_and_legs(rng, body), _tail(rng, body)]
    meshes = [ellipsoid(centre * body.size, axes * body.size) for centre, axes in balls]
    colour, second = _colour(rng), _colour(rng)
    fur = _fur(rng, meshes, float(rng.choice([0.012, 0.03, 0.06, 0.09])))
    skin = Material(look="plastic", colours=(colour, second), roughness=0.9)
    black = Material(look="plastic", colours=((0.01, 0.008, 0.008),) * 2, roughness=0.1)
    hair = Material(look="hair", colours=(colour, second), roughness=0.5)
    return Subject(
        parts=(
            Part(name="body", mesh=join(meshes), material=skin),
            Part(name="eyes and nose", mesh=join(_eyes_and_nose(body)), material=black),
        ),
        tufts=(Tuft(name="fur", strands=fur, material=hair),),
    )


def _body(rng: np.random.Generator) -> _Body:
    size = rng.uniform(0.7, 1.3)
    long, tall = rng.uniform(0.2, 0.32), rng.uniform(0.1, 0.26)
    belly = rng.uniform(0.09, 0.15)
    z = tall + belly
    head = np.array([rng.uniform(-0.06, 0.06), -long - rng.uniform(0.06, 0.12), z + rng.uniform(0.03, 0.16)])
    skull = rng.uniform(0.07, 0.11)
    muzzle = head + np.array([0, -skull * 0.8, -0.02])
    return _Body(size=size, long=long, tall=tall, belly=belly, skull=skull, head=head, muzzle=muzzle)


def _trunk(body: _Body) -> list[_Ball]:
    """Belly, chest, head and muzzle."""
    belly, long, skull, z = body.belly, body.long, body.skull, body.tall + body.belly
    return [
        (np.array([0, 0, z]), np.diag([belly, long, belly])),
        (np.array([0, -long * 0.75, z + 0.03]), np.diag([belly * 0.8, 0.12, belly * 0.9])),
        (body.head, np.diag([skull, skull * 1.1, skull])),
        (body.muzzle, np.diag([skull * 0.45, skull * 0.7, skull * 0.4])),
    ]


def _ears_and_legs(rng: np.random.Generator, body: _Body) -> list[_Ball]:
    balls = []
    for sx in (-1, 1):
        tip = unit(np.array([sx * 0.7, 0.1, rng.uniform(-0.6, 1.0)]))
        flat = unit(np.cross(tip, [0.0, 1, 0]))
        ear = np.stack([flat * 0.03, np.cross(tip, flat) * 0.012, tip * 0.065])
        balls.append((body.head + tip * body.skull * 1.15, ear))
        for sy in (-1, 1):
            foot = np.array([sx * body.belly * 0.6, sy * body.long * 0.7, body.tall * 0.5 + 0.02])
            balls.append((foot, np.diag([0.035, 0.04, body.tall * 0.62])))
    return balls


def _tail(rng: np.random.Generator, body: _Body) -> _Ball:
    tail = unit(np.array([rng.uniform(-0.5, 0.5), 1.0, rng.uniform(-0.5, 1.0)]))
    side = unit(np.cross(tail, [1.0, 0, 0]))
    axes = np.stack([side * 0.025, np.cross(tail, side) * 0.025, tail * 0.16])
    return np.array([0, body.long, body.tall + body.belly]) + tail * 0.13, axes


def _eyes_and_nose(body: _Body) -> list[Mesh]:
    pupil, skull = np.eye(3) * 0.014 * body.size, body.skull
    places = [body.head + np.array([s * skull * 0.45, -skull * 0.95, skull * 0.25]) for s in (-1, 1)]
    eyes = [ellipsoid(place * body.size, pupil, 12, 16) for place in places]
    tip = body.muzzle + np.array([0, -skull * 0.7, 0.005])
    return [*eyes, ellipsoid(tip * body.size, np.diag([0.018, 0.012, 0.012]) * body.size, 12, 16)]


def _fur(rng: np.random.Generator, meshes: list[Mesh], length: float) -> Strands:
    """Fur that lies backwards and hangs, curled on some animals, with longer guard hairs."""
    mesh = join(meshes)
    faces = triangles(mesh)
    roots = scatter(rng, mesh.vertices, faces, 60000)
    start, normal = roots.on(mesh.vertices), unit(roots.on(vertex_normals(mesh.vertices, faces)))
    lie, hang, curl = rng.uniform(0.2, 1.2), rng.uniform(0.1, 1.2), rng.uniform(0, 0.25) * (rng.random() < 0.5)
    steps = 8
    t = np.linspace(0, 1, steps)[None, :, None]
    heading = unit(normal + lie * np.array([0, 0.8, -0.2]) + rng.normal(0, 0.25, start.shape))
    reach = length * rng.gamma(8, 1 / 8, len(start)) * np.where(rng.random(len(start)) < 0.04, 1.6, 1.0)
    clumps = np.floor(start * 45).astype(np.int64) @ np.array([73856093, 19349663, 83492791])
    phase = (clumps % 628)[:, None, None] / 100.0
    swirl = np.concatenate([np.cos(phase + 9 * t), np.sin(phase + 9 * t), np.cos(phase + 5 * t)], 2) * t * curl
    drop = np.array([0, 0, -1.0]) * hang * t * t * 0.5
    points = start[:, None] + reach[:, None, None] * (heading[:, None] * t + drop + swirl)
    return Strands(
        points=points, radii=np.broadcast_to(0.00009 * np.linspace(1, 0.25, steps), points.shape[:2]).copy()
    )
