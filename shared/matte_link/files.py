"""Writing result files so that nobody ever reads half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from pathlib import Path

from .messages import Blob


def write_atomically(path: str, data: Blob) -> None:
    """Writes ``data`` under a temporary name in the same folder, then renames it to ``path``.

    Creates the folder if it is missing. The bytes are on the disk before the name is: a crash or a full disk leaves
    the older file at ``path`` or the whole new one. Raises ``OSError``, and then leaves no temporary file behind.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _check_size(temporary, data)
        os.replace(temporary, target)  # noqa: PTH105 - Path.replace hides which of the two names failed
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def disk_words(error: OSError) -> str:
    """What a disk says, as one sentence."""
    return f"{error.filename}: {error.strerror}." if error.filename and error.strerror else f"{error}."


def _check_size(path: Path, data: Blob) -> None:
    """Raises ``OSError`` if the file lacks some of the bytes, as on a network disk that reports its errors late."""
    wanted = data.nbytes if isinstance(data, memoryview) else len(data)
    if path.stat().st_size != wanted:
        raise OSError(errno.EIO, "not all of it was written; the disk may be full", str(path))
