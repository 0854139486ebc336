"""Which nodes upstream no picture depends on.

Those behind an input that a Switch never takes or that a node which is off does not pass on, and those behind a
Write whose render is read, by itself or by the Precomp around it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import nuke

from ..frame_reach import NodeInTime, nodes_reached
from ..knob_text import all_pairs
from .node import as_typed, changed_knobs, identity, is_on, is_write, shows_its_render
from .walk import inside_of

_NAMED = re.compile(r"([A-Za-z_]\w*)\.")
_READING = ("reading", "true")


def reads_render(node: nuke.Node, knobs: str) -> bool:
    """Whether a Write shows the files that were rendered of it at every frame, and nothing of its input. ``knobs``
    is the text of its changed knobs."""
    if not is_write(node):
        return False
    holder = node.parent()
    return _READING in all_pairs(knobs) or (holder is not None and _is_the_render_of(node, holder))


def _is_the_render_of(write: nuke.Node, holder: nuke.Node) -> bool:
    """Whether a Precomp reads what this Write in it has written. Where it has more of them and names none, no
    document says which one it takes."""
    if not (shows_its_render(holder) and _READING in all_pairs(changed_knobs(holder))):
        return False
    named = holder.knob("output")
    if named is not None and is_on(holder, "useOutput"):
        return bool(as_typed(named) == write.name())
    return sum(map(is_write, inside_of(holder))) == 1


def seen_nodes(nodes: Mapping[str, nuke.Node], facts: Sequence[NodeInTime], starts: Sequence[int]) -> list[int]:
    """The indices of the nodes that the ``starts`` may depend on, in order. ``nodes`` are all that there are, by
    their identities, each after its inputs.

    A node inside of a Group counts with it, and one that is named in a knob counts: expressions lead there, too.
    """
    seen = nodes_reached(facts, starts)
    if len(seen) == len(facts):
        return sorted(seen)
    places = {name: index for index, name in enumerate(nodes)}
    for index, node in reversed([*enumerate(nodes.values())]):
        if index in seen and not _is_read(node, places, facts):
            seen |= {*_places_inside(node, places)}
    return sorted(seen | _named(nodes, facts, seen))


def _is_read(holder: nuke.Node, places: Mapping[str, int], facts: Sequence[NodeInTime]) -> bool:
    """Whether a Precomp shows the render of a Write in it, in place of its nodes."""
    return shows_its_render(holder) and any(facts[one].reads_render for one in _places_inside(holder, places))


def _places_inside(holder: nuke.Node, places: Mapping[str, int]) -> list[int]:
    names = map(identity, inside_of(holder))
    return [places[name] for name in names if name in places]


def _named(nodes: Mapping[str, nuke.Node], facts: Sequence[NodeInTime], seen: Collection[int]) -> set[int]:
    """Those nodes that are not among the ``seen`` ones and are named by a knob of one of them, or of each other."""
    places: dict[str, list[int]] = {}
    for index, node in enumerate(nodes.values()):
        if index not in seen:
            places.setdefault(str(node.name()), []).append(index)
    found: set[int] = set()
    stack = list(seen)
    while stack and places:
        for name in set(_NAMED.findall(facts[stack.pop()].knobs)) & set(places):
            found |= {*places[name]}
            stack += places.pop(name)
    return found
