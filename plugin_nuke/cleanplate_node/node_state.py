"""Which nodes are Cleanplate nodes, their ids, and the status that panel and label show."""

from __future__ import annotations

import uuid

from matte_link.errors import LinkError
from matte_link.files import disk_words
from matte_link.option_spec import Value

from . import graph, host, panel, range_plan
from .node_runs import running

NOT_PROCESSED = "not processed"
UP_TO_DATE = "up to date"
STALE_SETTINGS = "stale: a setting or an input changed"
UNCLEAR = (LinkError, RuntimeError, OSError)
"""What keeps a look at a node from an answer: a setting that is refused, a node that was taken apart, Nuke's own
errors, such as an expression or TCL that cannot be evaluated, and a disk that is not there."""
_labels: dict[str, str] = {}
_of_clones: set[str] = set()
"""Ids that several nodes have because they share their knobs."""
summaries: dict[str, str] = {}
"""How the last run of each node ended, by the node's id."""


def is_ours(node: host.Node) -> bool:
    """Whether a node is a Cleanplate Matte."""
    return host.kind(node) == "Group" and host.is_cleanplate(node)


def ours() -> list[host.Node]:
    """All Cleanplate nodes of the script."""
    return [node for node in host.groups() if is_ours(node)]


def node_id(node: host.Node) -> str:
    """The id that names the node's folder of results. A node without one gets a new one."""
    known = str(host.value(node, "node_id"))
    if known:
        return known
    with host.without_undo():
        host.set_value(node, "node_id", uuid.uuid4().hex[:12])
    return str(host.value(node, "node_id"))


def settle_id(node: host.Node) -> None:
    """Gives the node an id of its own where another node has the same: a node preset, or the values of a node
    pasted onto another one, bring the id along. A node that shows results gets the id of their folder back, if that
    is free. Clones share their knobs, so they keep one id.
    """
    run, known = running(node), node_id(node)
    is_in_its_own_run = run is not None and host.full_name(run.node) == host.full_name(node)
    if is_in_its_own_run or known not in _ids_of_others(node) - _of_clones:
        return
    folder = shown_results(node).rpartition("/")[0].rpartition("/")[2]
    if folder == known:
        return  # the other node has taken this one's
    with host.without_undo():
        host.set_value(node, "node_id", "" if folder in _ids_of_others(node) else folder)
    take_over_state(known, node_id(node))
    if node_id(node) in _ids_of_others(node):
        _of_clones.add(node_id(node))


def _ids_of_others(node: host.Node) -> set[str]:
    return {str(host.value(one, "node_id")) for one in ours() if host.full_name(one) != host.full_name(node)}


def shown_results(node: host.Node) -> str:
    """The folder of the results that a node shows; empty where it shows none, or has lost what shows them."""
    return range_plan.shown_folder(shown_file(node)) if host.has_inner(node, graph.READ) else ""


def shown_file(node: host.Node) -> str:
    """The pattern of the files that a node shows. Raises ``LinkError`` where it has lost what shows them."""
    return str(host.value(host.inner(node, graph.READ), "file"))


def results_folder(node: host.Node) -> str:
    """Where the node's plates and results are kept, as an absolute path. Raises ``Refused``."""
    try:
        text = host.evaluated(node, "cache_dir")
    except RuntimeError as error:
        # A bracket in the script's own path is TCL to Nuke where the folder's text names that path.
        raise range_plan.Refused(
            "bad_folder", f"Nuke cannot evaluate the results folder: {error}.", "Fill in another 'Results folder'."
        ) from None
    folder = range_plan.absolute(text, host.script_path(), host.filtered)
    if host.scope_around(node).is_named_in(folder):
        raise range_plan.Refused(
            "bad_folder",
            f"The results folder {folder} names a Graph Scope Variable, which Nuke replaces in file names.",
            "Fill in another 'Results folder'.",
        )
    return folder


def setting(node: host.Node, name: str) -> Value:
    """The value of one of the node's own knobs. A node that was saved by an older version lacks the knobs that are
    newer, and behaves as it did without them."""
    found: Value = host.value(node, name) if host.has_knob(node, name) else panel.value_without(name)
    return found


def state(node: host.Node) -> str:
    """The status last set on a node. It is for the label, so nothing is checked here."""
    return _labels.get(str(host.value(node, "node_id")), NOT_PROCESSED)


def watch(node: host.Node) -> None:
    """Notes on a node, for as long as this Nuke has it, that the plugin is here to look at its results."""
    if host.has_knob(node, panel.WATCHED) and not host.value(node, panel.WATCHED):
        host.keep_out_of_files(node, panel.WATCHED)
        with host.unnoticed():
            host.set_value(node, panel.WATCHED, True)


def note_old(node: host.Node, is_old: bool) -> None:
    """Notes in the script whether the node shows a matte of an earlier picture or setting, for a Nuke without the
    plugin. Nodes of an older version have no place for that until they are processed."""
    if host.has_knob(node, panel.SHOWS_OLD):
        with host.unnoticed():
            host.set_value(node, panel.SHOWS_OLD, is_old)


def take_over_state(of: str, node_id: str) -> None:
    """A copy shows what its original shows, until it is looked at."""
    if of in _labels:
        _labels[node_id] = _labels[of]


def words_of(error: Exception) -> str:
    """What went wrong, as a status."""
    return disk_words(error) if isinstance(error, OSError) else str(error)


def tell(node: host.Node, text: str) -> None:
    """Sets the status that a node shows on its panel and its label."""
    if host.exists(node):
        _labels[str(host.value(node, "node_id"))] = text
        with host.unnoticed():
            host.set_value(node, "status", text)
