"""Arrays to Blender objects: meshes, hair curves, and the collision tree for hair."""

from __future__ import annotations

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from .blend_materials import hair_material, material_of
from .groom import PushOut, Strands
from .obj import Indices, Points
from .parts import Part, Subject, Tuft


def collider(vertices: Points, faces: Indices) -> PushOut:
    """Points within the margin of the surface, or behind it, are set onto the margin."""
    tree = BVHTree.FromPolygons(vertices.tolist(), faces.tolist())

    def push_out(points: Points, margin: float) -> Points:
        moved = points.copy()
        for k, point in enumerate(points):
            place, normal, _, _ = tree.find_nearest(point)
            outward = np.array(normal)
            if (point - np.array(place)) @ outward < margin:
                moved[k] = np.array(place) + outward * margin
        return moved

    return push_out


def add_subject(subject: Subject) -> list[bpy.types.Object]:
    """The objects of ``subject`` in the scene: its parts, then its tufts."""
    parts = [_add_part(part, material_of(part)) for part in subject.parts]
    return parts + [_add_tuft(tuft, hair_material(tuft.name, tuft.material)) for tuft in subject.tufts]


def _add_part(part: Part, material: bpy.types.Material) -> bpy.types.Object:
    """A mesh object of ``part`` in the scene."""
    mesh = bpy.data.meshes.new(part.name)
    source = part.mesh
    mesh.vertices.add(len(source.vertices))
    mesh.vertices.foreach_set("co", source.vertices.astype(np.float32).ravel())
    mesh.loops.add(len(source.loops))
    mesh.loops.foreach_set("vertex_index", source.loops.astype(np.int32))
    mesh.polygons.add(len(source.sizes))
    mesh.polygons.foreach_set("loop_start", source.starts.astype(np.int32))
    mesh.polygons.foreach_set("use_smooth", np.full(len(source.sizes), part.smooth))
    layer = mesh.uv_layers.new(name="uv")
    layer.data.foreach_set("uv", source.loop_uvs.astype(np.float32).ravel())
    if part.vertex_colours is not None:
        colours = np.concatenate([part.vertex_colours, np.ones((len(part.vertex_colours), 1))], axis=1)
        attribute = mesh.color_attributes.new("colour", "FLOAT_COLOR", "POINT")
        attribute.data.foreach_set("color", colours.astype(np.float32).ravel())
    mesh.update(calc_edges=True)
    mesh.validate()
    mesh.materials.append(material)
    thing = bpy.data.objects.new(part.name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    if part.subdivide:
        modifier = thing.modifiers.new("smooth", "SUBSURF")
        modifier.render_levels = modifier.levels = part.subdivide
    return thing


def _add_tuft(tuft: Tuft, material: bpy.types.Material) -> bpy.types.Object:
    """A hair curves object of ``tuft`` in the scene."""
    strands: Strands = tuft.strands
    count, steps = strands.points.shape[:2]
    curves = bpy.data.hair_curves.new(tuft.name)
    curves.add_curves([steps] * count)
    curves.attributes["position"].data.foreach_set("vector", strands.points.astype(np.float32).ravel())
    radius = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
    radius.data.foreach_set("value", strands.radii.astype(np.float32).ravel())
    curves.materials.append(material)
    thing = bpy.data.objects.new(tuft.name, curves)
    bpy.context.scene.collection.objects.link(thing)
    return thing
