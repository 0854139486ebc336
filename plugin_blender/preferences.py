"""Where the matting server is, and how to start one."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import bpy

from . import runtime, server_process
from .matte_link.endpoint import DEFAULT_ADDRESS, Endpoint
from .matte_link.port_owner import why_not_trusted
from .plan import NodeError
from .server_setup import command_in, obstacle

PACKAGE = "cleanplate"


class CleanplatePreferences(bpy.types.AddonPreferences):
    """The add-on's preferences."""

    bl_idname = __package__

    if TYPE_CHECKING:
        address: str
        # A field of ours; the class that Blender's stubs describe has a method of that name.
        keys: Any
        command: str
        package: str
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
        package: bpy.props.StringProperty(
            name="Package",
            description="What Set Up Server installs with pip: a name, a wheel or a checkout",
            default=PACKAGE,
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
        layout.prop(self, "package")
        row = layout.row()
        row.operator("cleanplate.set_up_server", icon="IMPORT")
        row.operator("cleanplate.remove_server", icon="TRASH")
        row = layout.row()
        row.operator("cleanplate.start_server", icon="PLAY")
        row.operator("cleanplate.stop_server", icon="SNAP_FACE")
        refused = setup_obstacle()
        if refused:
            layout.label(text=refused.message, icon="INFO")
            layout.label(text=refused.hint, icon="BLANK1")
        state = server_process.describe()
        if state:
            layout.label(text=state)


_UNSET = SimpleNamespace(address="", keys="", command="cleanplate", package=PACKAGE)


def preferences() -> Any:
    """The preferences; plain defaults where the add-on was registered by a script."""
    chosen: Any = bpy.context.preferences
    addon = chosen.addons.get(__package__)
    return addon.preferences if addon and addon.preferences else _UNSET


def setup_folder() -> Path:
    """Where Set Up Server installs: the add-on's own folder for what it keeps, which an update leaves alone."""
    return Path(bpy.utils.user_resource("DATAFILES", path="cleanplate")) / "server"


def setup_package() -> str:
    """What Set Up Server installs."""
    return _path(preferences().package) or PACKAGE


def setup_obstacle() -> NodeError | None:
    """Why Set Up Server cannot begin here; None where it can."""
    return obstacle(setup_package(), offline=not bpy.app.online_access)


def server_command() -> str:
    """The command that starts a server: the one of the preferences where it is named, else the one set up."""
    chosen = _path(preferences().command)
    return chosen if chosen not in ("", PACKAGE) else command_in(setup_folder()) or PACKAGE


def endpoint() -> Endpoint:
    """The server ``in_use``, to send pictures to. Raises ``NodeError`` where it cannot be used, or where nobody
    named it and another user of this machine runs it, which is too slow to ask while a panel is drawn."""
    found = in_use()
    is_named = runtime.server_address or preferences().address.strip()
    if not is_named and (problem := why_not_trusted(found)):
        raise NodeError(problem, "Start a server of your own, or name that one as Server in the preferences.")
    return found


def in_use() -> Endpoint:
    """The server that the command line names, else the one that this Blender started, else that of the preferences.
    Raises ``NodeError`` where it cannot be used."""
    own = None if runtime.server_address else server_process.endpoint()
    if own:
        return own
    if server_process.is_running() and not runtime.server_address:
        raise NodeError("The server is starting.", "Try again when the panel says that it has started.")
    return named_endpoint()


def named_endpoint() -> Endpoint:
    """The server that the command line or the preferences name; raises ``NodeError`` where it cannot be used."""
    chosen = preferences()
    address = runtime.server_address or chosen.address.strip()
    try:
        found = Endpoint.resolve(address, _keys(chosen))
    except ValueError as error:
        raise NodeError(str(error)) from None
    if not found.is_loopback:
        _need_access(found.address)
    return found


def _need_access(address: str) -> None:
    """Raises ``NodeError`` where Blender may not reach an address beyond this machine. ``--server`` of a command
    line goes before the preference, as ``--online-mode`` does, and not before ``--offline-mode``."""
    app: Any = bpy.app
    if app.online_access:
        return
    if app.online_access_override:
        raise NodeError(
            f"{address} is not on this machine, and Blender was started with --offline-mode.",
            "Start it without, or use a server of this machine.",
        )
    if not runtime.server_address:
        raise NodeError(
            f"{address} is not on this machine, and Blender is set to work offline.",
            "Allow Online Access in the system preferences, or start Blender with --online-mode.",
        )


def _keys(chosen: Any) -> str:
    """The key file for the server: that of the preferences belongs to their own address."""
    if runtime.server_keys or runtime.server_address not in ("", chosen.address.strip()):
        return runtime.server_keys
    return _path(chosen.keys)


def _path(text: str) -> str:
    """A field of the preferences that may be a path: from the home folder (``~``), or beside the open file."""
    # A Path would break the addresses that pip takes, too.
    return str(bpy.path.abspath(os.path.expanduser(text.strip())))  # noqa: PTH111
