"""Files as this machine saw them, and their contents.

Each is read once in each state, and never while somebody waits who only wants to know what is known.

A file that was copied, restored or unlocked has other times and may be the same picture. Its bytes tell.
"""

from __future__ import annotations

import functools
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

from .file_digest import file_digest
from .file_witness import witness_of
from .result_key import OTHER, SAME, UNKNOWN, digest

MOST_BYTES = 1 << 30
"""Files that are larger together are not read to be compared: that takes longer than to make the result again."""
_MOST_KNOWN = 1_000_000
_NS_IN_MS = 1_000_000


@dataclass(frozen=True)
class SeenFile:
    """A file's size in bytes, and its times in nanoseconds: the one that programs set and the disk's own."""

    path: str
    size: int
    modified_ns: int
    changed_ns: int


Seen = Union[None, str, int, SeenFile, "list[Seen]"]
"""What was seen of files: one, words and numbers that stand for others, or lists of these. None: there is none."""
_known: dict[str, tuple[SeenFile, str]] = {}
"""The digest of each file that was read, in the state that it was read in; empty where it cannot be."""
_lock = threading.Lock()


def with_each(seen: Seen, put: Callable[[SeenFile], object]) -> object:
    """The same lists with something in the place of each file."""
    if isinstance(seen, list):
        return [with_each(one, put) for one in seen]
    return put(seen) if isinstance(seen, SeenFile) else seen


def files_in(seen: Seen) -> Iterator[SeenFile]:
    """All files, in order."""
    if isinstance(seen, SeenFile):
        yield seen
    elif isinstance(seen, list):
        for one in seen:
            yield from files_in(one)


def stamp_of(seen: Seen) -> object:
    """What the key of a frame has of its files: of each its time in milliseconds and its size. One share tells
    Windows and macOS of hundreds of nanoseconds, and Linux of each."""
    return with_each(seen, lambda file: [file.modified_ns // _NS_IN_MS, file.size])


class SeenTogether:
    """All that a frame was ``seen`` to be made of. Frames may share it, as all frames behind a retime share a whole
    sequence: what is made of it is made once."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen
        self._contents: Optional[str] = None
        self._digests: dict[SeenFile, str] = {}

    @functools.cached_property
    def stamps(self) -> str:
        """The digest of their times and sizes."""
        return digest(stamp_of(self.seen))

    @functools.cached_property
    def sizes(self) -> str:
        """The digest of their sizes: where that is another, so are the files."""
        return digest(with_each(self.seen, lambda file: file.size))

    @functools.cached_property
    def witness(self) -> str:
        """What this machine has seen of them beside (:mod:`matte_link.file_witness`)."""
        return witness_of({file.path: file.changed_ns for file in self._files})

    @functools.cached_property
    def _files(self) -> list[SeenFile]:
        return list(dict.fromkeys(files_in(self.seen)))

    @functools.cached_property
    def _are_too_large(self) -> bool:
        return sum({file.path: file.size for file in self._files}.values()) > MOST_BYTES

    def known_contents(self) -> Optional[str]:
        """The digest of their contents: None where one was not read in this state, empty where one cannot be, or
        all are too large."""
        if self._contents is None:
            if self._are_too_large:
                self._contents = ""
            elif self._are_read():
                found = self._digests
                self._contents = digest(with_each(self.seen, found.__getitem__)) if all(found.values()) else ""
        return self._contents

    def read_contents(self) -> str:
        """The same, after those were read that were not yet; empty where one cannot be, is another by now, or all
        are too large."""
        if self.known_contents() is None:
            for file in self._files[len(self._digests) :]:
                if _digest_of(file) is None:
                    _note(file, _read(file))
        return self.known_contents() or ""

    def compare(self, sizes: str, contents: str, have_same_times: bool) -> str:
        """Whether files that were put there again are those that a result was made from, which keeps the digests of
        their ``sizes`` and ``contents``: :data:`SAME`, :data:`OTHER`, or :data:`UNKNOWN` until they are read. What
        cannot be compared is another file where its times are others, and else unknown."""
        if not contents or self.sizes != sizes:
            return UNKNOWN if have_same_times else OTHER
        now = self.known_contents()
        if not now:
            return OTHER if now == "" and not have_same_times else UNKNOWN
        return SAME if now == contents else OTHER

    def _are_read(self) -> bool:
        """Begins with the first that was not when it was asked before: that is once for each frame."""
        for file in self._files[len(self._digests) :]:
            found = _digest_of(file)
            if found is None:
                return False
            self._digests[file] = found
        return True


NOTHING_SEEN = SeenTogether(None)


def _digest_of(file: SeenFile) -> Optional[str]:
    """The digest of a file that was read in this state; empty where it cannot be, None where it was not."""
    with _lock:
        known = _known.get(file.path)
    return known[1] if known is not None and known[0] == file else None


def look_at(path: str) -> Union[SeenFile, str]:
    """A file as it is now; the word "folder" for one, which has another time whenever something is put into it.
    Raises ``OSError`` and ``ValueError``."""
    facts = Path(path).stat()
    if stat.S_ISDIR(facts.st_mode):
        return "folder"
    return SeenFile(path=path, size=facts.st_size, modified_ns=facts.st_mtime_ns, changed_ns=facts.st_ctime_ns)


def _read(file: SeenFile) -> str:
    try:
        is_the_same = look_at(file.path) == file and Path(file.path).is_file()  # no pipe, which may never end
        found = file_digest(Path(file.path)) if is_the_same else ""
        return found if look_at(file.path) == file else ""
    except (OSError, ValueError):
        return ""


def _note(file: SeenFile, found: str) -> None:
    with _lock:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[file.path] = file, found
