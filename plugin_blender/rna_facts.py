"""The settings of anything in Blender as JSON values, found by walking RNA: no list could lack one.

Two walks of equal settings give equal values, in any session and on any machine: nothing in them is an address, a
session's number, a name of a data-block or a state of the interface. Values that the timeline or a driver sets are
left out, and their curves and drivers taken instead, so that the current frame does not count.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy

from .animation import AnimatedPaths
from .read_by_name import may_be_unread, shows_names, shows_nothing
from .rna_skipped import (
    follows,
    has_defaults_of_cycles,
    has_no_effect,
    hidden_content,
    is_content,
    is_of_interface,
    is_skipped,
)
from .sources import FileSource

_DRIVE = re.compile(r"^([A-Za-z]):[/\\]")
"""How a path of Windows begins: on other systems Blender reads ``/p/a.exr`` for ``P:\\a.exr``."""
_NETWORK = "\\\\"
"""How a network folder of Windows begins."""
_STEP = re.compile(r"""\.?([A-Za-z_]\w*)((?:\[(?:"(?:[^"\\]|\\.)*"|[^]"])*\])*)""")
"""A step of a path that drivers read: a name, and which one of its items."""
_DEEPEST = 80
_MANY = 32
"""From this many items on, a collection of plain values is read at once."""
_MOST = 20_000
"""More items than this that have to be read one by one would stop the window for seconds."""
_DIGEST_SIZE = 16
_NEVER_RENDERED = (
    bpy.types.Brush,
    bpy.types.Library,
    bpy.types.PaintCurve,
    bpy.types.Palette,
    bpy.types.Screen,
    bpy.types.WindowManager,
    bpy.types.WorkSpace,
)
_FOR_OLDER = {("Camera", "cycles")}
"""Settings that Blender 4.5 writes a second time, for older versions: they are there once a file was opened."""
TRACKING = "tracking"
"""What a clip has of lens and tracks, as paths of drivers name it."""
_NUMPY_TYPES = {"FLOAT": "f4", "INT": "i4", "BOOLEAN": "?"}


@dataclass
class Findings:
    """What a walk has found beside values: the data-blocks, files and folders that settings refer to, and what
    cannot be compared (``unknown``), each as a noun with its owner ("the simulation of Cube").

    Without one of its ``pictures`` a solve makes no sense; without one of its ``files`` Blender renders as well.
    ``reads_scene``: something reads the scene that is rendered, whichever that is. ``reads_frames``: a driver
    reads at which frame a scene stands. ``reads_rate``: a node shows the time in seconds. ``reads_size``: a
    node may follow the size of the render. ``shows_names``: names of data-blocks change the picture.
    ``names_read`` are the paths that drivers read, and ``attributes_read`` those that shaders read of objects
    and scenes. ``unread`` is what counts only where one of them has its name, and what has no name where
    ``shows_names``; it stays with the data-block whose walk has found it.
    """

    blocks: list[Any] = field(default_factory=list)
    pictures: list[FileSource] = field(default_factory=list)
    files: list[FileSource] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    reads_scene: bool = False
    reads_frames: bool = False
    reads_rate: bool = False
    reads_size: bool = False
    shows_names: bool = False
    names_read: set[str] = field(default_factory=set)
    attributes_read: set[str] = field(default_factory=set)
    unread: list[tuple[str, object]] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)

    def number_of(self, block: Any) -> int:
        """The place of a data-block among those that were found: what stands for it instead of its name."""
        number = self._numbers.setdefault(block.as_pointer(), len(self.blocks))
        if number == len(self.blocks):
            self.blocks.append(block)
        return number

    def is_like(self, other: Findings) -> bool:
        """Whether another walk of the same data-block has found the same beside its values."""
        return self.blocks == other.blocks and self.unread == other.unread

    def add(self, other: Findings) -> None:
        """Adds what another walk has found."""
        for block in other.blocks:
            self.number_of(block)
        self.pictures += other.pictures
        self.files += other.files
        self.folders += other.folders
        self.unknown += other.unknown
        self.reads_scene = self.reads_scene or other.reads_scene
        self.reads_frames = self.reads_frames or other.reads_frames
        self.reads_rate = self.reads_rate or other.reads_rate
        self.reads_size = self.reads_size or other.reads_size
        self.shows_names = self.shows_names or other.shows_names
        self.names_read |= other.names_read
        self.attributes_read |= other.attributes_read


class RnaWalk:
    """Walks what belongs to one data-block. ``owner`` is that block: paths of files are relative to its file."""

    def __init__(self, owner: Any, facts: Findings) -> None:
        self._owner = owner
        self.facts = facts
        self.animated = AnimatedPaths(owner)
        self._order: dict[tuple[int, str], int] = {}

    def struct(self, struct: Any, skip: frozenset[str] = frozenset(), depth: int = 0) -> object:
        """All settings of a struct that belongs to the block."""
        kind = struct.bl_rna.identifier
        place = (struct.as_pointer(), kind)
        if place in self._order:
            return ["again", self._order[place]]
        self._order[place] = len(self._order)
        if depth > _DEEPEST:
            return self._cannot_compare("what is nested in")
        values: dict[str, object] = {"": kind}
        for item in struct.bl_rna.properties:
            name = item.identifier
            if name in skip or is_skipped(struct, item):
                continue
            value = self._property(struct, item, depth)
            if value is not None and may_be_unread(struct, item):
                self._set_aside(place, name, value)
            elif value is not None:
                values[name] = value
        for name, value in self._custom(struct):
            if may_be_unread(struct):
                self._set_aside(place, name, value)
            else:
                values[f'["{name}"]'] = value
        self.facts.shows_names |= shows_names(struct)
        hidden = hidden_content(struct)
        if hidden:
            self._cannot_compare(hidden)
        return values

    def _set_aside(self, place: tuple[int, str], name: str, value: object) -> None:
        """Notes what may count by the name of it, and where among the block's structs it is."""
        self.facts.unread.append((name, [self._order[place], name, value]))

    def _property(self, struct: Any, item: Any, depth: int) -> object:
        if item.type == "POINTER":
            if has_defaults_of_cycles(struct, item):
                return None
            value: Any = getattr(struct, item.identifier, None)
            if _plays_sequence(struct, value):
                self._cannot_compare(f"the image sequence {value.name} in")
            if isinstance(value, bpy.types.MovieClip) and not isinstance(struct, bpy.types.Node):
                # A mask's parent, or a constraint. Which nodes do is seen from their links.
                self.facts.names_read.add(TRACKING)
            return self.pointer(value, depth)
        if item.type == "COLLECTION":
            return self._collection(struct, item, depth)
        if item.is_readonly and not is_content(struct, item.identifier):
            return None
        if item.type == "STRING" and item.subtype in ("FILE_PATH", "DIR_PATH"):
            return self.path(getattr(struct, item.identifier, ""), item.subtype)
        if item.identifier == "data_path":
            self.facts.names_read.add(struct.data_path)
        return self.animated.without(struct, item, plain(getattr(struct, item.identifier, None)))

    def pointer(self, value: Any, depth: int = 0) -> object:
        """What a pointer leads to: other data-blocks by their numbers, to be walked by themselves."""
        if value is None or is_of_interface(value):
            return None
        if isinstance(value, bpy.types.PointCache):
            return self._cannot_compare("the simulation of")
        if isinstance(value, bpy.types.ID) and value != self._owner and not isinstance(value, _NEVER_RENDERED):
            return ["block", self.facts.number_of(value)]
        if isinstance(value, bpy.types.DriverVariable):
            return [self.struct(value, depth=depth + 1), self._read_by(value)]
        if isinstance(value, bpy.types.Driver) and value.type == "SCRIPTED" and not value.is_simple_expression:
            self._cannot_compare("the Python driver of")
        return None if isinstance(value, bpy.types.ID) else self.struct(value, depth=depth + 1)

    def _read_by(self, variable: Any) -> object:
        """What a driver's variable reads beside the settings that count."""
        targets = variable.targets
        self.facts.reads_frames |= any(target.data_path.startswith("frame_") for target in targets)
        if variable.type == "CONTEXT_PROP":
            # of the scene that is rendered, which is not known here
            self.facts.reads_scene = True
            context: Any = bpy.context
            is_scene = targets[0].context_property == "ACTIVE_SCENE"
            owner = context.scene if is_scene else context.scene.view_layers[0]
            aside = read_aside(owner, targets[0].data_path)
            return aside if aside is None else self._cannot_compare("what a driver reads of the scene for")
        return [read_aside(target.id, target.data_path) for target in targets if target.id]

    def _collection(self, struct: Any, item: Any, depth: int) -> object:
        items = getattr(struct, item.identifier)
        if item.identifier in ("particles", "particle_systems") and len(items):
            return self._cannot_compare("the particles of")
        if len(items) >= _MANY and _is_plain(item.fixed_type):
            return [len(items), *_columns(items, item.fixed_type)]
        if len(items) > _MOST:
            return self._cannot_compare(f"the {item.name.lower()} of")
        place = self._order[struct.as_pointer(), struct.bl_rna.identifier]
        # How lights are linked to each object of a collection is listed beside the objects.
        objects = struct.objects if item.identifier == "collection_objects" else items
        shown = []
        for each, listed in zip(items, objects, strict=True):
            if shows_nothing(listed):
                self.facts.unread.append(("", [place, listed.name]))
            elif not has_no_effect(each):
                shown.append(self.pointer(each, depth))
        return [*shown, *_choices(items, item.srna)] or None

    def path(self, path: str, kind: str) -> object:
        """A path that a setting names, and the file there. ``kind``: FILE_PATH or DIR_PATH."""
        if not path or path.startswith("<"):
            return path or None
        full = absolute_path(path, self._owner)
        if kind == "FILE_PATH":
            self.facts.files.append(FileSource(file=full, colourspace=""))
        else:
            self.facts.folders.append(full)
            self._cannot_compare("a folder of files of")
        return list(Path(full).parts[-2:])

    def _custom(self, struct: Any) -> Iterator[tuple[str, object]]:
        """Custom properties by their names: drivers, shaders and geometry nodes read them."""
        try:
            keys = sorted(struct.keys())
        except TypeError:
            return
        for key in keys:
            if key not in struct.bl_rna.properties and (struct.bl_rna.identifier, key) not in _FOR_OLDER:
                yield key, self._custom_value(struct, f'["{key}"]', struct[key])

    def _custom_value(self, struct: Any, path: str, value: Any) -> object:
        if isinstance(value, bpy.types.ID):
            return self.pointer(value)
        if hasattr(value, "keys"):
            return {key: self._custom_value(struct, f'{path}["{key}"]', each) for key, each in value.items()}
        return None if self.animated.has_custom(struct, path) else plain(value)

    def _cannot_compare(self, what: str) -> object:
        self.facts.unknown.append(f"{what} {self._owner.name}")
        return "unknown"


def read_aside(owner: Any, path: str) -> object:
    """The value of a path that leads through a setting that does not count by itself, such as the end of a scene's
    range or the exposure of its view; None for other paths, and where it is animated."""
    struct, at = owner, 0
    while step := _STEP.match(path, at):
        item = struct.bl_rna.properties.get(step[1])
        if item is None:
            return None
        if is_skipped(struct, item) and not follows(item):
            return None if AnimatedPaths(owner).has_custom(owner, path) else plain(_value_at(owner, path))
        struct, at = _value_at(struct, step[0].lstrip(".")), step.end()
        if not isinstance(struct, bpy.types.bpy_struct):
            return None
    return None


def _value_at(owner: Any, path: str) -> Any:
    try:
        return owner.path_resolve(path)
    except ValueError:
        return None


def _plays_sequence(struct: Any, value: Any) -> bool:
    """Whether an image sequence is played by something else than the compositor's Image node."""
    if not isinstance(value, bpy.types.Image) or value.source != "SEQUENCE":
        return False
    return str(struct.bl_rna.identifier) != "CompositorNodeImage"


def absolute_path(path: str, owner: Any) -> str:
    """The absolute form of a path in Blender's notation; ``//`` is the folder of the owner's own file.

    It names the file that Blender reads, which ``bpy.path.abspath`` does not: a file saved on Windows has
    backslashes and drives, and ``..`` is taken out before links are followed.
    """
    is_beside_file = path.startswith("//")
    if os.sep == "/" and path.startswith(_NETWORK):
        # Blender finds nothing there, and nothing of this machine is meant.
        return _NETWORK + path[len(_NETWORK) :].replace("\\", "/")
    if os.sep == "/":
        path = _DRIVE.sub(lambda found: f"/{found[1].lower()}/", path).replace("\\", "/")
    if is_beside_file:
        library = owner.library
        file = absolute_path(library.filepath, library) if library else bpy.data.filepath
        path = f"{Path(file).parent}/{path[2:]}"
    full = os.path.normpath(Path(path).absolute())
    # Two slashes are kept, as behind the root folder, and would be the folder of the file to Blender.
    return full[1:] if os.sep == "/" and full.startswith("//") else full


def plain(value: Any) -> object:
    """A property's value as JSON has it; arrays as lists."""
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, bytes):
        return content_digest(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    try:
        return [plain(each) for each in value]
    except TypeError:
        return str(type(value))


def content_digest(data: Any) -> str:
    """The digest of bytes."""
    return hashlib.blake2b(data, digest_size=_DIGEST_SIZE).hexdigest()


def _choices(items: Any, kind: Any) -> Iterator[object]:
    """The settings of a collection itself: which of a mesh's colours is rendered."""
    for item in kind.properties if kind else ():
        if not item.is_readonly and not item.identifier.startswith("active_") and item.type in ("INT", "STRING"):
            yield getattr(items, item.identifier)


def _is_plain(kind: Any) -> bool:
    """Whether each item of a collection consists of numbers, and of short lists of numbers such as the weights of a
    vertex. Read-only values follow from the others."""
    named = [item for item in kind.properties if item.identifier != "rna_type"]
    lists = [item.fixed_type for item in named if item.type == "COLLECTION"]
    if any(item.type == "POINTER" for item in named) or not all(_has_numbers_alone(each) for each in lists):
        return False
    values = [item for item in named if item.type != "COLLECTION" and not item.is_readonly]
    return bool(values) and all(item.type in {*_NUMPY_TYPES, "ENUM"} for item in values)


def _has_numbers_alone(kind: Any) -> bool:
    return all(item.type in _NUMPY_TYPES for item in kind.properties if item.identifier != "rna_type")


def _columns(items: Any, kind: Any) -> Iterator[object]:
    """For each of the items' settings the digest of the values of all."""
    for item in kind.properties:
        if is_skipped(items[0], item) or (item.is_readonly and not _counts(items[0], item)):
            continue
        yield item.identifier, content_digest(_column(items, item))


def _counts(struct: Any, item: Any) -> bool:
    """Whether a read-only property counts: RNA calls lists read-only, too."""
    return item.type == "COLLECTION" or is_content(struct, item.identifier)


def _column(items: Any, item: Any) -> Any:
    import numpy

    name = item.identifier
    if item.type == "ENUM":
        return "\n".join(str(plain(getattr(each, name))) for each in items).encode()
    if item.type == "COLLECTION":
        columns = [each.identifier for each in item.fixed_type.properties if each.identifier != "rna_type"]
        rows = ([[getattr(one, column) for column in columns] for one in getattr(each, name)] for each in items)
        return "\n".join(map(str, rows)).encode()
    values = numpy.empty(max(getattr(item, "array_length", 0), 1) * len(items), dtype=_NUMPY_TYPES[item.type])
    items.foreach_get(name, values)
    return values
