"""One node: its knobs, inputs and hashes, and what lies upstream of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

import nuke
from matte_link.errors import LinkError

from ..fingerprint import COUNT_RELOADS
from ..knob_text import all_pairs

Node = nuke.Node
# "normally invisible knobs", which WRITE_ALL adds, count too: a gizmo may hide the knob that matters.
_CHANGED = nuke.WRITE_ALL | nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT
_ONLY_READ = (*COUNT_RELOADS, "OCIOFileTransform")
"""Classes of which a reload changes nothing else. A Camera or an OCIOCDLTransform may put the file's numbers over
the artist's, a Precomp makes its nodes anew, and a gizmo does what its house has written."""
_RELOADS = ("version", "file_version")
"""Knobs that Reload counts up; the second one is that of Nuke's nodes for USD, such as Camera4."""

_CLONES_IN_A_ROW = 16
"""As many clones upstream of a clone are looked at to tell it from another one at its place."""


def exists(node: Node) -> bool:
    """Whether the node is still in the script; Nuke raises ValueError on one that was deleted."""
    try:
        return bool(node.name())
    except ValueError:
        return False


def full_name(node: Node) -> str:
    """For example ``Group1.Cleanplate_Matte2``."""
    return str(node.fullName())


def identity(node: Node) -> str:
    """What tells a node from every other one. Clones share all knobs, even the name, but for where they stand. Of
    those that stand at one place, only what feeds them differs."""
    return _place(node) if not node.clones() else f"{_place(node)} < {_fed_by(node)}"


def _place(node: Node) -> str:
    return f"{node.fullName()} {node.xpos()} {node.ypos()}"


def _fed_by(node: Node) -> str:
    """What feeds a clone, and what feeds that where it is one too."""
    clones, found = [node], []
    for clone in clones:
        feeding = [clone.input(index) for index in range(clone.inputs())]
        found.append([_place(one) if one is not None else "" for one in feeding])
        if len(clones) < _CLONES_IN_A_ROW:
            clones += [one for one in feeding if one is not None and one.clones()]
    return repr(found)


def kind(node: Node) -> str:
    """The node's class."""
    return str(node.Class())


def has_knob(node: Node, name: str) -> bool:
    """Whether there is such a knob."""
    return node.knob(name) is not None


def is_cleanplate(node: Node) -> bool:
    """Whether it is a Cleanplate node, or a gizmo that was made of one."""
    return has_knob(node, "node_id") and has_knob(node, "process_frame")


def value(node: Node, name: str) -> Any:
    """A knob's value: a text, a number, a bool, or the chosen word of an enumeration.

    A plain text is taken as typed: by Nuke's documents ``value()`` evaluates TCL in it, and so the brackets of a
    path. The knobs that are made for TCL, such as file names, are evaluated."""
    return _value_of(node[name])


def _value_of(knob: nuke.Knob) -> Any:
    is_plain = isinstance(knob, nuke.String_Knob) and not isinstance(knob, (nuke.EvalString_Knob, nuke.Script_Knob))
    return as_typed(knob) if is_plain else knob.value()


def set_key(node: Node, name: str, frame: int, new: float) -> None:
    """Gives a number or switch a key at a frame."""
    knob = node[name]
    if not isinstance(knob, nuke.Array_Knob):
        raise TypeError(f"{name} cannot have keys.")
    knob.setAnimated()
    knob.setValueAt(new, frame)


def set_expression(node: Node, name: str, text: str) -> None:
    """Has an expression drive a number or switch."""
    node[name].setExpression(text)


def read_knobs(node: Node, text: str) -> None:
    """Adds knobs and sets values, from the lines of a .nk file."""
    node.readKnobs(text)


def set_value(node: Node, name: str, new: object) -> None:
    """Changes a knob. If it has that value already, nothing is set, so that no undo step or callback arises."""
    knob = node[name]
    if _value_of(knob) != new:
        knob.setValue(new)


def as_typed(knob: nuke.Knob) -> str:
    """A text without its TCL evaluated, which ``value()`` may have (nuke.String_Knob); empty for other knobs."""
    return str(knob.getText() or "") if isinstance(knob, nuke.String_Knob) else ""


def as_typed_in(knob: nuke.String_Knob, view: str) -> str:
    """The text of a knob in a view, which it may have been split for, without its TCL evaluated."""
    context = nuke.OutputContext()
    context.setView(context.viewFromName(view))
    return str(knob.getText(context) or "")


def text_as_typed(node: Node, name: str) -> str:
    """The text of a knob without its TCL evaluated."""
    return as_typed(node[name])


def evaluated(node: Node, name: str) -> str:
    """The value of a text knob with its TCL evaluated, with forward slashes."""
    knob = node[name]
    text = knob.evaluate() if isinstance(knob, nuke.EvalString_Knob) else knob.value()
    return str(text or "").replace("\\", "/")


def is_animated(node: Node, name: str) -> bool:
    """Whether a knob has keys or an expression, so that its value may depend on the frame."""
    knob = node[name]
    return isinstance(knob, nuke.Array_Knob) and bool(knob.isAnimated() or knob.hasExpression())


def value_at(node: Node, name: str, frame: int, view: str = "") -> Any:
    """A number, bool or chosen word of an enumeration at a frame, wherever the timeline is; in a ``view`` that a
    knob may have been split for."""
    knob = node[name]
    if not isinstance(knob, nuke.Array_Knob):
        return _value_of(knob)
    number = float(knob.getValueAt(frame, 0, view) if view else knob.getValueAt(frame))
    if isinstance(knob, nuke.Enumeration_Knob):
        return str(knob.values()[int(number)])
    if isinstance(knob, nuke.Boolean_Knob):
        return bool(number)
    return int(number) if isinstance(knob, nuke.Int_Knob) else number


def changed_knobs(node: Node) -> str:
    """The names and values of a node's changed knobs as a .nk file has them, curves and expressions included."""
    return str(node.writeKnobs(_CHANGED))


def script_text(node: Node, name: str) -> str:
    """A knob as a .nk file has it: its curve or expression, where it has one. Empty where it has its default.

    Not ``Knob.toScript``, which gives the value at the current frame and view."""
    return dict(all_pairs(changed_knobs(node))).get(name, "")


def press(node: Node, name: str) -> None:
    """Executes a button."""
    knob = node[name]
    if not isinstance(knob, nuke.Script_Knob):
        raise TypeError(f"{name} is no button.")
    knob.execute()


def is_on(node: Node, name: str) -> bool:
    """Whether a node has such a switch and it is on."""
    knob = node.knob(name)
    return knob is not None and bool(knob.value())


def is_write(node: Node) -> bool:
    """Whether it writes files, as a Write, a DeepWrite and a WriteGeo do."""
    return "Write" in node.Class()


def shows_its_render(node: Optional[Node]) -> bool:
    """Whether it is a Precomp or LiveGroup that reads what was rendered of it, in place of its nodes."""
    return isinstance(node, nuke.Precomp) and is_on(node, "reading")


def can_reload(node: Node) -> bool:
    """Whether :func:`reload` is for such a node."""
    return _reload_button(node) is not None


def is_reloaded_by_hand(node: Node) -> bool:
    """Whether it has a Reload that :func:`reload` is not for, and tells how often that was pressed."""
    is_one = isinstance(node.knob("reload"), nuke.Script_Knob) and not isinstance(node, nuke.Group)
    return is_one and not can_reload(node) and reload_count(node) is not None


def reload_count(node: Node) -> Optional[int]:
    """How often a node was reloaded, as far as it says so; None where it does not, as a gizmo whose house has made
    a pulldown of that name."""
    knobs = [node.knob(name) for name in _RELOADS]
    found = [knob.value() for knob in knobs if isinstance(knob, nuke.Array_Knob)]
    return next((int(one) for one in found if isinstance(one, (int, float))), None)


def _reload_button(node: Node) -> Optional[nuke.Script_Knob]:
    """The button that has a node read its files again, and nothing else."""
    reader = _reader(node)
    if reader is not node:
        knob = reader.knob("reload_write")
    else:
        knob = node.knob("reload") if node.Class() in _ONLY_READ or is_on(node, "reading") else None
    return knob if isinstance(knob, nuke.Script_Knob) else None


def _reader(node: Node) -> Node:
    """The node that reads the files of a node: what was rendered of a Precomp is named by a Write in it."""
    holder = node.parent()
    is_render = is_write(node) and shows_its_render(holder) and not is_on(node, "reading")
    return holder if holder is not None and is_render else node


def reload(node: Node) -> bool:
    """Has a node read its files again; returns whether it did. Nuke may refuse it, and in a published LiveGroup, in
    which nothing can be edited, no document says what a Reload does: there only a node that counts them tells."""
    before, button = _count_of_reader(node), _reload_button(node)
    try:
        if button is not None:
            button.execute()
    except (RuntimeError, ValueError):
        return False
    return not _is_in_published(_reader(node)) if before is None else _count_of_reader(node) != before


def _is_in_published(node: Node) -> bool:
    return any(isinstance(one, nuke.LiveGroup) and one.published() for one in holders(node))


def _count_of_reader(node: Node) -> Optional[int]:
    """A Write and a Precomp count their renders and states too, so their number says nothing of a Reload."""
    return reload_count(node) if node.Class() in COUNT_RELOADS else None


def keep_out_of_files(node: Node, name: str) -> None:
    """Keeps a knob out of saved scripts and undo. These flags are not saved, so they are set on every new node."""
    node[name].setFlag(nuke.NO_UNDO | nuke.DO_NOT_WRITE)


def input_of(node: Node, index: int) -> Optional[Node]:
    """The node that is connected to an input. Dots are skipped, since they have no hash of their own."""
    found = node.input(index)
    while found is not None and found.Class() == "Dot":
        found = found.input(0)
    return found


class TakenApart(LinkError):
    """Somebody has deleted a node inside of a Cleanplate node."""

    code = "broken"


def inner(node: Node, name: str) -> Node:
    """A node inside a Group. Raises ``TakenApart`` if it was deleted."""
    found = node.node(name) if isinstance(node, nuke.Group) else None
    if found is None:
        raise TakenApart(f"The node has lost its inner node {name}.", "Make a new node from the Keyer menu.")
    return found


def holders(node: Node) -> Iterator[Node]:
    """The Groups around a node, from the inside out, and the root, whose own parent no document tells."""
    holder = node.parent()
    while holder is not None:
        yield holder
        holder = holder.parent() if holder.Class() != "Root" else None


def holder_that_forgets(node: Node) -> Optional[Node]:
    """The node itself or one around it whose contents a script does not keep: a gizmo, a Precomp, or a LiveGroup
    that was not made editable."""
    for one in (node, *holders(node)):
        is_editable = isinstance(one, nuke.LiveGroup) and not one.published()
        if isinstance(one, (nuke.Gizmo, nuke.Precomp)) and not is_editable:
            return one
    return None


def reads_an_old_copy(node: Node) -> bool:
    """Whether Nuke shows a local copy of a Read's file (Localization) that is older than the file."""
    can_have_one = node.knob("localizationPolicy") is not None
    return can_have_one and bool(node.isLocalized()) and bool(node.isLocalizationOutdated())


def has_inner(node: Node, name: str) -> bool:
    """Whether there is a node of that name inside a Group."""
    return isinstance(node, nuke.Group) and node.node(name) is not None


def parent(node: Node) -> Optional[Node]:
    """The Group that a node is in."""
    return node.parent()


def frame_range(node: Node) -> tuple[int, int]:
    """First and last frame of a node."""
    found = node.frameRange()
    return int(found.first()), int(found.last())


def size(node: Node) -> tuple[int, int]:
    """Width and height of a node's format in pixels."""
    return int(node.width()), int(node.height())


def hashes(node: Node) -> tuple[int, ...]:
    """Nuke's own hashes of a node at the current frame; empty if it gives none."""
    node.forceValidate()
    return tuple(int(number) for number in node.opHashes())
