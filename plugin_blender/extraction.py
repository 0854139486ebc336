"""Renders what feeds a node's inputs: one frame, through a copy of the compositor, to float EXR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bpy

from . import jobs, loaded_pictures, runtime
from .animation import driver_targets
from .exr_header import has_all_pixels
from .other_add_ons import only_picture_handlers
from .places import Feed, group_nodes, upstream_nodes
from .plan import NodeError
from .upstream import input_feed
from .versions import (
    IS_FIVE,
    OUTPUT_NODES,
    add_file_output,
    copied_scene,
    delete_scene,
    need_output,
    set_file_format,
    tree_of,
)

_MAIN = "main_"
_RANGE = ("frame_end", "frame_start", "frame_step")
_PIXEL_BYTES = 12
"""Three channels of float."""


def render_inputs(scene: Any, node: Any, inputs: Sequence[str], frame: int, folder: Path) -> list[str]:
    """Renders the named inputs of the node for one frame into ``folder``; the files, in the inputs' order.

    Pixels are in the working space of the compositor, float, of the picture's own size and without
    the scene's view transform. Raises ``NodeError``.
    """
    return render_feeds(scene, {name: _need_feed(node, name, scene) for name in inputs}, frame, folder)


def render_feeds(scene: Any, feeds: Mapping[str, Feed], frame: int, folder: Path) -> list[str]:
    """The same for any sockets of the scene's compositor; their names are for messages."""
    if jobs.is_busy():
        raise NodeError("Blender is rendering, or computes what the viewer shows.", "Try again in a moment.")
    names = tuple(f"input{index}" for index in range(len(feeds)))
    loaded_pictures.load_changed()
    shown = [(each, each.frame_current) for each in bpy.data.scenes]
    copy = _CopiedScene(scene)
    runtime.rendering_input = True
    try:
        copy.leave_only(list(feeds.values()), names, str(folder))
        with only_picture_handlers():
            _render(copy.scene, frame, folder)
    except RuntimeError as error:
        words = str(error).removeprefix("Error: ").strip()
        raise NodeError(f"What feeds the node could not be rendered: {words}.") from None
    finally:
        runtime.rendering_input = False
        copy.delete()
        _go_back(shown)
    (folder / f"{_MAIN}{frame:04d}.exr").unlink(missing_ok=True)
    files = [folder / f"{name}_{frame:04d}.exr" for name in names]
    for name, file in zip(feeds, files, strict=True):
        if not file.exists():
            raise NodeError(f"What feeds {name} makes no picture.", "Look at it with a Viewer node.")
        if not has_all_pixels(str(file), _PIXEL_BYTES):
            raise NodeError(
                f"What feeds {name} could not be written whole: {folder} is full.", "Free some space there."
            )
    return [str(file) for file in files]


def _go_back(shown: Sequence[tuple[Any, int]]) -> None:
    """Scenes go back to the frames that they have ``shown``: Blender leaves one that Render Layers name at the
    frame that was rendered."""
    for scene, frame in shown:
        if scene.frame_current != frame:
            scene.frame_current = frame


def _need_feed(node: Any, name: str, scene: Any) -> Feed:
    feed = input_feed(node, name, scene)
    if feed is None:
        raise NodeError(f"Nothing is connected to {name}.")
    return feed


class _CopiedScene:
    """A copy of a scene with a compositor of its own, in which the groups around our node are copies too."""

    def __init__(self, scene: Any) -> None:
        self.scene = copied_scene(scene)
        self._original = scene
        self._trees: dict[tuple[str, ...], Any] = {(): tree_of(self.scene)}
        """Each copied tree, by the names of the group nodes that lead to it."""
        self._driven: list[Any] = []
        """Copies of other groups, in which drivers read the scene."""
        self._turned: list[Any] = []
        """What drivers of the 3D scene read, turned from the scene to its copy."""
        self._needed: dict[tuple[str, ...], set[str]] = {}

    def leave_only(self, feeds: Sequence[Feed], names: tuple[str, ...], folder: str) -> None:
        """Leaves in the trees what the feeds need, and writes each feed to a file of its name in the folder."""
        sources = [self._source(feed) for feed in feeds]
        for way, tree in self._trees.items():
            for node in list(tree.nodes):
                if node.name not in self._needed[way] or node.bl_idname in OUTPUT_NODES:
                    tree.nodes.remove(node)
        top = self._trees[()]
        self._turn_drivers(top)
        if not IS_FIVE:
            self._turn_others()
        lifted = [self._lift(source, way, name) for (source, way), name in zip(sources, names, strict=True)]
        for socket, target in zip(lifted, add_file_output(top, folder, names), strict=True):
            top.links.new(socket, target)
        need_output(top, lifted[0])

    def _turn_drivers(self, tree: Any) -> None:
        """Has drivers in a copied tree read the copied scene: it alone stands at the frame that is rendered. The
        range of frames is the original's."""
        for target in driver_targets(tree):
            if target.id in (self._original, self.scene):
                target.id = self._original if target.data_path.startswith(_RANGE) else self.scene
        for node in group_nodes(tree):
            if node.node_tree not in self._trees.values():
                if not self._is_driven(node.node_tree):
                    continue
                node.node_tree = node.node_tree.copy()
                self._driven.append(node.node_tree)
            self._turn_drivers(node.node_tree)

    def _turn_others(self) -> None:
        """The same with drivers of objects, materials and the like, which are not copied, until the copied scene is
        deleted. Blender 5 has them read the scene that is rendered."""
        users = bpy.data.user_map(subset={self._original})[self._original]
        for user in users:
            if isinstance(user, bpy.types.Scene):
                continue
            for block in (user, getattr(user, "node_tree", None)):
                for target in driver_targets(block):
                    if target.id == self._original and not target.data_path.startswith(_RANGE):
                        target.id = self.scene
                        self._turned.append(target)

    def _is_driven(self, tree: Any) -> bool:
        """Whether drivers in a group, or in those that it nests, read the scene."""
        if any(target.id == self._original for target in driver_targets(tree)):
            return True
        return any(self._is_driven(node.node_tree) for node in group_nodes(tree))

    def _source(self, feed: Feed) -> tuple[Any, tuple[str, ...]]:
        """The feed's socket in the copy, and the names that lead to its tree; notes the nodes that it needs."""
        way: tuple[str, ...] = ()
        for group in feed.ways[0]:
            self._need(way, group)
            way = (*way, group.name)
            if way not in self._trees:
                inner = self._trees[way[:-1]].nodes[group.name]
                inner.node_tree = self._trees[way] = inner.node_tree.copy()
        self._need(way, feed.node)
        index = list(feed.node.outputs).index(feed.socket)
        return self._trees[way].nodes[feed.node.name].outputs[index], way

    def _need(self, way: tuple[str, ...], node: Any) -> None:
        self._needed.setdefault(way, set()).update(each.name for each in upstream_nodes(node))

    def _lift(self, socket: Any, way: tuple[str, ...], name: str) -> Any:
        """The socket as an output of the outermost group."""
        while way:
            tree = self._trees[way]
            output = next((node for node in tree.nodes if node.bl_idname == "NodeGroupOutput"), None)
            output = output or tree.nodes.new("NodeGroupOutput")
            made = tree.interface.new_socket(name, in_out="OUTPUT", socket_type="NodeSocketColor")
            tree.links.new(socket, _of(output.inputs, made.identifier))
            group = self._trees[way[:-1]].nodes[way[-1]]
            socket, way = _of(group.outputs, made.identifier), way[:-1]
        return socket

    def delete(self) -> None:
        """Deletes the scene and its trees."""
        for target in self._turned:
            target.id = self._original
        delete_scene(self.scene)
        for tree in (*(tree for way, tree in self._trees.items() if way), *self._driven):
            bpy.data.node_groups.remove(tree)


def _of(sockets: Any, identifier: str) -> Any:
    return next(socket for socket in sockets if socket.identifier == identifier)


def _render(scene: Any, frame: int, folder: Path) -> None:
    render = scene.render
    # An animation of one frame: a still would take the frame of the window's scene.
    scene.frame_start = scene.frame_end = frame
    render.filepath = str(folder / _MAIN)
    set_file_format(render.image_settings, "NONE", "16")
    # Files of equal pictures are equal: no dates or times in their headers.
    for item in render.bl_rna.properties:
        if item.identifier.startswith("use_stamp"):
            setattr(render, item.identifier, False)
    render.use_file_extension = True
    render.use_overwrite = True
    render.use_placeholder = False
    render.use_compositing = True
    render.use_sequencer = False
    render.use_multiview = False
    bpy.ops.render.render(animation=True, scene=scene.name)
