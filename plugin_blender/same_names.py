"""Pictures whose names are the same and that lie in different folders. Does not import bpy.

A picture is named by its file with that file's folder, so that a project may move, and one machine's ``P:`` be
another's ``/mnt``. Files of Blender that share a folder of results may each have another picture of one name: shots
whose plates are all ``plates/plate.0001.exr``. Those are told apart by where they lie, as seen from the results.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_UP = ".."


def places_beyond_names(files: Sequence[str], results: str) -> list[str]:
    """Where some files, or folders, lie as seen from a node's folder of ``results``; empty where the names of all
    of them tell it already."""
    places = [_place(file, Path(results)) for file in files]
    return places if any(places) else []


def _place(file: str, results: Path) -> str:
    """Empty for a file that lies where most do: in the folder around that of all results, where the ``.blend`` is,
    or one folder below. No other file that these results could be of has its name."""
    try:
        parts = Path(os.path.relpath(file, results)).parts
    except ValueError:
        # Another drive of Windows.
        return Path(file).as_posix()
    around, below = parts[:2], parts[2:]
    is_named = len(below) == 1 or (len(below) == 2 and below[0] not in results.parts[-3:-2])
    # A folder below that is called as the one around it: the latter's own files have such names.
    return "" if around == (_UP, _UP) and is_named and below[0] != _UP else "/".join(parts)
