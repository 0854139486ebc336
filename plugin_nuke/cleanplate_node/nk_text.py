"""The node as ``.nk`` text, to be pasted into Nuke. No nuke here.

The syntax (knob type numbers, flags, the stack of nodes) is what Nuke itself writes when it saves a script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Optional, Union

from matte_link.option_spec import Value

from .graph import INPUTS, LAYERS, Expression, NodeSpec, nodes_of_group
from .panel import NODE_NAME, KnobSpec, knobs

KNOB_IDS: Mapping[str, int] = {
    "string": 1,
    "file": 2,
    "int": 3,
    "enumeration": 4,
    "boolean": 6,
    "double": 7,
    "tab": 20,
    "button": 22,
    "text": 26,
    "link": 41,
}
"""The type numbers that Nuke saves after ``addUserKnob``."""


HELP = (
    "Makes a matte from a plate and its clean plate, on a Cleanplate server.\n\n"
    "Connect src and clean, save the script, press 'Process frame'. Results are EXR files that this node reads; "
    "they render anywhere, without the plugin."
)
_BARE = re.compile(r"[A-Za-z0-9_.:/%+*#-]+\Z")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "[": "\\[", "]": "\\]", "{": "\\{", "}": "\\}", "$": "\\$", "\n": "\\n"}


def quoted(text: str) -> str:
    """``text`` as one word of a script."""
    if _BARE.match(text):
        return text
    return '"' + "".join(_ESCAPES.get(letter, letter) for letter in text) + '"'


def _value(value: Union[Value, Expression]) -> str:
    if isinstance(value, Expression):
        text = value.text if _BARE.match(value.text) else quoted(value.text)
        return "{{" + text + "}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def knob_lines(spec: KnobSpec) -> list[str]:
    """The ``addUserKnob`` line of a knob and, where it has one, the line of its value."""
    words = [str(KNOB_IDS[spec.kind]), spec.name]
    if spec.label:
        words.append(f"l {quoted(spec.label)}")
    if spec.help:
        words.append(f"t {quoted(spec.help)}")
    if not spec.new_line and spec.kind != "tab":
        words.append("-STARTLINE")
    elif spec.kind in ("button", "boolean"):
        words.append("+STARTLINE")
    if spec.hidden:
        words.append("+INVISIBLE")
    words += _kind_words(spec)
    lines = ["addUserKnob {" + " ".join(words) + "}"]
    if spec.kind in ("string", "file", "int", "enumeration", "boolean", "double") and spec.default != "":
        lines.append(f"{spec.name} {_value(spec.default)}")
    return lines


def _kind_words(spec: KnobSpec) -> list[str]:
    if spec.kind == "tab":
        return [f"n {spec.group}"] if spec.group else []
    if spec.kind == "enumeration":
        return ["M {" + " ".join(quoted(choice) for choice in spec.choices) + "}"]
    if spec.kind in ("double", "int") and spec.minimum is not None and spec.maximum is not None:
        return [f"R {spec.minimum:g} {spec.maximum:g}"]
    if spec.kind == "button":
        return [f"T {quoted(spec.script)}"]
    if spec.kind == "text":
        return [f"T {quoted(str(spec.default))}"]
    return [f"T {spec.target}"] if spec.kind == "link" else []


def layer_lines() -> list[str]:
    """Makes the layers known that the inner nodes name; nothing happens to one that is known already."""
    return [f"add_layer {{{layer} {' '.join(channels)}}}" for layer, channels in LAYERS.items()]


def node_lines(spec: NodeSpec, position: int, is_alone: bool = False) -> list[str]:
    """One inner node. Its inputs are pushed onto the stack before it, input 0 last; nothing in their place where it
    ``is_alone``."""
    lines = ["push 0" if is_alone else f"push $N_{name}" for name in reversed(spec.inputs)]
    lines.append(f" {spec.kind} {{")
    if len(spec.inputs) != 1:
        lines.append(f"  inputs {len(spec.inputs)}")
    lines += [f"  {name} {_value(value)}" for name, value in spec.knobs.items() if name != "number" or value]
    lines += [f"  name {spec.name}", f"  xpos {150 * (position % 6)}", f"  ypos {80 * (position // 6)}", " }"]
    lines.append(f"set N_{spec.name} [stack 0]")
    return lines


def node_text(name: str = NODE_NAME + "1", nodes: Optional[Sequence[NodeSpec]] = None) -> str:
    """The whole node, as text to paste into Nuke."""
    nodes = nodes_of_group() if nodes is None else nodes
    lines = ["set cut_paste_input [stack 0]", "version 14.0 v1", *layer_lines()]
    lines += [
        *["push 0"] * (len(INPUTS) - 1),
        "push $cut_paste_input",
        "Group {",
        f" inputs {len(INPUTS)}",
        f" name {name}",
    ]
    lines += [f" help {quoted(HELP)}", " tile_color 0x2f6f5fff", " selected true"]
    lines += [" " + line for knob in knobs() for line in knob_lines(knob)]
    lines.append("}")
    for position, node in enumerate(nodes):
        lines += node_lines(node, position)
    return "\n".join([*lines, "end_group", ""])


def inner_text(nodes: Sequence[NodeSpec]) -> str:
    """Inner nodes that are not connected, as text to paste into the node's group."""
    lines = ["version 14.0 v1", *layer_lines()]
    for position, node in enumerate(nodes):
        lines += node_lines(node, position, is_alone=True)
    return "\n".join([*lines, ""])
