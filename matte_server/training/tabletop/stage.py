"""A table before a wall, with boxes on it, in the light of a panorama and a lamp."""

from __future__ import annotations

from math import cos, pi, radians, sin
from pathlib import Path
from random import Random

import bpy
from mathutils import Vector

from ..scenes.blend_stage import set_up_files, surround
from .bodies import box, made_of
from .materials import of_set

SIZE = (640, 480)
_TRIAL, _TRIAL_SAMPLES = 10, 8  # The trial exposure: a percentage of ``SIZE``, rays a pixel.
_MIDDLE = 0.2
_TABLES = ("wood", "wood", "noise", "checks", "plain")
_WALLS = ("noise", "noise", "bricks", "checks", "plain")
_BOUNCES = 8


def build_set(dice: Random, wall_at: float = 3.2) -> list[bpy.types.Object]:
    """Table, wall at y = ``wall_at`` metres and up to four boxes."""
    table, wall = (dice.choice(looks) for looks in (_TABLES, _WALLS))
    made = [_plane((0, 0, 0), 0.0, of_set(table, dice)), _plane((0, wall_at, 3), 90.0, of_set(wall, dice))]
    for _ in range(dice.randint(0, 4)):
        size = (dice.uniform(0.2, 0.7), dice.uniform(0.15, 0.4), dice.uniform(0.5, 1.6))
        place = (dice.uniform(-2.5, 2.5), dice.uniform(1.6, 2.8), size[2] / 2)
        made.append(box(place, size, of_set(dice.choice(("noise", "checks", "plain")), dice)))
    return made


def _plane(place: tuple[float, float, float], upright: float, material: bpy.types.Material) -> bpy.types.Object:
    bpy.ops.mesh.primitive_plane_add(size=12, location=place, rotation=(radians(upright), 0, 0))
    return made_of(material)


def light(panorama: Path, dice: Random) -> None:
    """The panorama, turned at random, and a lamp above that is small, middling or large."""
    surround(bpy.data.images.load(str(panorama)), dice.uniform(0, 2 * pi))
    lamp = Vector((dice.uniform(-3, 3), dice.uniform(-2, 1), 4))
    bpy.ops.object.light_add(type="AREA", location=lamp, rotation=_towards(lamp, Vector((0, 0, 0))))
    bpy.context.object.data.energy = dice.uniform(60, 260)
    bpy.context.object.data.size = dice.choice((0.3, 1.0, 2.5))


def look_at(middle: float, dice: Random) -> None:
    """A camera before the table, towards what stands at x = ``middle``."""
    eye = Vector((dice.uniform(-0.8, 0.8), -4.6, dice.uniform(1.2, 2.4)))
    _camera(eye, Vector((0.6 * middle, 0, 0.75)), dice.uniform(38, 60))


def look_round(middle: float, dice: Random) -> None:
    """A camera anywhere before the table, near or far, level or from above, towards a part of what stands at x =
    ``middle``."""
    away, turn = dice.uniform(1.8, 5.2), dice.gauss(0, 0.35)
    target = Vector((middle * dice.uniform(0.4, 1.0), 0, dice.uniform(0.4, 1.4)))
    eye = Vector((middle + away * sin(turn), -away * cos(turn), dice.uniform(0.5, 2.6)))
    _camera(eye, target, dice.uniform(30, 65))


def _camera(eye: Vector, target: Vector, lens: float) -> None:
    bpy.ops.object.camera_add(location=eye, rotation=_towards(eye, target))
    bpy.context.object.data.lens = lens
    bpy.context.scene.camera = bpy.context.object


def _towards(eye: Vector, target: Vector) -> object:
    return (target - eye).to_track_quat("-Z", "Y").to_euler()


def set_up_render(samples: int, percentage: int, upright: bool = False) -> None:
    """Cycles, its colours denoised, scene-linear half floats. ``upright`` exchanges width and height."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = SIZE[::-1] if upright else SIZE
    scene.render.resolution_percentage = percentage
    scene.render.use_file_extension = False
    scene.cycles.samples, scene.cycles.use_denoising = samples, True
    scene.cycles.max_bounces, scene.cycles.transparent_max_bounces = _BOUNCES, 2 * _BOUNCES
    set_up_files("RGBA")


def expose(trial: Path) -> None:
    """Sets the exposure so that the picture's median light is ``_MIDDLE``; renders it small, into ``trial``."""
    scene = bpy.context.scene
    samples, percentage = scene.cycles.samples, scene.render.resolution_percentage
    scene.cycles.samples, scene.render.resolution_percentage = _TRIAL_SAMPLES, _TRIAL
    render(trial)
    scene.cycles.samples, scene.render.resolution_percentage = samples, percentage
    pixels = list(bpy.data.images.load(str(trial)).pixels)
    levels = sorted(sum(pixels[at : at + 3]) / 3 for at in range(0, len(pixels), 4))
    scene.cycles.film_exposure = _MIDDLE / max(levels[len(levels) // 2], 1e-4)
    trial.unlink()


def render(path: Path) -> None:
    """The picture as it is set up, which appears under its name when it is whole."""
    part = path.with_suffix(".tmp")
    bpy.context.scene.render.filepath = str(part)
    bpy.ops.render.render(write_still=True)
    part.replace(path)
