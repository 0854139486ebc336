"""What feeds a socket of a node: read out of Blender's nodes into :mod:`sources`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from .sources import ClipNumbering, FileSource, GraphSource, Numbering, Source, Span, first_number
from .versions import LINEAR

# Formats of which server and Blender take the same view: (Blender's default, the server's word).
_SPACES = {
    ".exr": (LINEAR, "linear"),
    ".png": ("sRGB", "srgb"),
    ".jpg": ("sRGB", "srgb"),
    ".jpeg": ("sRGB", "srgb"),
}
# Where a node stands and how it looks does not change what it makes.
_LOOKS = frozenset(
    {
        "rna_type",
        "parent",
        "inputs",
        "outputs",
        "internal_links",
        "location",
        "location_absolute",
        "width",
        "height",
        "label",
        "select",
        "color",
        "color_tag",
        "use_custom_color",
        "hide",
        "dimensions",
        "name",
        "warning_propagation",
        "is_active_output",
    }
)
_ID_SKIP = frozenset(
    {
        "rna_type",
        "name",
        "name_full",
        "users",
        "tag",
        "id_type",
        "original",
        "session_uid",
        "is_evaluated",
        "preview",
        "asset_data",
        "library",
        "library_weak_reference",
        "override_library",
        "animation_data",
    }
)
_TYPE = frozenset({"rna_type"})
_scene_revisions: dict[str, int] = {}
_DEEPEST = 8


def scene_changed(name: str) -> None:
    """Notes that a 3D scene was edited: what is rendered from it is no longer the same."""
    _scene_revisions[name] = _scene_revisions.get(name, 0) + 1


def source_of(socket: Any) -> Source | None:
    """What feeds the socket; None where nothing does."""
    link = _feeding(socket)
    if link is None:
        return None
    return _bare_file(link.from_node, link.from_socket) or _graph(link.from_node)


def _feeding(socket: Any) -> Any:
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
    if image.type != "IMAGE" or image.use_multiview:
        return None
    return _read_alike(image_source(image, node))


def image_source(image: Any, node: Any) -> FileSource:
    """An image's file, or sequence or movie as ``node`` plays it."""
    source = FileSource(file=_absolute(image.filepath, image), colourspace=image.colorspace_settings.name)
    if image.source not in ("SEQUENCE", "MOVIE") or node.bl_idname != "CompositorNodeImage":
        return source
    played = Numbering(
        start=node.frame_start,
        duration=max(node.frame_duration, 1),
        offset=node.frame_offset,
        cyclic=bool(node.use_cyclic),
    )
    return replace(source, numbering=played) if image.source == "SEQUENCE" else replace(source, movie=played.span)


def _clip_file(clip: Any) -> FileSource | None:
    if clip is None or clip.source != "SEQUENCE":
        return None
    return _read_alike(clip_source(clip))


def clip_source(clip: Any) -> FileSource:
    """A movie clip's files."""
    file = _absolute(clip.filepath, clip)
    source = FileSource(file=file, colourspace=clip.colorspace_settings.name)
    if clip.source == "SEQUENCE":
        numbering = ClipNumbering(first=first_number(file), start=clip.frame_start, offset=clip.frame_offset)
        return replace(source, numbering=numbering)
    first = clip.frame_start - clip.frame_offset
    return replace(source, movie=Span(first=first, last=first + clip.frame_duration - 1, held=False))


def _read_alike(source: FileSource) -> FileSource | None:
    """The source in the server's words, where the server reads such a file as Blender does."""
    usual, word = _SPACES.get(Path(source.file).suffix.lower(), ("", ""))
    return replace(source, colourspace=word) if source.colourspace == usual else None


def _absolute(path: str, owner: Any) -> str:
    return str(Path(bpy.path.abspath(path, library=owner.library)).absolute())


# -- nodes


def _graph(node: Any) -> GraphSource:
    files: list[FileSource] = []
    facts = [_node_facts(each, files) for each in upstream_nodes(node)]
    facts.append(_animation(node.id_data))
    text = json.dumps(facts, sort_keys=True, default=str)
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return GraphSource(digest=digest, files=tuple(dict.fromkeys(files)))


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


def _node_facts(node: Any, files: list[FileSource]) -> list[object]:
    animated = _animated_paths(node.id_data)
    facts: list[object] = [node.name, node.bl_idname, bool(node.mute)]
    facts.append(_Facts(animated, files, node).of(node, _LOOKS))
    for index, socket in enumerate(node.inputs):
        links = [(link.from_node.name, link.from_socket.identifier, link.is_muted) for link in socket.links]
        path = f'nodes["{node.name}"].inputs[{index}].default_value'
        value = None if links or path in animated else _plain(getattr(socket, "default_value", None))
        facts.append([socket.identifier, links, value])
    if node.bl_idname == "CompositorNodeRLayers" and node.scene:
        facts.append([node.scene.name, node.layer, _scene_revisions.get(node.scene.name, 0)])
    return facts


class _Facts:
    """The settings of one node as JSON values; the files that it reads are added to ``files``."""

    def __init__(self, animated: set[str], files: list[FileSource], node: Any) -> None:
        self._animated = animated
        self._files = files
        self._node = node

    def of(self, struct: Any, skip: frozenset[str], depth: int = 0) -> object:
        """All settings of a node, or of something that belongs to it."""
        facts: dict[str, object] = {}
        if depth > _DEEPEST:
            return facts
        for item in struct.bl_rna.properties:
            name = item.identifier
            if name in skip or name.startswith(("bl_", "show_")) or _has_no_choice(struct, name):
                continue
            value: Any = getattr(struct, name, None)
            if item.type == "POINTER":
                facts[name] = self._pointer(value, depth)
            elif item.type == "COLLECTION":
                facts[name] = [self.of(each, _TYPE, depth + 1) for each in value]
            elif not _is_animated(struct, name, self._animated) and not (item.is_readonly and depth == 0):
                facts[name] = _plain(value)
        return facts

    def _pointer(self, value: Any, depth: int) -> object:
        if value is None:
            return None
        if isinstance(value, bpy.types.NodeTree):
            return _group_facts(value, self._files)
        if isinstance(value, bpy.types.Image):
            return _image_facts(value, self._files, self._node)
        if isinstance(value, bpy.types.MovieClip):
            self._files.append(clip_source(value))
            return [value.source, *self._files[-1].name]
        if isinstance(value, bpy.types.Scene):
            return value.name
        if isinstance(value, bpy.types.ID):
            return [value.name, self.of(value, _ID_SKIP, depth + 1)]
        return self.of(value, _TYPE, depth + 1)


def _has_no_choice(struct: Any, name: str) -> bool:
    """Choices of an Image node that Blender offers only for some files, and complains about for others."""
    return name in ("layer", "view") and not getattr(struct, f"has_{name}s", True)


def _image_facts(image: Any, files: list[FileSource], node: Any) -> object:
    facts: list[object] = [image.source, image.colorspace_settings.name, image.alpha_mode]
    if image.packed_file:
        return [*facts, hashlib.blake2b(image.packed_file.data, digest_size=16).hexdigest()]
    if image.source == "GENERATED":
        size = [image.generated_width, image.generated_height]
        return [*facts, image.generated_type, *size, _plain(image.generated_color)]
    files.append(image_source(image, node))
    return [*facts, *files[-1].name]


def _group_facts(tree: Any, files: list[FileSource]) -> object:
    return [[_node_facts(node, files) for node in sorted(tree.nodes, key=lambda n: n.name)], _animation(tree)]


def _plain(value: Any) -> object:
    """A property's value as JSON has it; arrays as lists."""
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, set):
        return sorted(value)
    try:
        return [_plain(each) for each in value]
    except TypeError:
        return str(type(value))


def _curves(tree: Any) -> list[Any]:
    data = tree.animation_data
    if data is None:
        return []
    curves = list(data.drivers)
    action = data.action
    if action is None:
        return curves
    if hasattr(action, "layers"):
        bags = (bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags)
        return curves + [curve for bag in bags for curve in bag.fcurves]
    return curves + list(action.fcurves)


def _animated_paths(tree: Any) -> set[str]:
    return {curve.data_path for curve in _curves(tree)}


def _is_animated(struct: Any, name: str, animated: set[str]) -> bool:
    """Values that change with the timeline are known by their curves, not by what they are just now."""
    if not animated:
        return False
    try:
        return struct.path_from_id(name) in animated
    except ValueError:
        return False


def _animation(tree: Any) -> list[object]:
    facts: list[object] = []
    for curve in _curves(tree):
        points = [[_plain(point.co), point.interpolation] for point in curve.keyframe_points]
        driver = getattr(curve, "driver", None)
        facts.append([curve.data_path, curve.array_index, points, driver.expression if driver else ""])
    return facts
