"""Nodes that came by paste or from a ToolSet: what they show was made for another place of a graph.

Once such a node is connected it goes on showing that only where it is of what feeds the node here. Else it would
show the matte of another plate until somebody looks at its status.
"""

from __future__ import annotations

import contextlib
from typing import Optional

from matte_link.errors import LinkError

from . import host, range_plan
from .node_options import options_of
from .node_state import node_id, shown_results, summaries
from .result_read import follow_settings, show_nothing
from .sources import NodeSources

_arrived: set[str] = set()
"""The ids of those that were not connected since."""


def note(node: host.Node) -> None:
    """A node was created. One that shows nothing is a new one."""
    if shown_results(node):
        _arrived.add(node_id(node))


def forget_all() -> None:
    """The script was opened: its nodes are where they were."""
    _arrived.clear()


def settle(node: host.Node, sources: Optional[NodeSources]) -> None:
    """Has a node that came show nothing where it is connected to something else than it was."""
    if node_id(node) not in _arrived or sources is None or None in sources.feeds:
        return
    with contextlib.suppress(LinkError, KeyError, RuntimeError, OSError):  # the check says it
        follow_settings(node, sources)
        if range_plan.key_of(shown_results(node)) != sources.settings_key(options_of(node)):
            show_nothing(node)
            summaries.pop(node_id(node), None)  # of a node of that id in an earlier script
        _arrived.discard(node_id(node))
