"""What lies upstream of a node: each node's knobs, connections and files, and the knobs that expressions drive."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Optional, Union

import nuke
from matte_link.result_key import digest

from ..fingerprint import counted_pairs
from ..frame_reach import PICKING, takes_range
from ..graph_scope import NO_VARIABLES, GraphScope
from ..knob_text import all_pairs
from ..source_files import SourceFile
from .node import Node, changed_knobs, frame_range, identity, input_of, reads_an_old_copy
from .read_files import files_of
from .scopes import scope_around, seen_scopes
from .script import views
from .texts import (
    EvaluatedText,
    asks_for_render,
    has_values_at_frames,
    is_same_on_every_frame,
    linked_paths,
    named_knob,
    texts_that_run,
)
from .unseen import reads_render, seen_nodes
from .walk import inputs_of, outputs_of, visited

_SCOPES = "graph_scopes"
_RANGES = "input_ranges"
_LIVE = ("UnrealReader",)
"""Classes whose picture comes from another program, and of which nothing here tells that it is another."""


@dataclass(frozen=True)
class NodeFacts:
    """One node upstream.

    ``knobs`` is Nuke's text of its changed knobs, and what it is looked at with beside the variables around the
    Cleanplate node, and the ranges of its inputs, where it takes its frames by them. ``inputs`` are indices into
    the list of nodes that it is part of, -1 for an input that is not connected; ``outputs`` are those of the nodes
    inside a Group that it shows. ``driven`` are the names of its knobs that expressions drive, of those that count
    for its picture, but for the ``scoped`` ones, whose expression names a Graph Scope Variable, so that its text
    counts, too. ``links`` are the paths of numbers elsewhere that expressions inside of its other knobs name.
    ``files`` are those that it reads. ``evaluated`` are the names of those texts that count whose TCL has the same
    value on every frame; ``has_text_that_runs`` says that another one, a number or the name of a file is TCL or
    Python whose value at a frame is not known here, that one of the ``links`` is not, or that its picture comes
    from another program.
    ``takes_project_format`` says that its format is the project's, and ``reads_render`` that it is a Write whose
    render is shown in place of its input.
    """

    kind: str
    knobs: str
    inputs: tuple[int, ...]
    driven: tuple[str, ...] = ()
    scoped: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    outputs: tuple[int, ...] = ()
    files: tuple[SourceFile, ...] = ()
    evaluated: tuple[str, ...] = ()
    has_text_that_runs: bool = False
    takes_project_format: bool = False
    reads_render: bool = False


class DrivenKnob:
    """A number or switch of a node upstream that an expression drives, so that its value depends on more than the
    text of the node's knobs."""

    def __init__(self, knob: nuke.Knob) -> None:
        if not isinstance(knob, nuke.Array_Knob):
            raise TypeError(f"{knob.name()} is no number.")
        self._knob = knob
        every = views()
        self._views = every if len(every) > 1 else ("",)

    def values_at(self, frame: float) -> list[Optional[float]]:
        """The value of each of its fields at a frame, or between two, wherever the timeline is; None where the
        expression fails. A knob that was split for views has those of each view."""
        found = [self._values(frame, view) for view in self._views]
        return found[0] if all(one == found[0] for one in found) else [value for one in found for value in one]

    def _values(self, frame: float, view: str) -> list[Optional[float]]:
        return [self._value(frame, index, view) for index in range(int(self._knob.arraySize()))]

    def _value(self, frame: float, index: int, view: str) -> Optional[float]:
        try:
            where = (index, view) if view else (index,)
            return float(self._knob.getValueAt(frame, *where))
        except (RuntimeError, ValueError, TypeError):
            return None


@dataclass(frozen=True)
class Upstream:
    """All ``nodes`` that some nodes depend on, each after its inputs; ``starts`` are their indices, -1 for None.
    ``driven`` are the knobs upstream whose value is not told by their text, each with the index of its node, and
    ``switches``, by that index, those that say which inputs a Switch or Dissolve takes, None where that is unknown.
    Nodes that no picture depends on are not among them; ``unseen`` is the digest of what is known of those, empty
    where there is none. Nuke's hashes may depend on them."""

    nodes: tuple[Node, ...]
    facts: tuple[NodeFacts, ...]
    starts: tuple[int, ...]
    driven: tuple[tuple[int, Union[DrivenKnob, EvaluatedText]], ...]
    switches: Mapping[int, Optional[DrivenKnob]]
    unseen: str

    def chosen(self, switch: int, frame: int) -> Optional[float]:
        """The input that a Switch takes at a frame, by its number; None where Nuke does not tell, where views take
        different ones, or where there is no such input."""
        knob = self.switches[switch]
        numbers = [] if knob is None else knob.values_at(frame)
        number = numbers[0] if len(numbers) == 1 else None
        last = len(self.facts[switch].inputs) - 1
        return number if number is not None and 0 <= number <= last else None


def upstream(
    starts: Iterable[Optional[Node]], around: GraphScope = NO_VARIABLES, last: Optional[Node] = None
) -> Upstream:
    """Walks the graph upstream of some nodes, which are looked at with the variables ``around``. What the ``last``
    one alone depends on is left out."""
    chosen = list(starts)
    nodes = visited(chosen, last)
    places = {name: index for index, name in enumerate(nodes)}
    scopes = seen_scopes(chosen, around, nodes.values())
    facts = [
        _facts(node, index, places, scopes.get(name, (around,)), around)
        for index, (name, node) in enumerate(nodes.items())
    ]
    indices = [-1 if one is None else places[identity(one)] for one in chosen]
    seen = seen_nodes(nodes, facts, indices)
    unseen = [repr(one) for index, one in enumerate(facts) if index not in set(seen)]
    return _upstream([*nodes.values()], facts, indices, seen, digest(unseen) if unseen else "")


def _upstream(
    nodes: Sequence[Node], facts: Sequence[NodeFacts], starts: Sequence[int], seen: Sequence[int], unseen: str
) -> Upstream:
    """Of all nodes the ``seen`` ones, by their indices."""
    place = {-1: -1, **{old: new for new, old in enumerate(seen)}}
    pairs = [(nodes[index], _renumbered(facts[index], place)) for index in seen]
    places = [*enumerate(pairs)]
    driven = [(at, DrivenKnob(node[name])) for at, (node, one) in places for name in (*one.driven, *one.scoped)]
    linked = [(at, knob) for at, (node, one) in places for knob in _numbers(node, one.links)]
    texts = [(at, EvaluatedText(node[name])) for at, (node, one) in places for name in one.evaluated]
    switches = {at: _which(node, one) for at, (node, one) in places if one.kind in PICKING}
    return Upstream(
        nodes=tuple(node for node, _ in pairs),
        facts=tuple(one for _, one in pairs),
        starts=tuple(place[start] for start in starts),
        driven=(*driven, *linked, *texts),
        switches=switches,
        unseen=unseen,
    )


def _renumbered(facts: NodeFacts, place: Mapping[int, int]) -> NodeFacts:
    return replace(
        facts,
        inputs=tuple(place.get(one, -1) for one in facts.inputs),
        outputs=tuple(place[one] for one in facts.outputs if one in place),
    )


def _numbers(node: Node, paths: Sequence[str]) -> list[DrivenKnob]:
    """Those of the knobs at some paths whose values are known at any frame."""
    found = [named_knob(node, path) for path in paths]
    return [DrivenKnob(knob) for knob in found if isinstance(knob, nuke.Array_Knob)]


def _which(node: Node, facts: NodeFacts) -> Optional[DrivenKnob]:
    is_known = (
        "which" in facts.driven
        or not _has_expression(node, "which")
        or ("which" in facts.scoped and not facts.has_text_that_runs)
    )
    return DrivenKnob(node["which"]) if is_known else None


def depends_on(node: Node, other: Node) -> bool:
    """Whether ``other`` is upstream of ``node``."""
    return identity(other) in visited([node])


def between(write: Node, other: Node) -> tuple[Upstream, Optional[int]]:
    """What a Write renders, as far as a node upstream of it, without what that one alone depends on; and the index
    of that node in it, None where no picture depends on it."""
    found = upstream([input_of(write, 0)], scope_around(write), last=other)
    places = [index for index, node in enumerate(found.nodes) if identity(node) == identity(other)]
    return found, (places[0] if places else None)


def reads_of_old_copies(starts: Iterable[Optional[Node]]) -> list[str]:
    """The names of the Reads upstream that show a local copy which is older than its file."""
    return sorted(str(one.fullName()) for one in visited(list(starts)).values() if reads_an_old_copy(one))


def _facts(
    node: Node, index: int, places: dict[str, int], scopes: Collection[GraphScope], around: GraphScope
) -> NodeFacts:
    """``places`` are the indices of all nodes; those after ``index`` are a circle's and count as not connected.
    ``scopes`` are those in which the node is looked at, and ``around`` is that of the Cleanplate node."""

    def place(other: Optional[Node]) -> int:
        found = -1 if other is None else places.get(identity(other), -1)
        return found if found < index else -1

    kind, feeding = str(node.Class()), inputs_of(node)
    knobs = changed_knobs(node) + _other_scopes(scopes, around)
    knobs += _ranges(kind, knobs, feeding)
    counted = counted_pairs(kind, knobs)
    running = texts_that_run(node, counted)
    evaluated = tuple(name for name, text in running if is_same_on_every_frame(node, text))
    files = files_of(node, knobs, scopes)
    expressions = _expressions(node, counted)
    driven = tuple(name for name, text in expressions if has_values_at_frames(node, text))
    scoped = tuple(name for name in driven if _names_variable(dict(counted)[name], scopes))
    links = linked_paths(node, counted)
    outputs = [place(one) for one in outputs_of(node)]
    return NodeFacts(
        kind=kind,
        knobs=knobs,
        inputs=tuple(place(one) for one in feeding),
        driven=tuple(name for name in driven if name not in scoped),
        scoped=scoped,
        links=tuple(links),
        outputs=tuple(one for one in outputs if one >= 0),
        files=tuple(one for one in files if one is not None),
        evaluated=evaluated,
        has_text_that_runs=kind in _LIVE
        or len(evaluated) < len(running)
        or len(driven) < len(expressions)
        or None in files
        or len(_numbers(node, links)) < len(links)
        or bool(scoped and set(scopes) != {scope_around(node)}),
        takes_project_format=_takes_project_format(node, knobs)
        or (not files and feeding[:1] in ([], [None]) and _is_as_the_project(node)),
        reads_render=reads_render(node, knobs),
    )


def _other_scopes(scopes: Collection[GraphScope], around: GraphScope) -> str:
    """The variables that a node is looked at with, where they are others than those ``around`` the Cleanplate node,
    as a knob's name and value. Those of a NoOp, or a Write that passes its input on, do not count: the Output
    inside of the group that brings them has the same."""
    return f" {_SCOPES} {digest([one.text for one in scopes])}" if set(scopes) != {around} else ""


def _ranges(kind: str, knobs: str, feeding: Sequence[Optional[Node]]) -> str:
    """First and last frames of the inputs of a node that takes its frames by them, as a knob's name and value. The
    files of a video do not tell of them, nor those of a still."""
    if not takes_range(kind, knobs):
        return ""
    found = [frame_range(one) for one in feeding if one is not None]
    return f" {_RANGES} {{{' '.join(f'{first} {last}' for first, last in found)}}}"


def _names_variable(text: str, scopes: Collection[GraphScope]) -> bool:
    """Whether an expression, as a .nk file has it, names a Graph Scope Variable. Nuke evaluates it here with those
    of the node's own place."""
    return any(one.is_named_in(text.replace("\\", "")) for one in scopes)


def _expressions(node: Node, counted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The knobs that expressions drive, with their text. Not those that only ask whether Nuke renders: their text
    counts, since plates are always rendered."""
    return [
        (name, value)
        for name, value in counted
        if value.startswith("{") and not asks_for_render(value) and _has_expression(node, name)
    ]


def _has_expression(node: Node, name: str) -> bool:
    knob = node.knob(name)
    return isinstance(knob, nuke.Array_Knob) and bool(knob.hasExpression())


def _is_as_the_project(node: Node) -> bool:
    """A generator without a format of its own, and a node whose first input is open, as the bg of a scene may be:
    both are as large as the project."""
    return not isinstance(node, nuke.Group) and not isinstance(node.knob("format"), nuke.Format_Knob)


def _takes_project_format(node: Node, knobs: str) -> bool:
    """A generator or Reformat whose format was left at its default, which is the project's. A Read takes the
    file's."""
    has_format = isinstance(node.knob("format"), nuke.Format_Knob) and "Read" not in node.Class()
    return has_format and "format" not in dict(all_pairs(knobs))
