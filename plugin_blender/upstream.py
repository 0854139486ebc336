"""What feeds a socket of a node: read out of Blender's nodes into :mod:`sources`."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bpy.utils import unescape_identifier

from . import fingerprint
from .animation import acting_curves
from .colour import word_of, working_space
from .matte_link.result_key import digest
from .node_facts import clip_source, has_animated_frames, image_source, input_facts, nodes_facts, numbers_of
from .ocio_files import config_facts
from .other_add_ons import frame_scripts
from .picture_headers import has_own_windows, is_turned
from .places import Feed, Way, feed_of, levels_of, ways_to
from .plan import NodeError
from .rna_facts import Findings, RnaWalk
from .sources import FileSource, GraphSource, Source

# How Blender takes the alpha of a file by itself; the server takes it the same way.
_ALPHA_MODES = {".exr": "PREMUL", ".png": "STRAIGHT", ".jpg": "STRAIGHT", ".jpeg": "STRAIGHT"}

_OF_COMPOSITOR = ("compositor_", "frame_map_", "pixel_aspect_")
"""How the settings of a render begin that nodes alone see: its device, and when curves are read."""
_SIZE = ("border_", "resolution_", "use_border", "use_crop_to_border")
"""And those that its size follows."""
_RATE = {"fps", "fps_base"}

_OF_NODE = re.compile(r'nodes\["((?:[^"\\]|\\.)*)"\](.*)')


def sources_of(node: Any, scene: Any, ways: tuple[Way, ...]) -> tuple[Source, Source]:
    """What feeds the node's Plate and Clean Plate when the scene is rendered. ``ways`` lead from the scene's
    compositor to the node's tree. Raises ``NodeError``."""
    feeds = [_need_feed(node, name, ways) for name in ("Plate", "Clean Plate")]
    files = [_bare_file(feed.node, feed.socket) for feed in feeds]
    if None in files and any(file and has_own_windows(file.file) for file in files):
        # A rendered picture has no windows, so both are taken as they lie upon each other in Blender.
        files = [None, None]
    plate, clean = (file or _graph(feed, scene) for file, feed in zip(files, feeds, strict=True))
    return plate, clean


def _need_feed(node: Any, name: str, ways: tuple[Way, ...]) -> Feed:
    feed = feed_of(node.inputs[name], ways)
    if feed is None:
        raise NodeError(f"Nothing is connected to {name}.")
    return feed


def input_feed(node: Any, name: str, scene: Any) -> Feed | None:
    """The socket that feeds the node's input; None where nothing does. Raises ``NodeError``."""
    return feed_of(node.inputs[name], ways_to(scene, node.id_data))


def _bare_file(node: Any, output: Any) -> FileSource | None:
    if node.mute or output.type != "RGBA":
        return None
    if node.bl_idname in ("CompositorNodeImage", "CompositorNodeMovieClip") and has_animated_frames(node):
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
    if getattr(node, "use_straight_alpha_output", False):  # of 4.5
        return None
    if image.alpha_mode != _ALPHA_MODES.get(Path(image.filepath).suffix.lower()):
        return None
    return _read_alike(image_source(image, node))


def _clip_file(clip: Any) -> FileSource | None:
    if clip is None or clip.source != "SEQUENCE":
        return None
    return _read_alike(clip_source(clip))


def _read_alike(source: FileSource) -> FileSource | None:
    """The source in the server's words, where the server reads such a file as Blender does."""
    word = word_of(source.colourspace, Path(source.file).suffix.lower())
    if not word or is_turned(source.file):
        return None
    return replace(source, colourspace=word)


# -- nodes


def _graph(feed: Feed, scene: Any) -> GraphSource:
    if scene.render.use_multiview:
        raise NodeError(
            "Stereoscopy is on, and what feeds the node may be another picture for each eye.",
            "Switch it off in the output properties, and solve one view at a time.",
        )
    facts = Findings()
    values: list[object] = [feed.socket.identifier]
    for nodes, group in levels_of(feed):
        values += _tree_values(nodes, group, facts)
    values.append([working_space(), _ocio_config()])
    facts.unknown += frame_scripts()
    if facts.reads_scene:
        facts.number_of(scene)
    values += fingerprint.add_blocks(facts, scene)
    values.append(_render_facts(scene, facts))
    return GraphSource(
        digest=digest(values),
        pictures=tuple(dict.fromkeys(facts.pictures)),
        files=tuple(dict.fromkeys(facts.files)),
        folders=tuple(dict.fromkeys(facts.folders)),
        unknown=tuple(dict.fromkeys(facts.unknown)),
    )


def _render_facts(scene: Any, facts: Findings) -> object:
    """What nodes see of the render that they are part of. All of it comes with the scene of Render Layers."""
    render = scene.render
    names = {item.identifier for item in render.bl_rna.properties}
    begin = (*_OF_COMPOSITOR, *(_SIZE if facts.reads_size else ()))
    seen = {name for name in names if name.startswith(begin)} | (_RATE if facts.reads_rate else set())
    return RnaWalk(scene, facts).struct(render, frozenset(names - seen))


def _tree_values(nodes: list[Any], group: Any, facts: Findings) -> list[object]:
    """The settings of some nodes of one tree. Of the ``group`` in which our own node lies, the inputs alone: its
    tree would name our node and the results that it plays."""
    tree = nodes[0].id_data
    walk = RnaWalk(tree, facts)
    numbers = numbers_of(nodes)
    return [
        nodes_facts([node for node in nodes if node != group], walk, numbers),
        input_facts(group, walk, numbers) if group else None,
        list(_animation(tree, numbers, walk)),
    ]


def _animation(tree: Any, numbers: Mapping[str, int], walk: RnaWalk) -> Iterator[object]:
    """The curves and drivers of some of the tree's nodes, and all strips, which mix them."""
    data = tree.animation_data
    if data is not None and len(data.nla_tracks):
        yield walk.struct(data, frozenset({"drivers"}))
    for curve in acting_curves(tree):
        of_node = _OF_NODE.match(curve.data_path)
        name = unescape_identifier(of_node[1]) if of_node else ""
        if of_node is None or name in numbers:
            path = [numbers[name], of_node[2]] if of_node else curve.data_path
            yield [path, walk.struct(curve, frozenset({"data_path"}))]


def _ocio_config() -> list[object]:
    """The colour configuration of the studio, by name and content; empty for Blender's own."""
    file = Path(os.environ.get("OCIO", ""))
    # OSError: it is built into OpenColorIO ("ocio://...").
    with contextlib.suppress(OSError):
        return config_facts(file)
    return [file.name]
