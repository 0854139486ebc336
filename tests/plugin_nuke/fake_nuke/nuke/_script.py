"""Scripts as files: read with Nuke's stack, written the way Nuke writes them."""

from __future__ import annotations

from pathlib import Path

from . import _tcl
from ._knobs import DO_NOT_WRITE, Knob, Link_Knob, PyScript_Knob, Tab_Knob, Text_Knob
from ._nodes import Group, Node, make, unique_name
from ._state import state


class _Reader:
    """Carries a script's commands out: a stack of nodes, variables, and the group that is open."""

    def __init__(self, group: Group, start: Node | None) -> None:
        self.made: list[Node] = []
        self._variables: dict[str, Node | None] = {}
        self._open = [group]
        self._stacks: list[list[Node | None]] = [[start] if start else []]

    def run(self, text: str) -> None:
        for words in _tcl.commands(text):
            self._command(words)
        if len(self._open) != 1:
            raise _tcl.TclError("end_group is missing")

    def _command(self, words: list[str]) -> None:
        stack = self._stacks[-1]
        if words[0] == "version":
            return
        if words[0] == "add_layer" and len(words) == 2:
            layer, *channels = _tcl.value(words[1]).split()
            state.layers.setdefault(layer, tuple(channels))
        elif words[0] == "set" and len(words) == 3 and words[2] == "[stack 0]":
            self._variables[words[1]] = stack[-1] if stack else None
        elif words[0] == "push" and len(words) == 2:
            stack.append(self._pushed(words[1]))
        elif words[0] == "end_group" and len(words) == 1:
            self._close()
        elif len(words) == 2 and words[1].startswith("{"):
            self._node(words[0], _tcl.value(words[1]))
        else:
            raise _tcl.TclError(f'invalid command name "{words[0]}"')

    def _pushed(self, word: str) -> Node | None:
        if word == "0":
            return None
        if not word.startswith("$") or word[1:] not in self._variables:
            raise _tcl.TclError(f'can\'t read "{word}": no such variable')
        return self._variables[word[1:]]

    def _close(self) -> None:
        if len(self._open) < 2:
            raise _tcl.TclError("end_group without a group")
        group = self._open.pop()
        self._stacks.pop()
        # Inner nodes come first.
        state.fire_quietly("onCreate", group)

    def _node(self, kind: str, body: str) -> None:
        if kind == "Root":
            self._root(body)
            return
        group, stack = self._open[-1], self._stacks[-1]
        node = make(kind, group)
        count = 0 if kind in ("Read", "Input") and "inputs" not in body else 1
        wanted = f"{kind}1"
        for words in _tcl.commands(body):
            if words[0] == "inputs":
                count = int(words[1])
            elif words[0] == "name":
                wanted = words[1]
            else:
                node.take(words)
        node._knobs["name"]._value = unique_name(wanted, group)
        # The last one pushed is input 0. A Group's Inputs are not there yet, so this goes round the limit.
        node._inputs = [stack.pop() if stack else None for _ in range(count)]
        while node._inputs and node._inputs[-1] is None:
            node._inputs.pop()
        stack.append(node)
        self.made.append(node)
        if isinstance(node, Group):
            self._open.append(node)
            self._stacks.append([])
        else:
            state.fire_quietly("onCreate", node)

    def _root(self, body: str) -> None:
        for words in _tcl.commands(body):
            if words[0] in state.root._knobs and len(words) == 2:
                state.root._knobs[words[0]].read_script(words[1])
            elif words[0] == "views":
                state.views = [_tcl.value(word) for word in _tcl.raw_words(_tcl.value(words[1]))]
            elif words[0] != "inputs":
                raise _tcl.TclError(f"Root has no knob {words[0]!r}")


def read_into(group: Group, text: str, start: Node | None = None) -> list[Node]:
    """The nodes that a script makes in a group; raises ``TclError``."""
    reader = _Reader(group, start)
    reader.run(text)
    return [node for node in reader.made if node.parent() is group]


def written(nodes: list[Node], root: bool = True) -> str:
    """A script of some nodes of one group."""
    lines = ["#! nuke", "version 15.1 v1"]
    if root:
        knobs = [f" {name} {state.root[name].script_value()}" for name in ("name", "first_frame", "last_frame")]
        names = [name for name in ("gsv",) if name in state.root._knobs and state.root[name].not_default()]
        knobs += [f" {name} {state.root[name].script_value()}" for name in names]
        managed = [f" {name} {state.root[name].script_value()}" for name in ("colorManagement", "workingSpaceLUT")]
        views = " views {" + " ".join(_tcl.quoted(view) for view in state.views) + "}"
        lines += ["Root {", " inputs 0", *knobs, *managed, views, "}"]
    layers = [f"add_layer {{{layer} {' '.join(channels)}}}" for layer, channels in state.layers.items()]
    return "\n".join([*lines, *layers, *_nodes(nodes, "")]) + "\n"


def _nodes(nodes: list[Node], indent: str) -> list[str]:
    """Each node after its inputs."""
    lines: list[str] = []
    done: set[int] = set()
    together = {id(node) for node in nodes}
    stack = list(reversed(nodes))
    while stack:
        node = stack[-1]
        needed = [one for one in node._inputs if one is not None and id(one) in together - done]
        if needed and id(node) not in done:
            stack += needed
            continue
        stack.pop()
        if id(node) not in done:
            done.add(id(node))
            lines += _node(node, together, indent)
    return lines


def _variable(node: Node) -> str:
    return f"N{id(node):x}"


def _node(node: Node, together: set[int], indent: str) -> list[str]:
    inputs = [one if one is not None and id(one) in together else None for one in node._inputs]
    lines = [f"push ${_variable(one)}" if one is not None else "push 0" for one in reversed(inputs)]
    lines += [f"{indent}{node._kind} {{", f"{indent} inputs {len(inputs)}"]
    lines += [f"{indent} {line}" for line in _knob_lines(node)]
    lines.append(f"{indent}}}")
    if isinstance(node, Group):
        lines += _nodes(node._nodes, indent + " ")
        lines.append("end_group")
    return [*lines, f"set {_variable(node)} [stack 0]"]


def _definition(knob: Knob) -> str:
    """As the knob was defined, but a button with the script that it has now, which is where Nuke saves it."""
    words = _tcl.raw_words(knob.definition)
    if isinstance(knob, PyScript_Knob):
        words[words.index("T") + 1] = _tcl.quoted(str(knob._value))
    return " ".join(words)


def _knob_lines(node: Node) -> list[str]:
    lines = [
        f"{name} {knob.script_value()}"
        for name, knob in node._knobs.items()
        if knob not in node._user and name != "selected" and knob.not_default()
    ]
    lines = [
        f"tile_color 0x{int(line.split()[1]):08x}" if line.startswith("tile_color") else line for line in lines
    ]
    for knob in node._user:
        lines.append("addUserKnob {" + _definition(knob) + "}")
        plain = not isinstance(knob, (Tab_Knob, Text_Knob, PyScript_Knob, Link_Knob))
        if plain and not knob.getFlag(DO_NOT_WRITE) and (knob.not_default()):
            lines.append(f"{knob._name} {knob.script_value()}")
    return lines


def load(path: str) -> None:
    """Opens a script in place of the present one."""
    from ._host import scriptClear

    text = Path(path).read_text(encoding="utf-8")
    scriptClear()
    read_into(state.root, text)
    state.root._knobs["name"]._value = path
    state.modified = False
    state.fire_quietly("onScriptLoad", state.root)
