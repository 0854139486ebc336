"""A file that is saved and opened again is the same to what results are compared by: machines without the add-on
look for them where they were when the file was saved."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import bpy
import every_node
import stage

_OBJECTS = {
    "MESH": "meshes",
    "CURVE": "curves",
    "FONT": "curves",
    "META": "metaballs",
    "ARMATURE": "armatures",
    "LATTICE": "lattices",
    "LIGHT_PROBE": "lightprobes",
    "VOLUME": "volumes",
    "POINTCLOUD": "pointclouds",
    "CURVES": "hair_curves",
    "SPEAKER": "speakers",
}


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    stage.render_settings(scene, place / "out", (83, 61))
    kinds = every_kind_of_node(place, scene, tree, node)
    compositor = saved_and_opened(place / "nodes.blend")
    scene, tree, node = found()
    layers = tree.nodes.new("CompositorNodeRLayers")
    tree.links.new(layers.outputs["Image"], node.inputs["Plate"])
    objects = every_kind_of_object(scene)
    stage.quick_cycles(scene)
    rendered = saved_and_opened(place / "scene.blend")
    # Settings that a version keeps for older ones, too.
    scene, tree, node = found()
    scene.camera.data.type = "PANO"
    scene.camera.data.keyframe_insert("lens", frame=3)
    again = saved_and_opened(place / "again.blend")
    return {"kinds": kinds, "objects": objects, "compositor": compositor, "scene": rendered, "again": again}


def found() -> tuple[Any, Any, Any]:
    from plugin_blender import places

    ((scene, node),) = places.all_nodes()
    return scene, node.id_data, node


def facts(scene: Any, node: Any) -> tuple[Any, dict[str, Any]]:
    """The key and stamps, and each data-block's settings."""
    from plugin_blender import fingerprint, planning

    real, blocks = fingerprint.block_facts, {}

    def kept(block: Any, facts: Any) -> Any:
        blocks[f"{type(block).__name__} {block.name_full}"] = values = real(block, facts)
        return values

    fingerprint.block_facts = kept
    try:
        plan = planning.plan_of(scene, node)
    finally:
        fingerprint.block_facts = real
    assert not plan.problem, plan.problem
    return [plan.key, plan.stamp(1), plan.stamp(4)], blocks


def saved_and_opened(file: Path) -> list[str]:
    """What is another one after the file is opened again; nothing should be."""
    scene, _, node = found()
    bpy.ops.wm.save_as_mainfile(filepath=str(file))
    before, blocks = facts(scene, node)
    bpy.ops.wm.open_mainfile(filepath=str(file))
    scene, _, node = found()
    after, others = facts(scene, node)
    if before == after:
        return []
    return sorted(name for name in {*blocks, *others} if blocks.get(name) != others.get(name)) or ["the nodes"]


def every_kind_of_node(place: Path, scene: Any, tree: Any, node: Any) -> int:
    """All of them feed the plate, through one Alpha Over each."""
    blocks = every_node.make_blocks(place, scene)
    chain = node.inputs["Plate"].links[0].from_node.outputs[0]
    made = 0
    for kind in every_node.kinds():
        try:
            each = tree.nodes.new(kind)
        except RuntimeError:
            continue
        if not len(each.outputs) or not each.outputs[0].enabled:
            tree.nodes.remove(each)
            continue
        every_node.prepare(each, blocks)
        over = tree.nodes.new("CompositorNodeAlphaOver")
        first, second = [socket for socket in over.inputs if socket.type == "RGBA"][:2]
        tree.links.new(chain, first)
        tree.links.new(each.outputs[0], second)
        chain, made = over.outputs[0], made + 1
    tree.links.new(chain, node.inputs["Plate"])
    return made


def every_kind_of_object(scene: Any) -> int:
    made = 0
    for kind, collection in _OBJECTS.items():
        with contextlib.suppress(AttributeError, TypeError, RuntimeError):
            blocks = getattr(bpy.data, collection)
            block = blocks.new(kind, kind) if collection in ("curves", "lightprobes") else blocks.new(kind)
            each = bpy.data.objects.new(kind, block)
            scene.collection.objects.link(each)
            each.keyframe_insert("location", frame=1)
            made += 1
    cube = bpy.data.objects["Cube"]
    for modifier in ("SUBSURF", "BEVEL", "ARRAY", "NODES", "SOLIDIFY"):
        cube.modifiers.new(modifier, modifier)
    cube.constraints.new("LIMIT_LOCATION")
    cube["own"] = 1.5
    bpy.data.materials.new("more").use_nodes = True
    cube.data.materials.append(bpy.data.materials["more"])
    bpy.context.view_layer.update()
    return made


if __name__ == "__main__":
    stage.run(case)
