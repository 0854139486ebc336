"""What a running Nuke remembers, and the rules that it enforces while it does."""

from __future__ import annotations

import re
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from ._knobs import Knob
    from ._nodes import Group, Node, Root

Call = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]


class Deadlock(AssertionError):
    """Nuke would hang here for ever."""


class CancelledError(Exception):
    """As nuke.CancelledError."""


class Change(NamedTuple):
    """A knob's value before and after, for undo."""

    knob: Knob
    before: object
    after: object


class State:
    """One Nuke. Tests look at ``messages``, ``printed``, ``tasks`` and ``rendered``, and set ``cancel_at``."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.earlier = weakref.WeakSet(threading.enumerate())
        """The threads of Nukes that have ended: what they queue is run by nobody."""
        self.earlier.discard(threading.current_thread())
        self.gui = True
        self.queue: deque[Call] = deque()
        self.callbacks: dict[str, list[tuple[Call, str, Node | None]]] = {}
        self.context: list[tuple[Node, Knob | None]] = []
        self.busy: list[str] = []
        self.groups: list[Group] = []
        self.root: Root
        self.frame = 1
        self.asked_from: int | None = None
        """The timeline's frame, while a knob is asked for its value at another one."""
        self.views = ["main"]
        self.proxy = False
        self.edits = 0
        self.messages: list[str] = []
        self.printed: list[str] = []
        self.answers: deque[bool] = deque()
        self.tasks: list[Any] = []
        self.rendered: list[tuple[str, int, str]] = []
        self.cancel_at: int | None = None
        self.cancel_asked = False
        self.undo: list[list[Change]] = []
        self.redo: list[list[Change]] = []
        self.undo_open: list[list[Change]] = []
        self.undo_off = 0
        self.undoing = False
        self.read_cache: dict[tuple[int, str], Any] = {}
        self.callback_errors: list[str] = []
        self.raw_args: list[str] = []
        self.script_argv: list[str] = []
        self.updated_at = -1
        self.modified = False
        self.major = 15
        self.knob_defaults: dict[str, str] = {}
        self.layers: dict[str, tuple[str, ...]] = {}
        self.windows = False
        self.held_open: dict[int, set[str]] = {}
        self.other_nukes: list[str] = []
        self.filename_filters: list[Callable[[str], str | None]] = []
        self.scopes: list[dict[str, str]] = []
        """The Graph Scope Variables of the picture that is made now, and of those that it is made from."""
        self.hit_group: Group | None = None
        """The group whose graph was clicked last; None for the script's own."""

    def start(self, words: list[str]) -> None:
        """Nuke's command line. A last word that is a number or a frame range is Nuke's own and is not in the
        script's ``sys.argv`` (developer guide, Using the Command-line); ``rawArgs`` has every word."""
        self.raw_args = list(words)
        script = words[next(index for index, word in enumerate(words) if word.endswith(".py")) :]
        part = r"-?\d+(--?\d+)?(x\d+)?"
        self.script_argv = script[:-1] if re.fullmatch(rf"{part}(,{part})*", script[-1]) else script

    def queued(self, call: Call) -> None:
        """Something waits for the main thread, unless the Nuke that it was meant for has ended."""
        queue = self.queue
        if threading.current_thread() not in self.earlier:
            queue.append(call)

    def as_opened(self, name: str) -> str:
        """A file's name after the house's filters."""
        for one in reversed(self.filename_filters):
            name = one(name) or name
        return name

    def on_main_only(self, what: str) -> None:
        """Node access from another thread corrupts Nuke; the fake refuses it."""
        if threading.get_ident() != self.thread:
            raise RuntimeError(f"{what}: not on the main thread")

    def needs_window(self, what: str) -> None:
        """Without one Nuke raises, or prints and waits for an answer that nobody gives."""
        if not self.gui:
            raise RuntimeError(f"{what}: there is no window")

    def fire(self, event: str, node: Node, knob: Knob | None = None) -> list[object]:
        """Runs an event's callbacks with the node as context; their exceptions are the caller's."""
        answers: list[object] = []
        kind = node.Class()
        self.context.append((node, knob))
        # The current group is the one that the node is in (nuke.thisGroup; a Group's button is another case).
        self.groups.append(node._group or self.root)
        self.busy.append(event)
        try:
            # First those for the class of the node, then those for all (callbacks.py, _doCallbacks).
            entries = sorted(self.callbacks.get(event, ()), key=lambda entry: entry[1] == "*")
            for (call, args, kwargs), wanted, only in entries:
                if wanted in ("*", kind) and only in (None, node):
                    answers.append(call(*args, **kwargs))
        finally:
            self.context.pop()
            self.groups.pop()
            self.busy.pop()
        return answers

    def fire_quietly(self, event: str, node: Node, knob: Knob | None = None) -> None:
        """As Nuke does for node events: an exception is printed, and kept for the tests to see.

        Up to Nuke 16 knobChanged, and with it inputChange and showPanel, reaches a node only while its panel is
        open, and never without a window; from 17 on changes reach it with a closed panel too, moves in the graph
        among them (nuke.addKnobChanged of 13.2 and of 17.1)."""
        if event == "knobChanged" and not (self.gui and (node._panel or self.major >= 17)):
            return
        try:
            self.fire(event, node, knob)
        except Exception:  # noqa: BLE001 - any exception of a callback, as the host prints any
            self.callback_errors.append(traceback.format_exc())

    def edited(self) -> None:
        """Something in the script is another: caches are doubtful, and there is something to save."""
        self.edits += 1
        self.modified = True

    def replace_file(self, path: str) -> None:
        """What Windows says to a program that replaces a file which Nuke holds open."""
        held = {file for files in self.held_open.values() for file in files}
        if self.windows and path.replace("\\", "/") in held:
            raise PermissionError(13, "The process cannot access the file", path)

    def changed(self, knob: Knob, before: object, after: object) -> None:
        """A knob has a new value: undo remembers. A knob that is not written to the file counts as a change too."""
        self.edited()
        if self.undo_off or self.undoing or knob.getFlag(0x4):
            return
        change = Change(knob, before, after)
        if self.undo_open:
            self.undo_open[-1].append(change)
        else:
            self.undo.append([change])
        self.redo.clear()

    def process_events(self) -> int:
        """One turn of the interface's loop: runs what was queued for the main thread; returns how much."""
        self.on_main_only("process_events")
        if not self.gui:
            return 0
        count = self.run_queued()
        self._update_ui()
        return count

    def run_queued(self) -> int:
        """What was queued for the main thread. A render's progress bar has Nuke look at its events between frames,
        so such a call may come in the middle of one."""
        count = 0
        while self.gui and self.queue:
            call, args, kwargs = self.queue.popleft()
            call(*args, **kwargs)
            count += 1
        return count

    def _update_ui(self) -> None:
        """After changes Nuke runs updateUI on the nodes, once, when it comes to rest (nuke.addUpdateUI)."""
        if self.updated_at == self.edits:
            return
        self.updated_at = self.edits
        for node in self._every(self.root):
            self.fire_quietly("updateUI", node)
        self.updated_at = self.edits

    def _every(self, group: Group) -> list[Node]:
        inside = [
            one for node in group._nodes if hasattr(node, "_nodes") for one in self._every(cast("Group", node))
        ]
        return [*group._nodes, *inside]


state = State()
