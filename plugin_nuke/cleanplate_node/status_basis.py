"""What the status of each node was set for: its settings and graph, and the result that it shows."""

from __future__ import annotations

from matte_link.errors import LinkError

from . import graph, host, preflight
from .node_state import node_id

_noted: dict[str, str] = {}
"""By the node's id."""


def note(node: host.Node) -> None:
    """The node's status is about its present settings."""
    _noted[node_id(node)] = _basis(node)


def changed(node: host.Node) -> bool:
    """Whether settings, graph or shown result are others than when the status was set."""
    return _noted.get(node_id(node)) != _basis(node)


def _basis(node: host.Node) -> str:
    try:
        key = preflight.settings_key_of(node, preflight.options_of(node))
        return f"{key} {host.value(host.inner(node, graph.READ), 'file')}"
    except (LinkError, KeyError) as error:
        return str(error)
