"""Runs Blender's procedural hair nodes and brings their strands back as arrays."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from .groom import Strands
from .groomed import NodeGroom
from .obj import Points

_NODES = Path("assets", "nodes", "procedural_hair_node_assets.blend")


def _node_group(name: str) -> bpy.types.NodeTree:
    library = Path(bpy.utils.system_resource("DATAFILES")) / _NODES
    with bpy.data.libraries.load(str(library), link=False) as (_, wanted):
        wanted.node_groups = [name]
    return bpy.data.node_groups[name]


def _add_nodes(thing: bpy.types.Object, name: str, values: dict[str, object]) -> None:
    """One node group as a modifier, its inputs set by name."""
    group = _node_group(name)
    modifier = thing.modifiers.new(name, "NODES")
    modifier.node_group = group
    for item in group.interface.items_tree:
        wanted = item.item_type == "SOCKET" and item.in_out == "INPUT" and item.name in values
        if wanted and item.socket_type != "NodeSocketGeometry":
            _set_input(modifier, item.identifier, values[item.name])


def _set_input(modifier: bpy.types.NodesModifier, identifier: str, value: object) -> None:
    if hasattr(modifier, "properties"):  # Blender 5.2 and later
        getattr(modifier.properties.inputs, identifier).value = value
    else:
        modifier[identifier] = value


def grow(groom: NodeGroom, radii: Points) -> Strands:
    """Strands of ``groom`` on an ellipsoid about the origin; the objects that Blender needed for it are removed."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=48, ring_count=24, radius=1.0)
    surface = bpy.context.object
    surface.scale = radii.tolist()
    bpy.ops.object.transform_apply(scale=True)
    curves = bpy.data.hair_curves.new("grown")
    thing = bpy.data.objects.new("grown", curves)
    bpy.context.scene.collection.objects.link(thing)
    curves.surface, curves.surface_uv_map = surface, surface.data.uv_layers[0].name
    _add_nodes(thing, "Generate Hair Curves", {
        "Surface": surface, "Hair Length": groom.length, "Control Points": groom.steps, "Density": groom.density,
        "Seed": groom.seed,
    })  # fmt: skip
    if groom.clump > 0:
        _add_nodes(thing, "Clump Hair Curves", {
            "Factor": groom.clump, "Guide Distance": groom.clump_distance, "Existing Guide Map": False,
            "Tip Spread": 0.002, "Seed": groom.seed,
        })  # fmt: skip
    if groom.curl > 0:
        _add_nodes(thing, "Curl Hair Curves", {
            "Radius": groom.curl, "Frequency": groom.turns, "Subdivision": 1,
            "Guide Distance": groom.clump_distance, "Existing Guide Map": groom.clump > 0, "Seed": groom.seed,
        })  # fmt: skip
    if groom.frizz > 0:
        _add_nodes(thing, "Frizz Hair Curves", {"Distance": groom.frizz, "Seed": groom.seed})
    grown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    points = np.empty(3 * len(grown.points), np.float32)
    grown.attributes["position"].data.foreach_get("vector", points)
    strands = points.reshape(len(grown.curves), -1, 3).astype(np.float64)
    bpy.data.objects.remove(thing)
    bpy.data.objects.remove(surface)
    radii_of = groom.radius * np.linspace(1.0, 0.4, strands.shape[1])
    return Strands(points=strands, radii=np.broadcast_to(radii_of, strands.shape[:2]).copy())
