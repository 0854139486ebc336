"""What things on a table are made of: boxes, meshes, turned outlines, stalks, balls of fur."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin
from random import Random

import bpy

Things = list[bpy.types.Object]
Point = tuple[float, float, float]

_AROUND = 192  # Corners of a turned thing: flat, because smoothed normals make walls of glass black.


def made_of(material: bpy.types.Material) -> bpy.types.Object:
    """The object that was just added, of ``material``."""
    made = bpy.context.object
    made.data.materials.append(material)
    return made


def box(centre: Point, size: Point, material: bpy.types.Material) -> bpy.types.Object:
    """A box with these sides."""
    bpy.ops.mesh.primitive_cube_add(size=1, location=centre)
    made = made_of(material)
    made.scale = size
    return made


def meshed(
    points: Sequence[Point], faces: Sequence[tuple[int, ...]], material: bpy.types.Material
) -> bpy.types.Object:
    """A mesh with flat faces."""
    mesh = bpy.data.meshes.new("thing")
    mesh.from_pydata(points, [], faces)
    mesh.materials.append(material)
    made = bpy.data.objects.new("thing", mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def turned(
    outline: Sequence[tuple[float, float]],
    material: bpy.types.Material,
    thickness: float = 0.0,
    corners: int = _AROUND,
) -> bpy.types.Object:
    """``outline`` (radius, height) turned around the z axis; a wall of this ``thickness``."""
    angles = [2 * pi * corner / corners for corner in range(corners)]
    points = [(radius * cos(angle), radius * sin(angle), height) for radius, height in outline for angle in angles]
    faces = [
        (ring + corner, ring + following, ring + corners + following, ring + corners + corner)
        for ring in range(0, corners * (len(outline) - 1), corners)
        for corner, following in zip(range(corners), (*range(1, corners), 0), strict=True)
    ]
    made = meshed(points, faces, material)
    if thickness:
        wall = made.modifiers.new("wall", "SOLIDIFY")
        wall.thickness, wall.offset = thickness, -1.0
    return made


def stalk(start: Point, end: Point, material: bpy.types.Material) -> bpy.types.Object:
    """A thin rod that bends a little."""
    curve = bpy.data.curves.new("stalk", "CURVE")
    curve.dimensions, curve.bevel_depth = "3D", 0.008
    spline = curve.splines.new("BEZIER")
    spline.bezier_points.add(1)
    for point, place in zip(spline.bezier_points, (start, end), strict=True):
        point.co = place
        point.handle_left_type = point.handle_right_type = "AUTO"
    return _linked(curve, material)


def rods(
    paths: Sequence[Sequence[Point]], radius: float, material: bpy.types.Material, bent: bool
) -> bpy.types.Object:
    """Round rods along ``paths``; ``bent``: smooth between the points."""
    curve = bpy.data.curves.new("rods", "CURVE")
    curve.dimensions, curve.bevel_depth = "3D", radius
    for path in paths:
        spline = curve.splines.new("NURBS" if bent else "POLY")
        spline.points.add(len(path) - 1)
        for point, place in zip(spline.points, path, strict=True):
            point.co = (*place, 1.0)
        spline.use_endpoint_u = bent
    return _linked(curve, material)


def _linked(curve: bpy.types.Curve, material: bpy.types.Material) -> bpy.types.Object:
    curve.materials.append(material)
    made = bpy.data.objects.new(curve.name, curve)
    bpy.context.scene.collection.objects.link(made)
    return made


def solid_body(dice: Random, size: float, place: Point, material: bpy.types.Material) -> bpy.types.Object:
    """A cube, cone, ball, ring, cylinder or Blender's monkey of some ``size``, turned at random."""
    add = bpy.ops.mesh
    turn = tuple(dice.uniform(0, 2 * pi) for _ in range(3))
    way = dice.randrange(6)
    if way == 0:
        add.primitive_cube_add(size=1.6 * size, location=place, rotation=turn)
    elif way == 1:
        corners, top = dice.choice((4, 8, 64)), size * dice.choice((0, 0.5))
        add.primitive_cone_add(
            vertices=corners, radius1=size, radius2=top, depth=2 * size, location=place, rotation=turn
        )
    elif way == 2:
        add.primitive_uv_sphere_add(segments=48, ring_count=24, radius=size, location=place, rotation=turn)
    elif way == 3:
        thick = size * dice.uniform(0.1, 0.4)
        add.primitive_torus_add(major_radius=0.8 * size, minor_radius=thick, location=place, rotation=turn)
    elif way == 4:
        deep = size * dice.uniform(0.2, 3)
        add.primitive_cylinder_add(vertices=48, radius=size, depth=deep, location=place, rotation=turn)
    else:
        add.primitive_monkey_add(size=1.6 * size, location=place, rotation=(0, 0, turn[2]))
    return made_of(material)


def furred(radius: float, centre: Point, skin: bpy.types.Material, fur: bpy.types.Material) -> bpy.types.Object:
    """A ball of ``skin`` with ``fur``."""
    bpy.ops.mesh.primitive_uv_sphere_add(radius=radius, location=centre)
    ball = made_of(skin)
    ball.data.materials.append(fur)
    hair = ball.modifiers.new("fur", "PARTICLE_SYSTEM").particle_system.settings
    hair.type, hair.child_type, hair.material = "HAIR", "INTERPOLATED", 2
    hair.count, hair.rendered_child_count, hair.hair_length = round(2800 * radius), 14, 0.16
    hair.roughness_1, hair.roughness_2 = 0.03, 0.05
    hair.root_radius, hair.tip_radius, hair.radius_scale = 0.35, 0.05, 0.01
    return ball


def fold(thing: bpy.types.Object, kind: str, size: float, strength: float) -> None:
    """Moves the points of ``thing`` by a texture of a ``kind``, with features of this ``size``."""
    folds = bpy.data.textures.new("folds", kind)
    folds.noise_scale = size
    moved = thing.modifiers.new("folds", "DISPLACE")
    moved.texture, moved.strength = folds, strength
