"""What the artist can press. Everything works without a window too, and then waits."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import bpy

from . import copies, graph, jobs, kept_results, modals, offering, planning, runtime
from .blend_files import other_users
from .matte_link.errors import LinkError
from .places import all_nodes, matte_nodes, scene_of
from .plan import NodeError
from .results_folder import lies_beside, need_place
from .sessions import played_elsewhere
from .solve import Solve
from .versions import make_tree, tree_of

_TIMER_S = 0.03
Result = set[Literal["RUNNING_MODAL", "CANCELLED", "FINISHED", "PASS_THROUGH", "INTERFACE"]]
if TYPE_CHECKING:
    _Operator = bpy.types.Operator
else:
    # Blender wants its own class among the bases of what is registered, and not among theirs.
    _Operator = object


def chosen(context: Any, node_id: str) -> tuple[Any, Any]:
    """The scene and node meant: the one named, else the active one, else the only one of the scene. Copied nodes
    get an id of their own first. Raises ``NodeError``."""
    if not jobs.is_rendering():
        copies.make_unique()
    if node_id:
        return planning.find(node_id)
    tree = seen_tree(context)
    nodes = matte_nodes(tree)
    active = tree.nodes.active if tree else None
    node = active if graph.is_matte(active) else nodes[0] if len(nodes) == 1 else None
    if node is None:
        raise NodeError("Select a Cleanplate Matte node first.")
    return scene_of(tree), node


def seen_tree(context: Any) -> Any:
    """The compositor tree that the artist looks at: pinned, inside a group, or the scene's; None without any."""
    space = context.space_data
    tree = getattr(space, "edit_tree", None) if space and space.type == "NODE_EDITOR" else None
    return tree if tree and tree.bl_idname == "CompositorNodeTree" else tree_of(context.scene)


class OnNode(_Operator):
    """Operators on one node; errors are one sentence. Each has an ``act``."""

    if TYPE_CHECKING:
        node_id: str

        def act(self, context: Any, scene: Any, node: Any) -> Result: ...
    else:
        # Blender reads its properties out of the annotations.
        node_id: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: Any) -> Result:
        """Called by Blender."""
        try:
            return self.act(context, *chosen(context, self.node_id))
        except LinkError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}


class CLEANPLATE_OT_add(bpy.types.Operator):
    """Add a Cleanplate Matte node, connected to a plate and a clean plate where their two nodes are selected"""

    bl_idname = "cleanplate.add"
    bl_label = "Cleanplate Matte"
    bl_options: Any = frozenset({"REGISTER", "UNDO"})

    def execute(self, context: Any) -> Result:
        """Places the node and makes it the active one."""
        tree = seen_tree(context) or make_tree(context.scene)
        try:
            scene = scene_of(tree)
            if tree.library:
                raise NodeError(f"{tree.name} is linked from {tree.library.name}.", "Make it local first.")
        except NodeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        pictures = graph.selected_pictures(tree)
        node = graph.add_node(tree)
        graph.connect_pictures(node, pictures)
        added = [node]
        if context.space_data and context.space_data.type == "NODE_EDITOR":
            node.location = context.space_data.cursor_location
            added += graph.connect_viewer(node) if tree == tree_of(scene) else []
        for each in tree.nodes:
            each.select = each in added
        tree.nodes.active = node
        planning.refresh(scene, node)
        return {"FINISHED"}

    def invoke(self, context: Any, event: Any) -> Result:
        """Places the node under the mouse and lets the artist move it."""
        space = context.space_data
        if context.region and context.region.type == "WINDOW":
            space.cursor_location_from_region(event.mouse_region_x, event.mouse_region_y)
        is_first = next(iter(all_nodes()), None) is None
        result = self.execute(context)
        if "FINISHED" in result:
            if is_first:
                offering.show_buttons(seen_tree(context))
            bpy.ops.node.translate_attach_remove_on_cancel("INVOKE_DEFAULT")
        return result


class _Solver(OnNode):
    """Solves at once without a window, step by step with one. Each says which ``frames`` it solves, whether it
    solves fresh ones ``again``, and whether it only compares."""

    again = False
    only_compare = False

    if TYPE_CHECKING:

        def frames(self, scene: Any, node: Any) -> Sequence[int]: ...

    def act(self, context: Any, scene: Any, node: Any) -> Result:
        solve = self._begin(scene, node)
        solve.run()
        return self._conclude(solve)

    def _begin(self, scene: Any, node: Any) -> Solve:
        return Solve(scene, node, self.frames(scene, node), self.again, self.only_compare)

    def invoke(self, context: Any, event: Any) -> Result:
        """Starts the solve; :meth:`modal` goes on with it."""
        try:
            scene, node = chosen(context, self.node_id)
            if not self.only_compare and self._waits_for_server(scene, node):
                return {"CANCELLED"}
            self._solve = self._begin(scene, node)
        except LinkError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        context.window_manager.progress_begin(0, max(len(self._solve.frames), 1))
        modals.begin(self, context, _TIMER_S)
        return {"RUNNING_MODAL"}

    def _waits_for_server(self, scene: Any, node: Any) -> bool:
        """Whether the solve begins later, by itself, because the server is still to be started or set up."""
        if runtime.running is not None or planning.refresh(scene, node).problem:
            return False
        again = getattr(cast(Any, bpy.ops).cleanplate, self.bl_idname.rpartition(".")[2].rpartition("_OT_")[2])
        said = offering.server_is_coming(
            node.matte.node_id, partial(again, "INVOKE_DEFAULT", node_id=node.matte.node_id)
        )
        if said:
            self.report({"INFO"}, said)
            planning.redraw()
        return bool(said)

    def modal(self, context: Any, event: Any) -> Result:
        """One step a tick; ESC cancels."""
        if event.type == "ESC" and event.value == "PRESS":
            self._solve.cancel()
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        try:
            more = self._solve.step()
        except Exception:
            self._end(context)
            raise
        state = runtime.state(self._solve.node_id)
        context.window_manager.progress_update(state.done)
        text = f"Cleanplate: {state.activity}, {state.done} of {state.total} (ESC stops)"
        context.workspace.status_text_set(text)
        planning.redraw()
        if more:
            return {"RUNNING_MODAL"}
        self._end(context)
        return self._conclude(self._solve)

    def cancel(self, context: Any) -> None:
        """Called by Blender where it ends the operator itself: another file is opened, or the window is closed."""
        self._solve.cancel()
        self._end(context)

    def _end(self, context: Any) -> None:
        modals.end(self, context)
        context.window_manager.progress_end()
        # Where the add-on is switched off, the context is that of the preferences.
        for workspace in bpy.data.workspaces:
            workspace.status_text_set(None)
        self._solve.close()
        planning.redraw()

    def _conclude(self, solve: Solve) -> Result:
        if solve.sentence:
            self.report({"ERROR"}, solve.sentence)
            return {"CANCELLED"}
        warnings = solve.warnings
        self.report({"WARNING"} if warnings else {"INFO"}, " ".join([solve.summary, *warnings[:2]]))
        return {"CANCELLED"} if solve.cancelled else {"FINISHED"}


class CLEANPLATE_OT_solve_frame(_Solver, bpy.types.Operator):
    """Solve the current frame, even where its result is fresh"""

    bl_idname = "cleanplate.solve_frame"
    bl_label = "Solve Frame"
    again = True

    @staticmethod
    def frames(scene: Any, node: Any) -> tuple[int, ...]:
        """The current frame."""
        return (scene.frame_current,)


class CLEANPLATE_OT_solve_range(_Solver, bpy.types.Operator):
    """Solve every frame of the range whose result is not fresh"""

    bl_idname = "cleanplate.solve_range"
    bl_label = "Solve Range"

    @staticmethod
    def frames(scene: Any, node: Any) -> tuple[int, ...]:
        """The node's frames; raises ``NodeError``."""
        return _range_of(scene, node)


def _range_of(scene: Any, node: Any) -> tuple[int, ...]:
    try:
        return planning.wanted_frames(scene, node.matte)
    except ValueError as error:
        raise NodeError(str(error)) from None


class CLEANPLATE_OT_compare(_Solver, bpy.types.Operator):
    """Compare the pictures that feed the node with those that its results were made from"""

    bl_idname = "cleanplate.compare"
    bl_label = "Compare Inputs"
    only_compare = True

    @staticmethod
    def frames(scene: Any, node: Any) -> tuple[int, ...]:
        """The node's frames; raises ``NodeError``."""
        return _range_of(scene, node)


class CLEANPLATE_OT_cancel(bpy.types.Operator):
    """Stop the solve, or the wait for the server; frames that are done stay"""

    bl_idname = "cleanplate.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Only while a solve runs, or waits for the server."""
        return runtime.running is not None or runtime.afterwards is not None

    def execute(self, context: Any) -> Result:
        """Asks the solve to stop; its own operator ends it."""
        if runtime.running is not None:
            runtime.running.cancel()
        else:
            self.report({"INFO"}, offering.take_back())
        return {"FINISHED"}


class CLEANPLATE_OT_warn(bpy.types.Operator):
    """Tell what a render had to do without"""

    bl_idname = "cleanplate.warn"
    bl_label = "Cleanplate Warning"
    bl_options: Any = frozenset({"INTERNAL"})

    if TYPE_CHECKING:
        text: str
    else:
        text: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: Any, event: Any) -> Result:
        """Waits for a turn in the window: what scripts report, Blender prints and does not show."""
        modals.begin(self, context, _TIMER_S)
        return {"RUNNING_MODAL"}

    def modal(self, context: Any, event: Any) -> Result:
        """Reports it where Blender reports everything else."""
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        modals.end(self, context)
        self.report({"WARNING"}, self.text)
        return {"FINISHED"}

    def cancel(self, context: Any) -> None:
        """Called by Blender where it ends the operator itself."""
        modals.end(self, context)


class CLEANPLATE_OT_clear_cache(OnNode, bpy.types.Operator):
    """Delete this node's results from disk"""

    bl_idname = "cleanplate.clear_cache"
    bl_label = "Clear Cache"

    if TYPE_CHECKING:
        only_old: bool
    else:
        only_old: bpy.props.BoolProperty(
            name="Only Old Results", description="Keep the results of the present settings", default=False
        )

    def invoke(self, context: Any, event: Any) -> Result:
        """Asks first: solving again takes time."""
        result: Result = context.window_manager.invoke_props_dialog(self, confirm_text="Delete Results")
        return result

    def act(self, context: Any, scene: Any, node: Any) -> Result:
        if runtime.running is not None:
            raise NodeError("A solve is running.", "Cancel it first.")
        if jobs.is_rendering():
            raise NodeError("A render is running, and may need the results.", "Wait for its end.")
        plan = planning.refresh(scene, node)
        need_place(node.matte)
        _check_left_behind(plan.folder)
        users = other_users(Path(plan.folder), bpy.data.filepath, lies_beside(node.matte))
        users |= dict.fromkeys(played_elsewhere(Path(plan.folder)), "another Blender")
        try:
            deleted = kept_results.clear(plan, keep_present=self.only_old, keep_keys=users)
        except OSError as error:
            raise NodeError(f"{error.filename} cannot be deleted: {error.strerror}.") from None
        node.matte.former = ""
        graph.show_nothing(node)
        planning.refresh(scene, node)
        kept = f" Kept what {', '.join(sorted(set(users.values())))} uses." if users else ""
        self.report({"INFO"}, f"{deleted} results deleted.{kept}")
        return {"FINISHED"}


def _check_left_behind(folder: str) -> None:
    """Raises ``NodeError`` where a copied node of this file has results in the folder that it could not link."""
    for _, other in all_nodes():
        if other.matte.former == folder and runtime.state(other.matte.node_id).left_behind:
            raise NodeError(f"{other.name} has results there too.", "Press Copy Former Results on it first.")


class CLEANPLATE_OT_copy_results(OnNode, bpy.types.Operator):
    """Copy the results from where this node was copied, or its file was saved elsewhere"""

    bl_idname = "cleanplate.copy_results"
    bl_label = "Copy Former Results"

    def act(self, context: Any, scene: Any, node: Any) -> Result:
        plan = planning.refresh(scene, node)
        need_place(node.matte)
        try:
            taken = copies.copy_along(node.matte.former, plan)
        except OSError as error:
            raise NodeError(f"{error.filename} cannot be copied: {error.strerror}.") from None
        runtime.state(plan.node_id).left_behind = 0
        planning.show_new(node, planning.refresh(scene, node))
        self.report({"INFO"}, f"{taken} results copied.")
        return {"FINISHED"}


class CLEANPLATE_OT_show_in_folder(OnNode, bpy.types.Operator):
    """Open the folder of this node's results"""

    bl_idname = "cleanplate.show_in_folder"
    bl_label = "Show in Folder"

    def act(self, context: Any, scene: Any, node: Any) -> Result:
        need_place(node.matte)
        plan = planning.refresh(scene, node)
        folder = plan.folder if plan.problem else str(plan.results)
        if not Path(folder).is_dir():
            raise NodeError(f"There is no folder {folder} yet.", "Solve a frame first.")
        bpy.ops.wm.path_open(filepath=folder)
        return {"FINISHED"}


CLASSES = (
    CLEANPLATE_OT_add,
    CLEANPLATE_OT_solve_frame,
    CLEANPLATE_OT_solve_range,
    CLEANPLATE_OT_compare,
    CLEANPLATE_OT_cancel,
    CLEANPLATE_OT_warn,
    CLEANPLATE_OT_clear_cache,
    CLEANPLATE_OT_copy_results,
    CLEANPLATE_OT_show_in_folder,
)
