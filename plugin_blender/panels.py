"""The node editor's sidebar and the Add menu. Draws what :mod:`runtime` knows, and asks nobody."""

from __future__ import annotations

import shutil
from typing import Any

import bpy

from . import graph, runtime, server_process
from .matte_link.endpoint import DEFAULT_ADDRESS
from .matte_link.errors import LinkError
from .matte_link.options import shown_in
from .matte_link.sequence import format_frames
from .offering import CATEGORY
from .plan import SolvePlan
from .preferences import in_use, preferences, server_command, setup_obstacle
from .properties import title_case
from .translation import tr

_SHOWN_CHARACTERS = 34


def active_node(context: Any) -> Any:
    space = context.space_data
    tree = getattr(space, "edit_tree", None)
    node = tree.nodes.active if tree else None
    return node if graph.is_matte(node) else None


class MattePanel:
    bl_space_type: Any = "NODE_EDITOR"
    bl_region_type: Any = "UI"
    bl_category = CATEGORY

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Only for our nodes."""
        return active_node(context) is not None


class CLEANPLATE_PT_matte(MattePanel, bpy.types.Panel):
    """Solving and its state."""

    bl_idname = "CLEANPLATE_PT_matte"
    bl_label = "Cleanplate Matte"

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        node = active_node(context)
        layout: Any = self.layout
        state = runtime.state(node.matte.node_id)
        _draw_solve(layout, node)
        _draw_state(layout, state)
        column = layout.column()
        column.use_property_split, column.use_property_decorate = True, False
        column.prop(node.matte, "frames", placeholder=f"{context.scene.frame_start}-{context.scene.frame_end}")
        column.prop(node.matte, "folder")
        if state.left_behind:
            row = layout.row()
            row.operator("cleanplate.copy_results", icon="DUPLICATE").node_id = node.matte.node_id
        row = layout.row(align=True)
        row.operator("cleanplate.compare", icon="VIEWZOOM").node_id = node.matte.node_id
        row = layout.row(align=True)
        for name, icon in (("cleanplate.show_in_folder", "FILE_FOLDER"), ("cleanplate.clear_cache", "TRASH")):
            row.operator(name, icon=icon).node_id = node.matte.node_id


def _draw_solve(layout: Any, node: Any) -> None:
    running = runtime.running
    if running and running.node_id == node.matte.node_id:
        state = runtime.state(node.matte.node_id)
        text = tr("{done} of {total}").format(done=state.done, total=state.total)
        layout.progress(factor=state.done / max(state.total, 1), text=text)
        wrapped(layout.column(align=True), state.activity, "SORTTIME")
        layout.operator("cleanplate.cancel", icon="CANCEL")
        return
    if runtime.afterwards is not None:
        layout.label(text=tr("Waits for the server"), icon="SORTTIME")
        layout.operator("cleanplate.cancel", icon="CANCEL")
        return
    if runtime.render:
        layout.label(text=runtime.state(node.matte.node_id).activity or tr("Rendering"), icon="SORTTIME")
    row = layout.row(align=True)
    row.scale_y = 1.4
    for name, icon in (("cleanplate.solve_frame", "RENDER_STILL"), ("cleanplate.solve_range", "RENDER_ANIMATION")):
        row.operator(name, icon=icon).node_id = node.matte.node_id


def _draw_state(layout: Any, state: runtime.NodeState) -> None:
    box = layout.box().column(align=True)
    plan, counts = state.plan, state.counts
    if plan is not None and plan.problem:
        wrapped(box, plan.problem, "ERROR")
    else:
        for words, frames, icon in (
            (tr("{count} solved"), counts.fresh, "CHECKMARK"),
            (tr("{count} stale"), counts.stale, "FILE_REFRESH"),
            (tr("{count} missing"), counts.missing, "DOT"),
            *(((tr("{count} unknown"), counts.unknown, "QUESTION"),) if counts.unknown else ()),
        ):
            text = words.format(count=len(frames))
            box.label(text=f"{text}: {_short(frames)}" if frames else text, icon=icon)
        if state.comparing:
            words = tr("Comparing {count}: their files have new times")
            box.label(text=words.format(count=state.comparing), icon="SORTTIME")
        elif counts.unknown and plan is not None:
            wrapped(box, _why_unknown(plan, counts.unknown[0]), "QUESTION")
    if state.error:
        wrapped(box, state.error, "ERROR")


def _why_unknown(plan: SolvePlan, frame: int) -> str:
    """In which way the result of a frame is not known to be fresh."""
    if plan.is_touched(frame):
        return tr("Unknown: input files were put there again with their old sizes and times. Compare Inputs tells.")
    if plan.uncomparable:
        what = ", ".join(plan.uncomparable)
        return tr("Unknown: {what} cannot be compared. Solve again after a change.").format(what=what)
    return tr("Unknown: the server was not asked yet which model it runs.")


def _short(frames: tuple[int, ...]) -> str:
    text = format_frames(frames)
    return text if len(text) < _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


def wrapped(layout: Any, text: str, icon: str) -> None:
    """Blender's labels do not wrap."""
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= _SHOWN_CHARACTERS:
            layout.label(text=line, icon=icon)
            line, icon = "", "BLANK1"
        line = f"{line} {word}".strip()
    layout.label(text=line, icon=icon)


class CLEANPLATE_PT_server(MattePanel, bpy.types.Panel):
    """The server's address."""

    bl_idname = "CLEANPLATE_PT_server"
    bl_parent_id = "CLEANPLATE_PT_matte"
    bl_label = "Server"
    bl_order = 2

    def draw(self, context: Any) -> None:
        """Called by Blender."""
        chosen = preferences()
        layout: Any = self.layout
        if isinstance(chosen, bpy.types.AddonPreferences):
            layout.prop(chosen, "address", text="", placeholder=DEFAULT_ADDRESS)
        words, is_there = _server_state()
        wrapped(layout.column(align=True), words, "NETWORK_DRIVE")
        if runtime.setup is not None:
            wrapped(layout.column(align=True), f"{runtime.setup.step}: {runtime.setup.last_line}", "SORTTIME")
            layout.operator("cleanplate.cancel_setup", icon="CANCEL")
            return
        row = layout.row(align=True)
        row.operator("cleanplate.test_server", text="Test")
        row.operator("cleanplate.start_server", text="Start")
        row.operator("cleanplate.stop_server", text="Stop")
        if not is_there and not shutil.which(server_command()):
            layout.operator("cleanplate.set_up_server", icon="IMPORT")
            refused = setup_obstacle()
            if refused:
                wrapped(layout.column(align=True), str(refused), "INFO")


def _server_state() -> tuple[str, bool]:
    """The address in use with what is known of the server there, and whether there is one."""
    own = server_process.endpoint()
    if own:
        return tr("{address}: started by this Blender").format(address=own.address), True
    if server_process.is_running():
        return tr("The server is starting"), True
    ended = server_process.describe()
    if ended:
        return ended, False
    try:
        address = in_use().address
    except LinkError as error:
        return str(error), False
    if address in runtime.silent_servers:
        return tr("{address}: no answer").format(address=address), False
    pong = runtime.servers.get(address)
    if pong:
        return tr("{address}: Cleanplate {version}").format(address=address, version=pong.version), True
    return tr("{address}: not asked yet").format(address=address), False


def _group_panel(group: str) -> type:
    specs = [spec for spec in shown_in("blender") if spec.group == group]

    def draw(self: Any, context: Any) -> None:
        # Nothing is animated, so no place is kept for that.
        self.layout.use_property_split, self.layout.use_property_decorate = True, False
        for spec in specs:
            self.layout.prop(active_node(context).matte, spec.name)

    name = f"CLEANPLATE_PT_options_{group.lower().replace(' ', '_')}"
    return type(
        name,
        (MattePanel, bpy.types.Panel),
        {
            "__doc__": f"The options of the group {group}.",
            "bl_idname": name,
            "bl_label": title_case(group),
            "bl_parent_id": "CLEANPLATE_PT_matte",
            "bl_options": set() if group == "Matte" else {"DEFAULT_CLOSED"},
            "draw": draw,
        },
    )


CLASSES = (
    CLEANPLATE_PT_matte,
    *[_group_panel(group) for group in dict.fromkeys(spec.group for spec in shown_in("blender"))],
    CLEANPLATE_PT_server,
)
ADD_MENU = "NODE_MT_category_compositor_keying"


def draw_add_menu(self: Any, context: Any) -> None:
    """The entry in Add > Keying."""
    self.layout.separator()
    self.layout.operator("cleanplate.add", icon="NODE_COMPOSITING")
