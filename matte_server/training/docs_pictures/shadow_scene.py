"""Renders the scene of ``shadow.jpg``: a subject on a table, the same view without it, and both in another place.

``python -m matte_server.training.docs_pictures.shadow_scene FOLDER`` in a Python with the bpy wheel.
"""

from __future__ import annotations

import sys
from math import radians
from pathlib import Path

import bpy
from mathutils import Vector

from ..scenes.blend_stage import set_up_files

SIZE = (768, 432)
PICTURES = {
    "plate": (True, "table"),
    "clean": (False, "table"),
    "background": (False, "stone"),
    "truth": (True, "stone"),
}
"""The name of each picture: whether the subject is there, and what it stands on."""
_SAMPLES = 256
Colour = tuple[float, float, float]
_SETS: dict[str, tuple[Colour, Colour, Colour]] = {
    "table": ((0.42, 0.24, 0.12), (0.30, 0.15, 0.07), (0.55, 0.52, 0.46)),
    "stone": ((0.50, 0.52, 0.50), (0.36, 0.38, 0.37), (0.20, 0.34, 0.42)),
}
"""Two colours of the floor and that of the wall, scene-linear Rec.709."""


def _floor_material(first: Colour, second: Colour, scale: float) -> bpy.types.Material:
    material = bpy.data.materials.new("floor")
    material.use_nodes = True
    tree = material.node_tree
    checker = tree.nodes.new("ShaderNodeTexChecker")
    place = tree.nodes.new("ShaderNodeTexCoord")
    checker.inputs["Color1"].default_value = (*first, 1.0)
    checker.inputs["Color2"].default_value = (*second, 1.0)
    checker.inputs["Scale"].default_value = scale
    shader = tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = 0.9
    tree.links.new(place.outputs["Object"], checker.inputs["Vector"])
    tree.links.new(checker.outputs["Color"], shader.inputs["Base Color"])
    return material


def _plain_material(colour: Colour) -> bpy.types.Material:
    material = bpy.data.materials.new("plain")
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = 0.6
    return material


def _add(material: bpy.types.Material) -> None:
    bpy.context.object.data.materials.append(material)


def _build(has_subject: bool, place: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    first, second, wall = _SETS[place]
    bpy.ops.mesh.primitive_plane_add(size=12)
    _add(_floor_material(first, second, 1.7))
    bpy.ops.mesh.primitive_plane_add(size=12, location=(0, 3, 0), rotation=(radians(90), 0, 0))
    _add(_plain_material(wall))
    if has_subject:
        bpy.ops.mesh.primitive_monkey_add(size=1.6, location=(0, 0, 0.78), rotation=(radians(-8), 0, radians(20)))
        bpy.ops.object.modifier_add(type="SUBSURF")
        bpy.context.object.modifiers[0].render_levels = 3
        bpy.ops.object.shade_smooth()
        _add(_plain_material((0.75, 0.28, 0.10)))
    bpy.ops.object.light_add(type="SUN", rotation=(radians(40), radians(-25), radians(-30)))
    bpy.context.object.data.energy, bpy.context.object.data.angle = 3.0, radians(6)
    world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.55, 0.65, 0.8, 1.0)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.35
    bpy.context.scene.world = world
    eye = Vector((0.3, -4.6, 2.1))
    bpy.ops.object.camera_add(location=eye)
    camera = bpy.context.object
    camera.rotation_euler = (Vector((0.15, 0, 0.62)) - eye).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.camera = camera


def _render(path: Path, seed: int) -> None:
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.seed = _SAMPLES, False, seed
    scene.cycles.max_bounces = 3
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    set_up_files("RGB")
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def main(folder: Path) -> None:
    """Renders the four pictures as scene-linear EXRs into the folder."""
    for seed, (name, (has_subject, place)) in enumerate(PICTURES.items()):
        _build(has_subject, place)
        _render(folder / f"{name}.exr", seed)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
