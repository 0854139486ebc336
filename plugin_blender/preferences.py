"""Where the matting server is, and how to start one."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import bpy

from . import server_process
from .matte_link.endpoint import DEFAULT_ADDRESS, Endpoint
from .plan import NodeError


class CleanplatePreferences(bpy.types.AddonPreferences):
    """The add-on's preferences."""

    bl_idname = __package__

    if TYPE_CHECKING:
        address: str
        # A field of ours; the class that Blender's stubs describe has a method of that name.
        keys: Any
        command: str
    else:
        # Blender reads its properties out of the annotations.
        address: bpy.props.StringProperty(
            name="Server",
            description="Address of the matting server. Empty: $CLEANPLATE_SERVER, else the default address",
            default="",
        )
        keys: bpy.props.StringProperty(
            name="Keys", description="Key file for an encrypted server", default="", subtype="FILE_PATH"
        )
        command: bpy.props.StringProperty(
            name="Command",
            description="The 'cleanplate' command, for starting a server on this machine",
            default="cleanplate",
            subtype="FILE_PATH",
        )

    def draw(self, context: Any) -> None:
        """The page in the preferences window."""
        layout: Any = self.layout
        layout.use_property_split = True
        row = layout.row(align=True)
        row.prop(self, "address", placeholder=DEFAULT_ADDRESS)
        row.operator("cleanplate.test_server", text="Test")
        layout.prop(self, "keys")
        layout.prop(self, "command")
        row = layout.row()
        row.operator("cleanplate.start_server", icon="PLAY")
        row.operator("cleanplate.stop_server", icon="SNAP_FACE")
        if server_process.describe():
            layout.label(text=server_process.describe())


_UNSET = SimpleNamespace(address="", keys="", command="cleanplate")


def preferences() -> Any:
    """The preferences; plain defaults where the add-on was registered by a script."""
    chosen: Any = bpy.context.preferences
    addon = chosen.addons.get(__package__)
    return addon.preferences if addon and addon.preferences else _UNSET


def endpoint() -> Endpoint:
    """The server to use; raises ``NodeError`` where the address or the keys are none."""
    chosen = preferences()
    try:
        return Endpoint.resolve(chosen.address.strip(), bpy.path.abspath(chosen.keys) if chosen.keys else "")
    except ValueError as error:
        raise NodeError(str(error)) from None
