"""One press of a button from start to end: check, render the plates, send them, show each result as it arrives.

:mod:`preflight` and :mod:`plates` run on Nuke's main thread; :mod:`range_run` has a thread of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from matte_link.sequence import counted

from . import (
    around,
    arrivals,
    disk_ahead,
    graph,
    host,
    learning,
    made_elsewhere,
    manifest,
    other_scripts,
    overwritten,
    range_plan,
    sessions,
)
from .disk_ahead import ask
from .freshness import before_saving, check, is_to_be_asked, look_again, note_scripts, open_again
from .guarded import guarded_states, render_begins, render_ended
from .migration import migrate
from .node_runs import all_running, at_work, must_wait, running
from .node_state import (
    NOT_PROCESSED,
    UP_TO_DATE,
    is_ours,
    node_id,
    ours,
    results_folder,
    setting,
    settle_id,
    shown_results,
    state,
    summaries,
    take_over_state,
    tell,
    watch,
    words_of,
)
from .plates import render_plates
from .preflight import compare_makers_of, frames_of, preflight, server_words
from .range_plan import Refused
from .range_run import RangeRun
from .result_read import show_nothing, show_results
from .status_basis import note_part, tell_trouble

__all__ = [
    "all_running",
    "arrivals",
    "ask",
    "at_work",
    "before_saving",
    "check",
    "clear",
    "frames_of",
    "guarded_states",
    "is_ours",
    "is_to_be_asked",
    "learning",
    "look_again",
    "must_wait",
    "node_id",
    "open_again",
    "ours",
    "process",
    "process_frame",
    "render_begins",
    "render_ended",
    "retry",
    "running",
    "server_words",
    "setting",
    "sharing",
    "state",
    "stop",
    "stop_all",
    "take_over_state",
    "tell_trouble",
    "watch",
    "words_of",
]
"""What the entry points in :mod:`callbacks` use. They import this module, and only when they need it."""


def process(
    node: host.Node,
    frames: Sequence[int],
    force: bool = False,
    priority: str = "interactive",
    server: str = "",
    quiet: bool = False,
    then_around: bool = False,
) -> Optional[RangeRun]:
    """Makes the mattes of ``frames``. Frames whose result is up to date are left out, unless ``force`` is set.

    Returns the run, or None if there was nothing to do. Its outcome is set when it has ended. Raises ``LinkError``
    for whatever goes wrong before the first frame is sent.
    """
    around.stop(node)
    settle_id(node)
    if running(node):
        raise Refused("running", "This node is processing already.", "Wait, or press Cancel.")
    plan = preflight(node, frames, force, priority, server)
    migrate(node)
    if not plan.keys:
        _show_what_is_there(node, plan, frames)
        return None
    sessions.note(plan.folder, host.script_path())
    tell(node, f"rendering the plates of {counted(len(plan.frames), 'frame')}")
    run = RangeRun(node, render_plates(node, plan), quiet)
    if then_around:
        around.follow(node, run, frames[0])
    run.start()
    return run


def _show_what_is_there(node: host.Node, plan: range_plan.RangePlan, frames: Sequence[int]) -> None:
    show_results(node, plan.folder, frames)
    records = manifest.read_all(plan.folder)
    found = compare_makers_of(node, records, plan.options, plan.endpoint.address, frames)
    summaries[plan.node_id] = found.text or UP_TO_DATE
    check(node)
    note_part(node)


def process_frame(node: host.Node) -> Optional[RangeRun]:
    """Makes the matte of the current frame, even if it has one; with a window those of the frames around it follow.
    Raises ``LinkError``."""
    return process(node, (host.current_frame(),), force=True, then_around=True)


def stop(node: host.Node) -> None:
    """Stops whatever a node is doing."""
    around.stop(node)
    found = running(node)
    if found:
        found.cancel()


def stop_all() -> None:
    """The script is closed: nothing of its nodes goes on here. What a server learns, it goes on learning. Its nodes
    note in which script they are, for later; then this Nuke has none of their results open."""
    around.stop_all()
    for found in all_running():
        found.leave()
    note_scripts()
    sessions.forget_all()
    overwritten.forget()
    made_elsewhere.forget_all()
    disk_ahead.forget_all()


def retry(node: host.Node) -> Optional[RangeRun]:
    """Processes the frames again that failed last time. Raises ``LinkError``."""
    plan = preflight(node, (), False, "interactive", quietly=True)
    failed = manifest.failed_frames(plan.folder)
    if not failed:
        raise Refused(
            "nothing_failed",
            "There is no frame to retry: none failed, or its matte is up to date.",
            "Press 'Process range' for missing ones.",
        )
    return process(node, failed)


@dataclass(frozen=True)
class Cleared:
    """What Clear cache did: how many results it deleted, and what it left others in place for."""

    count: int
    kept_for: tuple[str, ...] = ()


def clear(node: host.Node) -> Cleared:
    """Deletes a node's results, but none that another node of this script, another script or another Nuke shows.
    Raises ``LinkError``."""
    around.stop(node)
    settle_id(node)
    if running(node):
        raise Refused("running", "This node is processing.", "Press Cancel first.")
    cache = results_folder(node)
    folder = f"{cache}/{node_id(node)}"
    users = other_scripts.users_of(folder, manifest.folders_of(folder), host.script_path())
    for copy, key in _shown_by_others(node):
        users[key] = (*users.get(key, ()), copy)
    for key, names in sessions.shown_elsewhere(folder).items():
        users[key] = (*users.get(key, ()), *names)
    shown = shown_results(node)
    arrivals.cleared(node)
    show_nothing(node)  # first, since Windows deletes no file that Nuke holds open
    try:
        count = manifest.clear(folder, users)
    except OSError as error:
        left = [record.frame for record in manifest.read_all(shown)] if shown else []
        if left:
            show_results(node, shown, left)
        raise Refused("cannot_delete", f"{error.filename} cannot be deleted: {error.strerror}.") from None
    sessions.forget(folder, {key for _, key in _shown_by_others(node)})
    other_scripts.forget(folder, host.script_path())
    summaries.pop(node_id(node), None)
    tell(node, NOT_PROCESSED)
    return Cleared(count=count, kept_for=tuple(sorted({name for names in users.values() for name in names})))


def _shown_by_others(node: host.Node) -> list[tuple[str, str]]:
    """The other nodes that show results in this node's folder, each with the key of what it shows: copies of the
    node, and Reads such as the one that key frames are mended from."""
    found = []
    own = host.inner(node, graph.READ)
    for read in host.reads():
        folder, _, key = range_plan.shown_folder(str(host.value(read, "file"))).rpartition("/")
        if host.full_name(read) != host.full_name(own) and folder.endswith(f"/{node_id(node)}"):
            holder = host.parent(read)
            is_copy = holder is not None and is_ours(holder)
            found.append((host.full_name(holder if is_copy and holder is not None else read), key))
    return found


def sharing(node: host.Node) -> list[str]:
    """The names of the nodes of this script that show results of this one."""
    return [name for name, _ in _shown_by_others(node)]
