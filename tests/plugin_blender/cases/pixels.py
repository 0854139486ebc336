"""What goes in comes out: results, guides, stills and animations, and rendered inputs, bit for bit."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import stage

SIZE = (83, 61)


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    from plugin_blender import runtime

    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    stage.render_settings(scene, place / "out", SIZE)
    stage.write_outputs(tree, node, place / "out")
    stage.main_output(tree, node.outputs["Image"])
    bpy.ops.cleanplate.solve_range()
    plan = runtime.states[node.matte.node_id].plan
    assert plan.counts().fresh == (1, 2, 3, 4), plan.counts()
    facts: dict[str, Any] = {"results": str(plan.results), "label": node.label}
    bpy.ops.render.render(animation=True)
    stage.render_frame(scene, 2, place / "still.exr")

    facts["guided"] = guided(place, scene, tree, node, plan)
    facts["rendered"] = rendered(place, scene, tree, node)
    facts["shadowed"] = shadowed(place, scene, tree, node)
    return facts


def guided(place: Path, scene: Any, tree: Any, node: Any, plan: Any) -> bool:
    """Core and holdout change the picture and leave the results fresh."""
    from plugin_blender import planning

    for name in ("Core", "Holdout"):
        tree.links.new(stage.image_node(tree, place / f"{name.lower()}.exr").outputs[0], node.inputs[name])
    fresh: bool = planning.refresh(scene, node).counts().fresh == (1, 2, 3, 4)
    output = next(each for each in tree.nodes if each.bl_idname == "CompositorNodeOutputFile")
    if stage.FIVE:
        output.directory = str(place / "guided")
    else:
        output.base_path = str(place / "guided")
    scene.frame_start = scene.frame_end = 3
    scene.render.filepath = str(place / "guided" / "main_")
    bpy.ops.render.render(animation=True)
    for name in ("Core", "Holdout"):
        tree.links.remove(node.inputs[name].links[0])
    scene.frame_start, scene.frame_end = 1, 4
    return fresh


def rendered(place: Path, scene: Any, tree: Any, node: Any) -> dict[str, Any]:
    """Any other node upstream: what the server gets is what the compositor has."""
    from plugin_blender import extraction, planning

    plate = node.inputs["Plate"].links[0].from_node
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    stale = planning.refresh(scene, node).counts().stale
    before = (len(bpy.data.scenes), len(bpy.data.node_groups), len(bpy.data.images), scene.frame_current)
    # The scene renders at another size than the plate's: the plate must not be cropped.
    scene.render.resolution_x, scene.render.resolution_y = 40, 30
    inputs = extraction.render_inputs(scene, node, ["Plate", "Clean Plate"], 3, place)
    after = (len(bpy.data.scenes), len(bpy.data.node_groups), len(bpy.data.images), scene.frame_current)
    assert before == after, (before, after)
    bpy.ops.cleanplate.solve_range()
    plan = planning.refresh(scene, node)
    return {"stale": stale, "inputs": inputs, "results": str(plan.results), "fresh": plan.counts().fresh}


def shadowed(place: Path, scene: Any, tree: Any, node: Any) -> str:
    """Shadow as the main output: frame 2 without and with the layer, and frame 3 with it, which lacks a result."""
    from plugin_blender import handlers, planning

    next(each for each in tree.nodes if each.bl_idname == "CompositorNodeOutputFile").mute = True
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    target = node.outputs["Image"].links
    main = next(link.to_socket for link in target if link.to_node.bl_idname in stage.MAIN_OUTPUTS)
    tree.links.new(node.outputs["Shadow"], main)
    tree.links.new(stage.image_node(tree, place / "shaded.exr").outputs[0], node.inputs["Plate"])
    stage.render_frame(scene, 2, place / "off.exr")
    node.matte.layer_shadow = True
    plan = planning.refresh(scene, node)
    assert plan.counts().fresh == (), plan.counts()
    stage.render_frame(scene, 2, place / "shadowed.exr")
    # Without the handlers nothing solves frame 3.
    handlers.unregister()
    stage.render_frame(scene, 3, place / "unsolved.exr")
    return str(plan.results)


stage.run(case)
