"""Saved files: with the add-on, without it, and with it again."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import bpy
import stage


def make(place: Path) -> dict[str, Any]:
    """Solves, and saves a comp that writes what the node gives; frame 4 is left unsolved."""
    stage.add_on()
    scene, tree, node = stage.shot_node(place)
    stage.render_settings(scene, place / "out", (83, 61))
    stage.write_outputs(tree, node, place / "out")
    stage.main_output(tree, node.outputs["Image"])
    node.matte.frames, node.matte.despeckle = "1-3", 7
    bpy.ops.cleanplate.solve_range()
    # Where the file is opened at a frame without a result, the node's sockets must hold.
    scene.frame_set(4)
    bpy.ops.wm.save_mainfile()
    return {"label": node.label}


def without(place: Path) -> dict[str, Any]:
    """A machine without the add-on renders, and saves the file again."""
    assert not hasattr(bpy.types, "CLEANPLATE_OT_solve_range")
    bpy.ops.wm.open_mainfile(filepath=str(place / "shot.blend"))
    bpy.context.scene.render.filepath = str(place / "out" / "main_")
    bpy.ops.render.render(animation=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "again.blend"))
    return {}


def again(place: Path) -> dict[str, Any]:
    """With the add-on again: settings and results are where they were."""
    stage.add_on()
    from plugin_blender import places, runtime

    bpy.ops.wm.open_mainfile(filepath=str(place / "again.blend"))
    ((_, node),) = places.all_nodes()
    state = runtime.states[node.matte.node_id]
    assert (node.matte.despeckle, node.matte.frames, node.matte.bit_depth) == (7, "1-3", "float")
    return {"fresh": state.counts.fresh, "missing": state.counts.missing, "problem": state.plan.problem}


def render(place: Path) -> dict[str, Any]:
    """A background render with the add-on: frame 4 is solved when its turn comes, whoever answered before."""
    stage.add_on()
    from plugin_blender import places, planning, runtime
    from plugin_blender.solve import ask_server

    ask_server()
    ((address, server),) = runtime.servers.items()
    bpy.ops.wm.open_mainfile(filepath=str(place / "shot.blend"))
    ((scene, node),) = places.all_nodes()
    # What a server says while its first matting process starts: it knows neither its models nor their weights.
    runtime.servers[address] = dataclasses.replace(server, models=(), weights={})
    plan = planning.refresh(scene, node)
    assert plan.counts().fresh == (1, 2, 3) and plan.server and plan.maker is None
    runtime.servers[address] = dataclasses.replace(server, version="0.0.0")
    assert planning.refresh(scene, node).counts().stale == (1, 2, 3)
    scene.render.filepath = str(place / "out" / "main_")
    bpy.ops.render.render(animation=True)
    ((_, node),) = places.all_nodes()
    return {"fresh": runtime.states[node.matte.node_id].plan.is_fresh(4)}


def killed(place: Path) -> dict[str, Any]:
    """The server is killed as soon as it has the third frame of a background render."""
    stage.add_on()
    from plugin_blender import runtime

    bpy.ops.wm.open_mainfile(filepath=str(place / "shot.blend"))
    assert bpy.ops.cleanplate.clear_cache() == {"FINISHED"}
    bpy.context.scene.render.filepath = str(place / "killed" / "main_")

    def kill() -> None:
        while not (runtime.running and runtime.running.frames == (3,)):
            time.sleep(0.001)
        os.kill(int(os.environ["SERVER_PID"]), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    bpy.ops.render.render(animation=True)
    return {}


def refuse(place: Path) -> dict[str, Any]:
    """Inputs that have to be rendered cannot be solved inside a render: it ends, and says what is missing."""
    stage.add_on()
    from plugin_blender import places

    bpy.ops.wm.open_mainfile(filepath=str(place / "shot.blend"))
    ((scene, node),) = places.all_nodes()
    tree = node.id_data
    blur = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(node.inputs["Plate"].links[0].from_socket, blur.inputs[0])
    tree.links.new(blur.outputs[0], node.inputs["Plate"])
    scene.render.filepath = str(place / "refused" / "main_")
    # So that the farm's run below finds the same comp.
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "farm.blend"))
    bpy.ops.render.render(animation=True)
    return {"rendered": True}


def broken_planning(place: Path) -> dict[str, Any]:
    """An error that nobody expects, before a background render: in what is done there alone."""
    from plugin_blender import planning

    return broken(place, planning, "refresh_all")


def broken_serving(place: Path) -> dict[str, Any]:
    """An error that nobody expects, in a frame of a background render."""
    from plugin_blender import handlers

    return broken(place, handlers, "_make_fresh")


def broken(place: Path, module: Any, name: str) -> dict[str, Any]:
    stage.add_on()
    bpy.ops.wm.open_mainfile(filepath=str(place / "shot.blend"))

    def fails(*_: Any) -> None:
        raise TypeError("something nobody expected")

    setattr(module, name, fails)
    bpy.context.scene.render.filepath = str(place / "broken" / "main_")
    bpy.ops.render.render(animation=True)
    return {}


def moved(place: Path) -> dict[str, Any]:
    """The file alone, in another folder: it says what it lacks."""
    stage.add_on()
    from plugin_blender import places, planning

    bpy.ops.wm.open_mainfile(filepath=str(place / "away" / "shot.blend"))
    ((scene, node),) = places.all_nodes()
    plan = planning.refresh(scene, node)
    return {
        "missing": plan.counts().missing,
        "label": node.label,
        "message": stage.error_of(bpy.ops.cleanplate.solve_range),
        "outputs": [socket.name for socket in node.node_tree.nodes["Outputs"].inputs if socket.is_linked],
    }


def case(words: str, folder: str) -> dict[str, Any]:
    """One step, or several in turn in this process (``make,refuse``): the facts of the last one."""
    steps = (make, without, again, render, killed, refuse, broken_planning, broken_serving, moved)
    known = {each.__name__: each for each in steps}
    return [known[word](Path(folder)) for word in words.split(",")][-1]


stage.run(case)
