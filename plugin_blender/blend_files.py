"""Which other .blend files use a node's results: versions of a file share them. Does not import bpy.

A saved file names the results that its node plays, and the folder of those that it may still take along, so both
paths are looked for in its bytes.
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
_LONGEST = 1200
"""Longer than a path in a file: blocks overlap by this many bytes."""


def other_users(folder: Path, own_file: str, lie_beside: bool) -> dict[str, str]:
    """For each folder of results in the node's ``folder`` that another file plays or may take along, the name of
    such a file.

    ``lie_beside``: results lie beside the file that plays them, so a file in another folder that names them has
    not taken them along yet. Looked at are the files beside ``own_file`` ("" before it is saved), beside the
    results and one folder below. Raises ``NodeError`` where one of them cannot be read: it might use the results.
    """
    found: dict[str, str] = {}
    for file in _files_around(folder, Path(own_file)):
        try:
            keys = _used(
                file, folder, takes_along=lie_beside and file.parent.resolve() != Path(own_file).parent.resolve()
            )
        except Exception as error:  # noqa: BLE001 - whatever a damaged file makes of the decompressor
            raise NodeError(
                f"{file} cannot be read ({error}), and it may use these results.", "Nothing was deleted."
            ) from None
        found.update(dict.fromkeys(keys, file.name))
    return found


def plays(file: Path, results: Path) -> bool:
    """Whether a file, as it is saved, plays the results in a folder; True also where it cannot be read."""
    named = re.compile(rb"[/\\]".join((b"", *(re.escape(each.encode()) for each in results.parts[-2:]), b"")))
    try:
        return any(True for _ in _matches(file, named))
    except Exception:  # noqa: BLE001 - as above
        return True


def _files_around(folder: Path, own_file: Path) -> list[Path]:
    places = [folder.parents[1].glob(name) for name in ("*.blend", "*/*.blend")]
    if own_file.name:
        places.append(own_file.parent.glob("*.blend"))
    files = {file.resolve(): file for place in places for file in place if file.is_file()}
    files.pop(own_file.resolve(), None)
    return list(files.values())


def _used(file: Path, folder: Path, takes_along: bool) -> set[str]:
    """The folders of the node's results that a file plays or may take along: the latter are all of them."""
    # A path ends with a zero byte in a file. One without a key is that of the results to be taken along.
    named = re.compile(
        rb"[/\\]" + re.escape(folder.name.encode()) + rb"(?:[/\\]([0-9a-f]{12}(?:-[0-9a-f]{8})?)[/\\]|\0)"
    )
    found: set[str] = set()
    for data, match in _matches(file, named):
        if match[1] is None or (takes_along and _place(data, match.start(), file) == folder.parent.resolve()):
            return {each.name for each in folder.glob("*")}
        found.add(match[1].decode())
    return found


def _matches(file: Path, named: re.Pattern[bytes]) -> Iterator[tuple[bytes, re.Match[bytes]]]:
    """Where a file has what is looked for, with the bytes around it."""
    before = b""
    for block in _blocks(file):
        data = before + block
        yield from ((data, match) for match in named.finditer(data))
        before = block[-_LONGEST:]


def _place(data: bytes, end: int, file: Path) -> Path:
    """The path that ends at a position of a file's bytes, absolute."""
    text = data[data.rfind(b"\0", 0, end) + 1 : end].decode(errors="replace")
    _, is_relative, rest = text.partition("//")
    return (file.parent / rest if is_relative else Path(text)).resolve()


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
