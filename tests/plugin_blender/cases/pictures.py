"""The guide's pictures: the packaged demo shot in the window, before a solve and while one runs, into
``$CLEANPLATE_PICTURES``. See tests/plugin_blender/windowed.py.
"""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy
import stage

_FIRST, _LAST = 1001, 1006


def case(demo: str, place: str, *_: str) -> Generator[None, None, dict[str, Any]]:
    from plugin_blender import runtime, server_process

    yield from stage.pause(1.0)
    scene, tree = stage.scene_with_tree(_FIRST, _LAST)
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(place) / "shot.blend"))
    scene.render.resolution_x, scene.render.resolution_y = 960, 540
    node = comp(tree, Path(demo))
    bpy.ops.cleanplate.start_server()
    yield from stage.until(server_process.poll, "the server did not start")
    editor = stage.open_editor()
    yield from stage.pause(1.0)
    with bpy.context.temp_override(**editor):
        bpy.ops.screen.screen_full_area()
    yield from stage.pause(1.0)
    editor = stage.open_editor()
    stage.sidebar_of(editor).active_panel_category = "Cleanplate"
    with bpy.context.temp_override(**editor):
        bpy.ops.node.view_all()
    yield from stage.pause(1.0)
    with bpy.context.temp_override(**editor):
        bpy.ops.view2d.pan(deltax=300, deltay=0)
    space = editor["area"].spaces.active
    space.show_region_asset_shelf = False
    space.backdrop_zoom, space.backdrop_offset = 0.6, (190, -150)
    yield from stage.pause(4.0)
    stage.picture("node")
    with bpy.context.temp_override(**editor):
        bpy.ops.cleanplate.solve_range("INVOKE_DEFAULT", node_id=node.matte.node_id)
    solve = runtime.running
    yield from stage.until(lambda: len(solve.done) > 1, "no frame was solved")
    yield from stage.pause(1.0)
    stage.picture("solving")
    return {"done": len(solve.done)}


def comp(tree: Any, demo: Path) -> Any:
    """Plate and clean plate through the node, over a new background; the matte node."""
    plate = stage.image_node(tree, demo / f"plate.{_FIRST}.exr", _LAST - _FIRST + 1, _FIRST)
    clean = stage.image_node(tree, demo / "clean.exr")
    node = stage.matte_node(tree, plate.outputs[0], clean.outputs[0])
    node.matte.model = "cleanplate"
    background = stage.image_node(tree, demo / "background.exr")
    over, viewer = (tree.nodes.new(f"CompositorNode{kind}") for kind in ("AlphaOver", "Viewer"))
    tree.links.new(background.outputs[0], over.inputs["Background"])
    tree.links.new(node.outputs["Image"], over.inputs["Foreground"])
    tree.links.new(over.outputs[0], viewer.inputs[0])
    plate.label, clean.label, background.label = "plate", "clean plate", "new background"
    places = ((plate, 0, 0), (clean, 0, -400), (node, 200, -160), (background, 280, 150))
    for each, x, y in (*places, (over, 480, -60), (viewer, 700, -40)):
        each.location, each.select = (x, y), each == node
    return node


stage.run_in_window(case)
