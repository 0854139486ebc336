"""What this Nuke does where its documents say nothing, or leave it open: for the table of the self-test."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import nuke

from .node import Node, as_typed_in, changed_knobs, set_expression, set_key, set_value, value_at
from .script import add_view, changed_root_texts, create, new_script, views


def observations() -> list[tuple[str, str]]:
    """Questions and what was seen, in a script of its own that takes the place of the open one."""
    new_script()
    add_view("right")
    seen = [(question, _answer(look)) for question, look in _QUESTIONS.items()]
    new_script()
    return seen


def missing_names() -> list[str]:
    """The names in nuke that this package uses and this Nuke does not have."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in Path(__file__).parent.glob("*.py")]
    attributes = [one for tree in trees for one in ast.walk(tree) if isinstance(one, ast.Attribute)]
    used = {one.attr for one in attributes if isinstance(one.value, ast.Name) and one.value.id == "nuke"}
    return sorted(name for name in used if not hasattr(nuke, name))


def _answer(look: Callable[[], object]) -> str:
    try:
        return " ".join(str(look()).split())
    except Exception as error:  # noqa: BLE001 - whatever Nuke raises is the answer
        return f"{type(error).__name__}: {error}"


def _changed(kind: str, **knobs: object) -> str:
    return changed_knobs(create(kind, **knobs))


def _keyed() -> str:
    node = create("Grade")
    set_key(node, "white", 1, 0.5)
    set_key(node, "white", 3, 2.0)
    return str(node["white"].toScript())


def _split() -> str:
    """Its file is another one in the right view."""
    node: Node = create("Read", file="/left.%04d.exr")
    knob, texts = node["file"], []
    if isinstance(knob, nuke.String_Knob):
        knob.splitView("right")
        knob.setValue("/right.%04d.exr", "right")
        texts = [as_typed_in(knob, view) for view in views()]
    return f"{texts} {changed_knobs(node)}"


def _at_frame_3(expression: str) -> Callable[[], object]:
    """What an expression says of frame 3 while the timeline is at 1, where ``Keyed.white`` is 1 and 3."""

    def look() -> object:
        keyed = create("Grade", name="Keyed")
        for frame in (1, 3):
            set_key(keyed, "white", frame, frame)
        node = create("Grade")
        set_expression(node, "black", expression)
        nuke.root().setFrame(1)
        return value_at(node, "black", 3)

    return look


def _joined() -> str:
    node = create("JoinViews")
    for index in range(2):
        node.setInput(index, create("Constant"))
    return changed_knobs(node)


def _in_a_group() -> str:
    """Whether ``nuke.frame`` moves the timeline in the context of a group."""
    group = create("Group")
    nuke.root().setFrame(1)
    if isinstance(group, nuke.Group):
        group.begin()
        nuke.frame(7)
        group.end()
    return f"frame {nuke.frame()}"


def _typed() -> str:
    node = create("Read")
    set_value(node, "frame", "[expr 1+1]")
    return str(node["frame"].value())


def _by_variable() -> str:
    """What each way to ask for a file's name makes of Graph Scope Variables, in a group that has its own."""
    knob = nuke.root().knob("gsv")
    group = create("VariableGroup")
    own = group.knob("gsv")
    if knob is None or own is None or not isinstance(group, nuke.Group):
        return "none"
    knob.setValue({"__default__": {"shot": "project", "show": "x"}})
    own.setValue({"__default__": {"shot": "group"}})
    group.begin()
    file = create("Read", file="/%{show}/%shot.%{gone}.exr")["file"]
    group.end()
    names = [file.getEvaluatedValue(), file.evaluate()] if isinstance(file, nuke.File_Knob) else []
    return " ".join([str(file.value()), *map(str, names), str(own.value())])


_QUESTIONS: dict[str, Callable[[], object]] = {
    "the parent of the root": lambda: nuke.root().parent(),
    "toScript() of keys": _keyed,
    "value() of a plain text with brackets": _typed,
    "nuke.frame(7) inside of a group": _in_a_group,
    "a FrameHold": lambda: _changed("FrameHold"),
    "a Read whose file was split into views": _split,
    "a JoinViews of two views": _joined,
    "[value Keyed.white] at frame 3": _at_frame_3("[value Keyed.white]"),
    "[python nuke.frame()] at frame 3": _at_frame_3("[python nuke.frame()]"),
    "the curves of a new project": lambda: changed_root_texts(["luts"]),
    "variables in the name of a file": _by_variable,
    "the mask of a Dissolve": lambda: create("Dissolve").optionalInput(),
}
