"""What training sees on the table: turned, heaped, woven, grown, draped and furred shapes of no use.

None of them is one of the ten things of :mod:`things`, which are kept for measuring. Each function returns its
objects, some 1.5 m high.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from random import Random

import bpy
import numpy as np

from ..scenes.obj import Points
from ..scenes.surface import unit
from .bodies import Point, Things, box, fold, furred, made_of, meshed, rods, solid_body, stalk, turned
from .materials import clear, fibre, film, leaf, random_colour, solid

_PIECES = 12  # Corners of a turned shape's outline.
_TURN = 24  # Corners of a coil in one turn.
_ALONG = 6  # Pieces of a blade along its length.
_LEAVES = {"grass": (1.2, 0.02), "needles": (0.22, 0.008), "fern": (0.25, 0.05), "round": (0.2, 0.16)}


def pots(dice: Random) -> Things:
    """One to three turned shapes: bowls, jugs, shades, lids."""
    made: Things = []
    for number in range(dice.randint(1, 3)):
        pot = turned(_outline(dice), _stuff(dice), dice.choice((0.0, 0.02, 0.05)))
        pot.location = (0.8 * number * dice.choice((-1, 1)), dice.uniform(-0.3, 0.3), 0)
        made.append(pot)
    return made


def _outline(dice: Random) -> list[tuple[float, float]]:
    radius, height = dice.uniform(0.15, 0.6), dice.uniform(0.3, 1.6)
    phase, waves, depth = dice.uniform(0, 6), dice.uniform(0.3, 2.2), dice.uniform(0, 0.6)
    outline = [(0.01, 0.02)]
    for piece in range(_PIECES):
        along = piece / (_PIECES - 1)
        narrow = depth * (0.5 + 0.5 * sin(phase + 2 * pi * waves * along))
        outline.append((radius * (1 - narrow), 0.02 + height * along))
    if dice.random() < 0.4:
        outline.append((0.01, outline[-1][1] + dice.uniform(0, 0.2)))
    return outline


def blocks(dice: Random) -> Things:
    """A heap of plain bodies: cubes, cones, balls, rings."""
    made: Things = []
    for _ in range(dice.randint(1, 7)):
        size = dice.uniform(0.1, 0.55)
        place = (dice.uniform(-0.7, 0.7), dice.uniform(-0.4, 0.4), size * dice.uniform(0.6, 3))
        made.append(solid_body(dice, size, place, _stuff(dice)))
    return made


def weave(dice: Random) -> Things:
    """A cage, or a fence, a coil, a tangle of rods."""
    way = dice.randrange(4)
    stuff = _stuff(dice, see_through=False)
    if way == 0:
        body = solid_body(dice, dice.uniform(0.5, 0.8), (0, 0, 0.8), stuff)
        cage = body.modifiers.new("wires", "WIREFRAME")
        cage.thickness, cage.use_relative_offset = dice.uniform(0.012, 0.06), False
        return [body]
    if way == 1:
        return _fence(dice, stuff)
    tangled = way == 3
    paths = _tangle(dice) if tangled else [_coil(dice)]
    return [rods(paths, dice.uniform(0.004, 0.02), stuff, tangled)]


def _fence(dice: Random, stuff: bpy.types.Material) -> Things:
    bars, thin = dice.randint(8, 40), dice.uniform(0.008, 0.03)
    wide, high = dice.uniform(0.8, 1.8), dice.uniform(0.6, 1.6)
    places = [(wide * (bar / (bars - 1) - 0.5), 0, 0.05 + high / 2) for bar in range(bars)]
    count = dice.randint(1, 12) if dice.random() < 0.5 else 2
    rails = [(0, 0.02, 0.05 + high * (rail + 0.5) / count) for rail in range(count)]
    upright = [box(place, (thin, thin, high), stuff) for place in places]
    return [*upright, *(box(place, (wide, thin, thin), stuff) for place in rails)]


def _coil(dice: Random) -> list[Point]:
    turns, radius, high = dice.randint(4, 22), dice.uniform(0.2, 0.6), dice.uniform(0.5, 1.6)
    steps = _TURN * turns
    angles = [2 * pi * step / _TURN for step in range(steps)]
    return [(radius * cos(at), radius * sin(at), 0.05 + high * step / steps) for step, at in enumerate(angles)]


def _tangle(dice: Random) -> list[list[Point]]:
    return [
        [(dice.gauss(0, 0.35), dice.gauss(0, 0.3), abs(dice.gauss(0.7, 0.45))) for _ in range(4)]
        for _ in range(dice.randint(8, 60))
    ]


def shrub(dice: Random) -> Things:
    """Grass, needles, ferns or round leaves in a pot."""
    often = dice.random() < 0.4
    green = (
        random_colour(dice, 0.5, 0.9) if often else (0.04 + 0.1 * dice.random(), 0.15 + 0.15 * dice.random(), 0.03)
    )
    blade, stem = leaf(green), solid((0.08, 0.15, 0.05))
    shape = dice.choice(tuple(_LEAVES))
    made: Things = []
    leaves = _Leaves(dice, *_LEAVES[shape])
    for _ in range(dice.randint(40, 160) if shape == "grass" else dice.randint(5, 16)):
        angle, lean = dice.uniform(0, 2 * pi), dice.uniform(0.02, 0.7)
        out = np.array([cos(angle) * lean, sin(angle) * lean, 1.0])
        root = np.array([dice.gauss(0, 0.06), dice.gauss(0, 0.06), 0.25])
        if shape == "grass":
            leaves.add(root, out, 0.8 * lean + 0.2)
            continue
        tip = root + out * dice.uniform(0.5, 1.3)
        made.append(stalk(tuple(root), tuple(tip), stem))
        for _ in range(dice.randint(8, 40) if shape != "round" else dice.randint(4, 12)):
            along, around = dice.uniform(0.2, 1.0), dice.uniform(0, 2 * pi)
            heading = np.array([cos(around), sin(around), dice.uniform(-0.3, 0.7)])
            leaves.add(root + (tip - root) * along, heading, 0.5)
    pot = [(0.01, 0.02), (0.14, 0.02), (0.2, 0.3), (0.17, 0.3), (0.15, 0.24), (0.01, 0.24)]
    return [*made, meshed(leaves.points, leaves.faces, blade), turned(pot, _stuff(dice))]


class _Leaves:
    """Many blades as one mesh."""

    def __init__(self, dice: Random, length: float, width: float) -> None:
        self.points: list[Point] = []
        self.faces: list[tuple[int, ...]] = []
        self._dice, self._length, self._width = dice, length, width

    def add(self, root: Points, heading: Points, droop: float) -> None:
        """A blade from ``root`` that leaves along ``heading`` and bends down."""
        dice, first = self._dice, len(self.points)
        length = self._length * dice.uniform(0.5, 1.2)
        heading = unit(heading)
        side = unit(np.cross(heading, [dice.gauss(0, 0.3), dice.gauss(0, 0.3), 1.0]))
        for piece in range(_ALONG + 1):
            along = piece / _ALONG
            middle = root + heading * (length * along) - np.array([0, 0, droop * length * along * along])
            half = side * (self._width / 2 * max(sin(pi * (0.08 + 0.9 * along)), 0.05))
            self.points += [tuple(middle - half), tuple(middle + half)]
        self.faces += [(at, at + 1, at + 3, at + 2) for at in range(first, first + 2 * _ALONG, 2)]


def cloth(dice: Random) -> Things:
    """A sheet that hangs in folds or lies crumpled: opaque, thin, or foil; now and then before a body."""
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=140, y_subdivisions=140, size=1)
    sheet = made_of(_sheer(dice))
    sheet.scale = (dice.uniform(0.5, 1.4), dice.uniform(0.5, 1.4), 1)
    sheet.rotation_euler = (dice.uniform(0.3, 1.7), dice.uniform(-0.3, 0.3), dice.uniform(-0.6, 0.6))
    sheet.location = (0, 0, dice.uniform(0.6, 0.9))
    for kind, strength in (("CLOUDS", 0.5), ("CLOUDS", 0.12), ("WOOD", 0.1)):
        fold(sheet, kind, dice.uniform(0.15, 0.7), strength * dice.uniform(0.2, 1.2))
    if dice.random() < 0.5:
        return [sheet, solid_body(dice, dice.uniform(0.2, 0.35), (0, 0.2, 0.5), _stuff(dice))]
    return [sheet]


def _sheer(dice: Random) -> bpy.types.Material:
    way = dice.randrange(4)
    if way == 0:
        return film()
    if way == 1:
        return leaf(random_colour(dice, 0.9))
    return solid(random_colour(dice, 0.9, 0.9), 0.7) if way == 2 else clear((0.97, 0.98, 0.98))


def furry(dice: Random) -> Things:
    """Heaps of balls with long or short fur."""
    colour = random_colour(dice, 0.9, 0.8)
    skin, fur = solid(colour, 0.9), fibre(colour)
    made: Things = []
    for _ in range(dice.randint(1, 4)):
        radius = dice.uniform(0.15, 0.5)
        place = (dice.uniform(-0.4, 0.4), dice.uniform(-0.3, 0.3), radius * dice.uniform(0.9, 2.2))
        made.append(furred(radius, place, skin, fur))
    length, wild = dice.uniform(0.06, 0.4), dice.uniform(0.01, 0.12)
    for thing in made:
        settings = thing.modifiers[0].particle_system.settings
        settings.hair_length, settings.roughness_2 = length, wild
        settings.root_radius = dice.uniform(0.25, 0.6)
    return made


SHAPES: dict[str, Callable[[Random], Things]] = {
    shape.__name__: shape for shape in (pots, blocks, weave, shrub, cloth, furry)
}


def _stuff(dice: Random, see_through: bool = True) -> bpy.types.Material:
    """Glass, metal, or anything plain."""
    way = dice.random()
    if way < 0.25 and see_through:
        tint = (0.4 + 0.6 * dice.random(), 0.4 + 0.6 * dice.random(), 0.4 + 0.6 * dice.random())
        return clear(dice.choice(((0.97, 0.99, 0.98), tint)))
    if way < 0.4:
        level = dice.uniform(0.4, 0.95)
        warm = (level, level * dice.uniform(0.7, 1), level * dice.uniform(0.5, 1))
        return solid(warm, dice.uniform(0.02, 0.5), metallic=1.0)
    colour = random_colour(dice, dice.choice((0.1, 0.5, 0.95)), dice.choice((0.15, 0.6, 1.0)))
    return solid(colour, dice.uniform(0.1, 0.9))
