"""The strips that are rendered in place of a scene's compositor, and the compositors of strips.

These are modifiers of theirs since Blender 5.0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_EVERY_FRAME = range(-(1 << 20), 1 << 20)
"""More than Blender can number."""


def is_rendered(scene: Any) -> bool:
    """Whether a render of the scene shows its strips: then its compositor is not asked. A Scene strip of it asks,
    with the strips switched off meanwhile."""
    editor = scene.sequence_editor
    if editor is None or not scene.render.use_sequencer:
        return False
    return any(strip.type != "SOUND" for strip in _shown_strips(editor))


def compositors(scene: Any) -> Iterator[tuple[Any, range]]:
    """The trees in modifiers of the scene's strips that are shown, each with the frames at which its strip is."""
    if scene.sequence_editor is not None:
        yield from _compositors_in(scene.sequence_editor, _EVERY_FRAME)


def _compositors_in(holder: Any, around: range) -> Iterator[tuple[Any, range]]:
    """Those in an editor or a Meta strip, which is shown ``around`` some frames and no others."""
    for strip in _shown_strips(holder):
        first, end = max(around.start, strip.frame_final_start), min(around.stop, strip.frame_final_end)
        for modifier in strip.modifiers:
            tree = getattr(modifier, "node_group", None)
            if tree is not None and not modifier.mute:
                yield tree, range(first, end)
        if strip.type == "META":
            yield from _compositors_in(strip, range(first, end))


def _shown_strips(holder: Any) -> Iterator[Any]:
    """The strips right in an editor or a Meta strip, which has channels of its own."""
    for strip in holder.strips:
        if not (strip.mute or holder.channels[strip.channel].mute):
            yield strip
