"""Keeps what libraries print by themselves out of standard error.

The decoders of pictures report each problem as an error to us. Some of them (OpenEXR, libpng, OpenJPH) print a line
to the process's standard error besides, and Pillow warns.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_STANDARD_ERROR = 2
_OF_PILLOW = ("ignore", None, Warning, re.compile(r"PIL\b"), 0)
"""An entry of ``warnings.filters``."""


@contextmanager
def libraries_silenced() -> Iterator[None]:
    """Inside, what libraries write to standard error is dropped, and so are Pillow's warnings. What any thread
    writes to ``sys.stderr`` still arrives.

    Several threads may be inside at once: the first one in silences, the last one out restores. A process that is
    started meanwhile and inherits standard error is silent too.
    """
    _SILENCE.begin()
    try:
        yield
    finally:
        _SILENCE.end()


class _Silence:
    """While anybody is inside, file descriptor 2 leads nowhere, and Python's stream writes to a copy of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._is_silent = False
        # Opened once and never closed: another thread may be about to write to the copy.
        self._copy = self._nowhere = -1

    def begin(self) -> None:
        with self._lock:
            self._inside += 1
            # Without a stream, whoever started the process closed standard error; its descriptor may be that of any
            # file now.
            if self._inside == 1 and sys.__stderr__ is not None:
                with suppress(OSError, ValueError):  # where it was closed since then
                    self._silence()

    def end(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._restore()

    def after_fork(self) -> None:
        """In a child process, which has none of the threads that are inside."""
        self._lock = threading.Lock()
        self._inside = 0
        self._restore()

    def _silence(self) -> None:
        if self._copy < 0:
            self._copy, self._nowhere = os.dup(_STANDARD_ERROR), os.open(os.devnull, os.O_WRONLY)
        else:
            os.dup2(_STANDARD_ERROR, self._copy, inheritable=False)
        self._is_silent = True
        _let_python_write_to(self._copy)
        os.dup2(self._nowhere, _STANDARD_ERROR)
        # Not by the module's functions, after which warnings that were shown once would be shown again.
        filters: Any = warnings.filters
        filters.insert(0, _OF_PILLOW)

    def _restore(self) -> None:
        if not self._is_silent:
            return
        self._is_silent = False
        os.dup2(self._copy, _STANDARD_ERROR)
        _let_python_write_to(_STANDARD_ERROR)
        with suppress(ValueError):  # where the program has set other filters since then
            filters: Any = warnings.filters
            filters.remove(_OF_PILLOW)


def _let_python_write_to(descriptor: int) -> None:
    """Makes the stream that Python opened on standard error write to ``descriptor``, for everybody who holds that
    stream: handlers of the logging module keep theirs."""
    buffer = getattr(sys.__stderr__, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if raw is not None and not raw.closed:
        name = raw.name
        type(raw).__init__(raw, descriptor, "wb", closefd=False)
        raw.name = name


_SILENCE = _Silence()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SILENCE.after_fork)
