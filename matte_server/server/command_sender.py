"""The thread that writes commands into one worker's pipe."""

from __future__ import annotations

import contextlib
import queue
import threading
from multiprocessing.connection import Connection


class CommandSender(threading.Thread):
    """Writes commands into a worker's pipe. A worker that hangs does not read it, and a full pipe blocks whoever
    writes: this thread, neither the server's loop nor the one that watches the worker."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__(name="worker-commands", daemon=True)
        self._pipe = pipe
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def send(self, command: bytes) -> None:
        self._waiting.put(command)

    def run(self) -> None:
        # OSError: the worker has ended, as its supervisor sees by itself.
        with contextlib.suppress(OSError, ValueError):
            while (command := self._waiting.get()) is not None:
                self._pipe.send_bytes(command)

    def end(self) -> None:
        """Called once the worker has ended, which frees this thread from a full pipe."""
        self._waiting.put(None)
        self.join(5.0)
