"""Writing result files so that nobody ever reads half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import uuid
from pathlib import Path

from .messages import Blob
from .plain_text import printable_name

_SMALL = 1 << 20


def write_atomically(path: str, data: Blob, replaces: bool = True) -> None:
    """Writes ``data`` under a temporary name in the same folder, then renames it to ``path``.

    Creates the folder if it is missing. The bytes are on the disk before the name is: a crash or a full disk leaves
    the older file at ``path`` or the whole new one. Raises ``OSError``, and then leaves no temporary file behind:
    ``FileExistsError`` where a file is there by then that it may not replace.
    """
    try:
        _write_and_rename(Path(path), data, replaces)
    except FileNotFoundError:
        # Another run takes the temporary file of one that was paused for long (Ctrl-Z) for a killed one's, and
        # removes it; or somebody has removed the folder.
        _write_and_rename(Path(path), data, replaces)


def put_in_place(temporary: Path, target: Path, replaces: bool) -> None:
    """Gives a file that is complete its final name. Raises ``OSError``."""
    # Looked at last, since to write and sync a picture can take seconds. Not by a hard link, which would leave no
    # such moment: file servers may have none, and who watches a folder for files that are renamed would miss it.
    if not replaces and target.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    os.replace(temporary, target)  # noqa: PTH105 - Path.replace hides which of the two names failed


def _write_and_rename(target: Path, data: Blob, replaces: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _check_size(temporary, data)
        put_in_place(temporary, target, replaces)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def small_text(path: str, errors: str = "strict", limit: int = _SMALL) -> str:
    """The text of a small file, such as one with keys: UTF-8, with the mark that Windows's editors put at its
    beginning or without. Raises ``OSError`` for what is no regular file (a pipe would be waited for, a device has
    no end) or has more than ``limit`` bytes, and ``ValueError`` for bytes that are no text."""
    with open(path, "rb", opener=_open_at_once) as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > limit:
            raise OSError(errno.EINVAL, "it is no regular file or too large", path)
        return file.read(limit).decode("utf-8-sig", errors)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def disk_words(error: OSError) -> str:
    """What a disk says, as one sentence; of a file's name that is too long, its end."""
    name = f"{printable_name(str(error.filename))}: " if error.filename else ""
    return f"{name}{error.strerror or error}."


def _check_size(path: Path, data: Blob) -> None:
    """Raises ``OSError`` if the file lacks some of the bytes, as on a network disk that reports its errors late."""
    wanted = data.nbytes if isinstance(data, memoryview) else len(data)
    if path.stat().st_size != wanted:
        raise OSError(errno.EIO, "not all of it was written; the disk may be full", str(path))
