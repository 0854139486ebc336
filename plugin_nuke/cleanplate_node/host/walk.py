"""The nodes upstream of a node: through pipes, links and Dots, and into and out of Groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import nuke

from .node import Node, as_typed, identity, input_of, is_on


def visited(starts: Sequence[Optional[Node]], last: Optional[Node] = None) -> dict[str, Node]:
    """The nodes that the starts depend on by identity, each after its inputs, without what the ``last`` one alone
    depends on. Depth first without recursion: comps are thousands of nodes deep."""
    found: dict[str, Node] = {} if last is None else {identity(last): last}
    stack = [one for one in reversed(starts) if one is not None and identity(one) not in found]
    opened: set[str] = set()
    while stack:
        name = identity(stack[-1])
        # Only once: an Input inside a Group leads out to what feeds the Group, and a script may go in circles.
        needed = [] if name in opened else [one for one in _needs(stack[-1]) if identity(one) not in found]
        opened.add(name)
        if needed:
            stack.extend(needed)
        else:
            found.setdefault(name, stack.pop())
    return found


def inputs_of(node: Node) -> list[Optional[Node]]:
    if node.Class() == "Input":
        return [outside(node)]
    return [*(input_of(node, index) for index in range(node.inputs())), *linked(node)]


def linked(node: Node) -> list[Node]:
    """What a link node of Nuke 17 stands for: no pipe leads there."""
    links = getattr(nuke, "LINKNODE_INPUTS", 0)
    return list(node.dependencies(links)) if links else []


def outside(node: Node) -> Optional[Node]:
    """What is connected to the Group's input that an Input node stands for; None at the script's own level."""
    group, knob = node.parent(), node.knob("number")
    if not isinstance(group, nuke.Group) or knob is None:
        return None
    return input_of(group, int(knob.value()))


def inside_of(node: Node) -> list[Node]:
    """What a Group, LiveGroup or Precomp holds."""
    return [one for one in node.nodes() if one.Class() != "Viewer"] if isinstance(node, nuke.Group) else []


def outputs_of(node: Node) -> list[Node]:
    """The Output nodes of a Group. A Precomp may name a Write to be shown in their place (reference guide, Precomp,
    output node)."""
    named = node.knob("output") if isinstance(node, nuke.Precomp) and is_on(node, "useOutput") else None
    chosen = [one for one in inside_of(node) if named is not None and one.name() == as_typed(named)]
    return chosen or [one for one in inside_of(node) if one.Class() == "Output"]


def _needs(node: Node) -> list[Node]:
    return [one for one in (*inputs_of(node), *inside_of(node)) if one is not None and one is not node]
