"""Writing result files so that nobody ever reads half of one."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from .messages import Blob


def write_atomically(path: str, data: Blob) -> None:
    """Writes ``data`` under a temporary name in the same folder, then renames it to ``path``.

    Creates the folder if it is missing. Raises ``OSError``, and then leaves no temporary file behind and an older
    file at ``path`` untouched.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
        os.replace(temporary, target)  # noqa: PTH105 - Path.replace hides which of the two names failed
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
