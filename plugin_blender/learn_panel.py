"""The sidebar's part for learning a shot."""

from __future__ import annotations

from typing import Any

import bpy

from . import key_frames, runtime
from .panels import MattePanel, active_node, wrapped
from .plan import SolvePlan
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
        plan = runtime.state(node.matte.node_id).plan
        row = layout.row(align=True)
        row.operator("cleanplate.add_key_frame", icon="KEY_HLT").node_id = node.matte.node_id
        row.operator("cleanplate.learn", icon="OUTLINER_OB_LIGHTPROBE").node_id = node.matte.node_id
        _draw_keys(layout.column(align=True), node, plan)
        learning = runtime.learning
        if learning is not None and learning.node_id == node.matte.node_id:
            layout.progress(factor=learning.progress, text=f"{100 * learning.progress:.0f} %")
            wrapped(layout.column(align=True), learning.activity, "SORTTIME")
            layout.operator("cleanplate.cancel_learn", icon="CANCEL")
        elif node.matte.learned:
            layout.prop(node.matte, "use_learned")
            if node.matte.learned_from != key_frames.named(node):
                text = tr("The key frames have changed since: Learn again.")
                wrapped(layout.column(align=True), text, "FILE_REFRESH")


def _draw_keys(layout: Any, node: Any, plan: SolvePlan | None) -> None:
    reasons = dict(key_frames.unusable(node, plan)) if plan is not None and not plan.problem else {}
    for key in sorted(node.matte.key_frames, key=lambda each: each.frame):
        row = layout.row(align=True)
        stale = key.frame in reasons
        words = tr("Frame {frame} (stale)") if stale else tr("Frame {frame}")
        row.label(text=words.format(frame=key.frame), icon="ERROR" if stale else "KEYFRAME")
        remove = row.operator("cleanplate.remove_key_frame", text="", icon="X")
        remove.node_id, remove.frame = node.matte.node_id, key.frame


CLASSES = (CLEANPLATE_PT_learn,)
