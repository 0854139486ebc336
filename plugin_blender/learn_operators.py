"""Add Key Frame and Learn."""

import time
from typing import TYPE_CHECKING, Any

import bpy

from . import jobs, key_frames, mended_mattes, modals, planning, runtime
from .learning import Learning
from .matte_link.errors import LinkError
from .operators import OnNode, Result, chosen

_TIMER_S = 0.1


class CLEANPLATE_OT_add_key_frame(OnNode, bpy.types.Operator):
    """Keep the matte of this frame, as Core, Holdout or Key Matte mend it, for Learn"""

    bl_idname = "cleanplate.add_key_frame"
    bl_label = "Add Key Frame"
    bl_options: Any = frozenset({"REGISTER", "UNDO"})

    def invoke(self, context: Any, event: Any) -> Result:
        """Waits where Blender's jobs run: the matte has to be rendered."""
        if not jobs.is_busy():
            return self.execute(context)
        modals.begin(self, context, _TIMER_S)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> Result:
        """Takes the matte when they have ended."""
        if event.type != "TIMER" or jobs.is_busy():
            return {"PASS_THROUGH"}
        self.cancel(context)
        return self.execute(context)

    def cancel(self, context: Any) -> None:
        """Called by Blender where it ends the operator itself."""
        modals.end(self, context)

    def act(self, context: Any, scene: Any, node: Any) -> Result:
        mended_mattes.add(scene, node, scene.frame_current)
        runtime.mark_changed()
        self.report({"INFO"}, f"Frame {scene.frame_current} is a key frame.")
        return {"FINISHED"}


class CLEANPLATE_OT_remove_key_frame(OnNode, bpy.types.Operator):
    """Take this frame off the list of key frames"""

    bl_idname = "cleanplate.remove_key_frame"
    bl_label = "Remove Key Frame"
    bl_options: Any = frozenset({"INTERNAL", "UNDO"})

    if TYPE_CHECKING:
        frame: int
    else:
        frame: bpy.props.IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    def act(self, context: Any, scene: Any, node: Any) -> Result:
        key_frames.remove(node, self.frame)
        runtime.mark_changed()
        return {"FINISHED"}


class CLEANPLATE_OT_learn(OnNode, bpy.types.Operator):
    """Learn this shot from its key frames, or from the shot itself where there are none"""

    bl_idname = "cleanplate.learn"
    bl_label = "Learn"

    def act(self, context: Any, scene: Any, node: Any) -> Result:
        learning = Learning(scene, node)
        try:
            while learning.step():
                time.sleep(_TIMER_S)
        finally:
            learning.close()
        return self._conclude(learning)

    def invoke(self, context: Any, event: Any) -> Result:
        """Begins; :meth:`modal` goes on with it."""
        try:
            self._learning = Learning(*chosen(context, self.node_id))
        except LinkError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        modals.begin(self, context, _TIMER_S)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> Result:
        """One step a tick. ESC is left to solves, which go on beside it; Cancel Learn stops this."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            more = self._learning.step()
        except Exception:
            self._end(context)
            raise
        planning.redraw()
        if more:
            return {"PASS_THROUGH"}
        self._end(context)
        return self._conclude(self._learning)

    def cancel(self, context: Any) -> None:
        """Called by Blender where it ends the operator itself: another file is opened, or the window is closed. The
        server goes on, and Learn joins it again."""
        self._end(context)

    def _end(self, context: Any) -> None:
        modals.end(self, context)
        self._learning.close()

    def _conclude(self, learning: Learning) -> Result:
        runtime.state(learning.node_id).error = learning.sentence if learning.failed else ""
        self.report({"ERROR"} if learning.failed else {"INFO"}, learning.sentence)
        return {"CANCELLED"} if learning.failed else {"FINISHED"}


class CLEANPLATE_OT_cancel_learn(bpy.types.Operator):
    """Stop learning after the current step; what was gained is kept"""

    bl_idname = "cleanplate.cancel_learn"
    bl_label = "Cancel Learn"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Only while a Learn runs."""
        return runtime.learning is not None

    def execute(self, context: Any) -> Result:
        """Asks it to stop; its own operator ends it."""
        runtime.learning.cancel()
        return {"FINISHED"}


CLASSES = (
    CLEANPLATE_OT_add_key_frame,
    CLEANPLATE_OT_remove_key_frame,
    CLEANPLATE_OT_learn,
    CLEANPLATE_OT_cancel_learn,
)
