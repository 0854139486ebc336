"""Follows Blender: files opened and saved, edits, and renders that need results."""

from __future__ import annotations

import os
import sys
from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import graph, planning, runtime
from .matte_link.errors import LinkError
from .matte_link.sequence import format_frames
from .plan import NodeError, Plan
from .solve import solve_now
from .upstream import scene_changed
from .versions import tree_of

REFUSED = 7
"""Exit code of a background render that needs results that are not there."""
_timeline: dict[str, int] = {}
_SCENE_DATA = (
    bpy.types.Camera,
    bpy.types.Collection,
    bpy.types.Curve,
    bpy.types.Light,
    bpy.types.Material,
    bpy.types.Mesh,
    bpy.types.Object,
    bpy.types.World,
)


@persistent
def on_load(*_: Any) -> None:
    """A file was opened: its results are looked up, and what is missing is said."""
    runtime.reset()
    _timeline.clear()
    planning.refresh_all()


@persistent
def on_save(*_: Any) -> None:
    """Before a file is saved: what is saved plays the present results, wherever it is opened."""
    planning.refresh_all()


@persistent
def on_saved(*_: Any) -> None:
    """After a file was saved: a first save is what gives results their place."""
    runtime.mark_changed()
    if bpy.app.background:
        planning.refresh_all()


@persistent
def on_edit(scene: Any, depsgraph: Any) -> None:
    """Something was edited."""
    if runtime.rendering_input:
        return
    played = _timeline.get(scene.name) != scene.frame_current
    _timeline[scene.name] = scene.frame_current
    for update in depsgraph.updates:
        edited = update.is_updated_geometry or update.is_updated_transform or update.is_updated_shading
        if edited and not played and isinstance(update.id, _SCENE_DATA):
            scene_changed(scene.name)
            break
    runtime.mark_changed()


@persistent
def on_undo(*_: Any) -> None:
    """Undo and redo bring nodes back as they were."""
    runtime.mark_changed()


@persistent
def on_render_begin(scene: Any, *_: Any) -> None:
    """Before a render: the last moment at which a node may be given what it is to play."""
    if runtime.rendering_input:
        return
    if bpy.app.background:
        planning.refresh_all()
    runtime.rendering = True


@persistent
def on_render_end(*_: Any) -> None:
    """After a render, or where it was cancelled."""
    if not runtime.rendering_input:
        runtime.rendering = False


@persistent
def on_render_frame(scene: Any, *_: Any) -> None:
    """Before a frame is rendered: solves it where that can be done, else says what is missing."""
    if runtime.rendering_input or not scene.render.use_compositing:
        return
    if bpy.app.background:
        _serve_background(scene)
    else:
        _serve_window(scene)


def _serve_background(scene: Any) -> None:
    for node in graph.matte_nodes(tree_of(scene)):
        if node.mute or not any(socket.is_linked for socket in node.outputs):
            continue
        try:
            _make_fresh(scene, node)
        except LinkError as error:
            _refuse(node, str(error))


def _make_fresh(scene: Any, node: Any) -> None:
    frame = scene.frame_current
    plan = planning.refresh(scene, node)
    if plan.is_fresh(frame) or _stands(plan, frame):
        return
    if plan.problem:
        raise NodeError(plan.problem)
    if not planning.shows(node, plan):
        raise NodeError("it was changed while it was being rendered.", "Render it again.")
    plan.set_aside([frame])
    if plan.needs_rendering:
        raise NodeError(
            f"frames {_unsolved(plan, scene)} are not solved, and what feeds the node can only be rendered before.",
            "Solve them first: blender -b FILE --python solve_headless.py -- --frames RANGE",
        )
    solve = solve_now(scene, node, [frame])
    if not plan.is_fresh(frame):
        raise NodeError(f"frames {_unsolved(plan, scene)} are not solved: {solve.sentence}")


def _stands(plan: Plan, frame: int) -> bool:
    """Whether the frame has a result of the present settings whose inputs are only not here to be compared."""
    missing = plan.missing_input(frame)
    if plan.problem or not missing or not plan.is_stamped(plan.result(frame)):
        return False
    print(f"Cleanplate: frame {frame} is used as it was solved; {missing} is not here.", flush=True)
    return True


def _unsolved(plan: Plan, scene: Any) -> str:
    wanted = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
    return format_frames([frame for frame in {*wanted, scene.frame_current} if not plan.is_fresh(frame)])


def _refuse(node: Any, sentence: str) -> None:
    """Ends the background render: a handler cannot stop it otherwise, and a frame without its matte is worse."""
    print(f"Cleanplate: {node.name}: {sentence}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(REFUSED)


def _serve_window(scene: Any) -> None:
    """In the window renders run on a thread of their own: Blender's data may only be looked at, through plans."""
    frame = scene.frame_current
    for state in list(runtime.states.values()):
        plan = state.plan
        if plan is None or plan.problem or plan.is_fresh(frame):
            continue
        plan.set_aside([frame])
        state.error = f"Frame {frame} was rendered without its matte: it is not solved."
        print(f"Cleanplate: {plan.node_id}: {state.error}", file=sys.stderr, flush=True)


def register() -> None:
    """Hooks everything in."""
    for events, handler in _HOOKS:
        for event in events:
            getattr(bpy.app.handlers, event).append(handler)
    if not bpy.app.background:
        bpy.app.timers.register(planning.tick, persistent=True)


def unregister() -> None:
    """Takes everything out again."""
    if bpy.app.timers.is_registered(planning.tick):
        bpy.app.timers.unregister(planning.tick)
    for events, handler in _HOOKS:
        for event in events:
            getattr(bpy.app.handlers, event).remove(handler)


_HOOKS = (
    (("load_post",), on_load),
    (("save_pre",), on_save),
    (("save_post",), on_saved),
    (("depsgraph_update_post",), on_edit),
    (("undo_post", "redo_post"), on_undo),
    (("render_init",), on_render_begin),
    (("render_pre",), on_render_frame),
    (("render_complete", "render_cancel"), on_render_end),
)
