"""Blender's event handlers: files opened and saved, edits, and renders that need results."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar, cast

import bpy

from . import copies, fingerprint, graph, migration, planning, put_again, runtime
from .matte_link.endpoint import Endpoint
from .matte_link.errors import LinkError
from .matte_link.sequence import format_frames
from .on_demand import RenderSolve
from .places import all_nodes, rendered_nodes, scene_of
from .plan import NodeError, SolvePlan
from .preferences import endpoint
from .solve import solve_now
from .touched import TOUCHED

_Handler = TypeVar("_Handler", bound=Callable[..., None])
persistent = cast(Callable[[_Handler], _Handler], bpy.app.handlers.persistent)
REFUSED = 7
"""Exit code of a background render that needs results that are not there."""
_WAIT_S = 30.0
_COMPARED = (bpy.types.NodeTree, bpy.types.Scene, bpy.types.Image)
"""What the add-on itself edits; every edit of these is noticed by their settings."""


@persistent
def on_load(*_: Any) -> None:
    """A file was opened: looks up the results of its nodes."""
    runtime.reset()
    fingerprint.forget()
    migration.bring_up_to_date()
    planning.refresh_all()


@persistent
def on_save(*_: Any) -> None:
    """Before a file is saved: the saved nodes play their present results, on machines without the add-on too."""
    fingerprint.look_at_all()
    planning.refresh_all()
    planning.label_for_file()
    migration.keep_for_older()


@persistent
def on_saved(*_: Any) -> None:
    """After a file was saved: the first save decides where results are kept."""
    runtime.mark_changed()
    if bpy.app.background:
        planning.refresh_all()


@persistent
def on_edit(scene: Any, depsgraph: Any) -> None:
    """Something was edited."""
    if runtime.rendering_input:
        return
    edited = [update.id.original for update in depsgraph.updates]
    for block in edited:
        fingerprint.forget(block)
    if not all(isinstance(block, _COMPARED) for block in edited):
        runtime.forget_comparisons()
    runtime.mark_changed()


@persistent
def on_undo_begin(*_: Any) -> None:
    """Before undo and redo. Blender leaves a data-block that both steps have alike as it is now, and frees those
    that the other step lacks. Where the former refers to one of the latter, it crashes. So no node may refer to an
    image or a group that the add-on has made since the last step."""
    for _, node in all_nodes():
        if node.node_tree.library is None:
            graph.show_nothing(node)
    copies.share_again()


@persistent
def on_undo(*_: Any) -> None:
    """Undo and redo may have changed anything; the nodes play their results again."""
    fingerprint.forget()
    runtime.forget_comparisons()
    runtime.mark_changed()
    planning.refresh_all(by_timer=True)


@persistent
def on_render_begin(scene: Any, *_: Any) -> None:
    """Before a render: the last moment at which a node's image may be exchanged."""
    if runtime.rendering_input:
        return
    if bpy.app.background:
        with _refusing_on_errors():
            fingerprint.forget()
            planning.refresh_all()
    elif not runtime.on_main_thread(partial(_prepare, scene), _WAIT_S):
        print("Cleanplate: Blender is busy; this render uses what is solved.", file=sys.stderr, flush=True)
    runtime.rendering = True


@persistent
def on_render_end(*_: Any) -> None:
    """After a render, or where it was cancelled."""
    if runtime.rendering_input:
        return
    runtime.rendering = False
    render, runtime.render = runtime.render, None
    if render is not None:
        runtime.on_main_thread(partial(_conclude, render))


@persistent
def on_render_frame(scene: Any, *_: Any) -> None:
    """Before a frame is rendered: solves it if possible, else reports what is missing."""
    if runtime.rendering_input:
        return
    if bpy.app.background:
        with _refusing_on_errors():
            _serve_background(scene)
    elif runtime.render is not None:
        _serve_window(runtime.render, scene.frame_current)


def _serve_background(scene: Any) -> None:
    for node in rendered_nodes(scene, scene.frame_current):
        try:
            _make_fresh(scene_of(node.id_data, scene), node, scene.frame_current)
        except LinkError as error:
            _refuse(node, str(error))


def _make_fresh(scene: Any, node: Any, frame: int) -> None:
    plan = planning.refresh(scene, node)
    put_again.settle(plan, frame)
    if plan.is_fresh(frame) or plan.is_uncertain(frame) or plan.stands(frame):
        _need_shown(node, plan)
    if plan.is_fresh(frame):
        return
    if plan.is_uncertain(frame):
        what = ", ".join([*plan.uncomparable, *([TOUCHED] if plan.is_touched(frame) else [])])
        print(f"Cleanplate: frame {frame} is used as it was solved; {what} cannot be compared.", flush=True)
        return
    if plan.stands(frame):
        print(f"Cleanplate: frame {frame} is used as it was solved; {plan.missing_input(frame)} is not here.")
        return
    if plan.problem:
        raise NodeError(plan.problem)
    try:
        plan.prepare()
        plan.set_aside(frame)
    except OSError as error:
        raise NodeError(planning.unusable_folder(plan, error)) from None
    _need_shown(node, plan)
    if plan.needs_rendering:
        frames, file = _unsolved(plan, scene, frame), runtime.shell_word(bpy.data.filepath or "FILE")
        raise NodeError(
            f"{_not_solved(frames)}, and what feeds the node can only be rendered before.",
            f"Solve first: blender --command cleanplate {file} --frames {frames}",
        )
    solve = solve_now(scene, node, [frame])
    # The solve has asked the server who it is by now.
    if not solve.plan.is_fresh(frame):
        raise NodeError(f"{_not_solved(_unsolved(solve.plan, scene, frame))}: {solve.sentence}")
    for warning in solve.warnings:
        print(f"Cleanplate: {node.name}: frame {frame}: {warning}", file=sys.stderr, flush=True)


def _need_shown(node: Any, plan: SolvePlan) -> None:
    """Raises ``NodeError`` where the node does not play the plan's results."""
    if planning.shows(node, plan):
        return
    library, error = node.node_tree.library, runtime.state(plan.node_id).error
    if library is not None:
        raise NodeError(
            "it was linked before it had results.", f"Solve it in {library.filepath}, and save that file."
        )
    # The folder of its results cannot be written.
    raise NodeError(error) if error else NodeError("it was changed while it was rendered.", "Render it again.")


def _unsolved(plan: SolvePlan, scene: Any, frame: int) -> str:
    wanted = range(scene.frame_start, scene.frame_end + 1, scene.frame_step)
    return format_frames([each for each in {*wanted, frame} if not plan.is_fresh(each)])


def _not_solved(frames: str) -> str:
    return f"frame {frames} is not solved" if frames.isdecimal() else f"frames {frames} are not solved"


@contextlib.contextmanager
def _refusing_on_errors() -> Iterator[None]:
    """Ends a background render before it writes a frame, whatever goes wrong: Blender only prints what handlers
    raise, renders on without a matte and exits with 0."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the handler's edge
        traceback.print_exc()
        _end(f"this render cannot be prepared: {type(error).__name__}: {error}")


def _refuse(node: Any, sentence: str) -> None:
    _end(f"{node.name}: {sentence}")


def _end(sentence: str) -> None:
    """Ends the process: a handler cannot stop a background render in any other way."""
    print(f"Cleanplate: {sentence}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(REFUSED)


# -- renders in the window run on a thread of their own, on which Blender's data may not be touched


def _prepare(scene: Any) -> None:
    """Before such a render, on the main thread: has each node play the results of its present settings."""
    runtime.preparing_render = True
    try:
        _make_ready(scene)
    finally:
        runtime.preparing_render = False


def _make_ready(scene: Any) -> None:
    fingerprint.forget()
    copies.make_unique()
    wanted = {*range(scene.frame_start, scene.frame_end + 1, scene.frame_step), scene.frame_current}
    plans = []
    for node in rendered_nodes(scene):
        state = runtime.state(node.matte.node_id)
        state.error = ""
        try:
            plan = planning.refresh(scene_of(node.id_data, scene), node)
            if state.error and not plan.problem:
                _need_shown(node, plan)
        except NodeError as error:
            plan = planning.without_scene(node, error)
        plans.append(plan)
        if plan.problem:
            continue
        with planning.folder_errors_in(plan, state):
            if not all(plan.is_fresh(frame) for frame in wanted):
                # Blender keeps what an image has read: only a new image shows files that appear during the render.
                graph.show(node, plan.prepare())
    server: Endpoint | NodeError
    try:
        server = endpoint()
    except NodeError as error:
        server = error
    runtime.render = RenderSolve(
        plans=plans, endpoint=server, changed=partial(runtime.on_main_thread, planning.redraw)
    )


def _serve_window(render: RenderSolve, frame: int) -> None:
    first = not render.sentences()
    if render.serve(frame) and first:
        # At once: the artist may want to stop a long render.
        runtime.on_main_thread(partial(_report, render))


def _conclude(render: RenderSolve) -> None:
    """After such a render, on the main thread."""
    for node_id in render.solved:
        with contextlib.suppress(NodeError):
            scene, node = planning.find(node_id)
            planning.show_new(node, planning.refresh(scene, node, by_timer=True))
    _report(render)
    planning.redraw()


def _report(render: RenderSolve) -> None:
    for sentence in set(render.sentences()) - render.reported:
        render.reported.add(sentence)
        manager: Any = bpy.context.window_manager
        with bpy.context.temp_override(window=manager.windows[0]):
            # An operator of ours: the stubs know Blender's only.
            cast(Any, bpy.ops).cleanplate.warn("INVOKE_DEFAULT", text=sentence)


def register() -> None:
    """Adds all handlers."""
    for events, handler in _HOOKS:
        for event in events:
            getattr(bpy.app.handlers, event).append(handler)
    if not bpy.app.background:
        bpy.app.timers.register(planning.tick, persistent=True)


def unregister() -> None:
    """Removes all handlers."""
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
    (("undo_pre", "redo_pre"), on_undo_begin),
    (("undo_post", "redo_post"), on_undo),
    (("render_init",), on_render_begin),
    (("render_pre",), on_render_frame),
    (("render_complete", "render_cancel"), on_render_end),
)
