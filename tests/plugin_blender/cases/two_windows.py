"""Two windows show the same node: a solve, an edit and its undo, and one window closed in the middle of a solve."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str) -> Generator[None, None, dict[str, Any]]:
    from plugin_blender import runtime

    place = Path(folder)
    yield from stage.pause(1.0)
    scene, tree, node = stage.shot_node(place, len(list(place.glob("plate.*"))))
    stage.main_output(tree, node.outputs["Image"])
    viewer = tree.nodes.new("CompositorNodeViewer")
    tree.links.new(node.outputs["Image"], viewer.inputs["Image"])
    tree.nodes.active = node
    first = stage.open_editor()
    with bpy.context.temp_override(**first):
        bpy.ops.wm.window_new()
    yield from stage.pause(1.0)
    manager = bpy.context.window_manager
    assert len(manager.windows) == 2
    second = manager.windows[1]
    area = max(second.screen.areas, key=lambda each: each.width * each.height)
    area.ui_type = "CompositorNodeTree"
    area.spaces.active.show_region_ui = area.spaces.active.show_backdrop = True
    yield from stage.pause(1.0)
    other = {"window": second, "area": area, "region": next(r for r in area.regions if r.type == "WINDOW")}
    for editor in (first, other):
        assert editor["area"].spaces.active.edit_tree == tree
        stage.sidebar_of(editor).active_panel_category = "Cleanplate"
    node_id = node.matte.node_id
    state = runtime.state(node_id)

    # Solved from the second window; the first one cannot begin another beside it.
    with bpy.context.temp_override(**other):
        bpy.ops.cleanplate.solve_range("INVOKE_DEFAULT", node_id=node_id)
    beside = stage.error_of(lambda: run_in(first, node_id))
    assert "already running" in beside, beside
    yield from stage.until(lambda: runtime.running is None, "the range was not solved")
    yield from stage.pause(1.0)
    stage.picture("two_windows")
    solved = state.counts.fresh
    assert solved == tuple(range(1, scene.frame_end + 1)) and not state.error, (state.counts, state.error)

    # The second window is closed while its solve runs: the solve ends, and what is done stays.
    node.matte.softness = 2.0
    yield from stage.until(lambda: not state.counts.fresh, "the edit was not noticed")
    with bpy.context.temp_override(**other):
        bpy.ops.cleanplate.solve_range("INVOKE_DEFAULT", node_id=node_id)
    solve = runtime.running
    yield from stage.until(lambda: solve.done, "no frame was solved")
    with bpy.context.temp_override(window=second):
        bpy.ops.wm.window_close()
    yield from stage.until(lambda: runtime.running is None, "the solve goes on without its window")
    yield from stage.pause(1.0)
    assert len(manager.windows) == 1
    kept = len(state.counts.fresh)
    assert kept >= len(solve.done) > 0
    with bpy.context.temp_override(**first):
        bpy.ops.cleanplate.solve_range("INVOKE_DEFAULT", node_id=node_id)
    yield from stage.until(lambda: runtime.running is None, "the rest was not solved")
    yield from stage.pause(0.5)
    return {"solved": solved, "kept": kept, "after": state.counts.fresh, "error": state.error}


def run_in(editor: dict[str, Any], node_id: str) -> None:
    with bpy.context.temp_override(**editor):
        bpy.ops.cleanplate.solve_range("INVOKE_DEFAULT", node_id=node_id)


stage.run_in_window(case)
