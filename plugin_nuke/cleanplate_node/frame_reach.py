"""Which frames of each node upstream a picture depends on. No nuke here.

Most nodes make a frame of the same frame of their inputs. A TimeOffset and a FrameHold that are not animated take
another one, which is known. Nodes such as Retime may take any. A Switch takes one of its inputs, perhaps another
one on each frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Optional, Protocol

from .knob_text import all_pairs


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
    seen only where all ``choices`` are made."""

    later: int = 0
    fixed: Optional[int] = None
    is_any: bool = False
    choices: frozenset[Choice] = frozenset()

    def at(self, frame: int) -> int:
        """The frame upstream."""
        return frame + self.later if self.fixed is None else self.fixed

    def order(self) -> tuple[bool, int]:
        """Maps have an order, so that what is made of them is the same each time."""
        return self.fixed is not None, self.later if self.fixed is None else self.fixed

    def holds(self, frame: int, chosen: Chosen) -> bool:
        """Whether all choices are made at a frame, or may be."""
        return all(_is_made(one, chosen(one.switch, one.seen.at(frame))) for one in self.choices)


Chosen = Callable[[int, int], Optional[float]]
"""The number that a Switch, named by its index, has at a frame; None where it is not known."""


def _is_made(choice: Choice, number: Optional[float]) -> bool:
    """A number between two inputs may be either's."""
    return number is None or abs(number - choice.number) < 1


SAME_FRAME = FrameMap()
EVERY_FRAME = FrameMap(is_any=True)
"""Which frame is seen is not known here, so all of them count."""

TAKE_ANY = frozenset(
    [
        *("Retime", "TimeWarp", "OFlow", "OFlow2", "Kronos", "TimeBlur", "FrameBlend", "TimeEcho", "TimeClip"),
        *("TimeDissolve", "TemporalMedian", "AppendClip", "NoTimeBlur", "MotionBlur", "VectorGenerator"),
        *("SmartVector", "VectorDistort", "VectorCornerPin", "GridWarpTracker", "Denoise2", "DeepFromFrames"),
        *("ScanlineRender", "ScanlineRender2", "RayRender", "SplatRender", "DustBust", "MarkerRemoval"),
        *("PlanarTracker", "Inpaint2", "Reconcile3D", "DepthGenerator", "CurveTool", "RotoPaint"),
    ]
)
"""Classes that take other frames of their inputs; RotoPaint clones from them."""
_MOST_WAYS = 64
"""Of one node to another. Where Switches in a row make more of them, what they choose does not count."""
_ANY_PREFIXES = ("OFX", "Particle", "C_")
_WHOLE = re.compile(r"-?\d+(?:\.0*)?\Z")


class NodeInTime(Protocol):
    """What is known of a node upstream; ``host.NodeFacts`` is one. ``inputs`` and ``outputs``, the Output nodes
    inside a Group, are indices into the list of nodes."""

    @property
    def kind(self) -> str: ...
    @property
    def knobs(self) -> str: ...
    @property
    def inputs(self) -> tuple[int, ...]: ...
    @property
    def outputs(self) -> tuple[int, ...]: ...


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
                    found[target] |= {_after(one, step) for one in found[index]}
                    if len(found[target]) > _MOST_WAYS:
                        found[target] = {replace(one, choices=frozenset()) for one in found[target]}
    return [frozenset({EVERY_FRAME} if EVERY_FRAME in each else each) for each in found]


def _after(seen: FrameMap, step: FrameMap) -> FrameMap:
    """``step`` upstream of what is ``seen`` already."""
    bare = replace(seen, choices=frozenset())
    # Where any frame may be seen, so may any input of a Switch.
    added = () if seen.is_any else (replace(one, seen=bare) for one in step.choices)
    return replace(_moved(bare, replace(step, choices=frozenset())), choices=seen.choices.union(added))


def _moved(seen: FrameMap, step: FrameMap) -> FrameMap:
    if step.fixed is not None:
        return step
    if EVERY_FRAME in (seen, step):
        return EVERY_FRAME
    if seen.fixed is not None:
        return FrameMap(fixed=seen.fixed + step.later)
    return FrameMap(later=seen.later + step.later)


def _steps(index: int, node: NodeInTime) -> Iterator[tuple[int, FrameMap]]:
    knobs = dict(all_pairs(node.knobs))
    disabled = knobs.get("disable", "false")
    if disabled != "true":
        if node.kind == "Switch":
            yield from _branches(index, node, knobs.get("which", "0"))
        else:
            step = _step(node.kind, knobs)
            yield from ((target, step) for target in (node.outputs or node.inputs))
    if disabled != "false":
        # It may be switched on and off from frame to frame; a node that is off passes its first input on.
        yield from ((target, SAME_FRAME) for target in node.inputs)


def _branches(index: int, switch: NodeInTime, which: str) -> Iterator[tuple[int, FrameMap]]:
    """The inputs that a Switch may take. All where it names one that it does not have."""
    number = _whole(which)
    if number is not None and number in range(len(switch.inputs)):
        yield switch.inputs[number], SAME_FRAME
        return
    is_driven = which.startswith("{")
    for number, target in enumerate(switch.inputs):
        choice = Choice(switch=index, number=number, seen=SAME_FRAME)
        yield target, FrameMap(choices=frozenset([choice])) if is_driven else SAME_FRAME


def _step(kind: str, knobs: dict[str, str]) -> FrameMap:
    if kind == "TimeOffset":
        offset = _whole(knobs.get("time_offset", "0"))
        return EVERY_FRAME if offset is None or "reverse_input" in knobs else FrameMap(later=-offset)
    if kind == "FrameHold":
        frame = _whole(knobs.get("first_frame", knobs.get("firstFrame", "")))
        return EVERY_FRAME if frame is None or "increment" in knobs else FrameMap(fixed=frame)
    return EVERY_FRAME if kind in TAKE_ANY or kind.startswith(_ANY_PREFIXES) else SAME_FRAME


def _whole(text: str) -> Optional[int]:
    return int(float(text)) if _WHOLE.match(text) else None
