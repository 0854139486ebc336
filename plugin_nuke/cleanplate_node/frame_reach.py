"""Which frames and views of each node upstream a picture depends on. No nuke here.

Most nodes make a frame of the same frame and view of their inputs. A TimeOffset and a FrameHold that are not
animated take another frame, which is known, and a OneView another view. Nodes such as Retime may take any. A Switch
takes one of its inputs, and a Dissolve two, perhaps others on each frame; a JoinViews takes one in each view.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Optional, Protocol

from .knob_text import all_pairs, unquoted


@dataclass(frozen=True)
class Choice:
    """The input that a Switch must take, by its ``number``, at the frame of it that is ``seen``. ``switch`` is its
    index in the list of nodes."""

    switch: int
    number: int
    seen: FrameMap


@dataclass(frozen=True)
class FrameMap:
    """The frame of a node upstream that is seen at a frame: that many later, always the same one, or any. It is
    seen only where all ``choices`` are made.

    ``view`` is the view of it that is seen: the same one where it is empty, or :data:`ANY_VIEW`. ``only_in`` is the
    view whose picture depends on it; empty where those of all views do.
    """

    later: int = 0
    fixed: Optional[int] = None
    is_any: bool = False
    choices: frozenset[Choice] = frozenset()
    view: str = ""
    only_in: str = ""

    def at(self, frame: int) -> int:
        """The frame upstream."""
        return frame + self.later if self.fixed is None else self.fixed

    def order(self) -> tuple[bool, int, bool, str]:
        """Maps have an order, so that what is made of them is the same each time."""
        return self.fixed is not None, self.later if self.fixed is None else self.fixed, self.is_any, self.view

    def holds(self, frame: int, view: str, chosen: Chosen) -> bool:
        """Whether it counts for the picture of a view, and all choices are made at a frame, or may be."""
        if self.only_in not in ("", view):
            return False
        return all(_is_made(one, chosen(one.switch, one.seen.at(frame))) for one in self.choices)

    def views(self, view: str, every: Sequence[str]) -> Sequence[str]:
        """The views that are seen, of ``every`` view that there is, in the picture of one view."""
        return every if self.view == ANY_VIEW else (self.view or view,)


Chosen = Callable[[int, int], Optional[float]]
"""The number that a Switch, named by its index, has at a frame; None where it is not known."""


def _is_made(choice: Choice, number: Optional[float]) -> bool:
    return number is None or _may_be(number, choice.number)


def _may_be(number: float, index: int) -> bool:
    """A number between two inputs may be either's."""
    return abs(number - index) < 1


ANY_VIEW = "*"
PICKING = ("Switch", "Dissolve")
"""Classes whose ``which`` says what inputs they take."""
SAME_FRAME = FrameMap()
EVERY_FRAME = FrameMap(is_any=True)
"""Which frame is seen is not known here, so all of them count."""

TAKE_ANY = frozenset(
    [
        *("Retime", "TimeWarp", "OFlow", "OFlow2", "Kronos", "TimeBlur", "FrameBlend", "TimeEcho", "TimeClip"),
        *("TimeDissolve", "TemporalMedian", "AppendClip", "NoTimeBlur", "MotionBlur", "VectorGenerator"),
        *("SmartVector", "VectorDistort", "VectorCornerPin", "GridWarpTracker", "Denoise2", "DeepFromFrames"),
        *("ScanlineRender", "ScanlineRender2", "RayRender", "SplatRender", "DustBust", "MarkerRemoval"),
        *("PlanarTracker", "Inpaint2", "Reconcile3D", "DepthGenerator", "CurveTool", "RotoPaint", "ContactSheet"),
        *("add32p", "remove32p"),
    ]
)
"""Classes that take other frames of their inputs; RotoPaint clones from them."""
ADD_UP = ("Retime", "Kronos", "OFlow", "OFlow2")
"""Classes whose speed at the frames before says where they have come to (reference guide, Kronos, output speed)."""
TAKE_ANY_VIEW = frozenset(["Anaglyph", "MixViews", "ReConverge", "ShuffleViews", "SideBySide"])
"""Classes that take other views of their inputs."""
_BY_RANGE = ("AppendClip", "Retime")
_LOCKS = ("input.first_lock", "input.last_lock")
_MOST_WAYS = 64
"""Of one node to another. Where Switches in a row make more of them, what they choose does not count."""
_ANY_PREFIXES = ("OFX", "Particle", "C_")
_ANY_VIEW_PREFIXES = ("OFXuk.co.thefoundry.ocula", "C_", "O_")
_SHIFTED = re.compile(r"frame([+-]\d+)?\Z")
_WHOLE_NUMBER = re.compile(r"[+-]?\d+\Z")
_WHOLE = re.compile(r"-?\d+(?:\.0*)?\Z")


class NodeInTime(Protocol):
    """What is known of a node upstream; ``host.NodeFacts`` is one. ``inputs`` and ``outputs``, the Output nodes
    inside a Group, are indices into the list of nodes. ``reads_render`` says that it shows the files that were
    rendered of it, and nothing of its inputs."""

    @property
    def kind(self) -> str: ...
    @property
    def knobs(self) -> str: ...
    @property
    def inputs(self) -> tuple[int, ...]: ...
    @property
    def outputs(self) -> tuple[int, ...]: ...
    @property
    def reads_render(self) -> bool: ...


def nodes_reached(nodes: Sequence[NodeInTime], starts: Collection[int]) -> set[int]:
    """The indices of the nodes, each after its inputs, that the ``starts`` may show anything of. Not those behind
    an input that a Switch never takes, or that a node which is off does not pass on, or behind a render that is
    read."""
    found = {start for start in starts if start >= 0}
    for index in reversed(range(len(nodes))):
        if index in found:
            found |= {target for target, _ in _steps(index, nodes[index]) if target >= 0}
    return found


def frames_reached(nodes: Sequence[NodeInTime], starts: Collection[int]) -> list[frozenset[FrameMap]]:
    """For each node, each after its inputs, the frames of it that the ``starts`` depend on; empty where they do
    not."""
    found: list[set[FrameMap]] = [set() for _ in nodes]
    for start in starts:
        if start >= 0:
            found[start].add(SAME_FRAME)
    for index in reversed(range(len(nodes))):
        if found[index]:
            for target, step in _steps(index, nodes[index]):
                if target >= 0:
                    found[target] |= {_after(one, step) for one in found[index] if _can_follow(one, step)}
                    if len(found[target]) > _MOST_WAYS:
                        found[target] = {replace(one, choices=frozenset()) for one in found[target]}
    return [frozenset(each - {one for one in each if _is_covered(one, each)}) for each in found]


def _is_covered(one: FrameMap, others: Collection[FrameMap]) -> bool:
    """Whether another one says that every frame counts, in the same view."""
    whole = FrameMap(is_any=True, view=one.view)
    return one != whole and whole in others


def _can_follow(seen: FrameMap, step: FrameMap) -> bool:
    """Whether a step is taken in the view that is ``seen``."""
    view = seen.view or seen.only_in
    return "" in (step.only_in, view) or view in (ANY_VIEW, step.only_in)


def _after(seen: FrameMap, step: FrameMap) -> FrameMap:
    """``step`` upstream of what is ``seen`` already."""
    bare = replace(seen, choices=frozenset())
    # Where any frame may be seen, so may any input of a Switch.
    added = () if seen.is_any else (replace(one, seen=bare) for one in step.choices)
    return replace(_moved(bare, replace(step, choices=frozenset())), choices=seen.choices.union(added))


def _moved(seen: FrameMap, step: FrameMap) -> FrameMap:
    found = FrameMap(later=seen.later + step.later)
    if step.fixed is not None:
        found = FrameMap(fixed=step.fixed)
    elif seen.is_any or step.is_any:
        found = EVERY_FRAME
    elif seen.fixed is not None:
        found = FrameMap(fixed=seen.fixed + step.later)
    only_in = seen.only_in or ("" if seen.view else step.only_in)
    return replace(found, view=step.view or seen.view, only_in=only_in)


def _steps(index: int, node: NodeInTime) -> Iterator[tuple[int, FrameMap]]:
    knobs = dict(all_pairs(node.knobs))
    disabled = knobs.get("disable", "false")
    if disabled != "true":
        yield from _steps_where_it_is_on(index, node, knobs)
    if disabled != "false" or knobs.get("useLifetime", "false") != "false":
        # It may be on at some frames and off at others; a node that is off passes its first input on.
        yield from ((target, SAME_FRAME) for target in node.inputs[:1])


def _steps_where_it_is_on(index: int, node: NodeInTime, knobs: Mapping[str, str]) -> Iterator[tuple[int, FrameMap]]:
    if node.reads_render:
        return
    if node.kind in PICKING:
        yield from _branches(index, node, knobs.get("which", "0"))
    elif node.kind == "JoinViews":
        names = unquoted(knobs.get("viewassoc", "")).split()
        steps = (FrameMap(only_in=name) for name in names) if len(names) == len(node.inputs) else repeat(SAME_FRAME)
        yield from zip(node.inputs, steps)
    else:
        step = _step(node.kind, knobs)
        yield from ((target, step) for target in (node.outputs or node.inputs))


def _branches(index: int, node: NodeInTime, which: str) -> Iterator[tuple[int, FrameMap]]:
    """The inputs that a Switch or Dissolve may take. All where ``which`` names one that it does not have."""
    always = _always_taken(node)
    number = _number(which)
    is_known = number is not None and 0 <= number <= len(node.inputs) - 1
    for place, target in enumerate(node.inputs):
        choice = Choice(switch=index, number=place, seen=SAME_FRAME)
        if place in always or not (is_known or which.startswith("{")):
            yield target, SAME_FRAME
        elif number is None:
            yield target, FrameMap(choices=frozenset([choice]))
        elif _may_be(number, place):
            yield target, SAME_FRAME


def _always_taken(node: NodeInTime) -> Collection[int]:
    """The inputs that count whatever is picked. A Dissolve has its mask at input 2 and shows input 0 outside of it.
    Those behind the mask count always, since no document says whether ``which`` counts the mask."""
    if node.kind == "Switch":
        return ()
    has_mask = len(node.inputs) > 2 and node.inputs[2] >= 0
    return {*range(2, len(node.inputs)), *([0] if has_mask else [])}


def _step(kind: str, knobs: Mapping[str, str]) -> FrameMap:
    view = ANY_VIEW if kind in TAKE_ANY_VIEW or kind.startswith(_ANY_VIEW_PREFIXES) else ""
    if kind == "OneView":
        chosen = knobs.get("view", "{")
        view = ANY_VIEW if chosen.startswith("{") else unquoted(chosen)
    return replace(_step_in_time(kind, knobs), view=view)


def _step_in_time(kind: str, knobs: Mapping[str, str]) -> FrameMap:
    if kind == "TimeOffset":
        offset, fine = (_whole(knobs.get(name, "0")) for name in ("time_offset", "dtime_offset"))
        is_known = offset is not None and (fine == offset or "dtime_offset" not in knobs)
        return FrameMap(later=-(offset or 0)) if is_known and "reverse_input" not in knobs else EVERY_FRAME
    if kind == "FrameHold":
        frame = _whole(knobs.get("first_frame", knobs.get("firstFrame", "")))
        return EVERY_FRAME if frame is None or "increment" in knobs else FrameMap(fixed=frame)
    return EVERY_FRAME if kind in TAKE_ANY or kind.startswith(_ANY_PREFIXES) else SAME_FRAME


def takes_range(kind: str, knobs: str) -> bool:
    """Whether the ranges of its inputs say which frames of them a node takes: an AppendClip begins each where the
    one before it ends, a Retime goes through its input's range unless another one is locked, and a TimeOffset may
    turn it round. ``knobs`` is the text of its changed knobs."""
    changed = dict(all_pairs(knobs))
    if kind == "TimeOffset":
        return "reverse_input" in changed
    return kind in _BY_RANGE and not all(changed.get(one) == "true" for one in _LOCKS)


def number_taken(mode: str, text: str, first: Optional[int]) -> FrameMap:
    """The number of the file that a Read takes at a frame (user guide, Changing the Relation Between the Current
    Frame and the Frame Read In): ``text`` is a number that is added, the frame where its ``first`` one is placed,
    or an expression. ``first`` is None where it is not known."""
    bare, way = text.replace(" ", ""), mode.replace("_", " ")
    shifted = _SHIFTED.match(bare)
    if not bare or (way == "expression" and shifted):
        return FrameMap(later=int(shifted[1] or 0)) if shifted else SAME_FRAME
    if not _WHOLE_NUMBER.match(bare):
        return EVERY_FRAME
    known = {"offset": FrameMap(later=int(bare)), "expression": FrameMap(fixed=int(bare))}
    if first is not None:
        known["start at"] = FrameMap(later=first - int(bare))
    return known.get(way, EVERY_FRAME)


def _number(text: str) -> Optional[float]:
    try:
        return float(text)
    except ValueError:
        return None


def _whole(text: str) -> Optional[int]:
    return int(float(text)) if _WHOLE.match(text) else None
