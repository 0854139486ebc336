"""Where a node's results lie: in a folder of its own, beside the file that the node is saved in."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import bpy

from .plan import NodeError
from .rna_facts import absolute_path

_LONGEST_NAME = 255
"""Bytes of one name, on all usual disks."""
_LONGEST_PATH = 259 if sys.platform == "win32" else 1023
"""Windows counts characters. Elsewhere Blender's own paths end here, in bytes."""
_BELOW = "0123456789ab-01234567/outdated/matte.000000.exr.12345678.tmp"
"""The longest path below a node's folder."""


def node_folder(settings: Any) -> Path:
    """The node's own folder, absolute; that of a linked node lies beside the file that it is linked from."""
    return Path(absolute_path(str(settings.folder).strip(), settings.id_data)) / (settings.node_id or "unnamed")


def lacking_place(settings: Any) -> str:
    """Why the results have no folder, as a sentence; empty where they have one. A path without a place would mean
    the folder that Blender was started in."""
    if lies_beside(settings):
        if not (bpy.data.filepath or settings.id_data.library):
            return "Save the file first: results are kept beside it."
    elif not Path(str(settings.folder).strip()).is_absolute():
        return "Results needs an absolute folder, or one that begins with // for the folder of the file."
    return too_long(node_folder(settings))


def too_long(folder: Path) -> str:
    """Why results cannot lie in a folder with so long a path, as a sentence; empty where they can."""
    name = max(folder.parts, key=_length)
    if _length(name) > _LONGEST_NAME:
        return (
            f"Results: the folder name {name[:20]}... has {_length(name)} bytes, and disks allow {_LONGEST_NAME}. "
            "Shorten it."
        )
    size, longest = _length(str(folder)), _LONGEST_PATH - len(_BELOW)
    if size > longest:
        return (
            f"Results: the path of the node's folder is {size} bytes long, and {longest} are possible here. "
            "Choose a shorter one."
        )
    return ""


def _length(path: str) -> int:
    return len(path) if sys.platform == "win32" else len(os.fsencode(path))


def lies_beside(settings: Any) -> bool:
    """Whether the results lie beside the file, wherever that is saved."""
    return str(settings.folder).strip().startswith("//")


def need_place(settings: Any) -> None:
    """Raises ``NodeError`` where the results have no folder of their own."""
    sentence = lacking_place(settings)
    if sentence:
        raise NodeError(sentence)
