"""How long the shutter of a node upstream is open, beside the frame that it makes. No nuke here.

With motion blur a frame depends on what expressions say between it and the next one or the one before.
"""

from __future__ import annotations

from typing import Optional

from .knob_text import all_pairs

Opened = tuple[float, float]
"""From when to when, in frames from the one that is made."""
_UNKNOWN = (-1.0, 1.0)
"""The shutter of a shape, or one that is animated: a whole frame on each side."""
_ALWAYS = ("MotionBlur2D", "MotionBlur3D")
"""Classes that look at a motion whatever their knobs are."""


def opened(kind: str, knobs: str, follows: bool = False) -> Optional[Opened]:
    """When a node is exposed; None where it has no motion blur. ``knobs`` is the text of its changed knobs. Each
    shape of a Roto has a shutter of its own, so all that ``follows`` another node may be blurred."""
    if kind == "Roto":
        return _UNKNOWN if follows else None
    changed = dict(all_pairs(knobs))
    if kind not in _ALWAYS and changed.get("motionblur", "0") == "0":
        return None
    try:
        length, custom = (float(changed.get(name, default)) for name, default in _LENGTHS)
    except ValueError:
        return _UNKNOWN
    begins = {"start": 0.0, "centred": -length / 2, "end": -length, "custom": custom}
    begin = begins.get(changed.get("shutteroffset", "start"))
    return _UNKNOWN if begin is None else (begin, begin + length)


_LENGTHS = (("shutter", "0.5"), ("shuttercustomoffset", "0"))
"""With what a new node has."""
