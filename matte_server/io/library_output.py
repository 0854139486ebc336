"""Keeps what libraries print by themselves out of standard error, and out of standard output.

The decoders of pictures report each problem as an error to us. Some of them (OpenEXR, libpng, OpenJPH) print a line
to the process's standard error besides, and Pillow warns. OpenJPH and OpenEXR's module print to standard output,
too, where a result or a report may go.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2
_IN_C = {"darwin": "__stdoutp"}
"""What C's stream of standard output is called, where that is not stdout."""
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


@contextmanager
def output_silenced() -> Iterator[None]:
    """As :func:`libraries_silenced` for standard output, and for what libraries write there through C's stream, or
    through ``sys.stdout`` in this thread. What other threads write to ``sys.stdout`` still arrives.
    """
    _OUTPUT_SILENCE.begin()
    try:
        yield
    finally:
        _OUTPUT_SILENCE.end()


class _OfOtherThreads:
    """A stream without what the threads ``silent`` write."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.silent: list[int] = []

    def write(self, text: str) -> Any:
        return len(text) if threading.get_ident() in self.silent else self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Silence:
    """While anybody is inside, a file descriptor leads nowhere, and Python's stream writes to a copy of it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._inside = 0
        self._is_silent = False
        # Opened once and never closed: another thread may be about to write to the copy.
        self._copy = self._nowhere = -1

    def begin(self) -> None:
        with self._lock:
            self._inside += 1
            # Without a stream, whoever started the process closed it; its descriptor may be that of any file now.
            if self._inside == 1 and self._stream is not None:
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

    @property
    def _stream(self) -> Any:
        """Python's stream, None where there is none."""
        return sys.__stderr__ if self._descriptor == _STANDARD_ERROR else sys.__stdout__

    def _silence(self) -> None:
        if self._copy < 0:
            self._copy, self._nowhere = os.dup(self._descriptor), os.open(os.devnull, os.O_WRONLY)
        else:
            os.dup2(self._descriptor, self._copy, inheritable=False)
        self._is_silent = True
        _let_python_write_to(self._stream, self._copy)
        _wait_for_writers(self._stream)
        os.dup2(self._nowhere, self._descriptor)

    def _restore(self) -> None:
        if not self._is_silent:
            return
        self._is_silent = False
        os.dup2(self._copy, self._descriptor)
        _let_python_write_to(self._stream, self._descriptor)


class _ErrorSilence(_Silence):
    """Standard error's, and Pillow's warnings."""

    def _silence(self) -> None:
        super()._silence()
        # Not by the module's functions, after which warnings that were shown once would be shown again.
        filters: Any = warnings.filters
        filters.insert(0, _OF_PILLOW)

    def _restore(self) -> None:
        super()._restore()
        with suppress(ValueError):  # where it was not silent, or the program has set other filters since then
            filters: Any = warnings.filters
            filters.remove(_OF_PILLOW)


class _OutputSilence(_Silence):
    """Standard output's, of which C keeps what it has not written yet, and to which modules of Python print."""

    _filter: _OfOtherThreads | None = None
    """It is kept: print() of another thread may still use it, without a reference, when ``sys.stdout`` is set back
    (until Python 3.13), and that would crash the process."""

    def begin(self) -> None:
        super().begin()
        with self._lock:
            if not isinstance(sys.stdout, _OfOtherThreads) and sys.stdout is not None:
                if self._filter is None or self._filter.stream is not sys.stdout:
                    self._filter = _OfOtherThreads(sys.stdout)
                sys.stdout = self._filter
            if isinstance(sys.stdout, _OfOtherThreads):
                sys.stdout.silent.append(threading.get_ident())

    def end(self) -> None:
        with self._lock:
            if isinstance(stream := sys.stdout, _OfOtherThreads):
                with suppress(ValueError):  # where it was put there since then
                    stream.silent.remove(threading.get_ident())
                sys.stdout = sys.stdout if stream.silent else stream.stream
        super().end()

    def after_fork(self) -> None:
        super().after_fork()
        if isinstance(stream := sys.stdout, _OfOtherThreads):
            sys.stdout = stream.stream

    def _silence(self) -> None:
        _flush_output_of_c()
        super()._silence()

    def _restore(self) -> None:
        _flush_output_of_c()
        super()._restore()


def _flush_output_of_c() -> None:
    if os.name == "nt":
        library = ctypes.CDLL("ucrtbase")
        library.__acrt_iob_func.restype = ctypes.c_void_p
        library.fflush(ctypes.c_void_p(library.__acrt_iob_func(_STANDARD_OUTPUT)))
    else:
        library = ctypes.CDLL(None)
        library.fflush(ctypes.c_void_p.in_dll(library, _IN_C.get(sys.platform, "stdout")))


def _let_python_write_to(stream: Any, descriptor: int) -> None:
    """Makes a stream that Python opened write to ``descriptor``, for everybody who holds that stream: handlers of
    the logging module keep theirs."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if raw is not None and not raw.closed:
        name = raw.name
        type(raw).__init__(raw, descriptor, "wb", closefd=False)
        raw.name = name


def _wait_for_writers(stream: Any) -> None:
    """Until no other thread writes to where the stream led before: what it writes there would be lost. Of a stream
    without a buffer (``python -u``) nobody can tell: a piece that is written at this very moment may be lost."""
    buffer = getattr(stream, "buffer", None)
    if buffer is not None:
        with suppress(OSError, ValueError):  # whoever writes next is told so again
            buffer.flush()


_SILENCE, _OUTPUT_SILENCE = _ErrorSilence(_STANDARD_ERROR), _OutputSilence(_STANDARD_OUTPUT)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_SILENCE.after_fork)
    os.register_at_fork(after_in_child=_OUTPUT_SILENCE.after_fork)
