"""Sets what the Read inside a node shows: a folder of results, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from . import graph, host, manifest, range_plan
from .preflight import feeds_of


def show_results(node: host.Node, folder: str, frames: Sequence[int], reload: bool = True) -> None:
    """Points the node's Read at a folder of results. The artist can undo this in one step.

    ``reload`` has the Read look at its files again, which throws away whatever Nuke keeps downstream of it.
    """
    read = host.inner(node, graph.READ)
    file = manifest.result_pattern(folder)
    holder, names = _range_knobs(node)
    known = [int(host.value(holder, name)) for name in names[:2]]
    if str(host.value(read, "file")) != file:
        known = list(host.frame_range(feeds_of(node, ("src",))[0] or node))
    first, last = range_plan.spans(known[0], known[1], frames)
    changes = [(read, "file", file), *((holder, name, end) for name, end in zip(names, (first, last) * 2))]
    if any(host.value(inner, name) != value for inner, name, value in changes):
        with host.one_undo("Cleanplate result"):
            for inner, name, value in changes:
                host.set_value(inner, name, value)
    if reload:
        host.press(read, "reload")


def _range_knobs(node: host.Node) -> tuple[host.Node, tuple[str, ...]]:
    """Where the result's range stands. Nodes of schema 1 have it in the Read itself."""
    if host.has_inner(node, graph.RANGE):
        return host.inner(node, graph.RANGE), ("first_frame", "last_frame")
    return host.inner(node, graph.READ), ("first", "last", "origfirst", "origlast")


def show_nothing(node: host.Node) -> None:
    """Sets the Read back to what it was before the first result."""
    read = host.inner(node, graph.READ)
    with host.one_undo("Cleanplate clear"):
        host.set_value(read, "file", graph.NOT_PROCESSED)
    host.press(read, "reload")
