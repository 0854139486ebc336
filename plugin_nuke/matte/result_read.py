"""Sets what the Read inside a node shows: a folder of results, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from . import graph, host, manifest, range_plan
from .preflight import feeds_of


def show_results(node: host.Node, folder: str, frames: Sequence[int]) -> None:
    """Points the node's Read at a folder of results and reloads it. The artist can undo this in one step."""
    read = host.inner(node, graph.READ)
    file = manifest.result_pattern(folder)
    if str(host.value(read, "file")) == file:
        first, last = range_plan.spans(int(host.value(read, "first")), int(host.value(read, "last")), frames)
    else:
        first, last = range_plan.spans(*host.frame_range(feeds_of(node, ("src",))[0] or node), frames)
    changes = {"file": file, "first": first, "last": last, "origfirst": first, "origlast": last}
    if any(host.value(read, name) != value for name, value in changes.items()):
        with host.one_undo("Cleanplate result"):
            for name, value in changes.items():
                host.set_value(read, name, value)
    host.press(read, "reload")


def show_nothing(node: host.Node) -> None:
    """Sets the Read back to what it was before the first result."""
    read = host.inner(node, graph.READ)
    with host.one_undo("Cleanplate clear"):
        host.set_value(read, "file", graph.NOT_PROCESSED)
    host.press(read, "reload")
