"""What feeds a socket of a node: read out of Blender's nodes into :mod:`sources`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import fingerprint
from .animation import acting_curves
from .colour import word_of, working_space
from .matte_link.result_key import digest
from .node_facts import clip_source, image_source, nodes_facts
from .rna_facts import Findings, RnaWalk
from .sources import FileSource, GraphSource, Source

# How Blender takes the alpha of a file by itself; the server takes it the same way.
_ALPHA_MODES = {".exr": "PREMUL", ".png": "STRAIGHT", ".jpg": "STRAIGHT", ".jpeg": "STRAIGHT"}


def source_of(socket: Any, scene: Any) -> Source | None:
    """What feeds the socket when the scene is rendered; None where nothing does."""
    link = feeding(socket)
    if link is None:
        return None
    return _bare_file(link.from_node, link.from_socket) or _graph(link.from_node, link.from_socket, scene)


def feeding(socket: Any) -> Any:
    """The link that feeds the socket, through reroutes."""
    while socket.is_linked and not socket.links[0].is_muted:
        link = socket.links[0]
        if link.from_node.bl_idname != "NodeReroute":
            return link
        socket = link.from_node.inputs[0]
    return None


def _bare_file(node: Any, output: Any) -> FileSource | None:
    if node.mute or output.type != "RGBA":
        return None
    if node.bl_idname == "CompositorNodeImage":
        return _image_file(node)
    if node.bl_idname == "CompositorNodeMovieClip":
        return _clip_file(node.clip)
    return None


def _image_file(node: Any) -> FileSource | None:
    image = node.image
    if image is None or image.packed_file or image.is_dirty or image.source not in ("FILE", "SEQUENCE"):
        return None
    if image.type != "IMAGE" or image.use_multiview or image.use_deinterlace:
        return None
    if image.alpha_mode != _ALPHA_MODES.get(Path(image.filepath).suffix.lower()):
        return None
    return _read_alike(image_source(image, node))


def _clip_file(clip: Any) -> FileSource | None:
    if clip is None or clip.source != "SEQUENCE" or clip.use_proxy:
        return None
    return _read_alike(clip_source(clip))


def _read_alike(source: FileSource) -> FileSource | None:
    """The source in the server's words, where the server reads such a file as Blender does."""
    word = word_of(source.colourspace, Path(source.file).suffix.lower())
    return replace(source, colourspace=word) if word else None


# -- nodes


def _graph(node: Any, output: Any, scene: Any) -> GraphSource:
    facts = Findings()
    tree = node.id_data
    walk = RnaWalk(tree, facts)
    nodes = upstream_nodes(node)
    values = [
        [node.name, output.identifier],
        nodes_facts(nodes, walk),
        list(_animation(tree, {each.name for each in nodes}, walk)),
        # Nodes see the size and the device of the render that they are part of.
        RnaWalk(scene, facts).struct(scene.render),
        [working_space(), _ocio_config()],
    ]
    facts.pictures = list(dict.fromkeys(facts.pictures))
    values += fingerprint.add_blocks(facts)
    return GraphSource(
        digest=digest(values),
        pictures=tuple(dict.fromkeys(facts.pictures)),
        files=tuple(dict.fromkeys(facts.files)),
        unknown=tuple(dict.fromkeys(facts.unknown)),
    )


def upstream_nodes(node: Any) -> list[Any]:
    """The node and everything that feeds it, in a fixed order."""
    found: dict[str, Any] = {}
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if each.name not in found:
            found[each.name] = each
            waiting += [link.from_node for socket in each.inputs for link in socket.links]
    return [found[name] for name in sorted(found)]


def _animation(tree: Any, names: set[str], walk: RnaWalk) -> Iterator[object]:
    """The curves and drivers of some of the tree's nodes."""
    for curve in acting_curves(tree):
        if not curve.data_path.startswith("nodes[") or curve.data_path.split('"')[1] in names:
            yield walk.struct(curve)


def _ocio_config() -> str:
    """The colour configuration of the studio, by name; empty for Blender's own."""
    return Path(os.environ.get("OCIO", "")).name
