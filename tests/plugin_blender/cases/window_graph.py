"""In a window: Render Layers are solved and stay solved, Ctrl-G keeps the node working; at rest nothing happens."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str) -> Generator[None, None, dict[str, Any]]:
    place = Path(folder)
    yield from stage.pause(1.0)
    scene, tree, node = stage.shot_node(place, 3)
    stage.render_settings(scene, place / "out", (48, 32))
    bpy.context.preferences.view.render_display_type = "NONE"
    editor = stage.open_editor()
    yield from stage.pause(1.0)
    stage.sidebar_of(editor).active_panel_category = "Cleanplate"
    yield from stage.pause(0.5)
    facts: dict[str, Any] = {}
    facts["files"] = yield from solved(scene, node, editor)
    facts["grouped"] = yield from grouped(scene, tree, node, editor)
    node = active_of(scene)
    facts["layers"] = yield from render_layers(scene, tree, node, editor)
    facts["rest"] = yield from at_rest(node)
    facts["busy"] = yield from beside_a_slow_viewer(scene, tree, node, editor)
    facts["edited"] = yield from edited(scene, node)
    stage.picture("window_graph")
    facts["undone"] = yield from undone(scene, node, editor)
    return facts


def active_of(scene: Any) -> Any:
    from plugin_blender import places

    ((_, node),) = places.all_nodes()
    return node


def state(node: Any) -> dict[str, Any]:
    from plugin_blender import runtime

    found = runtime.state(node.matte.node_id)
    counts = found.counts
    return {
        "solved": list(counts.fresh),
        "stale": list(counts.stale),
        "unknown": list(counts.unknown),
        "problem": found.plan.problem if found.plan else "",
        "error": found.error,
        "label": node.label,
    }


def solved(scene: Any, node: Any, editor: Any) -> Iterator[None]:
    from plugin_blender import runtime

    with bpy.context.temp_override(**editor):
        bpy.ops.cleanplate.solve_range("INVOKE_DEFAULT", node_id=node.matte.node_id)
    yield from stage.until(lambda: runtime.running is None, "the solve did not end")
    yield from stage.pause(2.0)
    return state(node)


def grouped(scene: Any, tree: Any, node: Any, editor: Any) -> Iterator[None]:
    """What Ctrl-G does, with the node alone selected."""
    from plugin_blender import planning

    stage.main_output(tree, node.outputs["Image"])
    for each in tree.nodes:
        each.select = each == node
    tree.nodes.active = node
    with bpy.context.temp_override(**editor):
        bpy.ops.node.group_make()
    yield from stage.pause(2.0)
    inner = active_of(scene)
    assert inner.id_data != tree, "the node is not in a group"
    found = state(inner)
    # Add puts a node where the artist looks: the editor shows the group now.
    with bpy.context.temp_override(**editor):
        assert bpy.ops.cleanplate.add() == {"FINISHED"}
    added = inner.id_data.nodes.active
    assert added != inner and added.id_data == editor["area"].spaces.active.edit_tree
    inner.id_data.nodes.remove(added)
    with bpy.context.temp_override(**editor):
        bpy.ops.cleanplate.solve_frame("INVOKE_DEFAULT", node_id=inner.matte.node_id)
    yield from stage.pause(0.2)
    from plugin_blender import runtime

    yield from stage.until(lambda: runtime.running is None, "the solve in the group did not end")
    yield from stage.pause(1.0)
    assert planning.plan_of(scene, inner).is_fresh(scene.frame_current)
    with bpy.context.temp_override(**editor):
        bpy.ops.node.tree_path_parent()
    return found


def render_layers(scene: Any, tree: Any, node: Any, editor: Any) -> Iterator[None]:
    """The plate comes out of the 3D scene, which is seen in another area meanwhile."""
    stage.quick_cycles(scene)
    layers = tree.nodes.new("CompositorNodeRLayers")
    (outer,) = [each for each in tree.nodes if each.bl_idname == "CompositorNodeGroup"]
    tree.links.new(layers.outputs["Image"], outer.inputs[0])
    yield from stage.pause(1.0)
    return (yield from solved(scene, node, editor))


def at_rest(node: Any) -> Iterator[None]:
    """Ten seconds in which nobody does anything: how often the disk is asked, and plans are made."""
    from plugin_blender import planning

    yield from stage.pause(4.0)
    real, asked, plans, plan_of = os.stat, [], [], planning.plan_of

    def counted(path: Any, *rest: Any, **more: Any) -> Any:
        asked.append(str(path))
        return real(path, *rest, **more)

    def planned(*words: Any) -> Any:
        plans.append(words)
        return plan_of(*words)

    os.stat, planning.plan_of = counted, planned
    yield from stage.pause(10.0)
    os.stat, planning.plan_of = real, plan_of
    return {"stats": len(asked), "plans": len(plans), **state(node)}


def beside_a_slow_viewer(scene: Any, tree: Any, node: Any, editor: Any) -> Iterator[None]:
    """The viewer's thread still computes when inputs are to be rendered and results to be shown: both wait, because
    Blender crashes where images are freed or another render runs meanwhile."""
    from plugin_blender import extraction, graph

    viewer = tree.nodes.new("CompositorNodeViewer")
    (outer,) = [each for each in tree.nodes if each.bl_idname == "CompositorNodeGroup"]
    tree.links.new(outer.outputs[0], viewer.inputs[0])
    bpy.app.handlers.composite_pre.append(linger)
    calls: list[bool] = []
    for module, name in ((extraction, "_render"), (graph, "show")):
        setattr(module, name, noting(getattr(module, name), calls))
    node.matte.softness = 0.5
    yield from stage.until(lambda: bpy.app.is_job_running("COMPOSITE"), "the viewer computes nothing")
    found = yield from solved(scene, node, editor)
    bpy.app.handlers.composite_pre.remove(linger)
    return {"calls": len(calls), "beside": sum(calls), **found}


def linger(*_: Any) -> None:
    """On the viewer's thread: it computes for two seconds at least."""
    time.sleep(2.0)


def noting(function: Any, calls: list[bool]) -> Any:
    def noted(*arguments: Any) -> Any:
        calls.append(bpy.app.is_job_running("COMPOSITE"))
        return function(*arguments)

    return noted


def edited(scene: Any, node: Any) -> Iterator[None]:
    """An edit of the 3D scene is noticed by itself."""
    bpy.data.objects["Cube"].location.x = 1.0
    yield from stage.pause(3.0)
    return state(node)


def undone(scene: Any, node: Any, editor: Any) -> Iterator[None]:
    """Ctrl-Z behind a solve takes back the edit before it. The steps have the node's group alike, so Blender leaves
    it as the solve has made it."""
    for step in ("One", "Two"):
        node.location.x += 10.0
        bpy.ops.ed.undo_push(message=step)
    found = yield from solved(scene, node, editor)
    assert found["solved"] == [1, 2, 3], found
    window, area = editor["window"], editor["area"]
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type="Z", value=value, ctrl=True, x=area.x + 100, y=area.y + 100)
        yield
    yield from stage.pause(3.0)
    node = active_of(bpy.context.scene)
    assert node.node_tree.nodes["Results"].image is not None
    return state(node)


stage.run_in_window(case)
