"""What a look at a node asks the disk for, asked on another thread just before. No nuke here.

A share takes its time to tell of a thousand plates, results and records, and Nuke's window would wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from matte_link.seen_files import Seen

from . import made_elsewhere, manifest
from .source_files import look_at_file

_FEW = 20
"""As many more may be asked for at once, without another thread."""
_files: dict[str, tuple[Collection[str], int]] = {}
"""The files that the last look at each node asked for, by the node's name, and of how many results."""
_NO_FILES: tuple[Collection[str], int] = ((), 0)
_changed_s: dict[str, float] = {}
"""When a run of each node ended here: what was asked before is older than its results."""


@dataclass(frozen=True)
class DiskAhead:
    """What the disk said a moment ago: the ``results`` that a node shows, their ``records``, and the ``files``
    upstream by path; ``asked_s`` is on the clock of ``time.monotonic``. Where the disk has not ``answered``, the
    look itself asks, and says so. ``count`` says of how many results the files were known. Shared, so nobody may
    change it."""

    results: made_elsewhere.Listed
    records: Sequence[manifest.Record]
    files: Mapping[str, Seen]
    asked_s: float
    answered: bool = True
    count: int = 0

    def knows_files(self, results: int) -> bool:
        """Whether it was known of nearly all results which files a look at the node asks for."""
        return not self.answered or results <= self.count + _FEW

    def lacks(self, files: Collection[str]) -> bool:
        """Whether many of some files were not asked for."""
        return len(set(files).difference(self.files)) > _FEW


def ask(name: str) -> Optional[DiskAhead]:
    """For the look at the node of that name that comes next; None where it shows nothing, as far as is known. For
    any thread but the main one."""
    asked_s = time.monotonic()
    results = made_elsewhere.list_ahead(name)
    if results is None:
        return None
    try:
        records = manifest.read_all(results.folder)
    except OSError:
        return DiskAhead(results=results, records=(), files={}, asked_s=asked_s, answered=False)
    known, count = _files.get(name, _NO_FILES)
    files = {path: look_at_file(path) for path in known}
    return DiskAhead(results=results, records=records, files=files, asked_s=asked_s, count=count)


def note_files(name: str, files: Collection[str], results: int) -> None:
    """A look at the node of that name asks for these files of so many results, and so will the next one."""
    _files[name] = frozenset(files), results


def note_change(name: str) -> None:
    """A run of the node of that name has ended: its results are others now."""
    _changed_s[name] = time.monotonic()


def holds(name: str, ahead: DiskAhead) -> bool:
    """Whether no run of the node has ended since it was asked."""
    return _changed_s.get(name, 0.0) < ahead.asked_s


def forget_all() -> None:
    """The script is closed: the next one's nodes have other files."""
    _files.clear()
    _changed_s.clear()
