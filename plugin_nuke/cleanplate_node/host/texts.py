"""Texts of nodes upstream that are TCL or Python, and those of them whose value is known without a render."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

import nuke

from .node import Node

_RUNS = re.compile(
    r"\[\s*(python|exec|value|numvalue|knob|expression|metadata|getenv|clock|date|frame)\b\s*([^\s\[\]]*)"
)
_VALUES = ("value", "numvalue")
_FRAME_OR_VIEW = ("#", "%")
"""What Nuke replaces in an evaluated text by the number of the current frame, or the name of a view."""
_NO_TCL = ("file", "proxy", "kernelSource")
"""Texts that run nothing, or whose value is known: the last one is a program's, with brackets of its own."""


class EvaluatedText:
    """A text of a node upstream whose TCL takes what is the same on every frame, such as the script's name."""

    def __init__(self, knob: nuke.Knob) -> None:
        if not isinstance(knob, nuke.EvalString_Knob):
            raise TypeError(f"{knob.name()} has no TCL.")
        self._knob = knob

    def values_at(self, frame: int) -> list[Optional[str]]:
        """The text with its TCL evaluated; None where that fails."""
        try:
            return [str(self._knob.evaluate())]
        except RuntimeError:
            return [None]


def texts_that_run(node: Node, counted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The texts of a node that count and are TCL or Python, each with the name of its knob."""
    found = []
    for name, value in counted:
        if name not in _NO_TCL and _RUNS.search(value.replace("\\", "")):
            knob = node.knob(name)
            if isinstance(knob, nuke.EvalString_Knob) and not isinstance(knob, nuke.File_Knob):
                found.append((name, str(knob.value())))
    return found


def is_same_on_every_frame(node: Node, text: str) -> bool:
    """Whether all that a text's TCL takes is a variable of the environment, or a knob that is the same on every
    frame."""
    if any(mark in text for mark in _FRAME_OR_VIEW):
        return False
    commands = _RUNS.findall(text)
    return all(
        command == "getenv" or (command in _VALUES and _is_constant(_named_knob(node, argument)))
        for command, argument in commands
    )


def _named_knob(node: Node, path: str) -> Optional[nuke.Knob]:
    """The knob that TCL of a node names, such as ``root.name``, ``parent.gain`` or ``Grade1.white``; None where the
    path is more than that."""
    *steps, name = path.split(".")
    found: Optional[Node] = node
    for step in steps:
        if found is None:
            return None
        found = _named_node(found, step)
    return None if found is None else found.knob(name)


def _named_node(node: Node, step: str) -> Optional[Node]:
    if step == "root":
        return nuke.root()
    if step == "this":
        return node
    group = node.parent()
    return group if step == "parent" or not isinstance(group, nuke.Group) else group.node(step)


def _is_constant(knob: Optional[nuke.Knob]) -> bool:
    if isinstance(knob, nuke.Array_Knob):
        return not (knob.isAnimated() or knob.hasExpression())
    text = str(knob.value()) if isinstance(knob, nuke.String_Knob) else "["
    return not any(mark in text for mark in ("[", *_FRAME_OR_VIEW))
