"""Texts of nodes upstream that are TCL or Python, and those of them whose value is known without a render."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Optional

import nuke

from .node import Node, as_typed

_RUNS = re.compile(
    r"\[\s*(python|exec|value|numvalue|knob|expression|metadata|getenv|clock|date|frame|timecode"
    r"|topnode_filename|topnode|in)\b\s*([^\s\[\]]*)"
)
_NAMES = re.compile(r"(?<![\w.])((?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*)(\(?)")
_HOLD_CURVES = frozenset(
    [
        "RotoKnob",
        "SplineKnob",
        "PlanarSurfaceKnob",
        "Table_Knob",
        "LookupCurves_Knob",
        "ControlPointCollection_Knob",
    ]
)
"""Knobs with curves inside, each of which may be an expression (``AnimCurve.expressionString``)."""
_ASKS_FOR_RENDER = re.compile(r"\A[\s{}()\[\]!\d\"-]*python[\s{}\d-]*(?:not )?nuke\.executing\(\)[\s{}()\[\]\"]*\Z")
"""As of nodes that are off while the artist works: ``[python {1-nuke.executing()}]``."""
_VALUES = ("value", "numvalue")
_CODE = ("python", "exec")
_OF_THE_TIMELINE = ("expression", "metadata", "clock", "date", "frame", "timecode", "in")
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

    def values_at(self, frame: float) -> list[Optional[str]]:
        """The text with its TCL evaluated; None where that fails. It is run once, for all frames."""
        return self._values

    @functools.cached_property
    def _values(self) -> list[Optional[str]]:
        try:
            return [str(self._knob.evaluate())]
        except RuntimeError:
            return [None]


def asks_for_render(text: str) -> bool:
    """Whether a knob's expression, as a .nk file has it, is on in renders only, or off."""
    return _ASKS_FOR_RENDER.search(text.replace("\\", "")) is not None


def texts_that_run(node: Node, counted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The texts of a node that count and are TCL or Python, each with the name of its knob."""
    found = []
    for name, value in counted:
        if name not in _NO_TCL and _RUNS.search(value.replace("\\", "")):
            knob = node.knob(name)
            if isinstance(knob, nuke.EvalString_Knob) and not isinstance(knob, nuke.File_Knob):
                found.append((name, as_typed(knob)))
    return found


def is_same_on_every_frame(node: Node, text: str) -> bool:
    """Whether all that a text's TCL takes is a variable of the environment, or a knob that is the same on every
    frame."""
    return not any(mark in text for mark in _FRAME_OR_VIEW) and all(
        _is_same(node, command, argument) for command, argument in _RUNS.findall(text)
    )


def is_one_file_name(node: Node, text: str) -> bool:
    """Whether the TCL of a file name is the same on every frame. The house's own Python is taken to be, such as
    ``nuke.script_directory()``, unless it names a frame."""
    return all(
        _is_the_same_code(text) if command in _CODE else _is_same(node, command, argument)
        for command, argument in _RUNS.findall(text)
    )


def has_values_at_frames(node: Node, expression: str) -> bool:
    """Whether the value of a number's expression, as a .nk file has it, is known at any frame. TCL and Python in it
    take what there is at the timeline's frame (``nuke.value``), which no frame of a result has to do with."""
    text = expression.replace("\\", "")
    return not any(_is_of_the_timeline(node, command, argument, text) for command, argument in _RUNS.findall(text))


def _is_the_same_code(text: str) -> bool:
    """Not where it names the frame, as ``nuke.frame()`` does and ``first_frame`` does not."""
    return re.search(r"\bframe\b", text) is None


def _is_of_the_timeline(node: Node, command: str, argument: str, text: str) -> bool:
    if command in _CODE:
        return not _is_the_same_code(text)
    if command in _VALUES:
        knob = named_knob(node, argument)
        return knob is not None and not _is_constant(knob)
    return command in _OF_THE_TIMELINE


def _is_same(node: Node, command: str, argument: str) -> bool:
    return command == "getenv" or (command in _VALUES and _is_constant(named_knob(node, argument)))


def named_knob(node: Node, path: str) -> Optional[nuke.Knob]:
    """The knob that TCL or an expression of a node names, such as ``root.name``, ``parent.gain``, ``Grade1.white``
    or ``parent.Group1.Grade1.white``; None where the path is more than that."""
    *steps, name = path.split(".")
    # TCL knows a frame of its own, and a Read has a knob of that name.
    found: Optional[Node] = None if path == "frame" else node
    for number, step in enumerate(steps):
        if found is None:
            return None
        found = _named_node(found, step, is_first=number == 0)
    return None if found is None else found.knob(name)


def _named_node(node: Node, step: str, is_first: bool) -> Optional[Node]:
    """What a step of a path names: the first one a node beside this one, each other one a node inside of it."""
    if step == "root":
        return nuke.root()
    if step in ("this", "parent"):
        return node if step == "this" else node.parent()
    holder = node.parent() if is_first else node
    return holder.node(step) if isinstance(holder, nuke.Group) else None


def linked_paths(node: Node, counted: Sequence[tuple[str, str]]) -> list[str]:
    """The knobs that expressions inside of other knobs name, as shapes of a Roto that follow a Tracker do, and the
    fields of an Expression, which are expressions themselves. A knob does not tell of these (``hasExpression``),
    and its own text stays the same where they change. One that is taken at another frame, as
    ``Tracker1.translate.x(frame-1)`` is, keeps its ``(``: no number here is its value."""
    has_fields = node.Class().endswith("Expression")
    texts = [value for name, value in counted if _holds_expressions(node.knob(name), has_fields)]
    found = [(_of_knob(node, path), call) for value in texts for path, call in _NAMES.findall(value)]
    return sorted({path + call for path, call in found if path})


def _holds_expressions(knob: Optional[nuke.Knob], has_fields: bool) -> bool:
    is_field = has_fields and isinstance(knob, nuke.EvalString_Knob)
    return is_field or (knob is not None and knob.Class() in _HOLD_CURVES)


def _of_knob(node: Node, path: str) -> str:
    """The part of a path that names a knob, since ``Tracker1.translate.x`` is a field of one; empty where none is
    named."""
    return next((one for one in (path, path.rpartition(".")[0]) if named_knob(node, one) is not None), "")


def _is_constant(knob: Optional[nuke.Knob]) -> bool:
    if isinstance(knob, nuke.Array_Knob):
        return not (knob.isAnimated() or knob.hasExpression())
    return isinstance(knob, nuke.String_Knob) and not any(mark in as_typed(knob) for mark in ("[", *_FRAME_OR_VIEW))
