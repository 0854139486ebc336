"""The sidebar's part for learning a shot."""

from __future__ import annotations

from typing import Any

import bpy

from . import runtime
from .panels import MattePanel, active_node, wrapped
from .translation import tr


class CLEANPLATE_PT_learn(MattePanel, bpy.types.Panel):
    """Key frames, and the weights that were learned from them."""

    bl_idname = "CLEANPLATE_PT_learn"
    bl_parent_id = "CLEANPLATE_PT_matte"
    bl_label = "Learn"
    bl_order = 1
    bl_options: Any = frozenset({"DEFAULT_CLOSED"})

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        node = active_node(context)
        layout: Any = self.layout
        state = runtime.state(node.matte.node_id)
        row = layout.row(align=True)
        row.operator("cleanplate.add_key_frame", icon="KEY_HLT").node_id = node.matte.node_id
        row.operator("cleanplate.learn", icon="OUTLINER_OB_LIGHTPROBE").node_id = node.matte.node_id
        _draw_keys(layout.column(align=True), node, state)
        learning = runtime.learning
        if learning is not None and learning.node_id == node.matte.node_id:
            layout.progress(factor=learning.progress, text=f"{100 * learning.progress:.0f} %")
            wrapped(layout.column(align=True), learning.activity, "SORTTIME")
            layout.operator("cleanplate.cancel_learn", icon="CANCEL")
        elif node.matte.learned:
            layout.prop(node.matte, "use_learned")
            if state.keys_have_changed:
                text = tr("The key frames have changed since: Learn again.")
                wrapped(layout.column(align=True), text, "FILE_REFRESH")


def _draw_keys(layout: Any, node: Any, state: runtime.NodeState) -> None:
    for key in sorted(node.matte.key_frames, key=lambda each: each.frame):
        row = layout.row(align=True)
        stale = key.frame in state.stale_keys
        words = tr("Frame {frame} (stale)") if stale else tr("Frame {frame}")
        row.label(text=words.format(frame=key.frame), icon="ERROR" if stale else "KEYFRAME")
        remove = row.operator("cleanplate.remove_key_frame", text="", icon="X")
        remove.node_id, remove.frame = node.matte.node_id, key.frame


CLASSES = (CLEANPLATE_PT_learn,)
