"""Sets the matting server up, and removes it again."""

import time
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import bpy

from . import modals, offering, planning, runtime, server_process
from .operators import Result
from .plan import NodeError
from .preferences import setup_folder, setup_obstacle, setup_package
from .server_setup import ServerSetup, remove
from .translation import tr

_TIMER_S = 0.3


class CLEANPLATE_OT_set_up_server(bpy.types.Operator):
    """Install the matting server on this machine, into a folder of its own. Nothing is added to Blender's Python"""

    bl_idname = "cleanplate.set_up_server"
    bl_label = "Set Up Server"

    if TYPE_CHECKING:
        cpu_only: bool
    else:
        cpu_only: bpy.props.BoolProperty(
            name="CPU Only",
            description="Install the smaller build of PyTorch, for machines without an NVIDIA GPU",
            default=False,
        )

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Only where it is not being set up already, and can be in this Blender: the tooltip says why not."""
        refused = setup_obstacle()
        if refused:
            cls.poll_message_set(str(refused))
        return runtime.setup is None and refused is None

    def invoke(self, context: Any, event: Any) -> Result:
        """Says first what it will do."""
        result: Result = context.window_manager.invoke_props_dialog(self, width=420, confirm_text="Set Up")
        return result

    def draw(self, context: Any) -> None:
        """The dialog."""
        layout: Any = self.layout
        column = layout.column(align=True)
        for line in (
            tr("Makes a Python environment and installs Cleanplate's server in it:"),
            str(setup_folder()),
            self._size(),
        ):
            column.label(text=line)
        row = layout.row()
        row.enabled = bpy.app.online_access
        row.prop(self, "cpu_only")

    def _size(self) -> str:
        if not bpy.app.online_access:
            return tr("Offline: the package is a local wheel, beside which lies what it needs.")
        return (
            tr("About 1 GB is downloaded.") if self.cpu_only else tr("About 3 GB are downloaded (CPU only: 1 GB).")
        )

    def execute(self, context: Any) -> Result:
        """Begins; :meth:`modal` goes on in a window, and without one this waits."""
        try:
            runtime.setup = _begin(self.cpu_only)
        except NodeError as error:
            offering.give_up(str(error))
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if bpy.app.background:
            while self._goes_on():
                time.sleep(_TIMER_S)
            return self._conclude()
        modals.begin(self, context, _TIMER_S)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> Result:
        """Looks now and then how far it is; ESC takes back the solve that waits for it."""
        if offering.is_taken_back_by(event):
            self.report({"INFO"}, offering.take_back())
        if event.type != "TIMER" or self._goes_on():
            planning.redraw()
            return {"PASS_THROUGH"}
        modals.end(self, context)
        result = self._conclude()
        if "FINISHED" in result:
            sentence = offering.complaint_of(partial(cast(Any, bpy.ops).cleanplate.start_server, "INVOKE_DEFAULT"))
            if sentence:
                self.report({"ERROR"}, sentence)
        else:
            offering.give_up(self._error)
        planning.redraw()
        return result

    def cancel(self, context: Any) -> None:
        """Called by Blender where it ends the operator itself: another file is opened, or the window is closed."""
        offering.give_up()
        if runtime.setup is not None:  # else its dialog was left
            modals.end(self, context)
            runtime.setup.cancel()
            runtime.setup = None

    def _goes_on(self) -> bool:
        self._error = ""
        try:
            return bool(runtime.setup.poll())
        except (NodeError, OSError) as error:
            self._error = str(error)
            return False

    def _conclude(self) -> Result:
        setup, runtime.setup = runtime.setup, None
        if self._error or setup.cancelled:
            self.report({"ERROR"} if self._error else {"INFO"}, self._error or "Set Up Server was cancelled.")
            return {"CANCELLED"}
        self.report({"INFO"}, "The server is set up.")
        return {"FINISHED"}


def _begin(cpu_only: bool) -> ServerSetup:
    if runtime.setup is not None:
        raise NodeError("The server is being set up already.")
    return ServerSetup(setup_folder(), setup_package(), cpu_only, offline=not bpy.app.online_access)


class CLEANPLATE_OT_cancel_setup(bpy.types.Operator):
    """Stop setting up the server. Set Up Server continues it later"""

    bl_idname = "cleanplate.cancel_setup"
    bl_label = "Cancel Setup"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Only while the server is being set up."""
        return runtime.setup is not None

    def execute(self, context: Any) -> Result:
        """Stops pip."""
        runtime.setup.cancel()
        return {"FINISHED"}


class CLEANPLATE_OT_remove_server(bpy.types.Operator):
    """Delete the server that Set Up Server has installed"""

    bl_idname = "cleanplate.remove_server"
    bl_label = "Remove Server"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Only where there is one, and it is not being made."""
        return setup_folder().exists() and runtime.setup is None

    def invoke(self, context: Any, event: Any) -> Result:
        """Asks first."""
        result: Result = context.window_manager.invoke_confirm(self, event)
        return result

    def execute(self, context: Any) -> Result:
        """Stops the server, and deletes its folder."""
        server_process.stop()
        try:
            remove(setup_folder())
        except NodeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (CLEANPLATE_OT_set_up_server, CLEANPLATE_OT_cancel_setup, CLEANPLATE_OT_remove_server)
