"""In a window: ESC and the Cancel button stop a solve, and F12 solves what it needs or says what is missing."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import bpy
import stage

_SIZE = (960, 540)


def case(folder: str, nobody: str) -> Generator[None, None, dict[str, Any]]:
    place = Path(folder)
    yield from stage.pause(1.0)
    scene, tree, node = stage.shot_node(place, len(list(place.glob("plate.*"))))
    stage.render_settings(scene, place / "out", _SIZE)
    stage.main_output(tree, node.outputs["Image"])
    viewer = tree.nodes.new("CompositorNodeViewer")
    tree.links.new(node.outputs["Image"], viewer.inputs["Image"])
    # A render's own window comes up late and under the mouse.
    bpy.context.preferences.view.render_display_type = "NONE"
    editor = stage.open_editor()
    # The sidebar has tabs once it was drawn.
    yield from stage.pause(1.0)
    stage.sidebar_of(editor).active_panel_category = "Cleanplate"
    yield from stage.pause(0.5)
    facts: dict[str, Any] = {}
    facts["escape"] = yield from stopped_by(press_escape, node, editor)
    facts["connecting"] = yield from stopped_while_connecting(nobody, node, editor)
    facts["cancel"] = yield from stopped_by(press_cancel, node, editor)
    facts["still"] = yield from still(place, scene, node, editor)
    facts["animation"] = yield from animation(place, scene, node, editor)
    facts["away"] = yield from server_away(place, nobody, scene, node, editor)
    facts["rendered"] = yield from rendered_inputs(place, scene, node, editor)
    yield from opening_a_file(scene, node, editor)
    yield from switched_off(editor)
    yield from new_file()
    return facts


def press(editor: dict[str, Any], key: str, **more: Any) -> None:
    """A key, with the mouse over the nodes."""
    x, y = editor["area"].x + 100, editor["area"].y + 100
    editor["window"].event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    editor["window"].event_simulate(type=key, value="PRESS", x=x, y=y, **more)


# -- a solve is stopped


def stopped_by(press_it: Callable[[Any], Iterator[None]], node: Any, editor: dict[str, Any]) -> Any:
    """Seconds from the press during Solve Range to its end; what is done by then stays, and is seen before."""
    from plugin_blender import runtime

    before = len(fresh(node))
    bpy.context.scene.frame_set(before + 1)
    solve = solve_range(node, editor)
    yield from stage.until(lambda: solve.done, "no frame was solved")
    yield from stage.until(lambda: stage.seen() or runtime.running is None, "the result was not seen")
    assert runtime.running is solve, "the solve ended before its first result was seen"
    return (yield from stopped(solve, before, press_it, node, editor))


def stopped_while_connecting(nobody: str, node: Any, editor: dict[str, Any]) -> Any:
    """The same where no server answers, which is waited for longer than an artist would."""
    before = len(fresh(node))
    with server_at(nobody):
        solve = solve_range(node, editor)
        yield from stage.pause(0.5)
        return (yield from stopped(solve, before, press_escape, node, editor))


@contextlib.contextmanager
def server_at(address: str) -> Iterator[None]:
    known, os.environ["CLEANPLATE_SERVER"] = os.environ["CLEANPLATE_SERVER"], address
    yield
    os.environ["CLEANPLATE_SERVER"] = known


def solve_range(node: Any, editor: dict[str, Any]) -> Any:
    """Presses Solve Range."""
    from plugin_blender import runtime

    with bpy.context.temp_override(**editor):
        bpy.ops.cleanplate.solve_range("INVOKE_DEFAULT", node_id=node.matte.node_id)
    return runtime.running


def stopped(solve: Any, before: int, press_it: Callable[[Any], Iterator[None]], node: Any, editor: Any) -> Any:
    from plugin_blender import runtime

    yield from press_it(editor)
    pressed = time.monotonic()
    yield from stage.until(lambda: runtime.running is None, "the solve did not stop")
    took = time.monotonic() - pressed
    assert solve.cancelled and not solve.sentence, solve.sentence
    kept = len(fresh(node)) - before
    yield from stage.pause(0.5)
    return {"seconds": took, "kept": kept, "done": len(solve.done), "wanted": len(solve.frames)}


def fresh(node: Any) -> tuple[int, ...]:
    from plugin_blender import planning

    return planning.plan_of(bpy.context.scene, node).counts().fresh


def press_escape(editor: dict[str, Any]) -> Iterator[None]:
    press(editor, "ESC")
    yield


def press_cancel(editor: dict[str, Any]) -> Iterator[None]:
    """Clicks down the sidebar until the solve is asked to stop: progress bar and label above do nothing."""
    from plugin_blender import runtime

    window, sidebar = editor["window"], stage.sidebar_of(editor)
    x, y = sidebar.x + sidebar.width // 3, sidebar.y + sidebar.height - 44
    while runtime.running and not runtime.running.cancelled and y > sidebar.y:
        window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
        yield from stage.pause(0.1)
        for value in ("PRESS", "RELEASE"):
            window.event_simulate(type="LEFTMOUSE", value=value, x=x, y=y)
            yield
        y -= 10


# -- renders


def render(editor: dict[str, Any], animation: bool) -> Iterator[None]:
    """F12 or Ctrl-F12, as an artist presses it."""
    from plugin_blender import runtime

    ended: list[bool] = []
    events = (bpy.app.handlers.render_complete, bpy.app.handlers.render_cancel)

    def hook(*_: Any) -> None:
        if not runtime.rendering_input:
            ended.append(True)

    for event in events:
        event.append(hook)
    press(editor, "F12", ctrl=animation)
    yield from stage.until(lambda: ended, "the render did not end")
    yield from stage.until(lambda: not bpy.app.is_job_running("RENDER") and runtime.render is None, "its end")
    for event in events:
        event.remove(hook)
    yield from stage.pause(0.5)


def still(place: Path, scene: Any, node: Any, editor: dict[str, Any]) -> Any:
    """A setting changes and F12 follows at once: the frame is solved anew, and no old one is seen."""
    from plugin_blender import planning, runtime

    scene.frame_set(1)
    assert planning.refresh(scene, node).is_fresh(1)
    yield from stage.pause(0.5)
    node.matte.softness = 1.5
    yield from render(editor, animation=False)
    stage.picture("still_rendered")
    bpy.data.images["Render Result"].save_render(str(place / "still.exr"))
    plan = planning.plan_of(scene, node)
    error = runtime.state(node.matte.node_id).error
    return {"fresh": plan.counts().fresh, "result": str(plan.result(1)), "error": error}


def animation(place: Path, scene: Any, node: Any, editor: dict[str, Any]) -> Any:
    """Every frame is solved when its turn comes; one whose plate has changed is solved again."""
    from plugin_blender import planning, runtime

    scene.render.filepath = str(place / "animation" / "main_")
    scene.frame_start, scene.frame_end = 1, 3
    plate = place / "plate.0001.exr"
    # Other bytes: what follows an EXR's last line is not read.
    plate.write_bytes(plate.read_bytes() + b"\0")
    scene.render.use_lock_interface = True
    yield from render(editor, animation=True)
    scene.render.use_lock_interface = False
    plan = planning.plan_of(scene, node)
    error = runtime.state(node.matte.node_id).error
    return {"fresh": plan.counts().fresh, "results": str(plan.results), "error": error}


def server_away(place: Path, nobody: str, scene: Any, node: Any, editor: dict[str, Any]) -> Any:
    """No server: the render goes on, and one message names the frames."""
    from plugin_blender import runtime

    node.matte.softness = 2.0
    scene.render.filepath = str(place / "away" / "main_")
    started = time.monotonic()
    with server_at(nobody):
        yield from render(editor, animation=True)
    return {"error": runtime.state(node.matte.node_id).error, "seconds": time.monotonic() - started}


def rendered_inputs(place: Path, scene: Any, node: Any, editor: dict[str, Any]) -> Any:
    """What feeds the node cannot be rendered inside a render; solved before, it plays."""
    from plugin_blender import runtime

    tree = node.id_data
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(node.inputs["Plate"].links[0].from_socket, exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    scene.render.filepath = str(place / "unsolved" / "main_")
    yield from render(editor, animation=True)
    stage.picture("warned")
    message = runtime.state(node.matte.node_id).error
    facts = yield from stopped_by(press_escape, node, editor)
    solve = solve_range(node, editor)
    # The artist's own render in the middle: what the solve has to render waits for its end.
    scene.render.filepath = str(place / "between" / "main_")
    yield from render(editor, animation=True)
    yield from stage.until(lambda: runtime.running is None, "the solve did not end")
    assert not solve.sentence and fresh(node) == (1, 2, 3), solve.sentence
    scene.render.filepath = str(place / "solved" / "main_")
    yield from render(editor, animation=True)
    return {"message": message, "stopped": facts, "error": runtime.state(node.matte.node_id).error}


# -- another file


def opening_a_file(scene: Any, node: Any, editor: dict[str, Any]) -> Iterator[None]:
    """A solve and a Learn end where another file is opened, and can begin again."""
    from plugin_blender import runtime

    scene.frame_start, scene.frame_end = 1, 12
    bpy.ops.wm.save_mainfile()
    file = bpy.data.filepath
    solve = solve_range(node, editor)
    yield from stage.until(lambda: solve.done, "no frame was solved")
    yield from reopened(file)
    assert runtime.running is None and solve.cancelled, "the solve of the former file goes on"
    editor, node = seen_again()
    with bpy.context.temp_override(**editor):
        bpy.ops.cleanplate.learn("INVOKE_DEFAULT", node_id=node.matte.node_id)
    assert runtime.learning is not None
    yield from reopened(file)
    assert runtime.learning is None, "the Learn of the former file goes on"
    editor, node = seen_again()
    solve = solve_range(node, editor)
    yield from stage.until(lambda: solve.done or solve.sentence, "the solve cannot begin again")
    assert not solve.sentence, solve.sentence
    yield from press_escape(editor)
    yield from stage.until(lambda: runtime.running is None, "its end")


def switched_off(editor: dict[str, Any]) -> Iterator[None]:
    """The add-on is switched off in the middle of a solve, and on again: nothing of it goes on or is left over."""
    import plugin_blender
    from plugin_blender import modals, runtime

    editor, node = seen_again()
    name = node.matte.node_id
    solve = solve_range(node, editor)
    yield from stage.until(lambda: solve.done, "no frame was solved")
    assert modals._running
    plugin_blender.unregister()
    assert "solving" not in node.label, node.label
    assert runtime.running is None and solve.cancelled and not modals._running
    yield from stage.pause(1.0)
    plugin_blender.register()
    yield from stage.pause(1.0)
    editor, node = seen_again()
    assert node.matte.node_id == name and fresh(node), "what was solved is lost"
    solve = solve_range(node, editor)
    yield from stage.until(lambda: solve.done or solve.sentence, "the solve cannot begin again")
    assert not solve.sentence, solve.sentence


def new_file() -> Iterator[None]:
    """File > New in the middle of a solve."""
    from plugin_blender import places, runtime

    solve = runtime.running
    assert solve is not None
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    yield from stage.pause(1.0)
    assert runtime.running is None and solve.cancelled and not list(places.all_nodes())
    assert not runtime.states


def reopened(file: str) -> Iterator[None]:
    bpy.ops.wm.open_mainfile(filepath=file)
    yield from stage.pause(1.0)


def seen_again() -> tuple[dict[str, Any], Any]:
    from plugin_blender import places

    ((_, node),) = places.all_nodes()
    return stage.open_editor(), node


stage.run_in_window(case)
