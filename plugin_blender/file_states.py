"""What files and folders looked like when they were last looked at. Does not import bpy.

A node of a thousand frames has thousands of files, and asking the disk for each of them after every edit would stop
the window. So in a window a file is asked for once; :mod:`watch` looks again at the few that can be seen, and a
solve, a render and an opened file begin anew. Where many are asked for together, folders are listed instead.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from .matte_link.seen_files import SeenFile

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class FileState:
    """A file's size and time, and when it was changed in whatever way (of the disk's own, which nobody sets);
    ``is_file`` is False for a folder. All empty where there is nothing."""

    size: int = 0
    modified_ns: int = 0
    changed_ns: int = 0
    is_file: bool = False


is_kept = False
"""Whether states are kept until they are forgotten, as in a window. Otherwise every question goes to the disk."""
_seen: dict[str, FileState] = {}
_listed: dict[str, dict[str, os.DirEntry[str]]] | None = None
"""Inside of :func:`together` the folders that were listed, and what is in them by name."""
_changed: set[str] = set()
"""The files that have changed since they were listed."""


@contextmanager
def together() -> Iterator[None]:
    """Inside, each folder is listed once, however many of its files are asked for."""
    global _listed
    outer, _listed = _listed, _listed if _listed is not None else {}
    if outer is None:
        _changed.clear()
    try:
        yield
    finally:
        _listed = outer


def state_of(path: str) -> FileState:
    """The state of a file: the kept one where there is one, else the disk is asked."""
    if is_kept and path in _seen:
        return _seen[path]
    listed = _listed
    return _look(path) if listed is None else _look_in_list(path, listed)


def seen_file(path: str) -> SeenFile | None:
    """The same as what hosts keep of a file whose content is compared; None where there is none."""
    state = state_of(path)
    if not state.is_file:
        return None
    return SeenFile(path=path, size=state.size, modified_ns=state.modified_ns, changed_ns=state.changed_ns)


def _look_in_list(path: str, listed: dict[str, dict[str, os.DirEntry[str]]]) -> FileState:
    if path in _changed:
        return _look(path)
    folder, name = os.path.split(path)
    entry = _in_list(folder, listed).get(os.path.normcase(name))
    if entry is None and sys.platform == "darwin":
        # Its disks find a name in other case and composition, too.
        return _look(path)
    found = _seen[path] = FileState() if entry is None else _state(entry)
    return found


def names_in(folder: str) -> list[str]:
    """The names of what is in a folder; empty where there is no such folder."""
    return list(_entries(folder) if _listed is None else _in_list(folder, _listed))


def _in_list(folder: str, listed: dict[str, dict[str, os.DirEntry[str]]]) -> dict[str, os.DirEntry[str]]:
    if folder not in listed:
        listed[folder] = _entries(folder)
    return listed[folder]


def _entries(folder: str) -> dict[str, os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return {os.path.normcase(entry.name): entry for entry in entries}
    except OSError:
        return {}


def has_changed(path: str) -> bool:
    """Looks again: whether the file is another than when it was looked at last."""
    before = _seen.get(path)
    return _look(path) != before and before is not None


def forget(path: str = "") -> None:
    """The file is to be looked at again; without a path, every file."""
    if path:
        _seen.pop(path, None)
        _changed.add(path)
        return
    _seen.clear()
    if _listed is not None:
        _listed.clear()


def list_again(folder: str) -> None:
    """The folder is to be listed again: files were made in it or renamed."""
    if _listed is not None:
        _listed.pop(folder, None)


def _look(path: str) -> FileState:
    found = _seen[path] = _state(Path(path))
    return found


def _state(file: Path | os.DirEntry[str]) -> FileState:
    try:
        facts = file.stat()
    except OSError:
        return FileState()
    return FileState(
        size=facts.st_size,
        modified_ns=facts.st_mtime_ns,
        changed_ns=facts.st_ctime_ns,
        is_file=stat.S_ISREG(facts.st_mode),
    )


class KeptAnswers(Generic[Answer]):
    """What is read in files, by path, each answer kept while its file stays as it was: ``ask`` is called with the
    path of a file that is new or has changed. ``nothing`` is the answer where there is no file."""

    def __init__(self, ask: Callable[[str], Answer], nothing: Answer) -> None:
        self._ask = ask
        self._nothing = nothing
        self._known: dict[str, tuple[FileState, Answer]] = {}

    def of(self, path: str) -> Answer:
        """The answer of the file as it is now. Raises what ``ask`` does."""
        state = state_of(path)
        if not state.is_file:
            return self._nothing
        known = self._known.get(path)
        if known is None or known[0] != state:
            known = self._known[path] = (state, self._ask(path))
        return known[1]
