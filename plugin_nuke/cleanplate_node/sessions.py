"""Which other Nukes have a node's results open, so that none deletes what another shows or makes. No nuke here.

Each Nuke keeps a small file in the node's folder and holds a lock on it. The lock goes with its process, however
that ends, so a file that nobody holds is of a Nuke that is gone. Where a disk has no locks, nothing is known of
others.
"""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

_OPEN_IN = "open_in."
_SESSION = f"{_OPEN_IN}{uuid.uuid4().hex[:12]}.txt"
_LOCKED_AT = 1 << 30
"""The place of the byte that is locked. Windows lets nobody read what is locked, so it lies behind all text."""
_TRIES = 5
_held: dict[str, BinaryIO] = {}
"""The files of this Nuke, by the node's folder."""
_lines: dict[str, list[str]] = {}
"""What they say: the script, and each folder of results that it showed or made."""


def note(folder: str, script: str) -> None:
    """Notes that this Nuke shows or makes the results in a folder; ``script`` is empty where it was not saved yet.
    Where that cannot be written, nothing is noted."""
    node_folder, _, name = folder.rpartition("/")
    before = _lines.get(node_folder, [script])
    lines = [script, *dict.fromkeys((*before[1:], name))]
    if before != lines and Path(node_folder).is_dir():
        _say(node_folder, lines)


def _say(node_folder: str, lines: list[str]) -> None:
    with contextlib.suppress(OSError):
        if node_folder not in _held:
            _held[node_folder] = _locked(Path(node_folder, _SESSION))
        file = _held[node_folder]
        file.seek(0)
        file.write("\n".join(lines).encode("utf-8", "replace"))
        file.truncate()  # a script may have been saved under a shorter name; what was written goes out first
        _lines[node_folder] = lines


def shown_elsewhere(node_folder: str) -> dict[str, tuple[str, ...]]:
    """For each folder of results that another Nuke has open, what that one is."""
    found: dict[str, list[str]] = {}
    for lines in _others(Path(node_folder)):
        for name in lines[1:]:
            script = lines[0].rpartition("/")[2] or "a script that is not saved"
            found.setdefault(name, []).append(f"another Nuke with {script}")
    return {name: tuple(each) for name, each in found.items()}


def forget(node_folder: str, kept: Collection[str] = ()) -> None:
    """This Nuke shows none of a node's results any more, but for those in the folders ``kept``."""
    if kept:
        _say(node_folder, [*_lines.get(node_folder, [""])[:1], *sorted(kept)])
        return
    _lines.pop(node_folder, None)
    file = _held.pop(node_folder, None)
    if file is not None:
        with contextlib.suppress(OSError):
            file.close()
        with contextlib.suppress(OSError):
            Path(node_folder, _SESSION).unlink()


def forget_all() -> None:
    """The script was closed."""
    for node_folder in list(_held):
        forget(node_folder)


def _others(node_folder: Path) -> Iterator[list[str]]:
    """What the files of other Nukes say; those that nobody holds are deleted."""
    for path in sorted(node_folder.glob(f"{_OPEN_IN}*.txt")):
        if path.name == _SESSION:
            continue
        with contextlib.suppress(OSError):
            if _is_held(path):
                yield path.read_text(encoding="utf-8", errors="replace").splitlines()
            else:
                path.unlink()


def _locked(path: Path) -> BinaryIO:
    """A file that this process holds. Raises ``OSError``. Another Nuke that looks at the file before it is held
    keeps the lock for that moment, or takes it for one that nobody holds and deletes it: so it is made again."""
    for tries_left in reversed(range(_TRIES)):
        file = path.open("w+b")
        try:
            _lock(file, alone=True)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
            file.close()
        except OSError:
            file.close()
            if not tries_left:
                path.unlink()
                raise
    raise OSError(f"{path} is deleted again and again")


def _is_held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            _lock(file, alone=False)
        except OSError:
            return True
    return False


def _lock(file: BinaryIO, alone: bool) -> None:
    """Locks one byte without waiting; closing the file gives it back. Raises ``OSError`` where another process
    holds it ``alone``. That can be asked of a file that only its owner may write, too."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(_LOCKED_AT)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # it knows no other kind
    else:
        import fcntl

        kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        fcntl.lockf(file.fileno(), kind | fcntl.LOCK_NB, 1, _LOCKED_AT, os.SEEK_SET)
