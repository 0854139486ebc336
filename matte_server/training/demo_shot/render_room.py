"""Renders the demo's room with Blender.

``python -m matte_server.training.demo_shot.render_room OUT.exr`` with the bpy wheel.

A wall of wood and plaster, shelves with books, a lamp and a bright window: sharp texture for the alignment,
values far above 1 for the colour, all procedural and our own.
"""

from __future__ import annotations

import os
import random
import sys
from math import radians
from pathlib import Path
from typing import Any

import bpy

from ...demo.packaged import RENDER_SIZE

Triple = tuple[float, float, float]

_SAMPLES, _SEED = 32, 7
_BOOK_COLOURS: tuple[Triple, ...] = (
    (0.32, 0.06, 0.05),
    (0.05, 0.13, 0.24),
    (0.55, 0.42, 0.2),
    (0.08, 0.2, 0.12),
    (0.6, 0.58, 0.52),
    (0.22, 0.1, 0.22),
    (0.7, 0.25, 0.06),
)


def material(name: str, colour: Triple, roughness: float = 0.6, emission: float = 0.0) -> Any:
    """A plain material of one colour, scene-linear."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    if emission:
        shader.inputs["Emission Color"].default_value = (*colour, 1.0)
        shader.inputs["Emission Strength"].default_value = emission
    return made


def textured(
    name: str, first: Triple, second: Triple, scale: float, stretch: Triple = (1.0, 1.0, 1.0), emission: float = 0.0
) -> Any:
    """A material that wanders between two colours in noise of ``scale`` per metre."""
    made = material(name, first, emission=emission)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    kinds = ("ShaderNodeTexCoord", "ShaderNodeMapping", "ShaderNodeTexNoise", "ShaderNodeValToRGB")
    where, moved, texture, ramp = (nodes.new(kind) for kind in kinds)
    moved.inputs["Scale"].default_value = stretch
    texture.inputs["Scale"].default_value = scale
    texture.inputs["Detail"].default_value = 9.0
    for element, colour, place in zip(ramp.color_ramp.elements, (first, second), (0.35, 0.65), strict=True):
        element.color, element.position = (*colour, 1.0), place
    links.new(where.outputs["Object"], moved.inputs["Vector"])
    links.new(moved.outputs["Vector"], texture.inputs["Vector"])
    links.new(texture.outputs["Fac"], ramp.inputs["Fac"])
    shader = nodes["Principled BSDF"]
    links.new(ramp.outputs["Color"], shader.inputs["Emission Color" if emission else "Base Color"])
    return made


def box(centre: Triple, size: Triple, made: Any, bevel: float = 0.004) -> Any:
    """A box with softened edges."""
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=centre)
    thing = bpy.context.object
    thing.scale = size
    thing.data.materials.append(made)
    if bevel:
        bpy.ops.object.transform_apply(location=False, rotation=False, scale=True)
        thing.modifiers.new("bevel", "BEVEL").width = bevel
    return thing


def shelf(left: float, right: float, height: float, wood: Any, chance: random.Random) -> None:
    """A board with books on it."""
    box(((left + right) / 2, 1.86, height), (right - left, 0.26, 0.03), wood)
    x = left + 0.03
    while x < right - 0.08:
        width, tall = chance.uniform(0.02, 0.055), chance.uniform(0.16, 0.27)
        if chance.random() < 0.82:
            colour = chance.choice(_BOOK_COLOURS)
            middle = (x + width / 2, 1.84, height + 0.015 + tall / 2)
            book = box(middle, (width, 0.18, tall), material("book", colour))
            if chance.random() < 0.15:
                book.rotation_euler[1] = radians(chance.uniform(4, 9))
            label = material("label", (0.8, 0.74, 0.5))
            box((x + width / 2, 1.748, height + 0.05 + tall / 2), (width * 0.7, 0.004, 0.03), label, 0)
        x += width + 0.003


def room() -> None:
    """Everything that stands in the room."""
    chance = random.Random(_SEED)
    plaster = textured("plaster", (0.42, 0.37, 0.31), (0.5, 0.46, 0.4), 14.0)
    wood = textured("wood", (0.12, 0.055, 0.025), (0.26, 0.13, 0.06), 5.0, (1.0, 14.0, 14.0))
    box((0, 2.05, 1.2), (6.0, 0.1, 3.6), plaster, 0)
    for number in range(26):
        grain = chance.uniform(3, 6)
        tone = textured("panel", (0.1, 0.05, 0.025), (0.22, 0.11, 0.05), grain, (12.0, 1.0, 1.0))
        box((-3.0 + 0.24 * number, 1.985, 0.42), (0.232, 0.03, 0.95), tone)
    box((0, 1.97, 0.91), (6.0, 0.05, 0.05), wood)
    for height in (1.25, 1.62, 1.99):
        shelf(0.35, 2.1, height, wood, chance)
    _window()
    _lamp(wood)


def _window() -> None:
    outside = textured("outside", (0.2, 0.33, 0.14), (0.72, 0.86, 1.0), 2.2, emission=7.0)
    box((-1.25, 2.02, 1.65), (1.1, 0.06, 1.25), outside, 0)
    frame = material("frame", (0.75, 0.73, 0.68), 0.4)
    for x in (-1.83, -1.25, -0.67):
        box((x, 1.98, 1.65), (0.05, 0.08, 1.35), frame)
    for z in (1.0, 1.65, 2.3):
        box((-1.25, 1.985, z), (1.2, 0.07, 0.045), frame)


def _lamp(wood: Any) -> None:
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.07, location=(-0.42, 1.7, 1.34), segments=48, ring_count=24)
    bpy.context.object.data.materials.append(material("bulb", (1.0, 0.72, 0.38), emission=14.0))
    box((-0.42, 1.75, 1.12), (0.03, 0.03, 0.35), material("brass", (0.6, 0.42, 0.15), 0.25))
    box((-0.42, 1.8, 0.955), (0.5, 0.28, 0.04), wood)


def _light() -> None:
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    sky = world.node_tree.nodes["Background"]
    sky.inputs["Color"].default_value = (0.35, 0.4, 0.5, 1.0)
    sky.inputs["Strength"].default_value = 0.35
    bpy.ops.object.light_add(type="AREA", location=(-1.5, 0.2, 2.6), rotation=(radians(35), 0, radians(-20)))
    bpy.context.object.data.energy, bpy.context.object.data.size = 45.0, 1.2


def _camera() -> None:
    """Focused on where the person stands, so that the room lies a little out of focus."""
    bpy.ops.object.camera_add(location=(0.1, -1.9, 1.45), rotation=(radians(89), 0, radians(-1.5)))
    bpy.context.scene.camera = bpy.context.object
    lens = bpy.context.object.data
    lens.lens = 40.0
    lens.dof.use_dof, lens.dof.focus_distance, lens.dof.aperture_fstop = True, 2.2, 8.0


def main(path: Path) -> None:
    """Renders the room to ``path``, float and scene-linear."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    room()
    _light()
    _camera()
    render = scene.render
    render.engine = "CYCLES"
    render.threads_mode, render.threads = "FIXED", 1
    scene.cycles.samples = _SAMPLES
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 5
    render.resolution_x, render.resolution_y = RENDER_SIZE
    render.resolution_percentage = 100
    output = render.image_settings
    output.media_type, output.file_format, output.color_mode, output.color_depth = "IMAGE", "OPEN_EXR", "RGB", "32"
    render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main(Path(sys.argv[-1]))
    # Blender's own clean-up at exit can hang; everything is written.
    sys.stdout.flush()
    os._exit(0)
