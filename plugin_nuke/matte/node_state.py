"""Which nodes are ours, their ids, and what they say of themselves on panel and label."""

from __future__ import annotations

import uuid

from . import host

NOT_PROCESSED = "not processed"
UP_TO_DATE = "up to date"
_labels: dict[str, str] = {}
summaries: dict[str, str] = {}
"""How the last run of each node ended, by the node's id."""


def is_ours(node: host.Node) -> bool:
    """Whether a node is a Cleanplate Matte."""
    return host.kind(node) == "Group" and host.has_knob(node, "node_id") and host.has_knob(node, "process_frame")


def ours() -> list[host.Node]:
    """All Cleanplate nodes of the script."""
    return [node for node in host.groups() if is_ours(node)]


def node_id(node: host.Node) -> str:
    """The node's own name for its folder; minted where it has none yet."""
    known = str(host.value(node, "node_id"))
    if known:
        return known
    with host.without_undo():
        host.set_value(node, "node_id", uuid.uuid4().hex[:12])
    return str(host.value(node, "node_id"))


def state(node: host.Node) -> str:
    """The words last put on a node. For its label, so nothing is looked at."""
    return _labels.get(str(host.value(node, "node_id")), NOT_PROCESSED)


def tell(node: host.Node, text: str) -> None:
    """Puts a node's state on its panel and its label."""
    if host.exists(node):
        _labels[str(host.value(node, "node_id"))] = text
        with host.without_undo():
            host.set_value(node, "status", text)
