"""The open script: its settings, frames and views, its nodes as a whole, the timeline and undo."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

import nuke

from ..knob_text import all_pairs
from .node import Node, as_typed, changed_knobs


def script_path() -> str:
    """The script's path with forward slashes; empty if it was never saved."""
    knob = nuke.root().knob("name")
    return as_typed(knob).replace("\\", "/") if knob else ""


def project_range() -> tuple[int, int]:
    """First and last frame of the project."""
    return int(nuke.root().firstFrame()), int(nuke.root().lastFrame())


def current_frame() -> int:
    """The current frame of the timeline."""
    return int(nuke.frame())


def views() -> tuple[str, ...]:
    """The names of the script's views."""
    return tuple(str(name) for name in nuke.views())


def uses_proxy() -> bool:
    """Whether the artist works in proxy mode."""
    return bool(nuke.root().proxy())


def root_text(name: str) -> str:
    """A project setting as text; empty if this version of Nuke does not have it."""
    knob = nuke.root().knob(name)
    return str(knob.value()) if knob else ""


def root_evaluated(name: str) -> str:
    """A project setting as text with its TCL evaluated; empty if this version of Nuke does not have it."""
    knob = nuke.root().knob(name)
    return str(knob.evaluate() or "") if isinstance(knob, nuke.EvalString_Knob) else ""


def changed_root_texts(names: Sequence[str]) -> list[tuple[str, str]]:
    """Project settings by name, as a .nk file has them, without those at their defaults."""
    changed = dict(all_pairs(changed_knobs(nuke.root()))) if names else {}
    return [(name, changed[name]) for name in names if name in changed]


def set_root(name: str, new: object) -> None:
    """Changes a project setting."""
    nuke.root()[name].setValue(new)


def open_script(path: str) -> None:
    """Opens a script in place of the present one. It is cleared first, since a window that has a script opens
    another one in a second Nuke."""
    nuke.scriptClear()
    nuke.scriptOpen(path)


def save_script_as(path: str) -> None:
    """Saves the script under another name."""
    nuke.scriptSaveAs(path, 1)


def find(name: str) -> Optional[Node]:
    """The node of that full name, whatever group Nuke is working in now, which is where it looks for names."""
    with nuke.root():
        return nuke.toNode(name)


def find_read(file: Path) -> Node:
    """The Read of a file; raises ``KeyError``."""
    for node in nuke.allNodes("Read", group=nuke.root()):
        if as_typed(node["file"]) == file.as_posix():
            return node
    raise KeyError(file)


def groups() -> list[Node]:
    """All Groups of the script, at any depth, whatever group Nuke is working in now."""
    return list(nuke.allNodes("Group", group=nuke.root(), recurseGroups=True))


def reads() -> list[Node]:
    """All Reads of the script, at any depth."""
    return list(nuke.allNodes("Read", group=nuke.root(), recurseGroups=True))


def paste(text: str) -> Optional[Node]:
    """Pastes the text of a script; the new node is connected to the selected one. Nuke pastes from files only."""
    with tempfile.TemporaryDirectory(prefix="cleanplate-") as folder:
        file = Path(folder, "node.nk")
        file.write_text(text, encoding="utf-8")
        return nuke.nodePaste(file.as_posix())


@contextlib.contextmanager
def where_the_artist_works() -> Iterator[None]:
    """New nodes are made in the group whose graph was clicked last: from Nuke 16 on several are open beside each
    other, and menus run outside of them (nukescripts.createNodeLocal)."""
    last_hit = getattr(nuke, "lastHitGroup", None)
    with last_hit() if last_hit is not None else contextlib.nullcontext():
        yield


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
    """Clears the selection, so that the next new node is connected to nothing."""
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


@contextlib.contextmanager
def inside(group: Node) -> Iterator[None]:
    """New nodes are made inside ``group`` in the ``with`` block."""
    if not isinstance(group, nuke.Group):
        raise TypeError(f"{group.name()} holds no nodes.")
    group.begin()
    try:
        yield
    finally:
        group.end()


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
    """Undoes the last step, as the artist would."""
    nuke.undo()


def add_view(name: str) -> None:
    """Adds a view to the script."""
    nuke.addView(name)


def use_proxy(on: bool) -> None:
    """Switches proxy mode."""
    nuke.root().setProxy(on)


def go_to(frame: int) -> None:
    """Moves the timeline. ``nuke.frame`` is documented to do so only where the script's own level is the context,
    which it is not in a node's button."""
    nuke.root().setFrame(frame)


def this_node() -> Node:
    """The node of the callback that is running."""
    return nuke.thisNode()


def this_knob() -> str:
    """The name of the knob of the ``knobChanged`` that is running."""
    knob = nuke.thisKnob()
    return str(knob.name()) if knob else ""


def at_frames(frames: Sequence[int]) -> Iterator[int]:
    """Moves the timeline to each of the frames while the caller works on it, and back after the last one."""
    before = now = current_frame()
    try:
        for frame in frames:
            if frame != now:
                go_to(frame)
                now = frame
            yield frame
    finally:
        if now != before:
            go_to(before)


@contextlib.contextmanager
def without_undo() -> Iterator[None]:
    """Changes inside the ``with`` block make no undo step, so that undo takes back what the artist did."""
    nuke.Undo.disable()
    try:
        yield
    finally:
        nuke.Undo.enable()


@contextlib.contextmanager
def unnoticed() -> Iterator[None]:
    """Changes inside the ``with`` block make no undo step, and a script that was saved still counts as saved: for
    what is not kept in the script, and for what is put back."""
    before = bool(nuke.root().modified())
    try:
        with without_undo():
            yield
    finally:
        if not before:
            nuke.root().setModified(False)


@contextlib.contextmanager
def full_resolution() -> Iterator[None]:
    """Switches proxy mode off inside the ``with`` block, since a matte has the full size of its plate."""
    root = nuke.root()
    before = bool(root.proxy())
    if before:
        root.setProxy(False)
    try:
        yield
    finally:
        if before:
            root.setProxy(True)
