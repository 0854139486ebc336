"""Pictures that Blender has in memory: it goes on with them where their files are written over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bpy

from . import file_states
from .node_facts import tile_files
from .rna_facts import absolute_path

_known: dict[tuple[str, int], list[file_states.FileState]] = {}
"""What the files of each picture looked like when it was loaded again, by its number in the session."""


def load_changed() -> None:
    """Has Blender read again what was written over since it was read: what is rendered then is what the files are
    now. When Blender has read a picture it does not say, so each is read again once a session. Paint that is in no
    file yet stays. On the main thread, while nothing else reads the file."""
    for picture in _of_files():
        place = (picture.bl_rna.identifier, picture.session_uid)
        files = [file_states.state_of(file) for file in _files_of(picture)]
        if _known.get(place) != files:
            _known[place] = files
            if all(file.is_file for file in files):
                _load(picture)


def _of_files() -> Iterator[Any]:
    """Images and clips of one file, or a file for each tile. Sequences are read anew in each render."""
    for image in bpy.data.images:
        is_of_files = image.source in ("FILE", "TILED", "MOVIE") and not image.packed_file
        if is_of_files and image.has_data and not image.is_dirty:
            yield image
    yield from (clip for clip in bpy.data.movieclips if clip.source == "MOVIE")


def _files_of(picture: Any) -> list[str]:
    if picture.source == "TILED":
        return tile_files(picture)
    return [absolute_path(picture.filepath, picture)]


def _load(picture: Any) -> None:
    if isinstance(picture, bpy.types.Image):
        picture.reload()
    else:
        # A clip is read again where its path is set.
        picture.filepath = str(picture.filepath)
