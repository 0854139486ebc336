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
        self._changed = threading.Condition()
        for run in (self._read, self._pass_on):
            threading.Thread(target=run, name="log", daemon=True).start()

    def _read(self) -> None:
        while data := os.read(self._source, _CHUNK):
            with self._changed:
                if not self._waiting:
                    # Usually all of it: the other thread need not wake up.
                    data = data[_written_at_once(self._target, data) :]
                if not data:
                    continue
                self._waiting.append(data)
                self._size += len(data)
                while self._size > _MOST_WAITING:
                    self._size -= len(self._waiting.popleft())
                self._changed.notify_all()

    def _pass_on(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                data = self._waiting[0]
            with contextlib.suppress(OSError):
                while data:
                    data = data[os.write(self._target, data) :]
            with self._changed:
                # The reader may have dropped it meanwhile.
                if self._waiting:
                    self._size -= len(self._waiting.popleft())
                self._changed.notify_all()

    def close(self) -> None:
        """Gives what waits a moment to leave, and puts standard error back."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        # What is still in the pipe has not been counted yet.
        time.sleep(0.05)
        deadline = time.monotonic() + _FLUSH_S
        with self._changed:
            while self._waiting and (left_s := deadline - time.monotonic()) > 0:
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
    """Leads standard streams that were closed to nothing: otherwise the next file or socket would take their place,
    and what is printed would be written into it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    # Python has none of its own where the descriptor was closed when it started.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
