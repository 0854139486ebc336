"""One node: its knobs, inputs and hashes, and what lies upstream of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import nuke

Node = nuke.Node


@dataclass(frozen=True)
class NodeFacts:
    """One node upstream.

    ``knobs`` is Nuke's text of its changed knobs. ``inputs`` are indices into the list of nodes that it is part of,
    -1 for an input that is not connected. ``file`` is the file name of a node that reads one.
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


def set_key(node: Node, name: str, frame: int, new: float) -> None:
    """Gives a number or switch a key at a frame."""
    knob = node[name]
    if not isinstance(knob, nuke.Array_Knob):
        raise TypeError(f"{name} cannot have keys.")
    knob.setAnimated()
    knob.setValueAt(new, frame)


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


def is_animated(node: Node, name: str) -> bool:
    """Whether a knob has keys or an expression, so that its value may depend on the frame."""
    knob = node[name]
    return isinstance(knob, nuke.Array_Knob) and bool(knob.isAnimated() or knob.hasExpression())


def value_at(node: Node, name: str, frame: int) -> Any:
    """A number, bool or chosen word of an enumeration at a frame, wherever the timeline is."""
    knob = node[name]
    if not isinstance(knob, nuke.Array_Knob):
        return knob.value()
    number = float(knob.getValueAt(frame))
    if isinstance(knob, nuke.Enumeration_Knob):
        return str(knob.values()[int(number)])
    if isinstance(knob, nuke.Boolean_Knob):
        return bool(number)
    return int(number) if isinstance(knob, nuke.Int_Knob) else number


def script_text(node: Node, name: str) -> str:
    """A knob as a .nk file has it: its curve or expression, where it has one."""
    return str(node[name].toScript())


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


def scope_variables(node: Node) -> tuple[str, ...]:
    """The Graph Scope Variables that hold where a node stands, as text: those of the project and of each Group
    around the node, from the inside out. Empty before Nuke 16, and where none is set."""
    found, holder = [], node.parent()
    while holder is not None:
        knob = holder.knob("gsv")
        found.append(variables_text(knob.value()) if knob is not None else "")
        holder = holder.parent()
    return tuple(text for text in found if text)


def variables_text(value: object) -> str:
    """The value of a ``gsv`` knob as text in one order; empty where it has no variable. Nuke gives the variables as
    a dictionary for each set of them."""
    sets = value if isinstance(value, dict) else {}
    return (
        json.dumps({name: one for name, one in sets.items() if one}, sort_keys=True) if any(sets.values()) else ""
    )


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
    chosen = list(starts)
    nodes = _visited(chosen)
    places = {name: index for index, name in enumerate(nodes)}
    facts = [_facts(node, index, places) for index, node in enumerate(nodes.values())]
    return facts, tuple(-1 if one is None else places[str(one.fullName())] for one in chosen)


def depends_on(node: Node, other: Node) -> bool:
    """Whether ``other`` is upstream of ``node``."""
    return str(other.fullName()) in _visited([node])


def _visited(starts: Sequence[Optional[Node]]) -> dict[str, Node]:
    """The nodes that the starts depend on by full name, each after its inputs. Depth first without recursion: comps
    are thousands of nodes deep."""
    found: dict[str, Node] = {}
    stack = [one for one in reversed(starts) if one is not None]
    opened: set[str] = set()
    while stack:
        name = str(stack[-1].fullName())
        needed = [] if name in found else [one for one in _needs(stack[-1]) if str(one.fullName()) not in found]
        if needed and name not in opened:
            # Only once: an Input inside a Group leads out to what feeds the Group, and a script may go in circles.
            opened.add(name)
            stack.extend(needed)
        else:
            found.setdefault(name, stack.pop())
    return found


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


def _facts(node: Node, index: int, places: dict[str, int]) -> NodeFacts:
    """``places`` are the indices of all nodes; those after ``index`` are a circle's and count as not connected."""
    known = [-1 if one is None else places.get(str(one.fullName()), -1) for one in _inputs(node)]
    return NodeFacts(
        kind=str(node.Class()),
        knobs=str(node.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT)) + _variables(node),
        inputs=tuple(one if one < index else -1 for one in known),
        file=_source_file(node),
    )


def _source_file(node: Node) -> str:
    """The file pattern of a node that reads one, in proxy mode too that of its full size; empty for other nodes."""
    knob = node.knob("file") if "Write" not in node.Class() else None
    return str(knob.getEvaluatedValue() or "") if isinstance(knob, nuke.File_Knob) else ""


def _variables(node: Node) -> str:
    """The Graph Scope Variables that a Group upstream sets, as a knob's name and value."""
    knob = node.knob("gsv")
    text = variables_text(knob.value()) if knob is not None else ""
    return f" gsv {{{text}}}" if text else ""
