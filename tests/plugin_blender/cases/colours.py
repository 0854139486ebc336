"""A studio's colour configuration, or another working space: what is sent, and what the comp shows."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str, space: str = "") -> dict[str, Any]:
    stage.add_on()
    from plugin_blender import planning

    place = Path(folder)
    if space == "unknown":
        return unknown(place)
    if space:
        bpy.ops.wm.set_working_color_space(working_space=space)
    scene, tree, node = stage.shot_node(place, 1)
    # Before anything is solved: the size of the render counts for what nodes make.
    stage.render_settings(scene, place / "out", (83, 61))
    kinds = [type(planning.plan_of(scene, node).plate).__name__]
    plate = node.inputs["Plate"].links[0].from_node
    # The file's own pixels are in linear Rec.709.
    for name in ("Linear Rec.709", "Linear Rec.709 (sRGB)"):
        try:
            for each in (plate, node.inputs["Clean Plate"].links[0].from_node):
                each.image.colorspace_settings.name = name
        except TypeError:
            continue
    kinds.append(type(planning.plan_of(scene, node).plate).__name__)
    bpy.ops.cleanplate.solve_range()
    direct = str(planning.plan_of(scene, node).result(1))
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    bpy.ops.cleanplate.solve_range()
    rendered = str(planning.plan_of(scene, node).result(1))
    # The file that the render writes is in linear Rec.709 too.
    settings = scene.render.image_settings
    settings.color_management = "OVERRIDE"
    settings.linear_colorspace_settings.name = plate.image.colorspace_settings.name
    stage.main_output(tree, node.outputs["Foreground"])
    bpy.ops.render.render(animation=True)
    return {"kinds": kinds, "direct": direct, "rendered": rendered, "out": str(place / "out" / "main_0001.exr")}


def unknown(place: Path) -> dict[str, Any]:
    """A working space that the server does not know: the node says so, for plain files too."""
    from plugin_blender import planning

    scene, _, node = stage.shot_node(place, 1)
    assert node.label == "Cleanplate Matte (not ready)"
    said = stage.error_of(bpy.ops.cleanplate.solve_range)
    assert planning.plan_of(scene, node).problem == said
    return {"said": said}


stage.run(case)
