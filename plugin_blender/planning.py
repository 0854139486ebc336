"""Makes the :class:`plan.SolvePlan` of a node, and keeps the node playing the results of its plan."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from . import copies, file_states, fingerprint, graph, jobs, key_frames, runtime, server_process, sessions
from .colour import settled
from .matte_link.messages import Pong
from .matte_link.sequence import parse_frames
from .places import all_nodes, all_trees, in_strips_alone, ways_to
from .plan import NodeError, SolvePlan
from .preferences import in_use
from .properties import options_of
from .put_again import Background
from .results_folder import lacking_place, node_folder
from .upstream import sources_of
from .watch import has_changed

_background = Background(runtime.mark_changed)
"""Compares files that were put there again."""
_FOLDER = "The results folder"
"""How an error begins that is over as soon as the node plays what it should."""


def plan_of(scene: Any, node: Any) -> SolvePlan:
    """The node's plan; ``problem`` is set where the node cannot be solved."""
    settings = node.matte
    basic = SolvePlan(node_id=settings.node_id, folder=str(node_folder(settings)))
    try:
        frames = wanted_frames(scene, settings)
        options = options_of(settings)
        ways = ways_to(scene, node.id_data)
        plate, clean = sources_of(node, scene, ways)
        options = settled(options, plate, clean)
    except (ValueError, NodeError) as error:
        return replace(basic, problem=_sentence(str(error)))
    plan = replace(
        basic,
        frames=frames,
        options=options,
        plate=plate,
        clean_plate=clean,
        problem=lacking_place(settings),
        server=_server_asked(),
        compared=runtime.state(settings.node_id).compared,
    )
    return _standing_for_pictures(node, plan)


def _standing_for_pictures(node: Any, plan: SolvePlan) -> SolvePlan:
    """The plan of the results that the node plays already, where they are of the present settings, and a folder of
    its pictures is not on this machine."""
    elsewhere = plan.elsewhere()
    # Files of other kinds may be missing for ever, and the node is solved all the same.
    pictures = (*plan.plate.pictures, *plan.clean_plate.pictures)
    if not elsewhere or all(Path(picture.file).parent.is_dir() for picture in pictures):
        return plan
    played = Path(graph.shown_file(node)).parent
    return replace(plan, played=played.name) if played in elsewhere else plan


def _server_asked() -> Pong | None:
    """The last answer of the server in the preferences; None where it was not asked in this session."""
    try:
        return runtime.servers.get(in_use().address)
    except NodeError:
        return None


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def wanted_frames(scene: Any, settings: Any) -> tuple[int, ...]:
    """The frames of the node, else those of the scene; raises ``ValueError``."""
    if settings.frames.strip():
        return parse_frames(settings.frames)
    return tuple(range(scene.frame_start, scene.frame_end + 1, scene.frame_step))


def find(node_id: str) -> tuple[Any, Any]:
    """The node with this id and its scene; raises ``NodeError``."""
    for scene, node in all_nodes():
        if node.matte.node_id == node_id:
            return scene, node
    raise NodeError("The node is no longer there.")


def refresh(scene: Any, node: Any, by_timer: bool = False) -> SolvePlan:
    """Makes the plan again and has the node play its results: at once, or when Blender's jobs have ended.
    ``by_timer``: the artist did not ask for it just now."""
    with file_states.together():
        plan = plan_of(scene, node)
        state = runtime.state(plan.node_id)
        if plan.problem and _learning_came_along(node, plan, state):
            plan = plan_of(scene, node)
        state.plan = plan
        survey = plan.survey()
        state.counts = survey.counts
        state.stale_keys = frozenset(frame for frame, _ in key_frames.unusable(node, plan) if not plan.problem)
        state.keys_have_changed = key_frames.have_changed(node)
        if runtime.in_window and not plan.problem and (unread := key_frames.in_doubt(node, plan)):
            _background.want_read(plan, unread)
        state.comparing = len(survey.touched) if runtime.in_window else 0
        if state.comparing:
            _background.want(plan, survey.touched)
        if _may_change_nodes(by_timer):
            _keep_up(node, plan, state, survey.outdated)
    return plan


def _may_change_nodes(by_timer: bool) -> bool:
    """Whether nodes may be changed now; otherwise :func:`tick` does it later. What the artist asks for waits for
    renders alone, as edits by hand do; what a timer does waits for every job that reads the file."""
    if jobs.is_busy() if by_timer else jobs.is_rendering():
        runtime.kept_back = True
        return False
    return True


def _learning_came_along(node: Any, plan: SolvePlan, state: runtime.NodeState) -> bool:
    """Whether the learned weights that the node lacks were found where it was copied from. Looks once."""
    learned = node.matte.learned
    if not node.matte.use_learned or not learned or learned in state.looked_back:
        return False
    if copies.remember_former(node, plan):
        state.looked_back.clear()
    state.looked_back.add(learned)
    with folder_errors_in(plan, state):
        return copies.learning_along(node.matte.former, plan) > 0
    return False


def _keep_up(node: Any, plan: SolvePlan, state: runtime.NodeState, outdated: Sequence[int]) -> None:
    """Has the node play the plan's results, without those that are ``outdated``; nothing where an outdated one can
    neither be moved out of its sight nor the folder of present ones be made."""
    if copies.remember_former(node, plan):
        state.looked_back.clear()
    try:
        _play(node, plan, state, outdated)
    except OSError as error:
        state.error = unusable_folder(plan, error)
        if not shows(node, plan) or any(plan.is_of_others(frame) for frame in outdated):
            graph.show_nothing(node)
    else:
        state.error = "" if not plan.problem and state.error.startswith(_FOLDER) else state.error
    _label(node, describe(state))


def _play(node: Any, plan: SolvePlan, state: runtime.NodeState, outdated: Sequence[int]) -> None:
    for frame in outdated:
        # Another Blender may have solved it from a newer picture, which is not known here yet.
        plan.look_again(frame)
        plan.set_aside(frame)
        runtime.mark_changed()
    if plan.problem:
        graph.show_nothing(node)
        sessions.unmark(plan.node_id)
    elif take_along(node, plan, state) or outdated or not shows(node, plan) or _has_unseen(node, plan, state):
        _leave(node, plan)
        _show(node, plan, state)


def take_along(node: Any, plan: SolvePlan, state: runtime.NodeState) -> bool:
    """Takes results along from where the node was copied, its file was saved elsewhere, or its pictures seemed to
    lie elsewhere; whether there were any. Where they have to be copied, a window offers it in the panel instead."""
    if plan.key in state.looked_back:
        return False
    state.looked_back.add(plan.key)
    state.left_behind = 0
    try:
        taken = copies.take_along(node.matte.former, plan)
    except OSError:
        if not bpy.app.background:
            state.left_behind = copies.left_behind(node.matte.former, plan)
            return False
        taken = copies.copy_along(node.matte.former, plan)
    if taken:
        for folder in (plan.folder, str(plan.results)):
            file_states.list_again(folder)
        state.counts = plan.counts()
    return bool(taken)


@contextlib.contextmanager
def folder_errors_in(plan: SolvePlan, state: runtime.NodeState) -> Iterator[None]:
    """Puts an ``OSError`` of the results folder into the node's state, for the panel."""
    try:
        yield
    except OSError as error:
        state.error = unusable_folder(plan, error)


def unusable_folder(plan: SolvePlan, error: OSError) -> str:
    """Why results cannot be kept or shown, as a sentence."""
    return f"{_FOLDER} {plan.folder} cannot be used: {error.strerror}."


def shows(node: Any, plan: SolvePlan) -> bool:
    """Whether the node plays the results of the plan."""
    first = plan.result(0)
    return graph.shown_file(node) == str(first) and file_states.state_of(str(first)).is_file


def _leave(node: Any, plan: SolvePlan) -> None:
    """Removes the folder that the node has played so far where it holds nothing but the empty picture."""
    shown = graph.shown_file(node)
    if not shown:
        return
    sessions.unmark(plan.node_id)
    left = Path(shown).parent
    if left.parent == Path(plan.folder) and left != plan.results and left.is_dir():
        rest = list(left.iterdir())
        if rest == [Path(shown)] and not plan.is_stamped(rest[0]):
            rest[0].unlink()
            file_states.forget(shown)
            left.rmdir()


def _has_unseen(node: Any, plan: SolvePlan, state: runtime.NodeState) -> bool:
    """Whether results have come, changed or gone since the node was given an image of them, or it plays another
    image, whoever did it."""
    shown = graph.shown_image(node), plan.result_states()
    state.shown = shown if state.shown is None else state.shown
    return state.shown != shown


def _show(node: Any, plan: SolvePlan, state: runtime.NodeState) -> None:
    graph.show(node, plan.prepare())
    if runtime.in_window:
        sessions.mark(plan.node_id, plan.results)
    file_states.list_again(str(plan.results))
    state.shown = graph.shown_image(node), plan.result_states()


def show_new(node: Any, plan: SolvePlan) -> None:
    """Shows results that have just been written, where they are what the node still wants, and how far a solve is:
    at once, or when Blender's jobs have ended."""
    if _may_change_nodes(by_timer=True):
        state = runtime.state(plan.node_id)
        with folder_errors_in(plan, state):
            if shows(node, plan):
                _show(node, plan, state)
        _label(node, describe(state))


def show_state(node: Any) -> None:
    """Has the node's title say how far its solve is."""
    if _may_change_nodes(by_timer=True):
        _label(node, describe(runtime.state(node.matte.node_id)))


def label_for_file() -> None:
    """Before the file is saved, or the add-on switched off: no node says for ever that it is being solved."""
    if not jobs.is_rendering():
        for _, node in all_nodes():
            _label(node, _standing(runtime.state(node.matte.node_id)))


def _label(node: Any, words: str) -> None:
    """Says on the node itself that it is not up to date; a label that the artist wrote is left alone."""
    if node.label and not node.label.startswith(graph.TITLE):
        return
    label = f"{graph.TITLE} ({words})" if words else graph.TITLE
    if node.label != label:
        node.label = label


def describe(state: runtime.NodeState) -> str:
    """The node's state in a few words; empty where every frame is fresh."""
    if state.progress:
        return state.progress
    return _standing(state)


def _standing(state: runtime.NodeState) -> str:
    """What there is of the node's frames, whether a solve runs or not."""
    if state.plan is None or state.plan.problem:
        return "not ready"
    if state.counts.stale:
        return "stale"
    if state.counts.unknown:
        return "unknown"
    if state.counts.missing:
        return "not solved" if not state.counts.fresh else "partly solved"
    return ""


def without_scene(node: Any, problem: NodeError) -> SolvePlan:
    """The plan of a node that is in no scene's compositor, so that nothing keeps its results up to date: it shows
    none. Not while the node must not be changed."""
    copies.part_from_others(node)
    graph.show_nothing(node)
    _label(node, "not ready")
    return SolvePlan(node_id=node.matte.node_id, folder=str(node_folder(node.matte)), problem=str(problem))


def refresh_all(by_timer: bool = False) -> None:
    """Every node of the file; ``by_timer`` as in :func:`refresh`."""
    if _may_change_nodes(by_timer):
        copies.make_unique()
        for _, tree in all_trees():
            graph.label_stray(tree)
        for node in in_strips_alone():
            without_scene(node, NodeError("It is in no scene's compositor."))
    for scene, node in all_nodes():
        refresh(scene, node, by_timer)
    known = {node.matte.node_id for _, node in all_nodes()}
    for node_id in set(runtime.states) - known:
        del runtime.states[node_id]
        sessions.unmark(node_id)


_QUIET_S = 0.3
_LOOK_S = 3.0
_TICK_S = 0.1
_SHARE = 0.02
"""As much of the window's time, at most, goes into looks at what Blender does not tell of."""
_refreshed_at = 0.0
_looked_at = 0.0
_next_unreported = 0.0
_frames_looked_at: list[int] = []
_server_was_dead = False


def tick() -> float | None:
    """Runs ten times a second in the window: makes plans again after an edit, and looks at files now and then, and
    where another frame is shown."""
    global _refreshed_at, _looked_at, _frames_looked_at, _server_was_dead
    runtime.work_off()
    now = time.monotonic()
    if server_process.has_died() != _server_was_dead:
        # The panel says why.
        _server_was_dead = not _server_was_dead
        redraw()
    if runtime.rendering_input or runtime.rendering:
        return _TICK_S
    _look_at_unreported(now)
    is_due = runtime.changed_at > _refreshed_at and now - runtime.changed_at > _QUIET_S
    if is_due or (runtime.kept_back and not jobs.is_busy()):
        _refreshed_at, runtime.kept_back = now, False
        _try_refresh()
        redraw()
    elif now - _looked_at > _LOOK_S or _shown_frames() != _frames_looked_at:
        _looked_at = now
        before, _frames_looked_at = _frames_looked_at, _shown_frames()
        look_at_files(is_new_frame=before != _frames_looked_at)
    return _TICK_S


def _look_at_unreported(now: float) -> None:
    """Looks at one of the data-blocks whose edits Blender may not have told. Not while an animation plays, which
    would stutter."""
    global _next_unreported
    if now < _next_unreported or jobs.is_playing():
        return
    begun = time.perf_counter()
    if fingerprint.look_again():
        runtime.mark_changed()
    _next_unreported = now + (time.perf_counter() - begun) / _SHARE


def _shown_frames() -> list[int]:
    return [scene.frame_current for scene in bpy.data.scenes]


def _try_refresh() -> None:
    try:
        refresh_all(by_timer=True)
    except Exception:  # noqa: BLE001 - Blender removes a timer that raises, and nothing would be refreshed any more
        traceback.print_exc()


def look_at_files(is_new_frame: bool = False) -> None:
    """Has plans made again where a file that they depend on has changed; ``is_new_frame``: another frame is shown
    than in the last look."""
    for scene, node in all_nodes():
        plan = runtime.state(node.matte.node_id).plan
        if plan is not None and shows(node, plan):
            sessions.mark(plan.node_id, plan.results)
        if plan is not None and has_changed(plan, scene.frame_current, is_new_frame):
            runtime.mark_changed()


def redraw() -> None:
    """Draws the node editors again: their panels show states that Blender does not watch."""
    manager: Any = bpy.context.window_manager
    for window in manager.windows:
        for area in window.screen.areas:
            if area.type == "NODE_EDITOR":
                area.tag_redraw()
