"""Renders the demo's room with Blender: ``python render_room.py OUT.exr`` with the bpy wheel installed.

A wall of wood and plaster, shelves with books, a lamp and a bright window: sharp texture for the alignment,
values far above 1 for the colour, all procedural and our own.
"""

from __future__ import annotations

import random
import sys
from math import radians

import bpy

WIDTH, HEIGHT, SAMPLES, SEED = 1200, 676, 96, 7
BOOK_COLOURS = [
    (0.32, 0.06, 0.05),
    (0.05, 0.13, 0.24),
    (0.55, 0.42, 0.2),
    (0.08, 0.2, 0.12),
    (0.6, 0.58, 0.52),
    (0.22, 0.1, 0.22),
    (0.7, 0.25, 0.06),
]


def material(name, colour, roughness=0.6, emission=0.0):
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = roughness
    if emission:
        shader.inputs["Emission Color"].default_value = (*colour, 1.0)
        shader.inputs["Emission Strength"].default_value = emission
    return made


def textured(name, first, second, scale, stretch=(1.0, 1.0, 1.0), kind="ShaderNodeTexNoise"):
    made = material(name, first)
    nodes, links = made.node_tree.nodes, made.node_tree.links
    where, moved, texture, ramp = (
        nodes.new(n)
        for n in ("ShaderNodeTexCoord", "ShaderNodeMapping", kind, "ShaderNodeValToRGB")
    )
    moved.inputs["Scale"].default_value = stretch
    texture.inputs["Scale"].default_value = scale
    if kind == "ShaderNodeTexNoise":
        texture.inputs["Detail"].default_value = 9.0
    ramp.color_ramp.elements[0].color = (*first, 1.0)
    ramp.color_ramp.elements[1].color = (*second, 1.0)
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = 0.35, 0.65
    links.new(where.outputs["Object"], moved.inputs["Vector"])
    links.new(moved.outputs["Vector"], texture.inputs["Vector"])
    links.new(texture.outputs["Fac"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return made


def box(centre, size, made, bevel=0.004):
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=centre)
    thing = bpy.context.object
    thing.scale = size
    thing.data.materials.append(made)
    if bevel:
        bpy.ops.object.transform_apply(location=False, rotation=False, scale=True)
        modifier = thing.modifiers.new("bevel", "BEVEL")
        modifier.width = bevel
    return thing


def shelf(left, right, height, wood, chance):
    box(((left + right) / 2, 1.86, height), (right - left, 0.26, 0.03), wood)
    x = left + 0.03
    while x < right - 0.08:
        width, tall = chance.uniform(0.02, 0.055), chance.uniform(0.16, 0.27)
        if chance.random() < 0.82:
            colour = chance.choice(BOOK_COLOURS)
            book = box((x + width / 2, 1.84, height + 0.015 + tall / 2), (width, 0.18, tall), material("book", colour))
            if chance.random() < 0.15:
                book.rotation_euler[1] = radians(chance.uniform(4, 9))
            box((x + width / 2, 1.748, height + 0.05 + tall / 2), (width * 0.7, 0.004, 0.03), material("label", (0.8, 0.74, 0.5)), 0)
        x += width + 0.003


def room():
    chance = random.Random(SEED)
    plaster = textured("plaster", (0.42, 0.37, 0.31), (0.5, 0.46, 0.4), 14.0)
    wood = textured("wood", (0.12, 0.055, 0.025), (0.26, 0.13, 0.06), 5.0, (1.0, 14.0, 14.0))
    box((0, 2.05, 1.2), (6.0, 0.1, 3.6), plaster, 0)
    for number in range(26):
        tone = textured("panel", (0.1, 0.05, 0.025), (0.22, 0.11, 0.05), chance.uniform(3, 6), (12.0, 1.0, 1.0))
        box((-3.0 + 0.24 * number, 1.985, 0.42), (0.232, 0.03, 0.95), tone)
    box((0, 1.97, 0.91), (6.0, 0.05, 0.05), wood)
    for height in (1.25, 1.62, 1.99):
        shelf(0.35, 2.1, height, wood, chance)
    sky = material("sky", (0.75, 0.88, 1.0), emission=9.0)
    box((-1.25, 2.02, 1.65), (1.1, 0.06, 1.25), sky, 0)
    frame = material("frame", (0.75, 0.73, 0.68), 0.4)
    for x in (-1.83, -1.25, -0.67):
        box((x, 1.98, 1.65), (0.05, 0.08, 1.35), frame)
    for z in (1.0, 1.65, 2.3):
        box((-1.25, 1.98, z), (1.2, 0.08, 0.05), frame)
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.07, location=(-0.2, 1.7, 1.34), segments=48, ring_count=24)
    bpy.context.object.data.materials.append(material("bulb", (1.0, 0.72, 0.38), emission=22.0))
    box((-0.2, 1.75, 1.12), (0.03, 0.03, 0.35), material("brass", (0.6, 0.42, 0.15), 0.25))
    box((-0.2, 1.8, 0.955), (0.5, 0.28, 0.04), wood)


def main(path):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    room()
    world = bpy.data.worlds.new("world")
    scene.world = world
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.35, 0.4, 0.5, 1.0)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.35
    bpy.ops.object.light_add(type="AREA", location=(-1.5, 0.2, 2.6), rotation=(radians(35), 0, radians(-20)))
    bpy.context.object.data.energy, bpy.context.object.data.size = 45.0, 1.2
    bpy.ops.object.camera_add(location=(0.1, -1.9, 1.45), rotation=(radians(89), 0, radians(-1.5)))
    scene.camera = bpy.context.object
    scene.camera.data.lens = 40.0
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 5
    render.resolution_x, render.resolution_y, render.resolution_percentage = WIDTH, HEIGHT, 100
    render.image_settings.media_type = "IMAGE"
    render.image_settings.file_format = "OPEN_EXR"
    render.image_settings.color_mode = "RGB"
    render.image_settings.color_depth = "32"
    render.filepath = path
    bpy.ops.render.render(write_still=True)


if __name__ == "__main__":
    main(sys.argv[-1])
