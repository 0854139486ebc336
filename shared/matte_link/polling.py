"""How a host's main thread takes the events of a job's thread."""

from __future__ import annotations

import contextlib
import queue
from typing import TypeVar

Event = TypeVar("Event")


def take_events(events: queue.SimpleQueue[Event], wait_s: float) -> list[Event]:
    """The events that have come, in order. Returns at once, or waits up to ``wait_s`` seconds for the first one."""
    found = []
    with contextlib.suppress(queue.Empty):
        if wait_s:
            found.append(events.get(timeout=wait_s))
        while True:
            found.append(events.get_nowait())
    return found
