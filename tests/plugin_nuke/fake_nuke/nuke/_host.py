"""The module's functions and small classes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ._knobs import Knob
from ._nodes import Group, Node, Root, execute_multiple, make, unique_name
from ._script import load, read_into, written
from ._state import Change, Deadlock, State, state

Call = Callable[..., object]
_LOOK_S = 0.05
"""Seconds after which a thread that waits for the main thread looks whether its Nuke is still there."""


# -- the running application, as tests steer it


def reset() -> State:
    """A new Nuke with an empty, unsaved script; what was registered is gone."""
    # One assignment, because threads of the Nuke before may still look.
    state.__dict__ = State().__dict__
    _new_root()
    env.clear()
    env.update(_environment())
    return state


def _new_root() -> None:
    state.root = Root()
    state.root._knobs["name"]._value = ""
    state.groups = [state.root]


def _environment() -> dict[str, object]:
    off = dict.fromkeys(("nc", "indie", "assist", "hiero", "studio"), False)
    return {**off, "gui": True, "NukeVersionMajor": 15}


class _Environment(dict[str, object]):
    """As nuke.env."""


env = _Environment(_environment())


# -- main thread


def executeInMainThread(call: Call, args: Any = (), kwargs: dict[str, Any] | None = None) -> None:
    """Queues; without a window nobody ever looks at the queue."""
    arguments = args if isinstance(args, tuple) else (args,)
    state.queued((call, arguments, kwargs or {}))


def executeInMainThreadWithResult(call: Call, args: Any = (), kwargs: dict[str, Any] | None = None) -> object:
    """Waits for the main thread: from the main thread, and without a window, for ever."""
    if threading.get_ident() == state.thread or not state.gui:
        raise Deadlock("executeInMainThreadWithResult would hang Nuke here")
    done = threading.Event()
    box: list[object] = [None]

    def run() -> None:
        try:
            box[0] = call(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
        except Exception as error:  # noqa: BLE001 - Nuke prints any exception here, and returns None
            state.callback_errors.append(repr(error))
        finally:
            done.set()

    asked = state.earlier
    state.queued((run, (), {}))
    while not done.wait(_LOOK_S):
        if state.earlier is not asked or threading.current_thread() in asked:
            raise SystemExit("this thread's Nuke has ended, and its threads with it")
    return box[0]


def _look_at_events() -> None:
    """A bar that moves and a dialog that is open have Nuke run what was queued for the main thread."""
    if threading.get_ident() == state.thread:
        state.run_queued()


class ProgressTask:
    """The bar; may be used from any thread. Tests set ``cancelled``."""

    def __init__(self, name: str) -> None:
        state.needs_window("ProgressTask")
        self.name = name
        self.cancelled = False
        self.percents: list[int] = []
        self.texts: list[str] = []
        state.tasks.append(self)

    def setProgress(self, i: int) -> None:
        if not isinstance(i, int) or not 0 <= i <= 100:
            raise TypeError("setProgress wants a whole number from 0 to 100")
        self.percents.append(i)
        _look_at_events()

    def setMessage(self, s: str) -> None:
        self.texts.append(s)

    def isCancelled(self) -> bool:
        return self.cancelled


def message(prompt: str) -> None:
    state.on_main_only("message")
    state.needs_window("message")
    state.messages.append(prompt)
    _look_at_events()


def ask(prompt: str) -> bool:
    state.on_main_only("ask")
    state.needs_window("ask")
    state.messages.append(prompt)
    _look_at_events()
    return state.answers.popleft()


def tprint(value: object, *more: object) -> None:
    state.printed.append(" ".join(str(word) for word in (value, *more)))


# -- script


def root() -> Root:
    state.on_main_only("root")
    return state.root


def script_directory() -> str:
    """The folder of the script, which a button of the project settings puts into the project directory."""
    return Path(state.root._knobs["name"].value()).parent.as_posix()


def frame(f: int | None = None) -> int:
    """Moves the timeline only where the script's own level is the context; Root.setFrame always does."""
    state.on_main_only("frame")
    if f is not None and state.groups[-1] is state.root:
        state.root.setFrame(f)
    return state.frame


def views() -> list[str]:
    state.on_main_only("views")
    return list(state.views)


def thisNode() -> Node:
    state.on_main_only("thisNode")
    return state.context[-1][0] if state.context else state.root


def thisKnob() -> Knob | None:
    state.on_main_only("thisKnob")
    return state.context[-1][1] if state.context else None


def thisGroup() -> Group:
    state.on_main_only("thisGroup")
    return state.groups[-1]


def toNode(s: str) -> Node | None:
    """Looks in the current group, so a full name is found from the script's own level only (nuke.thisGroup)."""
    state.on_main_only("toNode")
    return state.root if s == "root" else state.groups[-1].node(s)


def allNodes(filter: str | None = None, group: Group | None = None, *, recurseGroups: bool = False) -> list[Node]:
    state.on_main_only("allNodes")
    found: list[Node] = []
    for node in (group or state.groups[-1]).nodes():
        if not filter or node.Class() == filter:
            found.append(node)
        if recurseGroups and isinstance(node, Group):
            found += allNodes(filter, node, recurseGroups=True)
    return found


def addView(s: str) -> None:
    state.on_main_only("addView")
    if s not in state.views:
        state.views.append(s)


def createNode(node: str, args: str = "", inpanel: bool = True) -> Node:
    state.on_main_only("createNode")
    group = state.groups[-1]
    made = make(node, group)
    made._knobs["name"]._value = unique_name(f"{node}1", group)
    if args:
        raise NotImplementedError("the fake's createNode takes no knobs")
    state.fire_quietly("onCreate", made)
    return made


def clone(n: Node, args: str = "", inpanel: bool = True) -> Node:
    """Another node with the same knobs, the name among them; what feeds it, and its place, is its own."""
    state.on_main_only("clone")
    made = make(n._kind, n._group or state.root)
    made._knobs = {
        name: made._knobs[name] if name in ("xpos", "ypos", "selected") else knob for name, knob in n._knobs.items()
    }
    made._knobs["xpos"]._value = n._knobs["xpos"]._value + 100.0
    n._alike = n._alike or [n]
    n._alike.append(made)
    made._alike = n._alike
    return made


def delete(n: Node) -> None:
    state.on_main_only("delete")
    state.fire_quietly("onDestroy", n)
    parent = n.parent()
    assert parent is not None
    parent._nodes.remove(n)
    for other in parent._nodes:
        other._inputs = [None if one is n else one for one in other._inputs]
    _gone(n)
    state.edited()


def _gone(node: Node) -> None:
    """With all that is in it, at any depth. No document says that those get an onDestroy, too."""
    node._gone = True
    for one in node._nodes if isinstance(node, Group) else ():
        _gone(one)


def nodePaste(s: str) -> Node | None:
    """Takes a file's name, not a script's text."""
    state.on_main_only("nodePaste")
    group = state.groups[-1]
    chosen = next((one for one in group.nodes() if one._knobs["selected"]._value), None)
    for one in group.nodes():
        one._knobs["selected"]._value = False
    made = read_into(group, Path(s).read_text(encoding="utf-8"), chosen)
    return made[-1] if made else None


def nodeCopy(s: str) -> None:
    """Writes the selected nodes to a file; ids and all."""
    state.on_main_only("nodeCopy")
    chosen = [one for one in state.groups[-1].nodes() if one._knobs["selected"]._value]
    Path(s).write_text(written(chosen, root=False), encoding="utf-8")


def scriptOpen(filename: str) -> None:
    """In a window that has a script already it opens in another Nuke, and this one stays as it is (AYON and tk-nuke
    clear the script first)."""
    state.on_main_only("scriptOpen")
    if state.gui and (state.root.nodes() or state.root._knobs["name"]._value):
        state.other_nukes.append(filename)
        return
    load(filename)


def scriptSaveAs(filename: str, overwrite: int = -1) -> None:
    state.on_main_only("scriptSaveAs")
    if Path(filename).exists() and overwrite != 1:
        raise RuntimeError(f"{filename} exists")
    # No document says whether the script has its new name by then, so it has the old one here.
    state.fire_quietly("onScriptSave", state.root)
    state.root._knobs["name"]._value = filename
    Path(filename).write_text(written(state.root.nodes()), encoding="utf-8")
    state.modified = False


def scriptClear() -> None:
    state.on_main_only("scriptClear")
    state.fire_quietly("onScriptClose", state.root)
    for node in state.root.nodes():
        delete(node)
    _new_root()
    state.views = ["main"]
    state.undo.clear()
    state.redo.clear()
    state.read_cache.clear()
    state.held_open.clear()
    state.layers.clear()
    state.modified = False


def knobDefault(classknob: str, value: str | None = None) -> str | None:
    """What a studio's start files set; each new node and each node of a script begins with it."""
    if value is None:
        return state.knob_defaults.get(classknob)
    state.knob_defaults[classknob] = value
    return None


def filename(node: Node, i: int = 0) -> str | None:
    """The file's name with its TCL evaluated, frame number and view left in; in proxy mode that of the proxy, where
    there is one (nuke.filename)."""
    state.on_main_only("filename")
    proxy = node.knob("proxy")
    if state.proxy and proxy is not None and proxy.value():
        return str(proxy.getValue())
    knob = node.knob("file")
    return None if knob is None else str(knob.getValue())


# -- rendering


def execute(node: Node | str, start: int, end: int, incr: int = 1, views: Sequence[str] | None = None) -> None:
    chosen = toNode(node) if isinstance(node, str) else node
    assert chosen is not None
    execute_multiple([chosen], [(start, end, incr)], views or state.views)


def executeMultiple(
    nodes: Sequence[Node],
    ranges: Sequence[tuple[int, int, int]],
    views: Sequence[str],
    continueOnError: bool = False,
) -> None:
    if any(len(one) != 3 for one in ranges):
        raise TypeError("a range is a first frame, a last frame and a step")
    execute_multiple(nodes, ranges, views)


def executing(f: float | None = None) -> bool:
    """Whether something is rendered now."""
    state.on_main_only("executing")
    return "execute" in state.busy


def cancel() -> None:
    """Cancels what is executed now, at its next frame."""
    state.cancel_asked = True


# -- undo


class Undo:
    """As nuke.Undo: all class methods."""

    @classmethod
    def begin(cls, name: str = "") -> None:
        state.undo_open.append([])

    @classmethod
    def end(cls) -> None:
        changes = state.undo_open.pop()
        if changes:
            state.undo.append(changes)

    @classmethod
    def disable(cls) -> None:
        state.on_main_only("Undo.disable")
        state.undo_off += 1

    @classmethod
    def enable(cls) -> None:
        state.on_main_only("Undo.enable")
        if not state.undo_off:
            raise RuntimeError("Undo.enable without disable")
        state.undo_off -= 1

    @classmethod
    def undo(cls) -> None:
        _take_back(state.undo, state.redo, lambda change: change.before)

    @classmethod
    def redo(cls) -> None:
        _take_back(state.redo, state.undo, lambda change: change.after)


def _take_back(source: list[list[Change]], target: list[list[Change]], value: Callable[[Change], object]) -> None:
    if not source:
        raise RuntimeError("nothing to undo")
    changes = source.pop()
    state.undoing = True
    try:
        for change in reversed(changes) if source is state.undo else changes:
            change.knob.restore(value(change))
            state.fire_quietly("knobChanged", change.knob.node(), change.knob)
    finally:
        state.undoing = False
    target.append(changes)


def undo() -> None:
    state.on_main_only("undo")
    Undo.undo()


# -- callbacks


def _register(event: str, call: Call, args: Any, kwargs: Any, kind: str, node: Node | None = None) -> None:
    state.on_main_only(event)
    if not callable(call):
        raise ValueError("call must be a callable")
    if not isinstance(kwargs or {}, dict):
        raise ValueError("kwargs must be a dictionary")
    entry = ((call, args if isinstance(args, tuple) else (args,), dict(kwargs or {})), kind, node)
    entries = state.callbacks.setdefault(event, [])
    if entry in entries:
        entries.remove(entry)
    entries.append(entry)


def addOnCreate(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "*") -> None:
    _register("onCreate", call, args, kwargs, nodeClass)


def addOnDestroy(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "*") -> None:
    _register("onDestroy", call, args, kwargs, nodeClass)


def addOnScriptLoad(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "Root") -> None:
    _register("onScriptLoad", call, args, kwargs, nodeClass)


def addOnScriptSave(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "Root") -> None:
    _register("onScriptSave", call, args, kwargs, nodeClass)


def addOnScriptClose(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "Root") -> None:
    _register("onScriptClose", call, args, kwargs, nodeClass)


def addKnobChanged(
    call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "*", node: Node | None = None
) -> None:
    _register("knobChanged", call, args, kwargs, nodeClass, node)


def addUpdateUI(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "*") -> None:
    _register("updateUI", call, args, kwargs, nodeClass)


def addAutolabel(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "*") -> None:
    _register("autolabel", call, args, kwargs, nodeClass)


def addBeforeRender(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "Write") -> None:
    _register("beforeRender", call, args, kwargs, nodeClass)


def addAfterRender(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "Write") -> None:
    """Called after the last frame, and not where the render failed or was cancelled."""
    _register("afterRender", call, args, kwargs, nodeClass)


def addBeforeFrameRender(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "Write") -> None:
    _register("beforeFrameRender", call, args, kwargs, nodeClass)


def removeBeforeFrameRender(call: Call, args: Any = (), kwargs: Any = None, nodeClass: str = "Write") -> None:
    state.on_main_only("removeBeforeFrameRender")
    entry = ((call, args if isinstance(args, tuple) else (args,), dict(kwargs or {})), nodeClass, None)
    if entry in state.callbacks.get("beforeFrameRender", ()):
        state.callbacks["beforeFrameRender"].remove(entry)


def addFilenameFilter(
    call: Callable[[str], str | None], args: Any = (), kwargs: Any = None, nodeClass: str = "*"
) -> None:
    """A function that changes names before files are opened."""
    state.filename_filters.append(call)


def filenameFilter(filename: str) -> str:
    """All added functions in backwards order; None leaves the name as it is (nuke.addFilenameFilter)."""
    state.on_main_only("filenameFilter")
    return state.as_opened(filename)


def autolabel(node: Node) -> str:
    """What a node shows in the graph: what the callback that was added last says, those of its class first."""
    answers = [answer for answer in state.fire("autolabel", node) if answer is not None]
    return str(answers[-1]) if answers else node.name()


class Menu:
    """A menu that remembers its commands."""

    def __init__(self) -> None:
        self.commands: dict[str, Call] = {}

    def addCommand(self, name: str, command: Call, shortcut: str = "", icon: str = "") -> object:
        self.commands[name] = command
        return None


_menus: dict[str, Menu] = {}


def menu(name: str) -> Menu | None:
    """In Hiero there is no toolbar of nodes (tk-nuke and others register theirs where nuke.env["hiero"] is off)."""
    state.on_main_only("menu")
    state.needs_window("menu")
    if env["hiero"]:
        return None
    return _menus.setdefault(name, Menu())
