"""Where our nodes lie: at the top of a scene's compositor, or inside groups, which a scene may nest.

A group's tree is one data-block, however many group nodes use it, and a node in it plays one sequence of results.
So a node whose inputs come from outside its group can be solved where exactly one group node uses that group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from . import sequencer
from .graph import is_matte
from .plan import NodeError
from .versions import OUTPUT_NODES, tree_of

_GROUP = "CompositorNodeGroup"
_INPUTS = "NodeGroupInput"
_OUTPUTS = "NodeGroupOutput"
_VIEWER = "CompositorNodeViewer"
Way = tuple[Any, ...]
"""The group nodes that lead from a scene's compositor to a tree, the outermost first; empty for the compositor."""


@dataclass(frozen=True)
class Feed:
    """An output socket that feeds something, and the ways from the scene's compositor to its tree."""

    socket: Any
    ways: tuple[Way, ...]

    @property
    def node(self) -> Any:
        """The node that the socket belongs to."""
        return self.socket.node


def matte_nodes(tree: Any) -> list[Any]:
    """Our nodes in one tree."""
    return [node for node in tree.nodes if is_matte(node)] if tree else []


def all_nodes() -> Iterator[tuple[Any, Any]]:
    """Every scene with each of our nodes in its compositor. A tree that scenes share counts once, for the window's
    scene first."""
    return ((scene, node) for scene, tree in all_trees() for node in matte_nodes(tree))


def all_trees() -> Iterator[tuple[Any, Any]]:
    """Every scene with each tree of its compositor, in the same order."""
    seen: set[int] = set()
    for scene in sorted(bpy.data.scenes, key=lambda each: each != bpy.context.scene):
        for tree in _trees(tree_of(scene)):
            if tree.session_uid not in seen:
                seen.add(tree.session_uid)
                yield scene, tree


def _trees(top: Any) -> Iterator[Any]:
    """A compositor's tree and those of the groups in it, each once."""
    seen: set[int] = set()
    waiting = [top] if top else []
    while waiting:
        tree = waiting.pop()
        if tree.session_uid not in seen:
            seen.add(tree.session_uid)
            yield tree
            waiting += [node.node_tree for node in group_nodes(tree)]


def group_nodes(tree: Any) -> list[Any]:
    """The group nodes in one tree that are not ours."""
    return [node for node in tree.nodes if node.bl_idname == _GROUP and node.node_tree and not is_matte(node)]


def ways_to(scene: Any, tree: Any) -> tuple[Way, ...]:
    """Every way from the scene's compositor to the tree; none where the scene does not use it."""
    top = tree_of(scene)
    return tuple(_ways(top, tree)) if top else ()


def _ways(top: Any, tree: Any) -> Iterator[Way]:
    if top == tree:
        yield ()
    for node in group_nodes(top):
        for rest in _ways(node.node_tree, tree):
            yield (node, *rest)


def scene_of(tree: Any, first: Any = None) -> Any:
    """The scene whose compositor has the tree in it: the ``first`` one where it does, by default the window's, else
    any that does. Raises ``NodeError`` where none does."""
    context: Any = bpy.context
    scenes = [first or context.scene, *bpy.data.scenes]
    found = next((scene for scene in scenes if any(each == tree for each in _trees(tree_of(scene)))), None)
    if found is None:
        raise NodeError(
            f"The node group {tree.name} is not used in the compositor of a scene.", "Add it to a compositor first."
        )
    return found


def feed_of(socket: Any, ways: tuple[Way, ...]) -> Feed | None:
    """What feeds a node's input: through reroutes, and out of the group where its inputs are meant; None where
    nothing does. Raises ``NodeError`` where several group nodes feed the group."""
    while socket is not None and socket.is_linked:
        link = socket.links[0]
        if link.is_muted:
            return None
        if is_reroute(link.from_node):
            if not link.is_valid:
                # It closes a ring of reroutes.
                return None
            socket = link.from_node.inputs[0]
        elif link.from_node.bl_idname == _INPUTS and any(ways):
            group = outer_node(ways)
            socket = _input(group, link.from_socket.identifier)
            ways = around(ways)
        else:
            return Feed(socket=link.from_socket, ways=ways)
    return None


def _input(node: Any, identifier: str) -> Any:
    return next((socket for socket in node.inputs if socket.identifier == identifier), None)


def outer_node(ways: tuple[Way, ...]) -> Any:
    """The one group node around a tree; raises ``NodeError`` where there are several."""
    found = {way[-1].as_pointer() if way else 0: way[-1] if way else None for way in ways}
    if len(found) > 1:
        (name,) = {way[-1].node_tree.name for way in ways if way}
        raise NodeError(
            f"The node group {name} is used {len(ways)} times, and a matte in it can belong to one of them only.",
            "Make each of them single-user (the number beside the group's name).",
        )
    return next(iter(found.values()))


def around(ways: tuple[Way, ...]) -> tuple[Way, ...]:
    """The ways to the tree around, each once."""
    return tuple({tuple(node.as_pointer() for node in way[:-1]): way[:-1] for way in ways}.values())


def levels_of(feed: Feed) -> Iterator[tuple[list[Any], Any]]:
    """What feeds a socket, tree by tree from its own outwards: the nodes of one tree that matter, in a fixed order,
    and the one of them that is the group of the tree before (None for the first). Trees outside are left out where
    the nodes inside read nothing of them."""
    nodes, ways = upstream_nodes(feed.node), feed.ways
    yield nodes, None
    while any(ways) and any(node.bl_idname == _INPUTS for node in nodes):
        group = outer_node(ways)
        nodes, ways = upstream_nodes(group), around(ways)
        yield nodes, group


def is_reroute(node: Any) -> bool:
    """Whether a node is a bend of a link."""
    return str(node.bl_idname) == "NodeReroute"


def upstream_nodes(node: Any) -> list[Any]:
    """The node and everything in its tree that feeds it, in an order that comes from the links."""
    found: dict[str, Any] = {}
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if each.name not in found:
            found[each.name] = each
            waiting += [link.from_node for socket in each.inputs for link in socket.links]
    return list(found.values())


def rendered_nodes(scene: Any, frame: int | None = None) -> list[Any]:
    """Our nodes that contribute to a file or to the scene's render, of one ``frame`` or of any; a Viewer alone does
    not. Where strips are rendered, those are in modifiers of them."""
    if sequencer.is_rendered(scene):
        tops = [tree for tree, frames in sequencer.compositors(scene) if frame is None or frame in frames]
    else:
        tops = [tree_of(scene)] if scene.render.use_compositing else []
    found = {node.as_pointer(): node for top in tops for node in _rendered_in(top)}
    return list(found.values())


def _rendered_in(top: Any) -> Iterator[Any]:
    for tree in _trees(top):
        for node in matte_nodes(tree):
            if any(_contributes(node, way) for way in _ways(top, tree)):
                yield node


def in_strips_alone() -> list[Any]:
    """Our nodes in modifiers of strips and in no scene's compositor: they have no scene to be solved in."""
    known = {node.as_pointer() for _, node in all_nodes()}
    tops = [tree for scene in bpy.data.scenes for tree, _ in sequencer.compositors(scene)]
    nodes = (node for top in tops for tree in _trees(top) for node in matte_nodes(tree))
    return list({node.as_pointer(): node for node in nodes if node.as_pointer() not in known}.values())


def _contributes(node: Any, way: Way) -> bool:
    ends = _ends(node)
    if not way:
        return bool(ends)
    if way[-1].mute:
        return False
    return bool(ends - {_OUTPUTS}) or (_OUTPUTS in ends and _contributes(way[-1], way[:-1]))


def _is_active(output: Any) -> bool:
    """Whether an output is rendered. Blender 4.5 renders through a group's output that is muted; later versions do
    not let it be."""
    if output.bl_idname == _OUTPUTS:
        return bool(output.is_active_output)
    return not output.mute


def _ends(node: Any) -> set[str]:
    """The kinds of outputs, without Viewers, that the node leads to in its tree."""
    found: set[str] = set()
    seen, waiting = set(), [] if node.mute else [node]
    while waiting:
        each = waiting.pop()
        if each.bl_idname in OUTPUT_NODES and each.bl_idname != _VIEWER and _is_active(each):
            found.add(each.bl_idname)
        if each.name not in seen:
            seen.add(each.name)
            waiting += [link.to_node for socket in each.outputs for link in socket.links if not link.is_muted]
    return found
