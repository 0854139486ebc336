"""Files that clients name by path: which ones a worker opens, and which ones it writes.

A path is resolved with all its links and must then lie inside a folder of the server's ``--root``, or be a file of
its ``--read``. Between that check and the opening, somebody who may write to such a folder could turn a link. So on
Linux the file is opened once, what was opened is checked, and only that is read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from ..errors import MatteError

_DESCRIPTORS = Path("/proc/self/fd")
_IS_WINDOWS = os.name == "nt"
_DEVICE = re.compile(
    r"(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(\.|\Z)", re.IGNORECASE
)
"""Names that Windows takes for a device in any folder, with any suffix and with blanks before it."""
_NOT_IN_A_NAME = re.compile(r'[\x00-\x1f<>:"|?*]|[. ]\Z')
"""Wildcards, what names a stream of a file, control characters, and an end that Windows leaves out."""
_LONGEST_NAME = 255
_MOST_NAMES = 200
"""Names in a path: Python makes missing folders by one call within another, which ends at some hundreds."""
_LARGEST_FILE = 32 << 30
"""Bytes. A picture of the largest size that is read, with all channels that it may have, is smaller on disk."""
# A pipe that nobody writes to must not block the worker, nor may a terminal become its controlling one.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class NamedFiles:
    """The files inside ``roots``, which clients may read and write, and the single files ``readable``, which they
    may only read. Both are resolved paths."""

    def __init__(self, roots: tuple[Path, ...], readable: tuple[Path, ...] = ()) -> None:
        self._roots = roots
        self._readable = readable

    def check(self, path: str) -> Path:
        """The resolved path of a file that clients may read, whether or not it exists. Raises
        ``MatteError("path_refused", ...)``."""
        resolved = self._resolve(path)
        if not self._may_read(resolved):
            raise self._refusal(path)
        return resolved

    def check_output(self, path: str) -> Path:
        """The same for a file that clients may write."""
        resolved = self._resolve(path)
        if not self._is_inside(resolved):
            raise self._refusal(path)
        return resolved

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[Path]:
        """A path under which the file can be read while the block runs: that very file, whatever becomes of its
        name. Raises ``MatteError`` with the codes path_refused, missing_file, not_a_file, too_large, unreadable."""
        descriptor = _open(self.check(path), path)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise MatteError("not_a_file", f"{path} is not a regular file.", "Name a picture.")
            if facts.st_size > _LARGEST_FILE:
                raise MatteError("too_large", f"{path} has {facts.st_size >> 30} GiB, more than any picture.")
            if not self._may_read(_opened_path(descriptor, path)):
                raise self._refusal(path)
            yield _DESCRIPTORS / str(descriptor) if _DESCRIPTORS.is_dir() else Path(path)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def output(self, path: str) -> Iterator[Path]:
        """A path to which the file can be written while the block runs: in the folder that was checked, whatever
        becomes of the folder's name. Creates the folder. Raises ``MatteError`` with the codes path_refused,
        cannot_write."""
        target = self.check_output(path)
        for root in self._roots:
            if target.is_relative_to(root) and not root.is_dir():
                # Not made again: it may be a disk that is not there now.
                raise MatteError(
                    "cannot_write", f"{path} cannot be written: {root} no longer exists on the server."
                )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MatteError("cannot_write", f"{path} cannot be written: {error.strerror}.") from None
        if not _DESCRIPTORS.is_dir():
            yield target
            return
        descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if not self._is_inside(_opened_path(descriptor, path)):
                raise self._refusal(path)
            yield _DESCRIPTORS / str(descriptor) / target.name
        finally:
            os.close(descriptor)

    def _resolve(self, path: str) -> Path:
        """The path with its links followed."""
        if _IS_WINDOWS and not self._is_plain_on_windows(path):
            raise self._refusal(path)
        return _resolved(path)

    def _is_plain_on_windows(self, path: str) -> bool:
        """Whether the system may be asked about the path. To follow links on another machine, Windows proves to
        that machine who the server's user is: only machines that hold a root are asked. No part of the path may be
        a device or a stream of a file, or end with what Windows leaves out."""
        named = PureWindowsPath(path)
        shares = {str(PureWindowsPath(each).drive).lower() for each in self._roots + self._readable}
        names = [name for name in named.parts[1 if named.anchor else 0 :] if name != ".."]
        is_odd = any(_DEVICE.match(name) or _NOT_IN_A_NAME.search(name) for name in names)
        return not is_odd and (not named.drive.startswith("\\\\") or named.drive.lower() in shares)

    def _is_inside(self, resolved: Path) -> bool:
        return any(resolved.is_relative_to(root) for root in self._roots)

    def _may_read(self, resolved: Path) -> bool:
        return resolved in self._readable or self._is_inside(resolved)

    def _refusal(self, path: str) -> MatteError:
        if not self._roots and not self._readable:
            return MatteError(
                "path_refused",
                f"The server does not open {path}: it was started without folders that clients may name.",
                "Start the server with --root FOLDER, or send the picture itself.",
            )
        return MatteError(
            "path_refused",
            f"The server does not open {path}: it lies outside the folders that clients may name.",
            "Start the server with --root for its folder, or send the picture itself.",
        )


def _resolved(path: str) -> Path:
    names = path.split("/")
    is_path = "\0" not in path and _has_bytes(path) and all(len(name) <= _LONGEST_NAME for name in names)
    if not is_path or not Path(path).is_absolute():
        message = f"{path[:80]!r} is not an absolute path that this system can open."
        raise MatteError("path_refused", message, "Name the file's folder too.")
    if len(names) > _MOST_NAMES:
        message = f"The path {path[:80]!r} ... names {len(names)} folders, more than the {_MOST_NAMES} allowed."
        raise MatteError("path_refused", message, "Put the file higher up.")
    try:
        return Path(os.path.realpath(path))
    except OSError as error:
        # A link that the server's user may not read, as those of other users' processes.
        message = f"{path} cannot be followed: {error.strerror}."
        raise MatteError("path_refused", message, "Name the file by a path without that link.") from None


def _has_bytes(path: str) -> bool:
    """Whether the system can be given the path: half of a surrogate pair has no bytes, unless it stands for one."""
    try:
        return bool(os.fsencode(path))
    except UnicodeEncodeError:
        return False


def _open(resolved: Path, path: str) -> int:
    """A descriptor of the file. Devices are not opened at all: some act when they are."""
    try:
        if not stat.S_ISREG(resolved.stat().st_mode):
            raise MatteError("not_a_file", f"{path} is not a regular file.", "Name a picture.")
        return os.open(resolved, _OPEN_FLAGS)
    except FileNotFoundError:
        raise MatteError("missing_file", f"{path} does not exist.") from None
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            # Not the file's fault: the client sends its request again.
            raise
        raise MatteError("unreadable", f"{path} cannot be read: {error.strerror}.") from None


def _opened_path(descriptor: int, path: str) -> Path:
    """Where the opened file or folder lies now."""
    link = _DESCRIPTORS / str(descriptor)
    return Path(os.path.realpath(link if _DESCRIPTORS.is_dir() else path))
