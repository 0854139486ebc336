"""Brings a node that an older version saved up to today's panel."""

from __future__ import annotations

from . import host, nk_text, panel


def migrate(node: host.Node) -> tuple[str, ...]:
    """Adds the knobs that the node lacks, with their defaults, at the end of its panel; returns their names.

    What the artist had set stays. A node of today is left alone.
    """
    lacking = [spec for spec in panel.knobs() if spec.kind != "tab" and not host.has_knob(node, spec.name)]
    if not lacking:
        return ()
    lines = [line for spec in lacking for line in nk_text.knob_lines(spec)]
    with host.without_undo():
        host.read_knobs(node, "\n".join(lines))
        host.set_value(node, "schema", panel.SCHEMA)
    return tuple(spec.name for spec in lacking)
