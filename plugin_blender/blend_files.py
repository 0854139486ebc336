"""Which other .blend files play a node's results: versions of a file share them. Does not import bpy.

A saved file names the results that its node plays, so their path is looked for in its bytes.
"""

from __future__ import annotations

import gzip
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .plan import NodeError

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_BLOCK = 1 << 22
_LONGEST = 256
"""Longer than the part of a path that is looked for: blocks overlap by this many bytes."""


def other_players(folder: Path, own_file: str) -> dict[str, str]:
    """For each folder of results in the node's ``folder`` that another file plays, the name of such a file.

    Looked at are the files beside ``own_file`` ("" before it is saved), beside the results and one folder below.
    Raises ``NodeError`` where one of them cannot be read: it might play them.
    """
    found: dict[str, str] = {}
    for file in _files_around(folder, Path(own_file)):
        try:
            keys = _played(file, folder.name)
        except Exception as error:  # noqa: BLE001 - whatever a damaged file makes of the decompressor
            raise NodeError(
                f"{file} cannot be read ({error}), and it may use these results.", "Nothing was deleted."
            ) from None
        found.update(dict.fromkeys(keys, file.name))
    return found


def _files_around(folder: Path, own_file: Path) -> list[Path]:
    places = [folder.parents[1].glob(name) for name in ("*.blend", "*/*.blend")]
    if own_file.name:
        places.append(own_file.parent.glob("*.blend"))
    files = {file.resolve(): file for place in places for file in place if file.is_file()}
    files.pop(own_file.resolve(), None)
    return list(files.values())


def _played(file: Path, node_id: str) -> set[str]:
    """The folders of the node's results that a file plays."""
    path = re.compile(re.escape(node_id.encode()) + rb"[/\\]([0-9a-f]{12})[/\\]")
    found: set[str] = set()
    before = b""
    for block in _blocks(file):
        found |= {key.decode() for key in path.findall(before + block)}
        before = block[-_LONGEST:]
    return found


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as raw, _unpacked(raw) as unpacked:
        while block := unpacked.read(_BLOCK):
            yield block


def _unpacked(raw: IO[bytes]) -> Any:
    """The file as Blender reads it: "Compress" packs it with Zstandard, and did so with gzip before Blender 3."""
    start = raw.read(4)
    raw.seek(0)
    if start == _ZSTD:
        # Blender's own Python has it, and Debian's Blender does not.
        return importlib.import_module("zstandard").ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    return gzip.open(raw) if start[:2] == _GZIP else raw
