"""What differs between Blender 4.5 and 5.x, in one place."""

from __future__ import annotations

from typing import Any

import bpy

IS_FIVE = bpy.app.version >= (5, 0, 0)


def tree_of(scene: Any) -> Any:
    """The scene's compositor tree, or None."""
    if IS_FIVE:
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def make_tree(scene: Any) -> Any:
    """The scene's compositor tree, made where there is none."""
    if tree_of(scene) is None:
        if IS_FIVE:
            scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
        else:
            scene.use_nodes = True
    return tree_of(scene)


def copied_scene(scene: Any) -> Any:
    """A copy of the scene with a tree of its own, to be deleted by :func:`delete_scene`."""
    copy = scene.copy()
    if IS_FIVE:
        copy.compositing_node_group = scene.compositing_node_group.copy()
    return copy


def delete_scene(scene: Any) -> None:
    """Deletes a copy of :func:`copied_scene` and its tree."""
    group = scene.compositing_node_group if IS_FIVE else None
    bpy.data.scenes.remove(scene)
    if group is not None:
        bpy.data.node_groups.remove(group)


def set_file_format(settings: Any, codec: str, depth: str) -> None:
    """Makes an output's format an EXR without alpha, in the working space of the compositor."""
    if IS_FIVE:
        settings.media_type = "IMAGE"
    settings.file_format = "OPEN_EXR"
    settings.color_mode = "RGB"
    settings.color_depth = depth
    settings.exr_codec = codec
    settings.color_management = "OVERRIDE"
    settings.linear_colorspace_settings.name = scene_linear_name()


def scene_linear_name() -> str:
    """The name that the colour configuration gives the working space."""
    colourspace = getattr(bpy.data, "colorspace", None)
    if colourspace is not None:
        return str(colourspace.working_space)
    # What a new picture of floats is in: the role "scene_linear" in 4.5.
    probe: Any = bpy.data.images.new("Cleanplate", 1, 1, float_buffer=True)
    try:
        return str(probe.colorspace_settings.name)
    finally:
        bpy.data.images.remove(probe)


def add_file_output(tree: Any, folder: str, names: tuple[str, ...]) -> list[Any]:
    """A File Output node that writes ``name_####.exr`` into the folder; its input sockets."""
    node = tree.nodes.new("CompositorNodeOutputFile")
    set_file_format(node.format, "NONE", "32")
    if IS_FIVE:
        node.directory, node.file_name = folder, ""
        for name in names:
            node.file_output_items.new("RGBA", f"{name}_####")
    else:
        node.base_path = folder
        node.file_slots.clear()
        for name in names:
            node.file_slots.new(name)
            node.file_slots[-1].path = f"{name}_####"
    return list(node.inputs)[: len(names)]


def need_output(tree: Any, source: Any) -> None:
    """Gives the tree the main output without which 4.5 does not render."""
    if not IS_FIVE:
        tree.links.new(source, tree.nodes.new("CompositorNodeComposite").inputs[0])


OUTPUT_NODES = ("CompositorNodeOutputFile", "CompositorNodeViewer", "CompositorNodeComposite", "NodeGroupOutput")
