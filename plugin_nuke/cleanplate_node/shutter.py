"""When the nodes upstream are exposed, beside the frame that they make. No nuke here.

With motion blur a frame depends on what expressions say between it and the next one or the one before: for the
blurred node itself, and for those before it whose movement it takes over.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Optional

from .frame_reach import NodeInTime
from .knob_text import all_pairs

Opened = tuple[float, float]
"""From when to when, in frames from the one that is made."""
_UNKNOWN = (-1.0, 1.0)
"""The shutter of a shape, or one that is animated: a whole frame on each side."""
_ALWAYS = ("MotionBlur2D", "MotionBlur3D")
"""Classes that look at a motion whatever their knobs are."""
_OF_SHAPES = ("Roto", "RotoPaint")
"""Classes whose shapes have a shutter each; ``motionblur`` is how often the next one is sampled."""
_BLURRED_SHAPE = re.compile(r"\bmbo\b(?! 0\b)")
"""A shape of a Roto whose motion blur is on; the attribute is absent where it was never touched, and off."""
_LENGTHS = (("shutter", "0.5"), ("shuttercustomoffset", "0"))
"""With what a new node has."""
_END_A_MOVE = frozenset(
    [
        *("Read", "Constant", "CheckerBoard2", "ColorBars", "ColorWheel", "Noise", "Ramp", "Radial", "Rectangle"),
        *("Text2", "Roto", "RotoPaint", "Add", "Multiply", "Gamma", "Clamp", "ColorCorrect", "ColorLookup"),
        *("ColorMatrix", "Colorspace", "EXPTool", "Expression", "Grade", "HueCorrect", "HueShift", "Invert"),
        *("OCIOCDLTransform", "OCIOColorSpace", "OCIODisplay", "OCIOFileTransform", "OCIOLogConvert", "Saturation"),
        *("SoftClip", "Vectorfield", "Blur", "Defocus", "Dilate", "EdgeBlur", "FilterErode", "Median", "Sharpen"),
        *("ZDefocus2", "ChannelMerge", "Copy", "Dissolve", "Keymix", "Merge2", "Premult", "Unpremult", "Keyer"),
        *("Remove", "Shuffle", "Shuffle1", "Shuffle2", "STMap", "IDistort"),
    ]
)
"""Classes of Nuke's own whose pixels a Transform takes as they are: it takes over no movement of theirs, or of what
stands before them (user guide, How Nodes Concatenate)."""


def moments(nodes: Sequence[NodeInTime], reached: Sequence[Collection[object]]) -> list[tuple[float, ...]]:
    """For each of the nodes, each after its inputs: the frame itself, 0, and begin, middle and end of each shutter
    that its numbers are looked at in. Those that are not ``reached`` blur nothing."""
    found: list[set[float]] = [set() for _ in nodes]
    for index, node in enumerate(nodes):
        shutter = opened(node.kind, node.knobs) if reached[index] else None
        if shutter is not None:
            for moved in _moved_with(nodes, index):
                found[moved] |= {*shutter, sum(shutter) / 2}
    return [(0, *sorted(each - {0.0})) for each in found]


def _moved_with(nodes: Sequence[NodeInTime], index: int) -> Iterator[int]:
    stack, seen = [index], {index, -1}
    while stack:
        one = stack.pop()
        yield one
        before = {*(nodes[one].outputs or nodes[one].inputs)} - seen
        seen |= before
        stack += (each for each in before if nodes[each].kind not in _END_A_MOVE)


def opened(kind: str, knobs: str) -> Optional[Opened]:
    """When a node is exposed; None where it has no motion blur. ``knobs`` is the text of its changed knobs."""
    changed = dict(all_pairs(knobs))
    if kind in _OF_SHAPES:
        is_blurred = "motionblur_mode" in changed or _BLURRED_SHAPE.search(changed.get("curves", ""))
        return _UNKNOWN if is_blurred else None
    if kind not in _ALWAYS and changed.get("motionblur", "0") == "0":
        return None
    try:
        length, custom = (float(changed.get(name, default)) for name, default in _LENGTHS)
    except ValueError:
        return _UNKNOWN
    begins = {"start": 0.0, "centred": -length / 2, "end": -length, "custom": custom}
    begin = begins.get(changed.get("shutteroffset", "start"))
    return _UNKNOWN if begin is None else (begin, begin + length)
