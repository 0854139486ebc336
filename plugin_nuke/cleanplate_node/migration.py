"""Brings a node that an older version saved up to today's panel and inner nodes, when it is next processed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from . import graph, host, nk_text, panel

_NO_LONGER = ("Only_rgba",)
"""Inner nodes of older versions that today's has no use for."""


def migrate(node: host.Node) -> tuple[str, ...]:
    """Adds what the node lacks and returns the names of the new knobs, which stand at the end of the panel.

    What the artist had set stays, and a new knob has the value that changes nothing. A node of today is left alone.
    """
    lacking = [spec for spec in panel.knobs() if spec.kind != "tab" and not host.has_knob(node, spec.name)]
    # Knob values that were pasted from a newer node bring its schema along, and no knobs.
    is_old = bool(lacking) or int(host.value(node, "schema")) < panel.SCHEMA
    if not is_old:
        return ()
    with host.without_undo():
        if lacking:
            unchanged = [replace(spec, default=panel.value_without(spec.name)) for spec in lacking]
            host.read_knobs(node, "\n".join(line for spec in unchanged for line in nk_text.knob_lines(spec)))
        if host.has_inner(node, graph.READ) and host.has_inner(node, graph.OUTPUT):
            _bring_inner_nodes(node)  # else somebody took the node apart; whoever needs a node says so
        for spec in panel.knobs():
            if spec.kind == "button":
                host.set_value(node, spec.name, spec.script)
        host.set_value(node, "schema", panel.SCHEMA)
    return tuple(spec.name for spec in lacking)


def _bring_inner_nodes(node: host.Node) -> None:
    missing = [spec for spec in graph.nodes_of_group() if not host.has_inner(node, spec.name)]
    read = host.inner(node, graph.READ)
    had_range = host.has_inner(node, graph.RANGE)
    first, last = int(host.value(read, "first")), int(host.value(read, "last"))
    with host.inside(node):
        host.select_nothing()
        host.paste(nk_text.inner_text(missing))
    inner = {
        spec.name: host.inner(node, spec.name) for spec in graph.nodes_of_group() if host.has_inner(node, spec.name)
    }
    _connect(inner)
    if not had_range:
        # Panel 1 had the result's range in the Read, which gave black, without a word, outside of it.
        host.set_value(inner[graph.RANGE], "first_frame", first)
        host.set_value(inner[graph.RANGE], "last_frame", last)
        for name, frame in zip(("first", "last", "origfirst", "origlast"), graph.EVERY_FRAME * 2):
            host.set_value(read, name, frame)
    for name in _NO_LONGER:
        if host.has_inner(node, name):
            host.remove(host.inner(node, name))


def _connect(inner: Mapping[str, host.Node]) -> None:
    for spec in graph.nodes_of_group():
        for index, name in enumerate(spec.inputs):
            if spec.name in inner and name in inner:
                host.connect(inner[spec.name], index, inner[name])
