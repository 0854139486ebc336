"""The only module that imports nuke: one small typed function for each question to the host.

Every ``nuke.X`` that stands here is listed, with its place in the documentation, in the test's allowlist. What the
published stubs get wrong or leave out is narrowed here, so that nobody else has to know.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import nuke

Node = nuke.Node
Ranges = Sequence[tuple[int, int, int]]
_BUSY = "already executing"


@dataclass(frozen=True)
class NodeFacts:
    """One node upstream: what it is and does. ``inputs`` are places in the list it stands in, -1 where open."""

    kind: str
    knobs: str
    inputs: tuple[int, ...]
    file: str = ""


# -- the application


def has_window() -> bool:
    """Whether artists look at it; ``nuke -t`` and ``-x`` have no window and run no queued calls."""
    return bool(nuke.GUI)


def version() -> str:
    """For example ``15.1v2``."""
    return str(nuke.NUKE_VERSION_STRING)


def limited_licence() -> str:
    """The name of an edition whose Python is limited, else empty."""
    for key, name in (("nc", "Non-commercial"), ("indie", "Indie")):
        if nuke.env.get(key):
            return name
    return ""


def on_main(call: Callable[..., object], *arguments: object) -> None:
    """Has ``call`` run on the main thread, soon; without a window at once, because nobody would ever run it."""
    if nuke.GUI:
        nuke.executeInMainThread(call, arguments)
    else:
        call(*arguments)


def say(text: str) -> None:
    """One sentence for whoever is there: a window in the interface, a line in a terminal."""
    if nuke.GUI:
        nuke.message(text)
    else:
        nuke.tprint(text)


def ask(question: str) -> bool:
    """Yes or no; a terminal has nobody to ask, and says yes."""
    return bool(nuke.ask(question)) if nuke.GUI else True


class ProgressBar:
    """Nuke's progress bar; shows nothing without a window. Gone when :meth:`close` is called."""

    def __init__(self, title: str) -> None:
        self._task: Optional[nuke.ProgressTask] = nuke.ProgressTask(title) if nuke.GUI else None

    def show(self, percent: int, text: str) -> None:
        """``percent`` in 0 to 100."""
        if self._task is not None:
            self._task.setProgress(percent)
            self._task.setMessage(text)

    def cancelled(self) -> bool:
        """Whether the artist pressed the bar's Cancel."""
        return self._task is not None and bool(self._task.isCancelled())

    def close(self) -> None:
        """Nuke closes the bar when its object is deleted."""
        self._task = None


# -- the script


def script_path() -> str:
    """The saved script's path with forward slashes; empty where it was never saved."""
    knob = nuke.root().knob("name")
    return str(knob.value() or "").replace("\\", "/") if knob else ""


def project_range() -> tuple[int, int]:
    """First and last frame of the project."""
    return int(nuke.root().firstFrame()), int(nuke.root().lastFrame())


def current_frame() -> int:
    """Where the timeline stands."""
    return int(nuke.frame())


def views() -> tuple[str, ...]:
    """The names of the script's views."""
    return tuple(str(name) for name in nuke.views())


def uses_proxy() -> bool:
    """Whether the artist works in proxy mode."""
    return bool(nuke.root().proxy())


def root_text(name: str) -> str:
    """A project setting as text; empty where this version of Nuke has none of that name."""
    knob = nuke.root().knob(name)
    return str(knob.value()) if knob else ""


def set_root(name: str, new: object) -> None:
    """Changes a project setting."""
    nuke.root()[name].setValue(new)


def open_script(path: str) -> None:
    """Opens a script in place of the present one."""
    nuke.scriptOpen(path)


def save_script_as(path: str) -> None:
    """Saves the script under another name."""
    nuke.scriptSaveAs(path, 1)


def find(name: str) -> Optional[Node]:
    """The node of that full name."""
    return nuke.toNode(name)


def find_read(file: Path) -> Node:
    """The Read of a file; raises ``KeyError``."""
    for node in nuke.allNodes("Read"):
        if node["file"].value() == file.as_posix():
            return node
    raise KeyError(file)


def groups() -> list[Node]:
    """All Groups of the script, at any depth."""
    return list(nuke.allNodes("Group", recurseGroups=True))


def paste(text: str) -> Optional[Node]:
    """The node that a script's text makes, connected to what is selected. Nuke pastes from files."""
    with tempfile.TemporaryDirectory(prefix="cleanplate-") as folder:
        file = Path(folder, "node.nk")
        file.write_text(text, encoding="utf-8")
        return nuke.nodePaste(file.as_posix())


def new_script() -> None:
    """An empty script in place of the present one."""
    nuke.scriptClear()


def create(kind_of: str, **knobs: object) -> Node:
    """A new node, connected to nothing."""
    select_nothing()
    node = nuke.createNode(kind_of, "", False)
    for name, new in knobs.items():
        node[name].setValue(new)
    return node


def select_nothing() -> None:
    """What is made next is connected to nothing."""
    for node in nuke.allNodes():
        node["selected"].setValue(False)


def copy(node: Node) -> Optional[Node]:
    """A copy of a node, as an artist's copy and paste makes it."""
    select_nothing()
    node["selected"].setValue(True)
    with tempfile.TemporaryDirectory(prefix="cleanplate-") as folder:
        file = Path(folder, "copy.nk").as_posix()
        nuke.nodeCopy(file)
        select_nothing()
        return nuke.nodePaste(file)


def connect(node: Node, index: int, other: Optional[Node]) -> bool:
    """Connects an input; False where the node has no such input."""
    return bool(node.setInput(index, other))


def remove(node: Node) -> None:
    """Deletes a node."""
    nuke.delete(node)


def open_panel(node: Node) -> None:
    """Opens a node's panel, where there is a window."""
    node.showControlPanel()


def undo() -> None:
    """The artist's Undo."""
    nuke.undo()


def add_view(name: str) -> None:
    """One more view."""
    nuke.addView(name)


def use_proxy(on: bool) -> None:
    """Switches proxy mode."""
    nuke.root().setProxy(on)


def go_to(frame: int) -> None:
    """Moves the timeline."""
    nuke.frame(frame)


def this_node() -> Node:
    """The node of the callback that is running."""
    return nuke.thisNode()


def this_knob() -> str:
    """The name of the knob of the ``knobChanged`` that is running."""
    knob = nuke.thisKnob()
    return str(knob.name()) if knob else ""


@contextlib.contextmanager
def at_frame(frame: int) -> Iterator[None]:
    """The timeline at ``frame`` for a moment."""
    before = current_frame()
    if frame != before:
        nuke.frame(frame)
    try:
        yield
    finally:
        if frame != before:
            nuke.frame(before)


@contextlib.contextmanager
def without_undo() -> Iterator[None]:
    """Changes that are ours and not the artist's."""
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()


@contextlib.contextmanager
def one_undo(name: str) -> Iterator[None]:
    """Several changes that the artist takes back as one."""
    nuke.Undo.begin(name)
    try:
        yield
    finally:
        nuke.Undo.end()


@contextlib.contextmanager
def full_resolution() -> Iterator[None]:
    """Proxy mode off for a moment: a matte has its plate's size."""
    root = nuke.root()
    before = bool(root.proxy())
    if before:
        root.setProxy(False)
    try:
        yield
    finally:
        if before:
            root.setProxy(True)


# -- a node


def exists(node: Node) -> bool:
    """Whether the node is still in the script; Nuke raises ValueError on one that was deleted."""
    try:
        return bool(node.name())
    except ValueError:
        return False


def full_name(node: Node) -> str:
    """For example ``Group1.Cleanplate_Matte2``."""
    return str(node.fullName())


def kind(node: Node) -> str:
    """The node's class."""
    return str(node.Class())


def has_knob(node: Node, name: str) -> bool:
    """Whether there is such a knob."""
    return node.knob(name) is not None


def value(node: Node, name: str) -> Any:
    """A knob's value as the host has it: unevaluated text, a number, a flag, an enumeration's word."""
    return node[name].value()


def set_value(node: Node, name: str, new: object) -> None:
    """Changes a knob; leaves it alone where it has that value already, for the sake of undo and callbacks."""
    knob = node[name]
    if knob.value() != new:
        knob.setValue(new)


def evaluated(node: Node, name: str) -> str:
    """A text knob with its TCL evaluated, forward slashes."""
    knob = node[name]
    text = knob.evaluate() if isinstance(knob, nuke.EvalString_Knob) else knob.value()
    return str(text or "").replace("\\", "/")


def press(node: Node, name: str) -> None:
    """Executes a button."""
    knob = node[name]
    if not isinstance(knob, nuke.Script_Knob):
        raise TypeError(f"{name} is no button.")
    knob.execute()


def keep_out_of_files(node: Node, name: str) -> None:
    """Flags that do not survive a file, and so are set whenever a node appears."""
    node[name].setFlag(nuke.NO_UNDO | nuke.DO_NOT_WRITE)


def input_of(node: Node, index: int) -> Optional[Node]:
    """What is connected, seen through Dots, which have no hash of their own."""
    found = node.input(index)
    while found is not None and found.Class() == "Dot":
        found = found.input(0)
    return found


def inner(node: Node, name: str) -> Node:
    """A node inside a Group; raises ``KeyError`` where somebody took it out."""
    found = node.node(name) if isinstance(node, nuke.Group) else None
    if found is None:
        raise KeyError(name)
    return found


def parent(node: Node) -> Optional[Node]:
    """The Group that a node is in."""
    return node.parent()


def frame_range(node: Node) -> tuple[int, int]:
    """First and last frame that a node has something for."""
    found = node.frameRange()
    return int(found.first()), int(found.last())


def size(node: Node) -> tuple[int, int]:
    """Width and height of a node's format in pixels."""
    return int(node.width()), int(node.height())


def hashes(node: Node) -> tuple[int, ...]:
    """What the host's own caches tell frames apart by, at the current frame; empty where it does not say."""
    node.forceValidate()
    return tuple(int(number) for number in node.opHashes())


def upstream(starts: Iterable[Optional[Node]]) -> tuple[list[NodeFacts], tuple[int, ...]]:
    """Every node that the ``starts`` depend on, each after its inputs, and the places of the starts (-1: none)."""
    facts: list[NodeFacts] = []
    places: dict[str, int] = {}
    return facts, tuple(_visit(start, facts, places) for start in starts)


def depends_on(node: Node, other: Node) -> bool:
    """Whether ``other`` is upstream of ``node``."""
    places: dict[str, int] = {}
    _visit(node, [], places)
    return str(other.fullName()) in places


def _visit(node: Optional[Node], facts: list[NodeFacts], places: dict[str, int]) -> int:
    """Depth first without recursion: comps are thousands of nodes deep."""
    stack = [node]
    while stack:
        top = stack[-1]
        if top is None or str(top.fullName()) in places:
            stack.pop()
            continue
        needed = [one for one in _needs(top) if str(one.fullName()) not in places]
        if needed:
            stack.extend(needed)
            continue
        stack.pop()
        places[str(top.fullName())] = len(facts)
        facts.append(_facts(top, places))
    return -1 if node is None else places[str(node.fullName())]


def _inputs(node: Node) -> list[Optional[Node]]:
    return [input_of(node, index) for index in range(node.inputs())]


def _needs(node: Node) -> list[Node]:
    """Inputs, and what a Group holds; only nodes inside it, so that the walk ends."""
    inside = [one for one in node.nodes() if one.Class() != "Viewer"] if isinstance(node, nuke.Group) else []
    return [one for one in (*_inputs(node), *inside) if one is not None and one is not node]


def _facts(node: Node, places: dict[str, int]) -> NodeFacts:
    inputs = tuple(-1 if one is None else places.get(str(one.fullName()), -1) for one in _inputs(node))
    knobs = str(node.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT))
    reads = node.Class().startswith("Read") and node.knob("file") is not None
    return NodeFacts(str(node.Class()), knobs, inputs, str(nuke.filename(node) or "") if reads else "")


# -- rendering


class RenderCancelled(Exception):
    """The artist pressed Cancel while the host rendered."""


class HostBusy(Exception):
    """The host renders something else at the moment."""


def render(writes: Sequence[Node], ranges: Ranges, view: str) -> None:
    """Renders some Writes, on the main thread. Raises RenderCancelled, HostBusy, or the host's RuntimeError."""
    try:
        nuke.executeMultiple(tuple(writes), tuple(ranges), [view])
    except nuke.CancelledError as error:
        raise RenderCancelled from error
    except RuntimeError as error:
        if str(error).lower().startswith("cancelled"):
            raise RenderCancelled from error
        if _BUSY in str(error):
            raise HostBusy from error
        raise


@contextlib.contextmanager
def writing(write: Node, file: str) -> Iterator[Node]:
    """The Write enabled, with a file name; disabled and nameless again whatever happens."""
    write["file"].setValue(file)
    write["disable"].setValue(False)
    try:
        yield write
    finally:
        write["disable"].setValue(True)
        write["file"].setValue("")


def cancel_render() -> None:
    """Cancels what the host executes now."""
    nuke.cancel()


# -- callbacks and menus


def when_created(call: Callable[[], object]) -> None:
    """``call`` for every Group that appears: made, pasted, or read from a script."""
    nuke.addOnCreate(call, nodeClass="Group")


def when_destroyed(call: Callable[[], object]) -> None:
    """``call`` before a Group goes."""
    nuke.addOnDestroy(call, nodeClass="Group")


def when_changed(call: Callable[[], object]) -> None:
    """``call`` for every changed knob, input or opened panel of a Group."""
    nuke.addKnobChanged(call, nodeClass="Group")


def when_loaded(call: Callable[[], object]) -> None:
    """``call`` after a script was read."""
    nuke.addOnScriptLoad(call)


def when_closing(call: Callable[[], object]) -> None:
    """``call`` before a script is closed, or the host with it."""
    nuke.addOnScriptClose(call)


def when_labelled(call: Callable[[], Optional[str]]) -> None:
    """``call`` gives the text that a Group shows, or None for the host's own."""
    nuke.addAutolabel(call, nodeClass="Group")


def before_renders(call: Callable[[], object]) -> None:
    """``call`` before any Write renders; an exception in it stops the render."""
    nuke.addBeforeRender(call, nodeClass="Write")


def before_each_frame(call: Callable[[], object]) -> None:
    """``call`` before each frame that a Write renders."""
    nuke.addBeforeFrameRender(call, nodeClass="Write")


def no_longer_before_each_frame(call: Callable[[], object]) -> None:
    """Takes :func:`before_each_frame` back."""
    nuke.removeBeforeFrameRender(call, nodeClass="Write")


def add_to_menu(path: str, call: Callable[[], object]) -> None:
    """A command in the Nodes toolbar, for example under ``Keyer/Cleanplate Matte``."""
    nuke.menu("Nodes").addCommand(path, call)
