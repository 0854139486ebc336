"""The strips that are rendered in place of a scene's compositor, and the compositors of strips, which are modifiers
of theirs since Blender 5.0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def is_rendered(scene: Any) -> bool:
    """Whether a render of the scene shows its strips: then its compositor is not asked. A Scene strip of it asks,
    with the strips switched off meanwhile."""
    editor = scene.sequence_editor
    if editor is None or not scene.render.use_sequencer:
        return False
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    return any(strip.type != "SOUND" and not _is_muted(editor, strip) for strip in strips)


def _is_muted(editor: Any, strip: Any) -> bool:
    return bool(strip.mute or editor.channels[strip.channel].mute)


def compositors(scene: Any) -> Iterator[tuple[Any, range]]:
    """The trees in modifiers of the scene's strips, each with the frames at which its strip is shown."""
    editor = scene.sequence_editor
    for strip in getattr(editor, "strips_all", ()):
        for modifier in strip.modifiers:
            tree = getattr(modifier, "node_group", None)
            if tree is not None and not (strip.mute or modifier.mute):
                yield tree, range(strip.frame_final_start, strip.frame_final_end)
