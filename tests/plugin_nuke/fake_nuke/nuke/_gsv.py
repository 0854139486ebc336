"""Graph Scope Variables as the developer guide's page on them and the NDK (GraphScope.h, GsvKnobI.h) describe them,
and as a real 17.0 was publicly measured to behave where those say nothing."""

from __future__ import annotations

import contextlib
import enum
import fnmatch
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _tcl
from ._knobs import Enumeration_Knob, Knob
from ._scope import around, expand, flattened, own_sets
from ._state import state

if TYPE_CHECKING:
    from ._nodes import Node

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEFAULT = "__default__"


class DataType(enum.Enum):
    """As nuke.gsv.DataType."""

    Invalid = 0
    String = 1
    List = 2


class _Place(NamedTuple):
    knob: Gsv_Knob
    group: str
    name: str


class Gsv_Knob(Knob):
    """The variables that a group sets itself, in sets. What it inherits is not among them. Values are texts."""

    def __init__(self, name: str = "gsv") -> None:
        super().__init__(name, "", {_DEFAULT: {}})
        self._facts: dict[str, dict[str, Any]] = {}

    def value(self) -> dict[str, dict[str, str]]:
        self._here()
        return {name: dict(each) for name, each in self._value.items()}

    def getValue(self) -> dict[str, dict[str, str]]:
        return self.value()

    def _converted(self, value: Any) -> dict[str, dict[str, str]]:
        """All sets at once: those that are not named are gone."""
        for each in value.values():
            for one in each.values():
                if not isinstance(one, str):
                    raise TypeError("a variable's value is a string")
        return {_DEFAULT: {}, **{name: dict(each) for name, each in value.items()}}

    def _place(self, path: str) -> _Place:
        """``group...set.variable``, from the group that has the knob; without a set in the default one."""
        steps, knob = path.split("."), self
        while len(steps) > 1 and (inner := knob._of_group(steps[0])) is not None:
            knob, steps = inner, steps[1:]
        return _Place(knob, *(steps if len(steps) == 2 else (_DEFAULT, steps[-1])))

    def _of_group(self, name: str) -> Gsv_Knob | None:
        found = self._node.node(name) if self._node is not None and hasattr(self._node, "node") else None
        knob = found.knobs().get("gsv") if found is not None else None
        return knob if isinstance(knob, Gsv_Knob) else None

    def getGsvValue(self, path: str) -> str | None:
        """None for a variable that is only inherited, too."""
        self._here()
        knob, group, name = self._place(path)
        found: str | None = knob._value.get(group, {}).get(name)
        return found

    def setGsvValue(self, path: str, value: str) -> None:
        """Makes set and variable where they are missing. What is no name is not stored, and nothing is said."""
        self._here()
        if not isinstance(value, str):
            raise TypeError("a variable's value is a string")
        knob, group, name = self._place(path)
        if _NAME.fullmatch(group) and _NAME.fullmatch(name):
            knob._set({**knob._value, group: {**knob._value.get(group, {}), name: value}})

    def _set(self, value: dict[str, dict[str, str]]) -> None:
        before, self._value = self._value, value
        if value != before:
            state.changed(self, before, value)

    def addGsvSet(self, path: str) -> bool:
        self._here()
        self._set({**self._value, path: self._value.get(path, {})})
        return True

    def removeGsvSet(self, path: str) -> bool:
        self._here()
        self._set({name: each for name, each in self._value.items() if name != path})
        return True

    def removeGsv(self, path: str) -> bool:
        self._here()
        knob, group, gone = self._place(path)
        left = {name: one for name, one in knob._value.get(group, {}).items() if name != gone}
        knob._set({**knob._value, group: left})
        return True

    def renameGsv(self, path: str, name: str) -> bool:
        """Texts that name it keep the old name."""
        self._here()
        knob, group, old = self._place(path)
        value = knob._value[group][old]
        knob.removeGsv(f"{group}.{old}")
        knob.setGsvValue(f"{group}.{name}", value)
        return True

    def setDataType(self, path: str, kind: DataType) -> None:
        self._here()
        self._facts.setdefault(path, {})["type"] = kind.name
        state.edited()

    def getDataType(self, path: str) -> DataType:
        self._here()
        kind = self._facts.get(path, {}).get("type", "String")
        return DataType[kind] if self.getGsvValue(path) is not None else DataType.Invalid

    def setListOptions(self, path: str, options: Sequence[str]) -> None:
        """Another value can be set all the same."""
        self._here()
        self._facts.setdefault(path, {})["options"] = list(options)
        state.edited()

    def getListOptions(self, path: str) -> list[str]:
        self._here()
        return list(self._facts.get(path, {}).get("options", ()))

    def setFavorite(self, path: str, favorite: bool) -> None:
        self._here()
        self._facts.setdefault(path, {})["favorite"] = favorite
        state.edited()

    def not_default(self) -> bool:
        return bool(self._facts) or super().not_default()

    def _script_text(self) -> str:
        return _tcl.quoted(json.dumps([self._value, self._facts], sort_keys=True))

    def _parsed(self, text: str) -> Any:
        value, self._facts = json.loads(text)
        return value


class Variable_Knob(Enumeration_Knob):
    """The variable that a VariableSwitch looks at, of those of the project."""

    def __init__(self) -> None:
        super().__init__("variable", "", ["None"])

    def Class(self) -> str:
        return "Enumeration_Knob"

    def values(self) -> list[str]:
        self._here()
        paths = [f"{group}.{name}" for group, each in own_sets(state.root).items() for name in each]
        return ["None", *(f"{path}\t{path.rpartition('.')[2]}" for path in paths)]

    def value(self) -> str:
        """A variable that was renamed or removed leaves an error in its place."""
        self._here()
        found = [one for one in self.values() if one.partition("\t")[0] == self._value]
        return found[0] if found else f"setErrorValue {self._value} {{}}"

    def _converted(self, value: Any) -> str:
        return self.values()[int(value)].partition("\t")[0] if isinstance(value, (int, float)) else str(value)


def chosen_input(switch: Node) -> int:
    """The first input whose pattern, a TCL list of them, fits the variable's value in the scope of the picture; 0
    where none does."""
    name = str(switch._knobs["variable"]._value).removeprefix(f"{_DEFAULT}.")
    value = (state.scopes[-1] if state.scopes else around(switch)).get(name, "")
    patterns = [str(switch._knobs[f"i{index}"]._value) for index in range(len(switch._inputs))]
    words = [[_tcl.value(word) for word in _tcl.raw_words(one)] for one in patterns]
    return next((at for at, each in enumerate(words) if any(fnmatch.fnmatchcase(value, one) for one in each)), 0)


@contextlib.contextmanager
def inside(node: Node) -> Iterator[None]:
    """In the ``with`` block pictures are made in the scope of a group: of its own nodes, and of what feeds it."""
    scope = {**(state.scopes[-1] if state.scopes else around(node)), **flattened(own_sets(node))}
    state.scopes.append(scope)
    try:
        yield
    finally:
        state.scopes.pop()


@contextlib.contextmanager
def started_at(node: Node) -> Iterator[None]:
    """A picture is asked for at a node: its own place says what holds."""
    if state.scopes:
        yield
        return
    state.scopes.append(around(node))
    try:
        yield
    finally:
        state.scopes.pop()


__all__ = ["DataType", "Gsv_Knob", "Variable_Knob", "around", "chosen_input", "expand", "inside", "started_at"]
