"""What lies upstream of a node: each node's knobs, connections and files, and the knobs that expressions drive."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional, Union

import nuke

from ..fingerprint import counted_pairs
from ..frame_reach import PICKING
from ..knob_text import all_pairs
from ..source_files import SourceFile
from .node import Node, as_typed, changed_knobs, has_knob, holders, identity, input_of, reads_an_old_copy
from .script import root_evaluated
from .texts import EvaluatedText, is_one_file_name, is_same_on_every_frame, texts_that_run


@dataclass(frozen=True)
class NodeFacts:
    """One node upstream.

    ``knobs`` is Nuke's text of its changed knobs. ``inputs`` are indices into the list of nodes that it is part
    of, -1 for an input that is not connected; ``outputs`` are those of the Output nodes inside a Group. ``driven``
    are the names of its knobs that expressions drive, of those that count for its picture. ``files`` are those that
    it reads. ``evaluated`` are the names of those texts that count whose TCL has the same value on every frame;
    ``has_text_that_runs`` says that another one, or the name of a file, is TCL or Python whose value at a frame is
    not known here.
    ``takes_project_format`` says that its format is the project's.
    """

    kind: str
    knobs: str
    inputs: tuple[int, ...]
    driven: tuple[str, ...] = ()
    outputs: tuple[int, ...] = ()
    files: tuple[SourceFile, ...] = ()
    evaluated: tuple[str, ...] = ()
    has_text_that_runs: bool = False
    takes_project_format: bool = False


class DrivenKnob:
    """A number or switch of a node upstream that an expression drives, so that its value depends on more than the
    text of the node's knobs."""

    def __init__(self, knob: nuke.Knob) -> None:
        if not isinstance(knob, nuke.Array_Knob):
            raise TypeError(f"{knob.name()} is no number.")
        self._knob = knob

    def values_at(self, frame: int) -> list[Optional[float]]:
        """The value of each of its fields at a frame, wherever the timeline is; None where the expression fails."""
        return [self._value(frame, index) for index in range(int(self._knob.arraySize()))]

    def _value(self, frame: int, index: int) -> Optional[float]:
        try:
            return float(self._knob.getValueAt(frame, index))
        except (RuntimeError, ValueError, TypeError):
            return None


@dataclass(frozen=True)
class Upstream:
    """All nodes that some nodes depend on, each after its inputs; ``starts`` are those nodes' indices, -1 for None.
    ``driven`` are the knobs upstream whose value is not told by their text, and ``switches``, by the index of their
    node, those that say which inputs a Switch or Dissolve takes."""

    facts: tuple[NodeFacts, ...]
    starts: tuple[int, ...]
    driven: tuple[Union[DrivenKnob, EvaluatedText], ...]
    switches: Mapping[int, DrivenKnob]


def upstream(starts: Iterable[Optional[Node]]) -> Upstream:
    """Walks the graph upstream of some nodes."""
    chosen = list(starts)
    nodes = _visited(chosen)
    places = {name: index for index, name in enumerate(nodes)}
    facts = tuple(_facts(node, index, places) for index, node in enumerate(nodes.values()))
    pairs = list(zip(nodes.values(), facts))
    driven = [DrivenKnob(node[name]) for node, one in pairs for name in one.driven]
    texts = [EvaluatedText(node[name]) for node, one in pairs for name in one.evaluated]
    indices = tuple(-1 if one is None else places[identity(one)] for one in chosen)
    switches = {index: DrivenKnob(node["which"]) for index, (node, one) in enumerate(pairs) if one.kind in PICKING}
    return Upstream(facts=facts, starts=indices, driven=(*driven, *texts), switches=switches)


def depends_on(node: Node, other: Node) -> bool:
    """Whether ``other`` is upstream of ``node``."""
    return identity(other) in _visited([node])


def reads_of_old_copies(starts: Iterable[Optional[Node]]) -> list[str]:
    """The names of the Reads upstream that show a local copy which is older than its file."""
    return sorted(str(one.fullName()) for one in _visited(list(starts)).values() if reads_an_old_copy(one))


def scope_variables(node: Node) -> tuple[str, ...]:
    """The Graph Scope Variables that hold where a node stands, as text: those of the project and of each Group
    around the node, from the inside out. Empty before Nuke 16, and where none is set."""
    knobs = [one.knob("gsv") for one in holders(node)]
    found = [_variables_text(knob.value()) for knob in knobs if knob is not None]
    return tuple(text for text in found if text)


def _variables_text(value: object) -> str:
    """The value of a ``gsv`` knob as text in one order; empty where it has no variable. Nuke gives the variables as
    a dictionary for each set of them."""
    sets = value if isinstance(value, dict) else {}
    return (
        json.dumps({name: one for name, one in sets.items() if one}, sort_keys=True) if any(sets.values()) else ""
    )


def _visited(starts: Sequence[Optional[Node]]) -> dict[str, Node]:
    """The nodes that the starts depend on by identity, each after its inputs. Depth first without recursion: comps
    are thousands of nodes deep."""
    found: dict[str, Node] = {}
    stack = [one for one in reversed(starts) if one is not None]
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


def _inputs(node: Node) -> list[Optional[Node]]:
    if node.Class() == "Input":
        return [_outside(node)]
    return [*(input_of(node, index) for index in range(node.inputs())), *_linked(node)]


def _linked(node: Node) -> list[Node]:
    """What a link node of Nuke 17 stands for: no pipe leads there."""
    links = getattr(nuke, "LINKNODE_INPUTS", 0)
    return list(node.dependencies(links)) if links else []


def _outside(node: Node) -> Optional[Node]:
    """What is connected to the Group's input that an Input node stands for; None at the script's own level."""
    group, knob = node.parent(), node.knob("number")
    if not isinstance(group, nuke.Group) or knob is None:
        return None
    return input_of(group, int(knob.value()))


def _inside(node: Node) -> list[Node]:
    """What a Group, LiveGroup or Precomp holds."""
    return [one for one in node.nodes() if one.Class() != "Viewer"] if isinstance(node, nuke.Group) else []


def _needs(node: Node) -> list[Node]:
    return [one for one in (*_inputs(node), *_inside(node)) if one is not None and one is not node]


def _facts(node: Node, index: int, places: dict[str, int]) -> NodeFacts:
    """``places`` are the indices of all nodes; those after ``index`` are a circle's and count as not connected."""

    def place(other: Optional[Node]) -> int:
        found = -1 if other is None else places.get(identity(other), -1)
        return found if found < index else -1

    kind, knobs = str(node.Class()), changed_knobs(node) + _variables(node)
    counted = counted_pairs(kind, knobs)
    running = texts_that_run(node, counted)
    evaluated = tuple(name for name, text in running if is_same_on_every_frame(node, text))
    named = _file_knobs(node, knobs)
    files = tuple(_file(node, knob) for knob in named if is_one_file_name(node, as_typed(knob)))
    rendered = _rendered_file(node)
    outputs = [place(one) for one in _inside(node) if one.Class() == "Output"]
    return NodeFacts(
        kind=kind,
        knobs=knobs,
        inputs=tuple(place(one) for one in _inputs(node)),
        driven=_driven(node, counted),
        outputs=tuple(one for one in outputs if one >= 0),
        files=(*files, *([rendered] if rendered else [])),
        evaluated=evaluated,
        has_text_that_runs=len(evaluated) < len(running)
        or len(files) < len(named)
        or (rendered is None and _shows_its_render(node)),
        takes_project_format=_takes_project_format(node, knobs),
    )


def _variables(node: Node) -> str:
    """The Graph Scope Variables that a Group upstream sets, as a knob's name and value."""
    knob = node.knob("gsv")
    text = _variables_text(knob.value()) if knob is not None else ""
    return f" gsv {{{text}}}" if text else ""


def _file_knobs(node: Node, knobs: str) -> list[nuke.File_Knob]:
    """The names of files that the node reads. A Write reads where it is told to."""
    names = {"file", *(name for name, _ in all_pairs(knobs))} - {"proxy", "icon"}
    if _is_ours(node) or ("Write" in node.Class() and not _is_on(node, "reading")):
        return []
    found = [node.knob(name) for name in sorted(names)]
    return [knob for knob in found if isinstance(knob, nuke.File_Knob) and as_typed(knob)]


def _shows_its_render(node: Node) -> bool:
    """Whether a Precomp or LiveGroup reads what was rendered of it, in place of its nodes."""
    return isinstance(node, nuke.Precomp) and _is_on(node, "reading")


def _rendered_file(node: Node) -> Optional[SourceFile]:
    """What was rendered of a Precomp that shows it, where its own panel names the file."""
    knob = node.knob("output")
    is_named = _is_on(node, "useOutput") and isinstance(knob, nuke.EvalString_Knob) and bool(as_typed(knob))
    if knob is None or not is_named or not _shows_its_render(node) or not is_one_file_name(node, as_typed(knob)):
        return None
    return SourceFile(pattern=_as_opened(str(knob.value() or "")), is_made_by_tcl="[" in as_typed(knob))


def _is_ours(node: Node) -> bool:
    """Whether it is a Cleanplate node, of whose knobs only few change its picture: that is in its inner Read."""
    return has_knob(node, "node_id") and has_knob(node, "process_frame")


def _is_on(node: Node, name: str) -> bool:
    knob = node.knob(name)
    return knob is not None and bool(knob.value())


def _file(node: Node, knob: nuke.File_Knob) -> SourceFile:
    """A file, in proxy mode too the one of full size, and for the file of a Read its range too."""
    pattern, is_made = _as_opened(str(knob.getEvaluatedValue() or "")), "[" in as_typed(knob)
    limits = [node.knob(one) for one in ("first", "last", "before", "after", "on_error")]
    first, last, before, after, error = limits
    if knob.name() != "file" or first is None or last is None or before is None or after is None:
        return SourceFile(pattern=pattern, is_made_by_tcl=is_made)
    shift = node.knob("frame")
    return SourceFile(
        pattern=pattern,
        frames=(int(first.value()), int(last.value())),
        before=str(before.value()),
        after=str(after.value()),
        on_error="error" if error is None else str(error.value()),
        has_own_frames=shift is not None and as_typed(shift) not in ("", "0"),
        is_made_by_tcl=is_made,
    )


def _as_opened(path: str) -> str:
    """A file's name as Nuke opens it: a relative one from the project directory, or where that is empty from the
    working directory, and by the house's filters, which may turn the paths of one system into those of another."""
    if path and not path.startswith(("/", "\\")) and path[1:2] != ":":
        folder = root_evaluated("project_directory").replace("\\", "/").rstrip("/")
        path = f"{folder}/{path}" if folder else path
    try:
        return str(nuke.filenameFilter(path) or path)
    except Exception:  # noqa: BLE001 - a house's own function may raise anything; Nuke says so where it reads the file
        return path


def _driven(node: Node, counted: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(name for name, value in counted if value.startswith("{") and _has_expression(node, name))


def _has_expression(node: Node, name: str) -> bool:
    knob = node.knob(name)
    return isinstance(knob, nuke.Array_Knob) and bool(knob.hasExpression())


def _takes_project_format(node: Node, knobs: str) -> bool:
    """A generator or Reformat whose format was left at its default, which is the project's. A Read takes the
    file's."""
    has_format = isinstance(node.knob("format"), nuke.Format_Knob) and "Read" not in node.Class()
    return has_format and "format" not in dict(all_pairs(knobs))
