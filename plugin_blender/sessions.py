"""Marks in the folders of results that a Blender plays now.

The same file may be open in two of them, and what one of them plays must not be deleted by the other's Clear
Cache. Does not import bpy."""

from __future__ import annotations

import atexit
import contextlib
import time
import uuid
from pathlib import Path

_MARK = f".played-by-{uuid.uuid4().hex[:8]}"
_ANY_MARK = ".played-by-*"
_RENEWED_S = 30.0
_LASTS_S = 120.0
"""A mark that was not renewed for this long is that of a Blender that has crashed."""
_played: dict[str, Path] = {}
"""The folder that each node of this Blender plays, by the node's id."""
_renewed: dict[Path, float] = {}


def mark(node_id: str, results: Path) -> None:
    """The node plays this folder, and no other one any more. To be called again every half minute."""
    before = _played.get(node_id)
    if before is not None and before != results:
        unmark(node_id)
    _played[node_id] = results
    if time.monotonic() - _renewed.get(results, float("-inf")) > _RENEWED_S:
        _renewed[results] = time.monotonic()
        # A folder that cannot be written has nothing that could be deleted.
        with contextlib.suppress(OSError):
            (results / _MARK).touch()


def unmark(node_id: str) -> None:
    """The node plays nothing any more."""
    results = _played.pop(node_id, None)
    if results is not None and results not in _played.values():
        _renewed.pop(results, None)
        with contextlib.suppress(OSError):
            (results / _MARK).unlink()


@atexit.register
def unmark_all() -> None:
    """This Blender ends, or opens another file."""
    for node_id in list(_played):
        unmark(node_id)


def played_elsewhere(folder: Path) -> set[str]:
    """The names of the folders in a node's ``folder`` that another Blender plays now."""
    found = set()
    for path in folder.glob(f"*/{_ANY_MARK}"):
        with contextlib.suppress(OSError):
            if path.name != _MARK and _now(path.parent) - path.stat().st_mtime < _LASTS_S:
                found.add(path.parent.name)
    return found


def _now(folder: Path) -> float:
    """The time of the disk's own clock, which may be another machine's. Raises ``OSError``."""
    probe = folder / f"{_MARK}.now"
    probe.touch()
    now = probe.stat().st_mtime
    probe.unlink()
    return now
