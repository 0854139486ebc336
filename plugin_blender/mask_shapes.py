"""What no property shows of a mask: the keys of its shapes, and where its points were when they were parented.

Blender writes the mask into a temporary file, which has everything, and a table of where each value lies in it.
"""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy

_ALWAYS = ("bezt.h1", "bezt.h2", "tot_uw", "parent.parent_orig", "parent.parent_corners_orig")
_PLACE = ("bezt.vec", "bezt.weight", "bezt.radius")
_FEATHER = ("u", "w")
_SHAPE_BYTES = 32
"""One point of a key: the point, both handles, its weight and its radius, as floats."""
_POINTER_BYTES = 8
_Table = dict[str, tuple[int, dict[str, tuple[str, int, int]]]]
"""Each kind of struct: its bytes, and for each of its values the kind, where it begins, and its bytes."""


@dataclass
class LayerShapes:
    """One layer of a mask. ``facts`` are those of its points that no frame changes, ``places`` where they are now,
    and ``keys`` their places at a frame each."""

    facts: list[bytes] = field(default_factory=list)
    places: list[bytes] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)

    @property
    def shape(self) -> bytes:
        """What Blender shows at all frames: where there are keys, the places of now are those of one frame."""
        return b"".join([*self.facts, *(self.keys or self.places)])

    @property
    def is_known(self) -> bool:
        """Whether every key has every point. In place of one that does not Blender shows what it showed before."""
        return all(len(key) == _SHAPE_BYTES * len(self.places) + 4 for key in self.keys)


def shapes_of(mask: Any) -> list[bytes] | None:
    """What each layer of a mask shows at all frames; None where that cannot be told: where its drivers read other
    data-blocks, and of a linked mask, whose layers are written in the file that it is linked from alone."""
    if _reads_others(mask):
        return None
    try:
        layers = _layers_in(_written(mask))
    # RuntimeError: Blender's, where it cannot write. The last three: a later Blender's, that writes otherwise.
    except (OSError, RuntimeError, LookupError, ValueError, struct.error):
        return None
    is_known = len(layers) == len(mask.layers) and all(layer.is_known for layer in layers)
    return [layer.shape for layer in layers] if is_known else None


def _reads_others(mask: Any) -> bool:
    """Blender writes with a mask what its drivers read, and all that this refers to: the whole file, with packed
    pictures, where it is the scene."""
    curves = mask.animation_data.drivers if mask.animation_data else ()
    variables = (variable for curve in curves for variable in curve.driver.variables)
    return any(target.id not in (None, mask) for variable in variables for target in variable.targets)


def _written(mask: Any) -> bytes:
    # What a virus scanner holds open Blender removes at its end, with its own folder.
    with tempfile.TemporaryDirectory(dir=bpy.app.tempdir, ignore_cleanup_errors=True) as folder:
        file = Path(folder, "mask.blend")
        bpy.data.libraries.write(str(file), {mask}, compress=False)
        return file.read_bytes()


def _layers_in(data: bytes) -> list[LayerShapes]:
    blocks = list(_blocks(data))
    names, table = _structs(next((body for code, _, body in blocks if code == b"DNA1"), b""))
    layers: list[LayerShapes] = []
    frame = b""
    for code, number, body in blocks:
        kind = names[number] if code == b"DATA" else ""
        if frame:
            layers[-1].keys.append(frame + body)
            frame = b""
        elif kind == "MaskLayer":
            layers.append(LayerShapes())
        elif kind == "MaskSplinePoint":
            layers[-1].facts.append(b"".join(_values(table, kind, body, _ALWAYS)))
            layers[-1].places += _values(table, kind, body, _PLACE)
        elif kind == "MaskSplinePointUW":
            layers[-1].facts.append(b"".join(_values(table, kind, body, _FEATHER)))
        elif kind == "MaskLayerShape":
            # Its points are the block behind.
            (frame,) = _values(table, kind, body, ("frame",))
    return layers


def _blocks(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """The blocks of a .blend that is not packed: code, number of the struct, content."""
    # The first header names no size of its own: "BLENDER-v405"; since Blender 5 it does: "BLENDER17-01v0502".
    is_old = data[7:8] == b"-"
    form = struct.Struct("<4siQii" if is_old else "<4siQqq")
    at = 12 if is_old else 17
    while at + form.size <= len(data):
        code, *rest = form.unpack_from(data, at)
        size, number = (rest[0], rest[2]) if is_old else (rest[2], rest[0])
        at += form.size
        yield code.rstrip(b"\0"), number, data[at : at + size]
        at += size


@lru_cache(maxsize=1)
def _structs(table: bytes) -> tuple[list[str], _Table]:
    """The names of all structs by number, and where their values lie."""
    at = 8

    def count() -> int:
        nonlocal at
        at += 4
        return int.from_bytes(table[at - 4 : at], "little")

    def words() -> list[str]:
        """A list of texts behind its name of four bytes."""
        nonlocal at
        found = []
        for _ in range(count()):
            end = table.index(b"\0", at)
            found.append(table[at:end].decode())
            at = end + 1
        at += -at % 4 + 4
        return found

    values, kinds = words(), words()
    sizes = struct.unpack_from(f"<{len(kinds)}h", table, at)
    at += 2 * len(kinds)
    at += -at % 4 + 4
    names: list[str] = []
    structs: _Table = {}
    for _ in range(count()):
        kind, length = struct.unpack_from("<hh", table, at)
        pairs = struct.iter_unpack("<hh", table[at + 4 : at + 4 + 4 * length])
        at += 4 + 4 * length
        names.append(kinds[kind])
        structs[kinds[kind]] = sizes[kind], _places([(kinds[a], sizes[a], values[b]) for a, b in pairs])
    return names, structs


def _places(values: Sequence[tuple[str, int, str]]) -> dict[str, tuple[str, int, int]]:
    found, at = {}, 0
    for kind, size, name in values:
        size = _POINTER_BYTES if name[0] in "*(" else size
        for number in re.findall(r"\[(\d+)\]", name):
            size *= int(number)
        found[name.strip("*(").partition("[")[0]] = kind, at, size
        at += size
    return found


def _values(table: _Table, kind: str, body: bytes, paths: Sequence[str]) -> list[bytes]:
    """Some values of each struct in a block, together."""
    size, _ = table[kind]
    places = [_place(table, kind, path.split(".")) for path in paths]
    starts = range(0, len(body), size)
    return [b"".join(body[start + at : start + at + length] for at, length in places) for start in starts]


def _place(table: _Table, kind: str, path: Sequence[str]) -> tuple[int, int]:
    inner, at, size = table[kind][1][path[0]]
    if len(path) == 1:
        return at, size
    further, size = _place(table, inner, path[1:])
    return at + further, size
