"""What nodes, images and clips are set to, as JSON values; see :mod:`rna_facts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import bpy

from .animation import AnimatedPaths
from .mask_shapes import shapes_of
from .places import is_reroute, upstream_nodes
from .rna_facts import TRACKING, Findings, RnaWalk, absolute_path, content_digest, plain
from .sources import ClipNumbering, FileSource, Numbering, Span, first_number
from .versions import OUTPUT_NODES

_SHAPES = frozenset({"points", "splines"})
_TREE_PARTS = frozenset({"nodes", "links"})
_KEEPS_STATES = ("GeometryNodeBake", "GeometryNodeSimulationOutput")
"""Nodes whose results come from frames before, or from files that no setting names."""
_SHOWS_NOTHING = {*OUTPUT_NODES, "NodeFrame"} - {"NodeGroupOutput"}
_FRAME_CHOICE = frozenset({"frame_duration", "frame_offset", "frame_start", "use_cyclic"})
_SIZE_FREE = frozenset(
    {
        "CompositorNodeBrightContrast",
        "CompositorNodeColorBalance",
        "CompositorNodeColorCorrection",
        "CompositorNodeConvertColorSpace",
        "CompositorNodeCurveRGB",
        "CompositorNodeExposure",
        "CompositorNodeGamma",
        "CompositorNodeGroup",
        "CompositorNodeHueSat",
        "CompositorNodeImage",
        "CompositorNodeInvert",
        "CompositorNodeMovieClip",
        "NodeGroupInput",
        "NodeGroupOutput",
        "ShaderNodeGamma",
    }
)
"""Nodes whose pictures have the size and the place of those that feed them, whatever the size of the render: what
plates are graded with."""
_PICTURES_OF_CLIP = ("Image", "Alpha")
"""The outputs of a Movie Clip node that follow no tracking. The others follow its stabilization."""


def tree_facts(tree: Any, facts: Findings) -> object:
    """A node tree: every node, the links and what animates them."""
    walk = RnaWalk(tree, facts)
    nodes = _from_the_ends(tree)
    return [nodes_facts(nodes, walk, numbers_of(nodes)), walk.struct(tree, _TREE_PARTS)]


def _from_the_ends(tree: Any) -> list[Any]:
    """All nodes of a tree that count, each behind those that it feeds: an order that does not come from their
    names."""
    nodes = [node for node in tree.nodes if _counts(node)]
    ends = [node for node in nodes if not any(socket.is_linked for socket in node.outputs)]
    found: dict[int, Any] = {}
    for end in sorted(ends, key=lambda node: (str(node.bl_idname), str(node.name))):
        found |= {node.as_pointer(): node for node in upstream_nodes(end)}
    # What is left feeds itself: Blender ignores such links.
    found |= {node.as_pointer(): node for node in nodes}
    return list(found.values())


def nodes_facts(nodes: Sequence[Any], walk: RnaWalk, numbers: Mapping[str, int]) -> list[object]:
    """Some nodes of one tree, with their values and links."""
    return [_node_facts(node, walk, numbers) for node in nodes if _counts(node)]


def numbers_of(nodes: Sequence[Any]) -> dict[str, int]:
    """The place of each node that counts, by its name: a renamed node is the same."""
    return {node.name: number for number, node in enumerate(filter(_counts, nodes))}


def _counts(node: Any) -> bool:
    """Whether a node may change what is rendered. A linked reroute is a bend of its links."""
    return node.bl_idname not in _SHOWS_NOTHING and _into_reroute(node) is None


def _into_reroute(node: Any) -> Any:
    """The link into a reroute; None where there is none, or it leads around in a ring, and for other nodes."""
    links = node.inputs[0].links if is_reroute(node) else ()
    return next((link for link in links if link.is_valid), None)


def _node_facts(node: Any, walk: RnaWalk, numbers: Mapping[str, int]) -> list[object]:
    played = _note_picture(node, walk.facts)
    if getattr(node, "scene", node) is None:
        walk.facts.reads_scene = True
    if node.bl_idname == "CompositorNodeSceneTime":
        walk.facts.reads_rate = True
    walk.facts.reads_size |= node.bl_idname not in _SIZE_FREE
    if _follows_tracking(node):
        walk.facts.names_read.add(TRACKING)
    if node.bl_idname == "ShaderNodeAttribute" and node.attribute_type != "GEOMETRY":
        walk.facts.attributes_read.add(node.attribute_name)
    if node.bl_idname in _KEEPS_STATES:
        walk.facts.unknown.append(f"the simulation in {node.id_data.name}")
    outputs = [_value(socket, walk) for socket in node.outputs]
    own = [numbers[node.name], node.bl_idname, bool(node.mute)]
    return [*own, *_settings(node, played, walk), input_facts(node, walk, numbers), outputs]


def _settings(node: Any, played: FileSource | None, walk: RnaWalk) -> list[object]:
    """A node's settings. Those that say which file of a sequence is shown count as what they come to: a sequence
    that has become longer shows the same at its first frames."""
    if played is None or not isinstance(played.numbering, Numbering):
        return [walk.struct(node)]
    return [walk.struct(node, _FRAME_CHOICE), played.numbering.name]


def _note_picture(node: Any, facts: Findings) -> FileSource | None:
    """Notes the file that an Image or Movie Clip node plays, and returns it; None where it plays none, or its
    frames are not known."""
    image: Any = getattr(node, "image", None)
    clip = getattr(node, "clip", None)
    played = image if node.bl_idname == "CompositorNodeImage" else clip
    if played is not None and has_animated_frames(node):
        facts.unknown.append(f"which frames of {played.name} are shown")
        return None
    if played is not None and played == clip:
        found = clip_source(clip)
    elif played is not None and image.source in ("FILE", "SEQUENCE", "MOVIE") and not image.packed_file:
        found = image_source(image, node)
    else:
        return None
    facts.pictures.append(found)
    return found


def _follows_tracking(node: Any) -> bool:
    """Whether a node follows the lens or the tracks of a clip."""
    if not getattr(node, "clip", None):
        return False
    shows_pictures = node.bl_idname == "CompositorNodeMovieClip"
    return not shows_pictures or any(
        socket.is_linked and socket.identifier not in _PICTURES_OF_CLIP for socket in node.outputs
    )


def has_animated_frames(node: Any) -> bool:
    """Whether curves or drivers choose what an Image or Movie Clip node shows at a frame: their values of now say
    nothing of the others."""
    clip = getattr(node, "clip", None)
    if clip is not None:
        return AnimatedPaths(clip).has(clip, "frame_start", "frame_offset")
    names = ("frame_duration", "frame_offset", "frame_start", "use_cyclic")
    return AnimatedPaths(node.id_data).has(node, *names, "mute")


def input_facts(node: Any, walk: RnaWalk, numbers: Mapping[str, int]) -> list[object]:
    """The links of a node's inputs, or their values. ``numbers`` has all nodes that feed it."""
    return [_input_facts(socket, walk, numbers) for socket in node.inputs]


def _input_facts(socket: Any, walk: RnaWalk, numbers: Mapping[str, int]) -> object:
    links = [_link_facts(link, numbers) for link in socket.links if link.is_valid]
    return [socket.identifier, links, None if links else _value(socket, walk)]


def _link_facts(link: Any, numbers: Mapping[str, int]) -> list[object]:
    """The node and the socket that a link leads from, through reroutes, and whether it is muted on the way."""
    is_muted = link.is_muted
    while (before := _into_reroute(link.from_node)) is not None:
        link = before
        is_muted |= link.is_muted
    return [numbers[link.from_node.name], link.from_socket.identifier, bool(is_muted)]


def _value(socket: Any, walk: RnaWalk) -> object:
    """A socket's own value; None where it has none."""
    item = socket.bl_rna.properties.get("default_value")
    if item is None:
        return None
    if item.type == "POINTER":
        return walk.pointer(socket.default_value)
    if item.type == "STRING" and item.subtype == "FILE_PATH":
        return walk.path(socket.default_value, item.subtype)
    return walk.animated.without(socket, item, plain(socket.default_value))


# -- pictures


def image_facts(image: Any, facts: Findings) -> object:
    """An image: its settings, and its pixels where no file has them."""
    if image.type in ("RENDER_RESULT", "COMPOSITING"):
        facts.unknown.append(f"what {image.name} shows")
    return [RnaWalk(image, facts).struct(image), _content(image, facts)]


def _content(image: Any, facts: Findings) -> object:
    if image.is_dirty:
        return _pixel_digest(image)
    if image.packed_file:
        return content_digest(image.packed_file.data)
    if image.source == "TILED":
        facts.files += [FileSource(file=file, colourspace="") for file in tile_files(image)]
        return sorted(tile.number for tile in image.tiles)
    if image.source in ("FILE", "MOVIE"):
        facts.files.append(FileSource(file=absolute_path(image.filepath, image), colourspace=""))
        return facts.files[-1].name
    return None


def tile_files(image: Any) -> list[str]:
    """The files of an image of tiles."""
    return [absolute_path(_tile_path(image.filepath, tile.number), image) for tile in image.tiles]


def _tile_path(path: str, number: int) -> str:
    """``path`` with a tile's number, or with its column and row."""
    row, column = divmod(number - 1001, 10)
    return path.replace("<UDIM>", str(number)).replace("<UVTILE>", f"u{column + 1}_v{row + 1}")


def _pixel_digest(image: Any) -> str:
    """The digest of what was painted or written into an image and is in no file yet."""
    import numpy

    pixels = numpy.empty(len(image.pixels), dtype="f4")
    image.pixels.foreach_get(pixels)
    return content_digest(pixels)


def clip_facts(clip: Any, facts: Findings) -> object:
    """A movie clip: its settings and its file; its lens and tracking data apart, because its pictures do not follow
    them."""
    walk = RnaWalk(clip, facts)
    settings = walk.struct(clip, frozenset({TRACKING}))
    facts.unread.append((TRACKING, walk.struct(clip.tracking)))
    return [settings, clip_source(clip).name]


def image_source(image: Any, node: Any) -> FileSource:
    """An image's file, or its sequence or movie as the Image node plays it."""
    source = FileSource(file=absolute_path(image.filepath, image), colourspace=image.colorspace_settings.name)
    if image.source not in ("SEQUENCE", "MOVIE"):
        return source
    played = Numbering(
        start=node.frame_start,
        duration=node.frame_duration,
        offset=node.frame_offset,
        cyclic=bool(node.use_cyclic),
    )
    return replace(source, numbering=played) if image.source == "SEQUENCE" else replace(source, movie=played.span)


def clip_source(clip: Any) -> FileSource:
    """A movie clip's files."""
    file = absolute_path(clip.filepath, clip)
    source = FileSource(file=file, colourspace=clip.colorspace_settings.name)
    if clip.source == "SEQUENCE":
        numbering = ClipNumbering(first=first_number(file), start=clip.frame_start, offset=clip.frame_offset)
        return replace(source, numbering=numbering)
    first = clip.frame_start - clip.frame_offset
    return replace(source, movie=Span(first=first, last=first + clip.frame_duration - 1, held=False))


def mask_facts(mask: Any, facts: Findings) -> object:
    """A mask: its settings, and the shapes of all frames, of which Blender's properties show the current one."""
    walk = RnaWalk(mask, facts)
    shapes = shapes_of(mask)
    if shapes is None:
        facts.unknown.append(f"the shape of the mask {mask.name}")
    return [
        walk.struct(mask, frozenset({"layers"})),
        [
            [walk.struct(layer, _SHAPES), *(_spline_facts(spline, walk) for spline in layer.splines)]
            for layer in mask.layers
        ],
        [content_digest(shape) for shape in shapes or ()],
    ]


def _spline_facts(spline: Any, walk: RnaWalk) -> list[object]:
    parents = (point.parent for point in spline.points)
    return [walk.struct(spline, _SHAPES), *(walk.struct(each) if each.id else None for each in parents)]


def block_facts(block: Any, facts: Findings) -> object:
    """Any data-block."""
    if isinstance(block, bpy.types.NodeTree):
        return tree_facts(block, facts)
    if isinstance(block, bpy.types.Image):
        return image_facts(block, facts)
    if isinstance(block, bpy.types.MovieClip):
        return clip_facts(block, facts)
    if isinstance(block, bpy.types.Mask):
        return mask_facts(block, facts)
    return RnaWalk(block, facts).struct(block)
