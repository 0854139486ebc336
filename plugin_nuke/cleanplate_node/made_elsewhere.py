"""Results that another Nuke or a farm makes again while this one shows them.

Nuke keeps what it has read of a file until its Read is reloaded, and would show the old matte as up to date. No
nuke here.

What is compared is the files as they were when the Read was last reloaded, or they were first seen.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Optional

from .quiet_folders import QuietFolders

Stamps = dict[str, tuple[int, int, int]]
_read: dict[tuple[str, str], Stamps] = {}
"""By the node's id and the folder that it shows."""
_shown: dict[str, str] = {}
"""The folder that each node shows, by the node's name."""


@dataclass(frozen=True)
class Listed:
    """The results in a folder as they were a moment ago; shared, so nobody may change it."""

    folder: str
    stamps: Stamps


def list_now(folder: str) -> Listed:
    """The results in a folder."""
    return Listed(folder=folder, stamps=_stamps(folder))


def _stamps(folder: str) -> Stamps:
    """The results in a folder by name, each with its number on disk, its size and its time."""
    found: Stamps = {}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".exr"):
                facts = entry.stat()
                found[entry.name] = facts.st_ino, facts.st_size, facts.st_mtime_ns
    return found


_quiet = QuietFolders(list_now)


def list_ahead(name: str) -> Optional[Listed]:
    """The results of the node of that name, for the look at it that comes next. A share takes its time to tell of a
    thousand of them, so this is for any thread but the main one. It does not see what was written over in place, as
    Cleanplate never does."""
    folder = _shown.get(name, "")
    return _quiet.of(folder) if folder else None


def note_shown(name: str, folder: str) -> None:
    """The node of that name shows a folder, or none."""
    _shown[name] = folder


def will_be_read(node_id: str, folder: str, listed: Optional[Listed] = None) -> None:
    """The node's Read is reloaded now. What it reads is at least as new as what was ``listed`` before."""
    _read[node_id, folder] = {**(listed or list_now(folder)).stamps}


def are_others(node_id: str, folder: str, listed: Optional[Listed] = None) -> bool:
    """Whether results are others than those that the node's Read may have read. Those that are new are none. The
    folder is read here unless it is the one that was ``listed`` ahead."""
    now = (listed if listed is not None and listed.folder == folder else list_now(folder)).stamps
    known = _read.setdefault((node_id, folder), {**now})
    if any(now.get(name) != stamp for name, stamp in known.items()):
        return True
    known.update(now)
    return False


def forget_all() -> None:
    """The script is closed: the next one's nodes have read nothing."""
    _read.clear()
    _shown.clear()
