"""Keeps what libraries print by themselves out of standard error, where a command's own sentences stand.

The decoders of pictures report each problem as an error to us. Some of them (libpng, OpenJPH) print a line to the
process's standard error besides, and Pillow warns.
"""

from __future__ import annotations

import os
import sys
import warnings

_STANDARD_ERROR = 2


def silence_libraries() -> None:
    """From now on ``sys.stderr`` writes to a file descriptor of its own, and what libraries write to that of
    standard error is dropped, as are Pillow's warnings. For a process that starts no others which inherit its
    standard error."""
    warnings.filterwarnings("ignore", module=r"PIL\b")
    stream = sys.stderr
    if stream is None:
        return
    stream.flush()
    own = os.dup(_STANDARD_ERROR)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, _STANDARD_ERROR)
    os.close(nothing)
    sys.stderr = os.fdopen(own, "w", buffering=1, encoding=stream.encoding, errors=stream.errors)
