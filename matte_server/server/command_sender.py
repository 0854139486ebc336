"""Writes commands into one worker's pipe without keeping the server's loop waiting."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import sys
import threading
from multiprocessing.connection import Connection

_AT_ONCE = 8
"""A command of one part in this many of the pipe's buffer is written at once where the system calls the pipe
writable: Linux does so while a quarter of the buffer is filled at most, so that three quarters are free."""


class CommandSender(threading.Thread):
    """Writes commands into a worker's pipe, in order. A worker that hangs does not read it, and a full pipe blocks
    whoever writes: this thread, neither the server's loop nor the one that watches the worker. Where the pipe
    certainly takes a command, the loop writes it itself, so that this thread need not wake up for every frame."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(name="worker-commands", daemon=True)
        self._pipe = pipe
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._largest_at_once = _buffer_size(pipe) // _AT_ONCE
        self._lock = threading.Lock()
        """Held while a command is written at once, so that the pipe is not closed meanwhile."""
        self._unwritten = 0
        """Commands that this thread has not written yet: later ones must wait behind them."""
        self._has_ended = False

    def send(self, command: bytes) -> None:
        """Writes the command, or hands it to the thread. Called by the server's loop alone."""
        with self._lock:
            if self._has_ended:
                return
            if not self._unwritten and len(command) <= self._largest_at_once and _is_writable(self._pipe):
                # OSError: the worker has ended, as its supervisor sees by itself.
                with contextlib.suppress(OSError):
                    self._pipe.send_bytes(command)
                return
            self._unwritten += 1
        self._waiting.put(command)

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while (command := self._waiting.get()) is not None:
                self._pipe.send_bytes(command)
                with self._lock:
                    self._unwritten -= 1

    def end(self) -> None:
        """Called once the worker has ended, which frees this thread from a full pipe; the pipe may be closed
        then."""
        with self._lock:
            self._has_ended = True
        self._waiting.put(None)
        if self.ident is not None:  # else the system refused another thread
            self.join(5.0)


def _buffer_size(pipe: Connection) -> int:
    """Bytes of the pipe's buffer for what was not read yet; 0 where it is not known how much of it is free."""
    if sys.platform != "linux":
        return 0
    with socket.socket(fileno=os.dup(pipe.fileno())) as end:
        return end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def _is_writable(pipe: Connection) -> bool:
    poller = select.poll()
    poller.register(pipe.fileno(), select.POLLOUT)
    return any(event == select.POLLOUT for _, event in poller.poll(0))
