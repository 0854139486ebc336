"""Which frames of each node upstream a picture depends on. No nuke here.

Most nodes make a frame of the same frame of their inputs. A TimeOffset and a FrameHold that are not animated take
another one, which is known. Nodes such as Retime may take any.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Optional, Protocol

from .knob_text import all_pairs


@dataclass(frozen=True)
class FrameMap:
    """The frame of a node upstream that is seen at a frame: that many later, always the same one, or any."""

    later: int = 0
    fixed: Optional[int] = None
    is_any: bool = False

    def at(self, frame: int) -> int:
        """The frame upstream."""
        return frame + self.later if self.fixed is None else self.fixed

    def order(self) -> tuple[bool, int]:
        """Maps have an order, so that what is made of them is the same each time."""
        return self.fixed is not None, self.later if self.fixed is None else self.fixed


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
            for target, step in _steps(nodes[index]):
                if target >= 0:
                    found[target] |= {_after(one, step) for one in found[index]}
    return [frozenset({EVERY_FRAME} if EVERY_FRAME in each else each) for each in found]


def _after(seen: FrameMap, step: FrameMap) -> FrameMap:
    """``step`` upstream of what is ``seen`` already."""
    if step.fixed is not None:
        return step
    if EVERY_FRAME in (seen, step):
        return EVERY_FRAME
    if seen.fixed is not None:
        return FrameMap(fixed=seen.fixed + step.later)
    return FrameMap(later=seen.later + step.later)


def _steps(node: NodeInTime) -> Iterator[tuple[int, FrameMap]]:
    knobs = dict(all_pairs(node.knobs))
    disabled = knobs.get("disable", "false")
    if disabled != "true":
        step = _step(node.kind, knobs)
        yield from ((target, step) for target in (node.outputs or node.inputs))
    if disabled != "false":
        # It may be switched on and off from frame to frame; a node that is off passes its first input on.
        yield from ((target, SAME_FRAME) for target in node.inputs)


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
