"""Knobs: values, flags, expressions, undo, callbacks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any, cast

from . import _scope, _tcl
from ._state import state

if TYPE_CHECKING:
    from ._nodes import Group, Node

INVISIBLE = 0x1
DO_NOT_WRITE = 0x2
NO_UNDO = 0x4
STARTLINE = 0x8
DISABLED = 0x10
FLAG_NAMES = {"INVISIBLE": INVISIBLE, "STARTLINE": STARTLINE, "DISABLED": DISABLED}
"""The flags that a .nk file can carry; all others are the program's, and gone when a script is read again."""


class Knob:
    """The base; knows its node once it was added."""

    def __init__(self, name: str, label: str = "", default: Any = None) -> None:
        self._name = name
        self._label = label
        self._default = default
        self._value: Any = default
        self._node: Node | None = None
        self._flags = 0
        self._expression = ""
        self._keys: dict[int, Any] = {}
        self._split: dict[str | None, Any] = {}
        """The values of views of their own (nuke.Array_Knob.splitView); with keys, by frame."""
        self.tip = ""
        self.definition = ""

    def _here(self) -> None:
        if get_ident() != state.thread:
            state.on_main_only(f"knob {self._name}")
        if self._node is not None and self._node._gone:
            self._node._alive()

    def Class(self) -> str:
        return type(self).__name__

    def name(self) -> str:
        self._here()
        return self._name

    def label(self) -> str:
        self._here()
        return self._label

    def tooltip(self) -> str:
        self._here()
        return self.tip

    def node(self) -> Node:
        self._here()
        assert self._node is not None
        return self._node

    def setFlag(self, f: int) -> None:
        self._here()
        self._flags |= f

    def clearFlag(self, flag: int) -> None:
        self._here()
        self._flags &= ~flag

    def getFlag(self, flag: int) -> bool:
        return bool(self._flags & flag)

    def visible(self) -> bool:
        self._here()
        return not self._flags & INVISIBLE

    def hasExpression(self, index: int = -1) -> bool:
        self._here()
        return bool(self._expression)

    def setExpression(self, expression: str, channel: int = -1, view: str | None = None) -> bool:
        self._here()
        self._expression = expression
        state.edited()
        return True

    def value(self) -> Any:
        self._here()
        if self._keys:
            return self._keyed()
        return self._number() if self._expression else self._value

    def getValue(self) -> Any:
        return self.value()

    def isAnimated(self, index: int = 0) -> bool:
        self._here()
        return bool(self._keys)

    def setAnimated(self, index: int = 0) -> bool:
        self._here()
        self._keys.setdefault(state.frame, self._value)
        return True

    def setValueAt(self, value: Any, time: int, index: int = 0) -> bool:
        """A key; between keys the value of the one before holds, before the first that of the first."""
        self._here()
        self._keys[int(time)] = self._converted(value)
        state.edited()
        return True

    def clearAnimated(self, channel: int = 0) -> bool:
        self._here()
        self._value = self._keyed()
        self._keys.clear()
        state.edited()
        return True

    def getValueAt(self, time: float, index: int = 0, view: str | None = None) -> Any:
        self._here()
        if view in self._split:
            own = self._split[view]
            return own[max(key for key in own if key <= time)] if isinstance(own, dict) else own
        before, asked_from = state.frame, state.asked_from
        state.frame, state.asked_from = int(time), before if asked_from is None else asked_from
        try:
            return self.getValue()
        finally:
            state.frame, state.asked_from = before, asked_from

    def _keyed(self) -> Any:
        earlier = [frame for frame in self._keys if frame <= state.frame]
        return self._keys[max(earlier) if earlier else min(self._keys)]

    def setValue(self, value: Any, where: Any = 0) -> Any:
        """An animated knob gets a key at the current frame, as in Nuke. ``where`` is a channel, of texts a view."""
        self._here()
        if where in self._split:
            self._split[where] = value
            return True
        new = self._converted(value)
        if self._keys:
            return self.setValueAt(new, state.frame)
        before, self._value, self._expression = self._value, new, ""
        if new != before:
            state.changed(self, before, new)
            self._after_change()
        if self._node is not None:
            state.fire_quietly("knobChanged", self._node, self)
        return True

    def _converted(self, value: Any) -> Any:
        return value

    def _after_change(self) -> None:
        pass

    def restore(self, value: Any) -> None:
        """Undo's way to set a value: the same, without being undone itself."""
        self._value = value
        state.edited()
        self._after_change()

    def not_default(self) -> bool:
        return bool(self._expression or self._keys or self._split) or self._value != self._default

    def toScript(self, quote: bool = False, context: object = "current") -> str:
        """The value now, unless the context is None: then that of all frames and views (nuke.Knob.toScript)."""
        self._here()
        return self.script_value() if context is None else _tcl.quoted(str(self.value()))

    def script_value(self) -> str:
        """The value as a .nk file has it."""
        if self._split:
            # No document says how; the names of the views are in it.
            own = " ".join(f"{view} {value}" for view, value in self._split.items() if not isinstance(value, dict))
            return f"{{default {self._value} {own}}}"
        if self._expression:
            bare = re.fullmatch(r"[A-Za-z0-9_.]+", self._expression)
            return "{{" + (self._expression if bare else _tcl.quoted(self._expression)) + "}}"
        if self._keys:
            keys = " ".join(f"x{frame} {self._key_number(frame):g}" for frame in sorted(self._keys))
            return "{{curve K " + keys + "}}"
        return self._script_text()

    def _key_number(self, frame: int) -> float:
        return float(self.getValueAt(frame))

    def _script_text(self) -> str:
        return _tcl.quoted(str(self._value))

    def read_script(self, word: str) -> None:
        """Takes a value from a .nk file's word."""
        if word.startswith("{{curve "):
            words = _tcl.value(_tcl.value(word)).split()[2:]
            keys = zip(words[::2], words[1::2], strict=True)
            self._keys = {int(frame[1:]): self._converted(float(number)) for frame, number in keys}
        elif word.startswith("{{"):
            self._expression = _tcl.value(_tcl.raw_words(_tcl.value(_tcl.value(word)))[0])
        else:
            self._value = self._parsed(_tcl.value(word))

    def _parsed(self, text: str) -> Any:
        return self._converted(text)

    # -- expressions

    def _look_up(self, path: str) -> str:
        owner, _, name = path.rpartition(".")
        node = _owner(self._node, owner)
        knob = node.knobs().get(name) if node is not None else None
        if path == "frame":
            return str(state.frame)
        if knob is None:
            raise _tcl.TclError(f"no such knob {path}")
        return str(knob.getValue() if isinstance(knob, EvalString_Knob) else knob.value())

    def _exists(self, path: str) -> bool:
        owner, _, name = path.rpartition(".")
        node = _owner(self._node, owner)
        match = re.fullmatch(r"input(\d*)", name)
        if node is None or not match:
            return node is not None and name in node.knobs()
        return node.input(int(match.group(1) or 0)) is not None

    def _expanded(self, text: str) -> str:
        """With the variables that are in scope: of the picture that is made, else of the knob's own node."""
        return _scope.expand(text, state.scopes[-1] if state.scopes else _scope.around(self._node))

    def _tcl(self, text: str) -> str:
        return _tcl.substitute(text, lambda words: _tcl.run_command(words, self._look_up, self._exists))

    def _tcl_of_the_timeline(self, text: str) -> str:
        """TCL in an expression takes what there is at the current frame (nuke.value), also where the expression is
        asked for its value at another one."""
        asked, state.frame = state.frame, state.frame if state.asked_from is None else state.asked_from
        try:
            return self._tcl(text)
        finally:
            state.frame = asked

    def _number(self) -> float:
        text = self._tcl_of_the_timeline(self._expanded(self._expression))
        text = re.sub(r"[A-Za-z_][\w]*\.[\w.]+", lambda match: str(self._index(match.group(0))), text)
        text = re.sub(r"\bframe\b", str(state.frame), text).strip()
        turned = text.startswith("!")
        if not re.fullmatch(r"[-+*/()<>. \d]+(e-?\d+)?", text.lstrip("!")):
            raise _tcl.TclError(f"cannot evaluate {self._expression!r}")
        number = float(eval(text.lstrip("!")))
        return float(not number) if turned else number

    def _index(self, path: str) -> float:
        owner, _, name = path.rpartition(".")
        node = _owner(self._node, owner)
        if node is None or name not in node.knobs():
            raise _tcl.TclError(f"no such knob {path}")
        return float(node.knobs()[name].getValue())


def _owner(node: Node | None, path: str) -> Node | None:
    """The node that a path names from another node: ``this``, ``parent``, ``root``, or a neighbour's name."""
    current: Node | None = node
    for step in path.split(".") if path else ():
        if step == "root":
            current = state.root
        elif step == "parent" and current is not None:
            current = current.parent()
        elif step != "this" and current is not None:
            group = current.parent()
            current = group.node(step) if group is not None else None
    return current


class Array_Knob(Knob):
    """One number, as in a Switch's ``which`` or a FrameRange's ends, whose value is a float."""

    def __init__(self, name: str, label: str = "", default: Any = 0.0) -> None:
        super().__init__(name, label, default)

    def _converted(self, value: Any) -> Any:
        return float(value)

    def arraySize(self) -> int:
        self._here()
        return 1

    def notDefault(self) -> bool:
        self._here()
        return self.not_default()

    def _script_text(self) -> str:
        return f"{self._value:g}" if isinstance(self._value, float) else str(self._value)


class Int_Knob(Array_Knob):
    def __init__(self, name: str, label: str = "", default: int = 0) -> None:
        super().__init__(name, label, default)

    def _converted(self, value: Any) -> int:
        return int(float(value))

    def value(self) -> int:
        return int(super().value())


class Double_Knob(Array_Knob):
    pass


class AColor_Knob(Array_Knob):
    pass


class XY_Knob(Array_Knob):
    """Both fields have one value here."""


class ColorChip_Knob(Int_Knob):
    pass


class Boolean_Knob(Array_Knob):
    def __init__(self, name: str, label: str = "", default: bool = False) -> None:
        super().__init__(name, label, default)

    def _converted(self, value: Any) -> bool:
        if isinstance(value, str):
            return value not in ("false", "0", "")
        return bool(value)

    def value(self) -> bool:
        return bool(super().value())

    def _script_text(self) -> str:
        return "true" if self._value else "false"


class Disable_Knob(Boolean_Knob):
    pass


class Enumeration_Knob(Array_Knob):
    def __init__(self, name: str, label: str = "", values: Sequence[str] = (), default: str = "") -> None:
        self._values = list(values)
        super().__init__(name, label, default or (self._values[0] if self._values else ""))

    def values(self) -> list[str]:
        self._here()
        return list(self._values)

    def getValue(self) -> float:
        return float(self._values.index(self.value()))

    def _key_number(self, frame: int) -> float:
        return float(self._values.index(self._keys[frame]))

    def _converted(self, value: Any) -> str:
        if isinstance(value, (int, float)):
            return self._values[int(value)]
        if value not in self._values:
            raise TypeError(f"{self._name}: {value!r} is not one of {self._values}")
        return str(value)

    def _script_text(self) -> str:
        return _tcl.quoted(str(self._value))


class OutputContext:
    """A frame and a view, by its number, of which 0 is that of no view."""

    def __init__(self) -> None:
        state.on_main_only("OutputContext")
        self._view = 0

    def setView(self, n: int) -> bool:
        self._view = n
        return True

    def view(self) -> int:
        return self._view

    def viewname(self, n: int) -> str:
        return ["default", *state.views][n]

    def viewFromName(self, name: str) -> int:
        return ["default", *state.views].index(name) if name in state.views else -1


class String_Knob(Knob):
    """``value`` and ``getValue`` run the TCL, which also eats backslashes; ``getText`` does not (nuke.String_Knob:
    "the evaluated value", "the non-evaluated value", from 12.2 on)."""

    def __init__(self, name: str, label: str = "", default: str = "") -> None:
        super().__init__(name, label, default)

    def _converted(self, value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError(f"{self._name} wants a string, not {type(value).__name__}")
        return value

    def splitView(self, view: str) -> None:
        self._here()
        self._split[view] = self._value

    def getText(self, oc: OutputContext | None = None) -> str:
        """The text as typed (nuke.String_Knob: "the non-evaluated value of this knob")."""
        self._here()
        return str(self._split.get(oc.viewname(oc.view()), self._value) if oc is not None else self._value)

    def value(self) -> str:
        return self.getValue()

    def getValue(self) -> str:
        self._here()
        return self._tcl(self._value)


class PythonKnob(String_Knob):
    """A hook, whose value is that of its Python."""

    def getValue(self) -> str:
        self._here()
        exec(compile(self._value, self._name, "exec"), {})
        return ""


class EvalString_Knob(String_Knob):
    """``evaluate`` puts frame and view in, too."""

    def evaluate(self) -> str:
        self._here()
        view = state.views[0]
        text = self._tcl(self._expanded(self._value)).replace("%V", view).replace("%v", view[:1])
        return re.sub(r"%0?(\d*)d", lambda match: f"{state.frame:0{int(match.group(1) or 1)}d}", text)


class Multiline_Eval_String_Knob(EvalString_Knob):
    pass


class File_Knob(EvalString_Knob):
    def getEvaluatedValue(self) -> str:
        """With its TCL evaluated, the frame number left in as ``%04d``; the same in proxy mode."""
        self._here()
        text = self._tcl(self._expanded(self._value))
        return re.sub(r"#+", lambda match: f"%0{len(match.group(0))}d", text)

    def opened_at(self, frame: int, view: str = "") -> str:
        """The text that is opened at a frame, with the frame number and the view left in."""
        before, state.frame = state.frame, frame
        try:
            return self._tcl(self._expanded(self._split.get(view, self._value)))
        finally:
            state.frame = before

    def _after_change(self) -> None:
        if self._node is not None:
            self._node._forget_pictures()
            self._node._let_go()


class Channel_Knob(Knob):
    """A layer or channel by its name, of those that the script knows."""

    def __init__(self, name: str, label: str = "", default: str = "none") -> None:
        super().__init__(name, label, default)

    def _converted(self, value: Any) -> str:
        known = {"none", "all", "rgb", "rgba", "alpha", *state.layers}
        known |= {f"rgba.{one}" for one in ("red", "green", "blue", "alpha")}
        known |= {channel for channels in state.layers.values() for channel in channels}
        if value not in known:
            raise _tcl.TclError(f"{self._name}: there is no channel {value}")
        return str(value)


class ChannelMask_Knob(Channel_Knob):
    pass


class MultiView_Knob(Knob):
    """Names of views. A new one has all that the script has then, and one that is added later is not among them."""

    def __init__(self, name: str, label: str = "") -> None:
        super().__init__(name, label, " ".join(map(_tcl.quoted, state.views)))

    def _converted(self, value: Any) -> str:
        unknown = [view for view in _names(value) if view not in state.views]
        if unknown:
            raise _tcl.TclError(f"{self._name}: there is no view {unknown[0]}")
        return str(value)

    def chosen(self) -> list[str]:
        return _names(self._value)


def _names(text: str) -> list[str]:
    return [_tcl.value(word) for word in _tcl.raw_words(text)]


class RotoKnob(Knob):
    """Shapes and strokes, as text. What expressions in it name is in it as text too (``AnimCurve.expressionString``
    of nuke.curvelib); hasExpression says nothing of that."""

    def __init__(self, name: str, label: str = "", default: str = "") -> None:
        super().__init__(name, label, default)


class RotoToolboxKnob(RotoKnob):
    pass


class Table_Knob(RotoKnob):
    pass


class LookupCurves_Knob(RotoKnob):
    pass


class Format_Knob(Knob):
    """A format by its width, height, pixel aspect and name; the default is the project's."""

    def notDefault(self) -> bool:
        self._here()
        return self.not_default()


class Text_Knob(Knob):
    def __init__(self, name: str, label: str = "", text: str = "") -> None:
        super().__init__(name, label, text)

    def not_default(self) -> bool:
        return False


class Tab_Knob(Knob):
    def not_default(self) -> bool:
        return False


class Script_Knob(String_Knob):
    """Its value is its command."""

    def __init__(self, name: str, label: str = "", command: str = "") -> None:
        super().__init__(name, label, command)
        self.action: Callable[[], None] | None = None

    def getValue(self) -> str:
        self._here()
        return str(self._value)

    def execute(self) -> None:
        self._here()
        assert self._node is not None
        if self.action is not None:
            self.action()
            return
        import nuke

        # A Group's button runs inside that Group: nuke.allNodes() there means the Group's own nodes.
        inside = self._node if hasattr(self._node, "_nodes") else self._node._group
        state.context.append((self._node, self))
        state.groups.append(cast("Group", inside or state.root))
        try:
            exec(compile(self._value, self._name, "exec"), {"nuke": nuke})
        finally:
            state.context.pop()
            state.groups.pop()

    def not_default(self) -> bool:
        return False


class PyScript_Knob(Script_Knob):
    pass


class Link_Knob(Knob):
    """Shows another node's knob; takes and gives that one's value."""

    def __init__(self, name: str, label: str = "", target: str = "") -> None:
        super().__init__(name, label, None)
        self.target = target

    def getLinkedKnob(self) -> Knob:
        self._here()
        owner, _, name = self.target.rpartition(".")
        node = self._node
        inside = node.node(owner) if node is not None and hasattr(node, "node") else None
        if inside is None or name not in inside.knobs():
            raise _tcl.TclError(f"link {self._name} to {self.target} does not resolve")
        found: Knob = inside.knobs()[name]
        return found

    def value(self) -> Any:
        return self.getLinkedKnob().value()

    def setValue(self, value: Any, where: Any = 0) -> Any:
        return self.getLinkedKnob().setValue(value)

    def not_default(self) -> bool:
        return False
