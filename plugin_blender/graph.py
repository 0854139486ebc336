"""The node itself: an ordinary node group, so that files render where the add-on is not installed.

Inside, an Image node plays the results. Core and holdout act behind it, so that a changed roto needs no new
solve: where the core says subject, the plate itself is the foreground, for that is what alpha 1 means.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import bpy

from . import jobs
from .colour import set_result_space
from .result_files import is_result
from .rna_facts import absolute_path
from .versions import IS_FIVE

TITLE = "Cleanplate Matte"
_MARK = "cleanplate_group"
_RESULTS, _OVER = "Results", "Core over"
_VIEWER = "CompositorNodeViewer"
KEY_INPUT = "Key Matte"
"""A mended matte, which Add Key Frame takes; nothing else reads it."""
_INPUTS = (
    ("Plate", "NodeSocketColor"),
    ("Clean Plate", "NodeSocketColor"),
    ("Holdout", "NodeSocketFloat"),
    ("Core", "NodeSocketFloat"),
    (KEY_INPUT, "NodeSocketFloat"),
)
_OUTPUTS = (
    ("Image", "NodeSocketColor"),
    ("Foreground", "NodeSocketColor"),
    ("Alpha", "NodeSocketFloat"),
    ("Confidence", "NodeSocketFloat"),
    ("Shadow", "NodeSocketColor"),
)
_MOST_FRAMES = 1048574


def is_matte(node: Any) -> bool:
    """Whether a node is one of ours."""
    if node is None or node.bl_idname != "CompositorNodeGroup" or node.node_tree is None:
        return False
    return bool(node.node_tree.get(_MARK))


def add_node(tree: Any) -> Any:
    """Places a new node."""
    node = tree.nodes.new("CompositorNodeGroup")
    node.node_tree = _new_group()
    node.name = node.label = TITLE
    node.width = 220
    node.matte.node_id = new_id()
    return node


def selected_pictures(tree: Any) -> list[Any]:
    """The plate and the clean plate where exactly two nodes with a picture are selected, as sockets; else nothing.

    The clean plate is the one that is called so, else the still beside a sequence, else the lower one.
    """
    chosen = [node for node in tree.nodes if node.select and not is_matte(node) and _picture(node) is not None]
    if len(chosen) != 2:
        return []
    return [_picture(node) for node in sorted(chosen, key=_likely_clean_plate)]


def _picture(node: Any) -> Any:
    return next((socket for socket in node.outputs if socket.type == "RGBA" and socket.enabled), None)


def _likely_clean_plate(node: Any) -> tuple[bool, bool, float]:
    source = getattr(node, "image", None) or getattr(node, "clip", None)
    names = [node.label, node.name, *([source.name, Path(source.filepath).name] if source else [])]
    is_still = source is not None and source.source == "FILE"
    return any("clean" in name.lower() for name in names), is_still, -node.location.y


def connect_pictures(node: Any, pictures: list[Any]) -> None:
    """Connects plate and clean plate to a new node; nothing where there are none."""
    for name, socket in zip(("Plate", "Clean Plate"), pictures, strict=False):
        node.id_data.links.new(socket, node.inputs[name])


def connect_viewer(node: Any) -> list[Any]:
    """Shows a new node in the backdrop, where nothing is shown there yet; the Viewer, where it had to be made."""
    tree = node.id_data
    viewer = next((each for each in tree.nodes if each.bl_idname == _VIEWER), None)
    made = []
    if viewer is None:
        viewer = tree.nodes.new(_VIEWER)
        viewer.location = node.location[0] + node.width + 80, node.location[1]
        made = [viewer]
    if not viewer.inputs[0].is_linked:
        tree.links.new(node.outputs["Image"], viewer.inputs[0])
    return made


def new_id() -> str:
    """A name for a node's folder."""
    return f"matte-{uuid.uuid4().hex[:8]}"


def image_node(node: Any) -> Any:
    """The Image node inside that plays the results. The group is built again where a node is missing: somebody has
    deleted it, or an older version of the add-on made the group."""
    group = node.node_tree
    if any(name not in group.nodes for name, *_ in _NODES):
        _build(group)
    return group.nodes[_RESULTS]


def shown_file(node: Any) -> str:
    """The first file of the sequence that the node plays, absolute; empty where it plays none."""
    image = image_node(node).image
    return absolute_path(image.filepath, image) if image and image.filepath else ""


def shown_image(node: Any) -> int:
    """Which image plays the results, by its number in this session; 0 where none does."""
    image = image_node(node).image
    return image.session_uid if image else 0


def show(node: Any, first: Path) -> None:
    """Makes the node play the sequence of ``first``, which exists; a new image, for Blender keeps what it read."""
    player = image_node(node)
    if node.node_tree.library:
        _show_in_linked(player.image, first)
        return
    old = player.image
    image: Any = bpy.data.images.load(_relative(first))
    image.name = f"{node.matte.node_id}"
    image.source = "SEQUENCE"
    set_result_space(image.colorspace_settings)
    _play(node.node_tree, image)
    if old is not None and old.users == 0 and not (bpy.app.background or jobs.is_busy()):
        # A render in the background, or the viewer's, may still read it; then it goes when the file is saved.
        bpy.data.images.remove(old)


def label_stray(tree: Any) -> None:
    """Says on Image nodes that Ungroup has left of our groups that nothing keeps what they play up to date."""
    for node in tree.nodes:
        image = node.image if node.bl_idname == "CompositorNodeImage" and node.label == _RESULTS else None
        if image is not None and is_result(Path(image.filepath).name):
            node.label = "Results (not kept up to date)"


def _play(group: Any, image: Any) -> None:
    """Has the group's Image node play a sequence of results."""
    player = group.nodes[_RESULTS]
    player.image = image
    # File number = frame. A long sequence, because past its end Blender would hold the last picture, and a loop,
    # because before its start Blender would hold the first: negative frames have no results, and show nothing.
    player.frame_start, player.frame_offset, player.frame_duration = 0, -1, _MOST_FRAMES
    player.use_auto_refresh = player.use_cyclic = True
    _connect(group)


def _show_in_linked(image: Any, first: Path) -> None:
    """Nothing that is linked can be given an image of this file, so the image that is linked with it plays the
    sequence. What is changed in that here is not saved."""
    if image is not None:
        image.filepath = str(first)


def show_nothing(node: Any) -> None:
    """Makes the node play nothing, where there is nothing that its results could belong to."""
    image = image_node(node).image
    if image is None:
        return
    if node.node_tree.library:
        image.filepath = ""
        return
    image_node(node).image = None
    _connect(node.node_tree)


def _relative(path: Path) -> str:
    if not bpy.data.filepath:
        return str(path)
    try:
        return bpy.path.relpath(str(path))
    except ValueError:
        # Another drive on Windows.
        return str(path)


def copied_group(group: Any) -> Any:
    """A copy of the group, which plays the same, with all that an artist has put in."""
    copy = group.copy()
    make_safe_to_copy(copy)
    return copy


def make_safe_to_copy(group: Any) -> None:
    """Puts new nodes in the place of those that Blender 4.5 cannot save once they were copied: it frees memory
    twice, and may crash, where it saves a copied Alpha Over that came from a file."""
    if not IS_FIVE:
        for node in [each for each in group.nodes if each.bl_idname == "CompositorNodeAlphaOver"]:
            _replace(group, node)


def connect_lost(group: Any) -> None:
    """Connects the group's Alpha Overs again where Blender 4.5 has opened a file of Blender 5, whose inputs have
    other names: it drops their links."""
    over = group.nodes.get(_OVER)
    if not IS_FIVE and over is not None and not any(socket.is_linked for socket in over.inputs):
        _connect(group)


def _replace(group: Any, old: Any) -> None:
    """Puts a new node of its kind in a node's place."""
    new = group.nodes.new(old.bl_idname)
    new.parent = old.parent
    for item in old.bl_rna.properties:
        if not item.is_readonly and item.type != "POINTER" and item.identifier != "name":
            setattr(new, item.identifier, getattr(old, item.identifier))
    for source, target in zip(old.inputs, new.inputs, strict=True):
        target.default_value = source.default_value
        for link in source.links:
            group.links.new(link.from_socket, target).is_muted = link.is_muted
    for source, target in zip(old.outputs, new.outputs, strict=True):
        for link in list(source.links):
            group.links.new(target, link.to_socket).is_muted = link.is_muted
    name = old.name
    group.nodes.remove(old)
    new.name = name


def _new_group() -> Any:
    group: Any = bpy.data.node_groups.new(TITLE, "CompositorNodeTree")
    group[_MARK] = 1
    group.description = "Alpha and foreground from a plate and its clean plate"
    _build(group)
    return group


def _add_input(group: Any, name: str, kind: str) -> None:
    socket = group.interface.new_socket(name, in_out="INPUT", socket_type=kind)
    if kind == "NodeSocketFloat":
        socket.default_value, socket.min_value, socket.max_value = 0.0, 0.0, 1.0
        socket.hide_value = name == KEY_INPUT
    else:
        socket.default_value = (0.0, 0.0, 0.0, 1.0)
        socket.hide_value = True


_NODES = (
    ("Inputs", "NodeGroupInput", (-700, -200)),
    (_RESULTS, "CompositorNodeImage", (-700, 200)),
    ("Core from 0 to 1", "ShaderNodeMath", (-700, -450)),
    ("Core colour", "CompositorNodeSetAlpha", (-450, -100)),
    ("Opaque", "CompositorNodeSetAlpha", (-450, 200)),
    (_OVER, "CompositorNodeAlphaOver", (-200, 100)),
    ("Core alpha", "ShaderNodeMath", (-450, -350)),
    ("Not held out", "ShaderNodeMath", (-450, -550)),
    ("Held out", "ShaderNodeMath", (-200, -350)),
    ("Shadow is there", "ShaderNodeMath", (-450, -750)),
    ("Shadow alone", "CompositorNodeSetAlpha", (-200, -700)),
    ("Shadow over white", "CompositorNodeAlphaOver", (0, -600)),
    ("Foreground alpha", "CompositorNodeSetAlpha", (0, 100)),
    ("Premultiply", "CompositorNodeSetAlpha", (250, 200)),
    ("Outputs", "NodeGroupOutput", (500, 0)),
)
"""The nodes of the group: name, kind and place."""
_SUMS = (
    ("Core from 0 to 1", "ADD"),
    ("Core alpha", "MAXIMUM"),
    ("Not held out", "SUBTRACT"),
    ("Held out", "MULTIPLY"),
    ("Shadow is there", "GREATER_THAN"),
)


def _build(group: Any) -> None:
    _add_sockets(group)
    group.nodes.clear()
    for name, kind, place in _NODES:
        node = group.nodes.new(kind)
        node.name = node.label = name
        node.location = place
    for name, operation in _SUMS:
        group.nodes[name].operation = operation
        # Guides come from pictures, too: beyond 0 and 1 they would make alpha negative.
        group.nodes[name].use_clamp = True
    group.nodes["Not held out"].inputs[0].default_value = 1.0
    for name in ("Core from 0 to 1", "Shadow is there"):
        group.nodes[name].inputs[1].default_value = 0.0
    for name in ("Opaque", "Foreground alpha", "Shadow alone"):
        _set_alpha_mode(group.nodes[name], replaces=True)
    for name in ("Core colour", "Premultiply"):
        _set_alpha_mode(group.nodes[name], replaces=False)
    _connect(group)


def _add_sockets(group: Any) -> None:
    """Adds the inputs and outputs that the group lacks: older versions had no Key Matte and no Shadow."""
    there = {(item.name, getattr(item, "in_out", "")) for item in group.interface.items_tree}
    for name, kind in _INPUTS:
        if (name, "INPUT") not in there:
            _add_input(group, name, kind)
    for name, kind in _OUTPUTS:
        if (name, "OUTPUT") not in there:
            group.interface.new_socket(name, in_out="OUTPUT", socket_type=kind)


def _set_alpha_mode(node: Any, replaces: bool) -> None:
    if "Type" in node.inputs:
        node.inputs["Type"].default_value = "Replace Alpha" if replaces else "Apply Mask"
    else:
        node.mode = "REPLACE_ALPHA" if replaces else "APPLY"
    node.inputs["Alpha"].default_value = 1.0


def _connect(group: Any) -> None:
    """Links everything; again after every change of the image, because Blender drops the links of its sockets."""
    nodes, links = group.nodes, group.links

    def link(source: Any, target: str, socket: int | str) -> None:
        links.new(source, nodes[target].inputs[socket])

    inputs, results = nodes["Inputs"].outputs, nodes[_RESULTS].outputs
    background, foreground = _layers_of(nodes[_OVER])
    # The plate's own alpha must not thin the subject: opaque first, then the core.
    link(inputs["Plate"], "Opaque", "Image")
    link(nodes["Opaque"].outputs[0], "Core colour", "Image")
    link(inputs["Core"], "Core from 0 to 1", 0)
    core = nodes["Core from 0 to 1"].outputs[0]
    link(core, "Core colour", "Alpha")
    link(results[0], _OVER, background)
    link(nodes["Core colour"].outputs[0], _OVER, foreground)
    link(results["Alpha"], "Core alpha", 0)
    link(core, "Core alpha", 1)
    link(inputs["Holdout"], "Not held out", 1)
    link(nodes["Core alpha"].outputs[0], "Held out", 0)
    link(nodes["Not held out"].outputs[0], "Held out", 1)
    link(nodes[_OVER].outputs[0], "Foreground alpha", "Image")
    link(nodes["Foreground alpha"].outputs[0], "Premultiply", "Image")
    link(nodes["Held out"].outputs[0], "Premultiply", "Alpha")
    link(nodes["Premultiply"].outputs[0], "Outputs", "Image")
    link(nodes["Foreground alpha"].outputs[0], "Outputs", "Foreground")
    link(nodes["Held out"].outputs[0], "Outputs", "Alpha")
    if "confidence" in results:
        link(results["confidence"], "Outputs", "Confidence")
    _connect_shadow(nodes, links)


def _layers_of(over: Any) -> tuple[int, int]:
    """Which inputs of an Alpha Over are its background and its foreground: that differs between versions."""
    return (0, 1) if "Background" in over.inputs else (1, 2)


def _connect_shadow(nodes: Any, links: Any) -> None:
    """Shadow is a factor: white where the results have no such layer, and on a frame that is not solved, which has
    no pixels. A solved frame's factor is 0.05 or more."""
    over, results = nodes["Shadow over white"], nodes[_RESULTS].outputs
    background, foreground = _layers_of(over)
    over.inputs[background].default_value = (1.0, 1.0, 1.0, 1.0)
    alone = nodes["Shadow alone"]
    alone.inputs["Image"].default_value, alone.inputs["Alpha"].default_value = (0.0, 0.0, 0.0, 0.0), 0.0
    if "shadow" in results:
        links.new(results["shadow"], nodes["Shadow is there"].inputs[0])
        links.new(results["shadow"], alone.inputs["Image"])
        links.new(nodes["Shadow is there"].outputs[0], alone.inputs["Alpha"])
    links.new(alone.outputs[0], over.inputs[foreground])
    links.new(over.outputs[0], nodes["Outputs"].inputs["Shadow"])
