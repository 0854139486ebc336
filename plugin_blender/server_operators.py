"""Asks, starts and stops the matting server."""

import contextlib
from typing import Any

import bpy

from . import modals, offering, planning, server_process
from .matte_link.errors import LinkError
from .operators import Result
from .plan import NodeError
from .preferences import named_endpoint, server_command
from .solve import ask_server

_TIMER_S = 0.2


class CLEANPLATE_OT_test_server(bpy.types.Operator):
    """Ask the matting server whether it is there"""

    bl_idname = "cleanplate.test_server"
    bl_label = "Test Server"

    def execute(self, context: Any) -> Result:
        """Reports the server's version and models."""
        try:
            self.report({"INFO"}, ask_server())
        except LinkError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            # The panel says what is known of the server.
            planning.redraw()
        return {"FINISHED"}


class CLEANPLATE_OT_start_server(bpy.types.Operator):
    """Start a matting server on this machine; it stops with Blender. One that already runs is used as it is"""

    bl_idname = "cleanplate.start_server"
    bl_label = "Start Server"

    def execute(self, context: Any) -> Result:
        """Starts it and waits until it is ready."""
        try:
            if not self._begin():
                server_process.wait()
                self.report({"INFO"}, ask_server())
        except LinkError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}

    def invoke(self, context: Any, event: Any) -> Result:
        """Starts it and tells when it is ready."""
        try:
            if self._begin():
                offering.go_on()
                return {"FINISHED"}
        except LinkError as error:
            offering.give_up(str(error))
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        planning.redraw()
        modals.begin(self, context, _TIMER_S)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> Result:
        """Looks now and then whether it is ready; ESC takes back what has waited for it."""
        if offering.is_taken_back_by(event):
            self.report({"INFO"}, offering.take_back())
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        error = ""
        try:
            if not server_process.poll():
                return {"PASS_THROUGH"}
            self.report({"INFO"}, ask_server())
        except LinkError as problem:
            error = str(problem)
        modals.end(self, context)
        if error:
            self.report({"ERROR"}, error)
            offering.give_up(error)
        else:
            offering.go_on()
        planning.redraw()
        return {"FINISHED"}

    def cancel(self, context: Any) -> None:
        """Called by Blender where it ends the operator itself. The server goes on starting, and nothing
        that waits for it is pressed later, perhaps in another file."""
        offering.give_up()
        modals.end(self, context)

    def _begin(self) -> bool:
        """Starts the process, where it does not start already; whether a server already runs instead."""
        if server_process.is_running() and not server_process.endpoint():
            return False
        with contextlib.suppress(LinkError):
            self.report({"INFO"}, ask_server(0.5))
            return True
        named = named_endpoint()
        if not named.is_loopback or named.encrypted:
            raise NodeError(
                f"{named.address} is not on this machine, or needs keys.",
                "Start that server where it belongs, with 'cleanplate serve', or empty the address.",
            )
        server_process.start(server_command())
        return False


class CLEANPLATE_OT_stop_server(bpy.types.Operator):
    """Stop the matting server that this Blender has started"""

    bl_idname = "cleanplate.stop_server"
    bl_label = "Stop Server"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Only where we have started one, which may have died since."""
        return bool(server_process.describe())

    def execute(self, context: Any) -> Result:
        """Ends the process, and does not wait for one that hangs."""
        server_process.begin_stop()
        planning.redraw()
        return {"FINISHED"}


CLASSES = (CLEANPLATE_OT_test_server, CLEANPLATE_OT_start_server, CLEANPLATE_OT_stop_server)
