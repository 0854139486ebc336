"""What the status of each node was set for: its settings and graph, and the result that it shows."""

from __future__ import annotations

from typing import Optional

from matte_link.errors import LinkError

from . import graph, host
from .node_options import options_of
from .node_state import node_id
from .sources import NodeSources, sources_of

_noted: dict[str, str] = {}
"""By the node's id."""


def note(node: host.Node, sources: Optional[NodeSources] = None) -> None:
    """The node's status is about its present settings. ``sources`` are its own, where they were looked at."""
    _noted[node_id(node)] = _basis(node, sources)


def changed(node: host.Node, sources: Optional[NodeSources]) -> bool:
    """Whether settings, graph or shown result are others than when the status was set."""
    return _noted.get(node_id(node)) != _basis(node, sources)


def _basis(node: host.Node, sources: Optional[NodeSources]) -> str:
    try:
        options = options_of(node)
        key = (sources or sources_of(node)).settings_key(options)
        curves = [host.script_text(node, name) for name in options.animated]
        return " ".join([key, str(host.value(host.inner(node, graph.READ), "file")), *curves])
    except (LinkError, KeyError, RuntimeError) as error:
        return str(error)
