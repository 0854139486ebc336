"""Standard error of the server and its workers, so that a log that nobody reads stops nothing.

Whoever writes to a full pipe waits until somebody reads it. So standard error becomes a pipe of our own. A thread
always reads it, and writes to where standard error led before, but only what that takes without waiting. Another
thread, which may wait, writes the rest. Where too much waits, the oldest bytes are dropped.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque

_CHUNK = 1 << 16
_MOST_WAITING = 1 << 20
_FLUSH_S = 1.0
_PAUSE_S = 0.02
"""How long the reader rests after it has emptied the pipe, which holds some hundred lines: woken for every line, it
would take processor time from the server's loop."""


class LogRelay:
    """Takes over the file descriptor of standard error until :meth:`close`."""

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._target = os.dup(descriptor)
        self._source, write_end = os.pipe()
        os.dup2(write_end, descriptor)
        os.close(write_end)
        self._waiting: deque[bytes] = deque()
        self._size = 0
        """Bytes of what waits."""
        self._is_writing = False
        """Whether one more piece, which no longer waits, is being written."""
        self._changed = threading.Condition()
        for run in (self._read, self._pass_on):
            threading.Thread(target=run, name="log", daemon=True).start()

    def _read(self) -> None:
        while data := os.read(self._source, _CHUNK):
            self._take(data)
            if len(data) < _CHUNK:
                time.sleep(_PAUSE_S)

    def _take(self, data: bytes) -> None:
        with self._changed:
            if not self._is_behind:
                # Usually all of it: the other thread need not wake up.
                data = data[_written_at_once(self._target, data) :]
            if not data:
                return
            self._waiting.append(data)
            self._size += len(data)
            while self._size > _MOST_WAITING:
                self._size -= len(self._waiting.popleft())
            self._changed.notify_all()

    @property
    def _is_behind(self) -> bool:
        """Whether something that was read is still to be written."""
        return bool(self._waiting or self._is_writing)

    def _pass_on(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                while not self._waiting:
                    self._changed.wait()
                data = self._waiting.popleft()
                self._size -= len(data)
                self._is_writing = True
            with contextlib.suppress(OSError):
                while data:
                    data = data[os.write(self._target, data) :]

    def close(self) -> None:
        """Gives what waits a moment to leave, and puts standard error back."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        # What is still in the pipe has not been counted yet.
        time.sleep(_PAUSE_S + 0.05)
        deadline = time.monotonic() + _FLUSH_S
        with self._changed:
            while self._is_behind and (left_s := deadline - time.monotonic()) > 0:
                self._changed.wait(left_s)
        os.dup2(self._target, self._descriptor)


def _written_at_once(descriptor: int, data: bytes) -> int:
    """Writes as much as ``descriptor`` takes without waiting. Returns how many bytes that were: 0 also where the
    system has no such write."""
    if not hasattr(os, "RWF_NOWAIT"):
        return 0
    try:
        return os.pwritev(descriptor, [data], -1, os.RWF_NOWAIT)
    except OSError:
        return 0


def open_standard_streams() -> None:
    """Gives Python the standard streams that it lacks where they were closed when it started. Their descriptors
    lead to nothing then: see ``__main__``."""
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
