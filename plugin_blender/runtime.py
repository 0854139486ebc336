"""What the add-on knows while Blender runs and no file keeps: plans, states and errors of nodes."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .matte_link.messages import Pong
from .plan import Counts, SolvePlan


@dataclass
class NodeState:
    """One node, as its panel shows it."""

    plan: SolvePlan | None = None
    counts: Counts = field(default_factory=Counts)
    error: str = ""
    activity: str = ""
    """What a solve does at the moment; empty where none runs."""
    done: int = 0
    total: int = 0


states: dict[str, NodeState] = {}
running: Any = None
"""The solve under way (:class:`solve.Solve`), or None: one at a time."""
rendering_input = False
"""Whether the render that runs is our own, of what feeds a node."""
rendering = False
"""Whether the artist's own render runs: what it plays must not be exchanged under it."""
render: Any = None
"""What that render wants of our nodes in the window (:class:`on_demand.RenderSolve`), or None."""
changed_at = 0.0
servers: dict[str, Pong] = {}
"""What each server, by its address, last said of itself in this session."""
_asked: queue.SimpleQueue[tuple[Callable[[], None], threading.Event, threading.Event]] = queue.SimpleQueue()


def state(node_id: str) -> NodeState:
    """The node's state."""
    return states.setdefault(node_id, NodeState())


def mark_changed() -> None:
    """Something was edited: plans are to be made again."""
    global changed_at
    changed_at = time.monotonic()


def on_main_thread(work: Callable[[], None], wait_s: float = 0.0) -> bool:
    """Has work done where Blender's data may be changed: at once there, else by :func:`work_off`.

    Where it is waited for in vain it will not be done any more, and the answer is False.
    """
    if threading.current_thread() is threading.main_thread():
        work()
        return True
    done, late = threading.Event(), threading.Event()
    _asked.put((work, done, late))
    if wait_s and not done.wait(wait_s):
        late.set()
        return False
    return True


def work_off() -> None:
    """Called on the main thread, now and then: does what other threads have asked for."""
    while not _asked.empty():
        work, done, late = _asked.get()
        try:
            if not late.is_set():
                work()
        except Exception:  # noqa: BLE001 - the timer's edge: Blender takes a timer away that raises
            traceback.print_exc()
        finally:
            done.set()


def reset() -> None:
    """Another file was opened."""
    states.clear()
    mark_changed()
