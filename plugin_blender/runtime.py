"""State of this session that no file keeps: plans, counts and errors of nodes."""

from __future__ import annotations

import os
import queue
import shlex
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import sessions
from .counts import Counts
from .file_states import FileState
from .matte_link.messages import Pong
from .plan import SolvePlan


@dataclass
class NodeState:
    """One node, as its panel shows it."""

    plan: SolvePlan | None = None
    counts: Counts = field(default_factory=Counts)
    error: str = ""
    activity: str = ""
    """What the node's solve is doing, for the panel; empty where none runs."""
    progress: str = ""
    """How far it is, for the node's title ("solving 3 of 10"); empty where none runs."""
    shown: tuple[int, Mapping[int, FileState]] | None = None
    """The image that the node was last given, by its number in this session, and what the results looked like then,
    by frame: Blender keeps what an image has read, and an undo brings an earlier image back. None: not looked at
    yet."""
    done: int = 0
    total: int = 0
    compared: dict[int, str] = field(default_factory=dict)
    """The stamps of frames whose pictures were compared since the last edit that only a comparison would notice."""
    looked_back: set[str] = field(default_factory=set)
    """The keys for which results of the node's former folder were looked for."""
    stale_keys: frozenset[int] = frozenset()
    """The key frames that cannot be learnt from as they are."""
    keys_have_changed: bool = False
    """Whether the learned weights come from other key frames than those of now."""
    comparing: int = 0
    """Of how many frames files that were put there again are being read."""
    left_behind: int = 0
    """How many results of the former folder can be copied."""


@dataclass(frozen=True)
class Waiting:
    """A button that the artist has pressed on a node while there was no server: ``press`` is called when it is
    ready."""

    node_id: str
    press: Callable[[], object]


states: dict[str, NodeState] = {}
running: Any = None
"""The solve under way (:class:`solve.Solve`), or None: one at a time."""
learning: Any = None
"""The Learn under way (:class:`learning.Learning`), or None."""
rendering_input = False
"""Whether the current render is ours, of the inputs of a node."""
rendering = False
"""Whether the artist's own render runs; see :mod:`jobs`."""
preparing_render = False
"""Whether a render in the window waits on its thread until the main thread has prepared it."""
kept_back = False
"""Whether nodes are to be changed as soon as Blender's jobs have ended."""
render: Any = None
"""The :class:`on_demand.RenderSolve` of a render in the window, or None."""
in_window = False
"""Whether Blender reports every edit before anything else happens, as it does between the events of a window. A
script in the background can edit and render in one go."""
changed_at = 0.0
edits = 0
"""Counts edits that only a comparison of pictures would notice."""
setup: Any = None
"""The :class:`server_setup.ServerSetup` under way, or None."""
afterwards: Waiting | None = None
"""What waits for a server that is being set up or started, or None."""
server_address = ""
"""The server that the command line names; it goes before the one of the preferences."""
server_keys = ""
"""The key file that the command line names for it."""
servers: dict[str, Pong] = {}
"""Each server's last answer in this session, by its address."""
silent_servers: set[str] = set()
"""The addresses at which no server answered when it was asked last."""
_queued: queue.SimpleQueue[tuple[Callable[[], None], threading.Event, threading.Event]] = queue.SimpleQueue()


def state(node_id: str) -> NodeState:
    """The node's state."""
    return states.setdefault(node_id, NodeState())


_IN_A_WINDOW = {
    "Start one with 'cleanplate serve'": "Press Start or Set Up Server",
    "name its file with --keys or CLEANPLATE_KEYS": "name its file in the add-on's preferences",
}


def hint_here(hint: str) -> str:
    """What to do about an error of the server. In a window the panel *Server* has buttons for what terminals do."""
    if not in_window:
        return hint
    for command, button in _IN_A_WINDOW.items():
        hint = hint.replace(command, button)
    return hint


def shell_word(text: str) -> str:
    """A text as one word of a command line, for people to copy: Windows knows no single quotes."""
    return subprocess.list2cmdline([text]) if os.name == "nt" else shlex.quote(text)


def mark_changed() -> None:
    """Has plans made again after an edit."""
    global changed_at
    changed_at = time.monotonic()


def on_main_thread(work: Callable[[], None], wait_s: float = 0.0) -> bool:
    """Runs ``work`` on the main thread: at once if this is it, else in the next :func:`work_off`.

    With ``wait_s`` it waits for the end of the work. Returns False if it did not run in that time; it is then
    dropped.
    """
    if threading.current_thread() is threading.main_thread():
        work()
        return True
    done, late = threading.Event(), threading.Event()
    _queued.put((work, done, late))
    if wait_s and not done.wait(wait_s):
        late.set()
        return False
    return True


def work_off() -> None:
    """Runs what other threads have queued. Called by the timer on the main thread."""
    while not _queued.empty():
        work, done, late = _queued.get()
        try:
            if not late.is_set():
                work()
        except Exception:  # noqa: BLE001 - Blender removes a timer that raises
            traceback.print_exc()
        finally:
            done.set()


def forget_comparisons() -> None:
    """Something was edited that cannot be compared by its settings."""
    global edits
    edits += 1
    for each in states.values():
        each.compared = {}


def look_back_again() -> None:
    """A solve has ended: copies of its node, and its file if it was saved elsewhere meanwhile, may lack results."""
    for each in states.values():
        each.looked_back.clear()


def reset() -> None:
    """Another file was opened."""
    states.clear()
    sessions.unmark_all()
    mark_changed()
