"""Results that another Nuke or a farm makes again while this one shows them: Nuke keeps what it has read of a file
until its Read is reloaded, and would show the old matte as up to date. No nuke here.

What is compared is the files as they were when the Read was last reloaded, or they were first seen.
"""

from __future__ import annotations

import contextlib
import os

Stamps = dict[str, tuple[int, int, int]]
_read: dict[tuple[str, str], Stamps] = {}
"""By the node's id and the folder that it shows."""


def _stamps(folder: str) -> Stamps:
    """The results in a folder by name, each with its number on disk, its size and its time."""
    found: Stamps = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".exr"):
                facts = entry.stat()
                found[entry.name] = facts.st_ino, facts.st_size, facts.st_mtime_ns
    return found


def will_be_read(node_id: str, folder: str) -> None:
    """The node's Read is reloaded now."""
    _read[node_id, folder] = _stamps(folder)


def are_others(node_id: str, folder: str) -> bool:
    """Whether results are others than those that the node's Read may have read. Those that are new are none."""
    now = _stamps(folder) if folder else {}
    known = _read.setdefault((node_id, folder), now)
    if any(now.get(name) != stamp for name, stamp in known.items()):
        return True
    known.update(now)
    return False


def forget_all() -> None:
    """The script is closed: the next one's nodes have read nothing."""
    _read.clear()
