"""The things that stand on the table, some 1.5 m high: each function returns its objects."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, radians, sin
from random import Random

import bpy

from .bodies import Point, Things, box, fold, furred, made_of, meshed, stalk, turned
from .materials import Colour, clear, fibre, film, leaf, random_colour, solid

_WIRES = 64  # Upright wires of a cup.
_ALONG = 8  # Pieces of a leaf along its length.
_GREENS: tuple[Colour, ...] = ((0.06, 0.2, 0.03), (0.2, 0.3, 0.05), (0.3, 0.1, 0.04))
_TINTS: tuple[Colour, ...] = ((0.5, 0.9, 0.6), (0.95, 0.97, 0.97), (0.8, 0.45, 0.15))
_CLEAR: Colour = (0.97, 0.99, 0.98)


def mug(dice: Random) -> Things:
    """Of china, with a handle."""
    return _mug(solid(random_colour(dice, 0.9, 0.9), 0.3))


def glass_mug(dice: Random) -> Things:
    """The same of glass."""
    return _mug(clear(_CLEAR))


def comb(dice: Random) -> Things:
    """It stands on its teeth."""
    made, teeth = solid(random_colour(dice, 0.5, 0.9), 0.3), dice.randint(26, 44)
    places = [(-0.82 + 1.64 * tooth / (teeth - 1), 0, 0.45) for tooth in range(teeth)]
    return [box((0, 0, 0.9), (1.7, 0.06, 0.22), made), *(box(at, (0.018, 0.05, 0.75), made) for at in places)]


def fork(dice: Random) -> Things:
    """Of metal, on end."""
    made = solid((0.8, 0.8, 0.8), 0.15, metallic=1.0)
    prongs = [box((-0.14 + 0.0933 * prong, 0, 1.5), (0.035, 0.03, 0.65), made) for prong in range(4)]
    return [box((0, 0, 0.5), (0.09, 0.04, 1.0), made), box((0, 0, 1.1), (0.34, 0.04, 0.25), made), *prongs]


def bottle(dice: Random) -> Things:
    """Of glass, with a label."""
    outline = [(0.01, 0.02), (0.34, 0.02), (0.38, 0.1), (0.38, 1.0), (0.3, 1.25), (0.12, 1.5), (0.12, 1.85)]
    label = turned([(0.385, 0.35), (0.385, 0.85)], solid(random_colour(dice, 0.9), 0.6), 0.004)
    return [turned(outline, clear(dice.choice(_TINTS)), 0.03), label]


def bag(dice: Random) -> Things:
    """A bottle in a bag of clear foil."""
    colour = random_colour(dice, 0.8, 0.9)
    outline = [(0.01, 0.02), (0.3, 0.02), (0.33, 0.1), (0.33, 0.9), (0.14, 1.2), (0.12, 1.5)]
    inside = turned(outline, dice.choice((clear(colour), solid(colour, 0.3))), 0.03)
    bpy.ops.mesh.primitive_uv_sphere_add(segments=96, ring_count=64, radius=0.75, location=(0, 0, 0.8))
    foil = made_of(film())
    foil.scale = (0.85, 0.75, 1.05)
    fold(foil, "CLOUDS", 0.35, 0.35)
    return [inside, foil]


def leaves(dice: Random) -> Things:
    """A plant."""
    return _sprays(dice, 60, (0.2, 1.7), 0.8, dice.choice(_GREENS))


def flowers(dice: Random) -> Things:
    """In a vase of glass or china."""
    outline = [(0.01, 0.02), (0.25, 0.02), (0.3, 0.3), (0.2, 0.7), (0.26, 0.95)]
    vase = turned(outline, dice.choice((clear(_CLEAR), solid(random_colour(dice, 0.9), 0.2))), 0.03)
    petals = _sprays(dice, 26, (1.3, 1.9), 0.5, random_colour(dice, 0.9, 1.0))
    return [vase, *_sprays(dice, 22, (0.9, 1.8), 0.5, (0.07, 0.22, 0.05)), *petals]


def wire_cup(dice: Random) -> Things:
    """Of wire mesh."""
    rows = 30
    outline = [(0.4 + 0.05 * row / rows, 0.02 + 1.08 * row / rows) for row in range(rows + 1)]
    cup = turned(outline, solid((0.5, 0.5, 0.5), 0.25, metallic=1.0), corners=_WIRES)
    cup.modifiers.new("wires", "WIREFRAME").thickness = 0.012
    return [cup]


def plush(dice: Random) -> Things:
    """A furred toy: body, head and two ears."""
    colour = random_colour(dice, 0.9, 0.8)
    skin, fur = solid(colour, 0.9), fibre(colour)
    balls: tuple[tuple[float, Point], ...] = (
        (0.5, (0, 0, 0.5)),
        (0.34, (0, -0.05, 1.2)),
        (0.13, (0.25, 0, 1.5)),
        (0.13, (-0.25, 0, 1.5)),
    )
    return [furred(radius, centre, skin, fur) for radius, centre in balls]


KINDS: dict[str, Callable[[Random], Things]] = {
    kind.__name__: kind for kind in (mug, glass_mug, comb, bottle, bag, leaves, flowers, wire_cup, plush, fork)
}


def _mug(material: bpy.types.Material) -> Things:
    cup = turned([(0.01, 0.03), (0.45, 0.03), (0.5, 0.1), (0.52, 1.1)], material, 0.05)
    bpy.ops.mesh.primitive_torus_add(major_radius=0.28, minor_radius=0.055)
    handle = made_of(material)
    handle.location, handle.rotation_euler = (0.62, 0, 0.58), (radians(90), 0, 0)
    return [cup, handle]


def _sprays(dice: Random, count: int, heights: tuple[float, float], spread: float, colour: Colour) -> Things:
    """``count`` leaves on stalks from the middle, at ``heights``, up to ``spread`` aside."""
    blade, stem = leaf(colour), solid((0.08, 0.18, 0.04))
    made: Things = []
    for _ in range(count):
        height, angle = dice.uniform(*heights), dice.uniform(0, 2 * pi)
        aside = dice.uniform(0.05, spread) * (0.4 + 0.6 * height / heights[1])
        end = (aside * cos(angle), aside * sin(angle), height)
        grown = _blade(dice, blade)
        grown.location = end
        grown.rotation_euler = (dice.uniform(-0.5, 0.5), dice.uniform(-0.6, 0.6), angle + dice.uniform(-0.5, 0.5))
        made += [grown, stalk((0, 0, 0.7 * heights[0]), end, stem)]
    return made


def _blade(dice: Random, material: bpy.types.Material) -> bpy.types.Object:
    """A leaf that bends down towards its tip."""
    length = dice.uniform(0.15, 0.4)
    width = length * dice.uniform(0.2, 0.45)
    points: list[Point] = []
    for piece in range(_ALONG + 1):
        along = piece / _ALONG
        half, drop = width / 2 * sin(pi * (0.02 + 0.95 * along)) ** 0.8, -0.4 * along * along * length
        rim = drop + 0.12 * half
        points += [(along * length, -half, rim), (along * length, 0, drop), (along * length, half, rim)]
    corners = [3 * piece + side for piece in range(_ALONG) for side in (0, 1)]
    return meshed(points, [(at, at + 1, at + 4, at + 3) for at in corners], material)
