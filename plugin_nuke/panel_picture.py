"""Draws the node's panel and its place in a comp as ``panel.svg``, from the real knob table.

``python plugin_nuke/panel_picture.py`` writes the copy that README.md shows; ``package.py`` draws a fresh one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
for _folder in (HERE, HERE.parent / "shared"):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

from cleanplate_node import graph, panel  # noqa: E402 - found by the lines above; this file runs outside Nuke

_ROW = 26
_LABELS = 190
_WIDTH = 640
_GRAPH = 250
_TEXT = "#d8d8d8"
_GROUND = "#323232"
_STYLE = "font-family='Helvetica,Arial,sans-serif' font-size='13'"


def _box(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    return f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='3' fill='{fill}' {more}/>"


def _text(x: float, y: float, words: str, anchor: str = "start", fill: str = _TEXT) -> str:
    return f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' fill='{fill}' {_STYLE}>{escape(words)}</text>"


def _control(knob: panel.KnobSpec, x: float, y: float) -> Iterable[str]:
    """What stands to the right of a label."""
    if knob.kind == "boolean":
        yield _box(x, y - 12, 14, 14, "#2b2b2b", "stroke='#777'")
        yield _text(x + 2, y, "✓" if knob.default else "")
        yield _text(x + 22, y, knob.label)
    elif knob.kind == "enumeration":
        yield _box(x, y - 15, 150, 20, "#4a4a4a")
        yield _text(x + 8, y, str(knob.default))
        yield _text(x + 138, y, "▾", "end")
    elif knob.kind == "text":
        yield _text(x, y, str(knob.default), fill="#e0b050")
    elif knob.kind == "link":
        yield _box(x, y - 15, 150, 20, "#4a4a4a")
        yield _text(x + 8, y, "error")
        yield _text(x + 138, y, "▾", "end")
    else:
        yield _box(x, y - 15, 340 if knob.kind in ("string", "file") else 80, 20, "#2b2b2b")
        yield _text(x + 6, y, f"{knob.default:g}" if isinstance(knob.default, float) else str(knob.default))


def _tab_title(knob: panel.KnobSpec) -> str:
    """The name of a tab, or of a group with the arrow that folds it."""
    return f"{'▸' if knob.group == panel.FOLDED else '▾'} {knob.label}" if knob.group else knob.label


def _panel(knobs: Iterable[panel.KnobSpec], top: float) -> tuple[list[str], float]:
    parts: list[str] = []
    y, x = top, 20.0
    is_folded = False
    for knob in knobs:
        if knob.kind == "tab":
            is_folded = is_folded and knob.group != -1
        if knob.hidden or is_folded or (knob.kind == "tab" and knob.group == -1):
            continue
        is_folded = knob.group == panel.FOLDED
        if knob.kind == "tab":
            y += _ROW
            parts.append(_text(20, y, _tab_title(knob), fill="#ffffff"))
        elif knob.kind == "button":
            width = 14 + 7.6 * len(knob.label)
            if knob.new_line or x + width > _WIDTH:
                y, x = y + _ROW, 20.0
            parts += [_box(x, y - 16, width, 22, "#5a5a5a"), _text(x + width / 2, y, knob.label, "middle")]
            x += width + 8
            continue
        elif not knob.new_line:
            parts.append(_text(x + 36, y, knob.label, "end"))
            parts += _control(knob, x + 44, y)
        else:
            y += _ROW
            if knob.kind != "boolean":
                parts.append(_text(_LABELS - 10, y, knob.label, "end"))
            parts += _control(knob, _LABELS, y)
        x = _LABELS + (350.0 if knob.kind in ("string", "file") else 90.0)
    return parts, y + _ROW / 2


def _graph() -> list[str]:
    """How a new node stands in a comp."""
    parts = [_box(0, 0, _WIDTH, _GRAPH - 10, _GROUND)]
    sources = ("plate", "clean plate", "holdout", "core", "mended", "where right")
    for index, (role, what) in enumerate(zip(graph.INPUTS, sources)):
        x = 14 + index * 104
        dash = "stroke-dasharray='4 3'" if index > 1 else ""
        parts += [_box(x, 30, 92, 26, "#7a7a7a"), _text(x + 46, 48, what, "middle", "#111")]
        parts.append(f"<path d='M{x + 46} 56 L{220 + index * 40} 128' stroke='#bbb' fill='none' {dash}/>")
        middle, width = (x + 46 + 220 + index * 40) / 2, 8 + 7.4 * len(role)
        parts += [_box(middle - width / 2, 82, width, 18, _GROUND), _text(middle, 96, role, "middle")]
    parts += [_box(200, 128, 240, 44, "#2f6f5f", "stroke='#9fd'"), _text(320, 147, f"{panel.NODE_NAME}1", "middle")]
    (status,) = [knob.default for knob in panel.knobs() if knob.name == "status"]
    parts += [_text(320, 165, f"({status})", "middle", "#ffe08a")]
    parts.append("<path d='M320 172 L320 210' stroke='#bbb' fill='none'/>")
    parts += [_box(265, 210, 110, 24, "#7a7a7a"), _text(320, 226, "Merge, Write ...", "middle", "#111")]
    return parts


def draw() -> str:
    """The picture as SVG text."""
    knobs, bottom = _panel(panel.knobs(), _GRAPH)
    body = [*_graph(), _box(0, _GRAPH, _WIDTH, bottom - _GRAPH, "#3c3c3c"), *knobs]
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{bottom:g}'>"
    return "\n".join([head, f"<title>{panel.TITLE}: in the graph, and its panel</title>", *body, "</svg>", ""])


if __name__ == "__main__":
    (HERE / "panel.svg").write_text(draw(), encoding="utf-8")
