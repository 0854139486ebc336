"""What every job of a host has: a thread that works, and events that the host's main thread takes from it."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import Generic, Optional, TypeVar

Event = TypeVar("Event")


class JobThread(Generic[Event]):
    """A job on ``thread``, whose function puts what happens into ``_events``, and returns soon after ``_cancel`` is
    set. A job can be run once."""

    def __init__(self, thread: threading.Thread) -> None:
        self._thread = thread
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._cancel = threading.Event()

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def poll(self, wait_s: float = 0.0) -> list[Event]:
        """The events since the last call, in order. Returns at once, or waits up to ``wait_s`` for the first
        one."""
        found = []
        with contextlib.suppress(queue.Empty):
            if wait_s:
                found.append(self._events.get(timeout=wait_s))
            while True:
                found.append(self._events.get_nowait())
        return found

    def join(self, timeout_s: Optional[float] = None) -> bool:
        """Waits for the thread to end; returns whether it has."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()
