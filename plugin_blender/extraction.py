"""Renders what feeds a node's inputs: one frame, through a copy of the compositor, to float EXR."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy

from . import runtime
from .plan import NodeError
from .upstream import upstream_nodes
from .versions import (
    OUTPUT_NODES,
    add_file_output,
    copied_scene,
    delete_scene,
    need_output,
    set_file_format,
    tree_of,
)

_MAIN = "main_"


def render_inputs(scene: Any, node: Any, inputs: Sequence[str], frame: int, folder: Path) -> list[str]:
    """Renders the named inputs of the node for one frame into ``folder``; the files, in the inputs' order.

    Pixels are in the working space of the compositor, float, of the picture's own size and without
    the scene's view transform. Raises ``NodeError``.
    """
    copy = copied_scene(scene)
    runtime.rendering_input = True
    try:
        names = tuple(f"input{index}" for index in range(len(inputs)))
        _only_upstream(tree_of(copy), node.name, inputs, names, str(folder))
        _render(copy, frame, folder)
    except RuntimeError as error:
        raise NodeError(f"Frame {frame}: what feeds the node could not be rendered: {error}") from None
    finally:
        runtime.rendering_input = False
        delete_scene(copy)
    (folder / f"{_MAIN}{frame:04d}.exr").unlink(missing_ok=True)
    files = [folder / f"{name}_{frame:04d}.exr" for name in names]
    for name, file in zip(inputs, files, strict=True):
        if not file.exists():
            raise NodeError(f"Frame {frame}: what feeds {name} makes no picture.", "Look at it with a Viewer node.")
    return [str(file) for file in files]


def _only_upstream(tree: Any, name: str, inputs: Sequence[str], names: tuple[str, ...], folder: str) -> None:
    """Leaves in the tree what the inputs need, and writes that to files."""
    sources = [_source(tree.nodes[name].inputs[each]) for each in inputs]
    needed = {each.name for source in sources for each in upstream_nodes(source.node)}
    for node in list(tree.nodes):
        if node.name not in needed or node.bl_idname in OUTPUT_NODES:
            tree.nodes.remove(node)
    for source, target in zip(sources, add_file_output(tree, folder, names), strict=True):
        tree.links.new(source, target)
    need_output(tree, sources[0])


def _source(socket: Any) -> Any:
    return socket.links[0].from_socket


def _render(scene: Any, frame: int, folder: Path) -> None:
    render = scene.render
    # An animation of one frame: a still would take the frame of the window's scene.
    scene.frame_start = scene.frame_end = frame
    render.filepath = str(folder / _MAIN)
    set_file_format(render.image_settings, "NONE", "16")
    render.use_file_extension = True
    render.use_overwrite = True
    render.use_placeholder = False
    render.use_compositing = True
    render.use_sequencer = False
    render.use_multiview = False
    bpy.ops.render.render(animation=True, scene=scene.name)


def input_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for rendered inputs, in memory where the machine has such a place."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="cleanplate-", dir=str(memory) if memory.is_dir() else None)
