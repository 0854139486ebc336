"""Brings a node that an older version saved up to today's panel, when it is next processed."""

from __future__ import annotations

from . import graph, host, nk_text, panel


def migrate(node: host.Node) -> tuple[str, ...]:
    """Adds what the node lacks and returns the names of the new knobs, which have their defaults and stand at the
    end of the panel. What the artist had set stays. A node of today is left alone.
    Buttons of nodes of panel 1 are given today's call.
    """
    lacking = [spec for spec in panel.knobs() if spec.kind != "tab" and not host.has_knob(node, spec.name)]
    has_range = host.has_inner(node, graph.RANGE)
    if not lacking and has_range:
        return ()
    with host.without_undo():
        if lacking:
            host.read_knobs(node, "\n".join(line for spec in lacking for line in nk_text.knob_lines(spec)))
        if not has_range:
            _add_range(node)
        for spec in panel.knobs():
            if spec.kind == "button":
                host.set_value(node, spec.name, spec.script)
        host.set_value(node, "schema", panel.SCHEMA)
    return tuple(spec.name for spec in lacking)


def _add_range(node: host.Node) -> None:
    """Panel 1 had the result's range in the Read, which gave black, without a word, outside of it."""
    if not (host.has_inner(node, graph.READ) and host.has_inner(node, graph.OUTPUT)):
        return  # somebody took the node apart; whoever needs the missing node says so
    read, output = host.inner(node, graph.READ), host.inner(node, graph.OUTPUT)
    first, last = int(host.value(read, "first")), int(host.value(read, "last"))
    with host.inside(node):
        made = host.create("FrameRange", name=graph.RANGE, first_frame=first, last_frame=last)
    host.connect(made, 0, host.input_of(output, 0))
    host.connect(output, 0, made)
    for name, frame in zip(("first", "last", "origfirst", "origlast"), graph.EVERY_FRAME * 2):
        host.set_value(read, name, frame)
