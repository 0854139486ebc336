"""A file that Blender 5 saved is opened in Blender 4.5, which drops what it does not know."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import stage

_SET = {
    "model": "difference",
    "bit_depth": "float",
    "compression": "zips",
    "gamma": 1.25,
    "layer_shadow": True,
    "frames": "1-2",
}


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    return opened(place) if (place / "shot.blend").exists() else made(place)


def made(place: Path) -> dict[str, Any]:
    from plugin_blender import runtime

    scene, tree, node = stage.shot_node(place)
    stage.render_settings(scene, place / "out", (83, 61))
    stage.main_output(tree, node.outputs["Image"])
    for name, value in _SET.items():
        setattr(node.matte, name, value)
    bpy.ops.cleanplate.solve_range()
    bpy.ops.cleanplate.add_key_frame()
    # What is saved last counts.
    bpy.ops.wm.save_mainfile()
    node.matte.frames = "1-3"
    bpy.ops.wm.save_mainfile()
    facts = {"id": node.matte.node_id, "result": str(runtime.state(node.matte.node_id).plan.result(1))}
    # A choice of another version's, as a pasted node may have it, keeps no file from being saved.
    node.bl_system_properties_get()["matte"]["compression"] = 99
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "pasted.blend"))
    assert node["matte"]["frames"] == "1-3" and "compression" not in node["matte"]
    return facts


def opened(place: Path) -> dict[str, Any]:
    from plugin_blender import places, runtime

    bpy.ops.wm.open_mainfile(filepath=str(place / "shot.blend"))
    ((scene, node),) = places.all_nodes()
    found = {name: getattr(node.matte, name) for name in _SET}
    assert found == {**_SET, "frames": "1-3"}, found
    assert [(key.frame, bool(key.pictures)) for key in node.matte.key_frames] == [(1, True)]
    counts = runtime.state(node.matte.node_id).counts
    assert (counts.fresh, counts.missing) == ((1, 2), (3,)), counts
    # 4.5 has another engine by this name.
    scene.render.engine = "BLENDER_WORKBENCH"
    stage.render_frame(scene, 1, place / "opened.exr")
    return {"id": node.matte.node_id}


stage.run(case)
