"""Keeps what libraries print by themselves out of standard error, where a command's own sentences stand.

The decoders of pictures report each problem as an error to us. Some of them (OpenEXR, libpng, OpenJPH) print a line
to the process's standard error besides, and Pillow warns.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STANDARD_ERROR = 2


@contextmanager
def libraries_silenced() -> Iterator[None]:
    """Inside, ``sys.stderr`` writes to a file descriptor of its own; what libraries write to that of standard error
    is dropped, as are Pillow's warnings. Processes that are started inside must not inherit standard error."""
    if sys.__stderr__ is None:
        # Whoever started the process closed standard error; its descriptor may be that of any file now.
        yield
        return
    stream, kept = sys.stderr, os.dup(_STANDARD_ERROR)
    try:
        with warnings.catch_warnings(), Path(os.devnull).open("wb") as nothing:
            warnings.filterwarnings("ignore", module=r"PIL\b")
            _flush()
            if stream is sys.__stderr__:
                sys.stderr = os.fdopen(kept, "w", 1, encoding=stream.encoding, errors=stream.errors, closefd=False)
            os.dup2(nothing.fileno(), _STANDARD_ERROR)
            yield
    finally:
        _flush()
        sys.stderr = stream
        os.dup2(kept, _STANDARD_ERROR)
        os.close(kept)


def _flush() -> None:
    with suppress(OSError, ValueError):
        sys.stderr.flush()
