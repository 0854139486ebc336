"""Nodes that came by paste or from a ToolSet: what they show was made for another place of a graph.

Once such a node is connected it goes on showing that only where it is of what feeds the node here. Else it would
show the matte of another plate until somebody looks at its status. Where it shows nothing it finds the results that
it has here: it was cut while it was stale, was connected to another plate first, or a crash came before Save.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Optional

from . import host, range_plan
from .node_options import options_of
from .node_state import UNCLEAR, node_id, shown_results, summaries
from .result_read import follow_settings, show_nothing, show_own
from .sources import NodeSources

_arrived: set[str] = set()
"""The ids of those that were not connected since."""
_bare: set[str] = set()
"""The ids of those that showed nothing then, and may have results."""


def note(node: host.Node) -> None:
    """A node was created, new or not."""
    (_arrived if shown_results(node) else _bare).add(node_id(node))


def note_opened(nodes: Iterable[host.Node]) -> None:
    """The script was opened: its nodes are where they were."""
    _arrived.clear()
    _bare.clear()
    if host.has_window():  # a farm renders what was saved
        _bare.update(node_id(node) for node in nodes if not shown_results(node))


def cleared(node: host.Node) -> None:
    """The artist wants the node to show nothing, whatever is left on disk for others."""
    _bare.discard(node_id(node))


def settle(node: host.Node, sources: Optional[NodeSources]) -> None:
    """Has a node that came show nothing where it is connected to something else than it was, and what it has where
    it shows nothing."""
    if sources is None or None in sources.feeds or node_id(node) not in _arrived | _bare:
        return
    with contextlib.suppress(*UNCLEAR):  # the check says it
        if node_id(node) in _arrived:
            follow_settings(node, sources)
            if range_plan.key_of(shown_results(node)) != sources.settings_key(options_of(node)):
                show_nothing(node)
                summaries.pop(node_id(node), None)  # of a node of that id in an earlier script
                _bare.add(node_id(node))
            _arrived.discard(node_id(node))
        if not shown_results(node):
            show_own(node, sources)
