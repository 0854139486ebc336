"""One node: its knobs, inputs and hashes, and what lies upstream of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Optional

import nuke

Node = nuke.Node


@dataclass(frozen=True)
class NodeFacts:
    """One node upstream.

    ``knobs`` is Nuke's text of its changed knobs. ``inputs`` are indices into the list of nodes that it is part of,
    -1 for an input that is not connected. ``file`` is the file name of a Read.
    """

    kind: str
    knobs: str
    inputs: tuple[int, ...]
    file: str = ""


def exists(node: Node) -> bool:
    """Whether the node is still in the script; Nuke raises ValueError on one that was deleted."""
    try:
        return bool(node.name())
    except ValueError:
        return False


def full_name(node: Node) -> str:
    """For example ``Group1.Cleanplate_Matte2``."""
    return str(node.fullName())


def kind(node: Node) -> str:
    """The node's class."""
    return str(node.Class())


def has_knob(node: Node, name: str) -> bool:
    """Whether there is such a knob."""
    return node.knob(name) is not None


def value(node: Node, name: str) -> Any:
    """A knob's value: text that is not evaluated, a number, a bool, or the chosen word of an enumeration."""
    return node[name].value()


def read_knobs(node: Node, text: str) -> None:
    """Adds knobs and sets values, from the lines of a .nk file."""
    node.readKnobs(text)


def set_value(node: Node, name: str, new: object) -> None:
    """Changes a knob. If it has that value already, nothing is set, so that no undo step or callback arises."""
    knob = node[name]
    if knob.value() != new:
        knob.setValue(new)


def evaluated(node: Node, name: str) -> str:
    """The value of a text knob with its TCL evaluated, with forward slashes."""
    knob = node[name]
    text = knob.evaluate() if isinstance(knob, nuke.EvalString_Knob) else knob.value()
    return str(text or "").replace("\\", "/")


def varies(node: Node, name: str, frames: Iterable[int]) -> bool:
    """Whether a knob has keys or an expression that give it different values at these frames."""
    knob = node[name]
    if not isinstance(knob, nuke.Array_Knob) or not (knob.isAnimated() or knob.hasExpression()):
        return False
    return len({float(knob.getValueAt(frame)) for frame in frames}) > 1


def press(node: Node, name: str) -> None:
    """Executes a button."""
    knob = node[name]
    if not isinstance(knob, nuke.Script_Knob):
        raise TypeError(f"{name} is no button.")
    knob.execute()


def keep_out_of_files(node: Node, name: str) -> None:
    """Keeps a knob out of saved scripts and undo. These flags are not saved, so they are set on every new node."""
    node[name].setFlag(nuke.NO_UNDO | nuke.DO_NOT_WRITE)


def input_of(node: Node, index: int) -> Optional[Node]:
    """The node that is connected to an input. Dots are skipped, since they have no hash of their own."""
    found = node.input(index)
    while found is not None and found.Class() == "Dot":
        found = found.input(0)
    return found


def inner(node: Node, name: str) -> Node:
    """A node inside a Group. Raises ``KeyError`` if it was deleted."""
    found = node.node(name) if isinstance(node, nuke.Group) else None
    if found is None:
        raise KeyError(name)
    return found


def has_inner(node: Node, name: str) -> bool:
    """Whether there is a node of that name inside a Group."""
    return isinstance(node, nuke.Group) and node.node(name) is not None


def parent(node: Node) -> Optional[Node]:
    """The Group that a node is in."""
    return node.parent()


def frame_range(node: Node) -> tuple[int, int]:
    """First and last frame of a node."""
    found = node.frameRange()
    return int(found.first()), int(found.last())


def size(node: Node) -> tuple[int, int]:
    """Width and height of a node's format in pixels."""
    return int(node.width()), int(node.height())


def hashes(node: Node) -> tuple[int, ...]:
    """Nuke's own hashes of a node at the current frame; empty if it gives none."""
    node.forceValidate()
    return tuple(int(number) for number in node.opHashes())


def upstream(starts: Iterable[Optional[Node]]) -> tuple[list[NodeFacts], tuple[int, ...]]:
    """All nodes that the ``starts`` depend on, each after its inputs, and the starts' indices (-1 for None)."""
    facts: list[NodeFacts] = []
    places: dict[str, int] = {}
    return facts, tuple(_visit(start, facts, places) for start in starts)


def depends_on(node: Node, other: Node) -> bool:
    """Whether ``other`` is upstream of ``node``."""
    places: dict[str, int] = {}
    _visit(node, [], places)
    return str(other.fullName()) in places


def _visit(node: Optional[Node], facts: list[NodeFacts], places: dict[str, int]) -> int:
    """Depth first without recursion: comps are thousands of nodes deep."""
    stack = [node]
    opened: set[str] = set()
    while stack:
        top = stack[-1]
        if top is None or str(top.fullName()) in places:
            stack.pop()
            continue
        name = str(top.fullName())
        needed = [one for one in _needs(top) if str(one.fullName()) not in places]
        if needed and name not in opened:
            # Only once: an Input inside a Group leads out to what feeds the Group, and a script may go in circles.
            opened.add(name)
            stack.extend(needed)
            continue
        stack.pop()
        places[str(top.fullName())] = len(facts)
        facts.append(_facts(top, places))
    return -1 if node is None else places[str(node.fullName())]


def _inputs(node: Node) -> list[Optional[Node]]:
    if node.Class() == "Input":
        return [_outside(node)]
    return [input_of(node, index) for index in range(node.inputs())]


def _outside(node: Node) -> Optional[Node]:
    """What is connected to the Group's input that an Input node stands for; None at the script's own level."""
    group, knob = node.parent(), node.knob("number")
    if not isinstance(group, nuke.Group) or knob is None:
        return None
    return input_of(group, int(knob.value()))


def _needs(node: Node) -> list[Node]:
    """Inputs, and what a Group, LiveGroup or Precomp holds."""
    inside = [one for one in node.nodes() if one.Class() != "Viewer"] if isinstance(node, nuke.Group) else []
    return [one for one in (*_inputs(node), *inside) if one is not None and one is not node]


def _facts(node: Node, places: dict[str, int]) -> NodeFacts:
    inputs = tuple(-1 if one is None else places.get(str(one.fullName()), -1) for one in _inputs(node))
    knobs = str(node.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT))
    reads = node.Class().startswith("Read") and node.knob("file") is not None
    file = str(nuke.filename(node) or "") if reads else ""
    return NodeFacts(kind=str(node.Class()), knobs=knobs, inputs=inputs, file=file)
