"""Sets what the Read inside a node shows: a folder of results, or nothing.

None of this is an undo step: results arrive while the artist works, and undo is for what the artist did.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from . import generations, graph, host, made_elsewhere, manifest, other_scripts, range_plan, sessions
from .node_options import options_of
from .node_state import node_id, results_folder, shown_results
from .sources import NodeSources, feed_of


def show_results(
    node: host.Node,
    folder: str,
    frames: Sequence[int],
    reload: bool = True,
    listed: Optional[made_elsewhere.Listed] = None,
) -> None:
    """Points the node's Read at a folder of results, which may have been ``listed`` on another thread.

    ``reload`` has the Read look at its files again, which throws away whatever Nuke keeps downstream of it.
    """
    read = host.inner(node, graph.READ)
    file = manifest.result_pattern(folder)
    holder, names = _range_knobs(node)
    known = [int(host.value(holder, name)) for name in names[:2]]
    if range_plan.key_of(shown_results(node)) != range_plan.key_of(folder):
        known = list(host.frame_range(feed_of(node, "src") or node))
    first, last = range_plan.spans(known[0], known[1], frames)
    with host.without_undo():
        host.set_value(read, "file", file)
        for name, end in zip(names, (first, last) * 2):
            host.set_value(holder, name, end)
    if reload:
        made_elsewhere.will_be_read(node_id(node), folder, listed)
        _reload(read)
    note_script(node)


def shows_those_of_before(node: host.Node) -> bool:
    """Whether results were made again elsewhere, of which this Nuke may still have the earlier ones."""
    return made_elsewhere.are_others(node_id(node), shown_results(node))


def read_again(node: host.Node, listed: Optional[made_elsewhere.Listed] = None) -> bool:
    """Reads results again that were made elsewhere; returns whether there were any. They may have been ``listed``
    ahead."""
    own_id, shown = node_id(node), shown_results(node)
    if not made_elsewhere.are_others(own_id, shown, listed):
        return False
    now = made_elsewhere.list_now(shown)
    if not made_elsewhere.are_others(own_id, shown, now):
        return False  # a run has ended since they were listed
    made_elsewhere.will_be_read(own_id, shown, now)
    _reload(host.inner(node, graph.READ))
    return True


def note_script(node: host.Node) -> None:
    """Notes beside the results that a node shows which script it is in, and that this Nuke has it open, so that
    they are not deleted from another one."""
    shown = shown_results(node)
    made_elsewhere.note_shown(host.full_name(node), shown)
    if shown:
        sessions.note(shown, host.script_path())
    if shown and host.script_path():
        other_scripts.note(shown.rpartition("/")[0], host.script_path())


def follow_settings(node: host.Node, sources: NodeSources) -> None:
    """Where there are results of the node's present settings and it shows others, such as after an undo, it shows
    those of its settings. Where the folder that it shows is gone, since the script was moved with its results, it
    shows them in its own folder. Raises ``LinkError``."""
    shown = shown_results(node)
    key = sources.settings_key(options_of(node))
    if not shown:
        return
    if not Path(shown).is_dir():
        _show_first(node, f"{results_folder(node)}/{node_id(node)}", [key, range_plan.key_of(shown)])
    elif range_plan.key_of(shown) != key:
        _show_first(node, shown.rpartition("/")[0], [key])


def show_own(node: host.Node, sources: NodeSources) -> None:
    """Shows the results of a node's present settings that lie in its own folder. Raises ``LinkError``."""
    key = sources.settings_key(options_of(node))
    if host.script_path():  # the folder lies beside it
        _show_first(node, f"{results_folder(node)}/{node_id(node)}", [key])


def _show_first(node: host.Node, folder_of_node: str, keys: Sequence[str]) -> None:
    """Shows the results of the first of some settings keys that has any."""
    for folder in (generations.newest(f"{folder_of_node}/{key}") for key in keys):
        frames = [record.frame for record in manifest.read_all(folder) if not record.code]
        if frames:
            show_results(node, folder, frames)
            return


def _range_knobs(node: host.Node) -> tuple[host.Node, tuple[str, ...]]:
    """Where the result's range stands. Nodes of schema 1 have it in the Read itself."""
    if host.has_inner(node, graph.RANGE):
        return host.inner(node, graph.RANGE), ("first_frame", "last_frame")
    return host.inner(node, graph.READ), ("first", "last", "origfirst", "origlast")


def show_nothing(node: host.Node) -> None:
    """Sets the Read back to what it was before the first result."""
    read = host.inner(node, graph.READ)
    with host.without_undo():
        host.set_value(read, "file", graph.NOT_PROCESSED)
    _reload(read)


def _reload(read: host.Node) -> None:
    """Nuke counts reloads in a knob of the Read, which is nothing that must be saved."""
    with host.unnoticed():
        host.press(read, "reload")
