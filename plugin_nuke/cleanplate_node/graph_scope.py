"""Which Graph Scope Variables (Nuke 16 and later) hold at a place of the graph.

And what a text with them says. No nuke here.

A text names one as ``%shot`` or ``%{shot}``, and one of a named set as ``%{set.shot}``. The rules are those of
``GraphScope::evaluate`` in the NDK (DDImage/GraphScope.h), of the developer guide's page on these variables, and of
what was published of a 17.0: a variable is replaced before TCL, values may name others, and ``%d``, ``%v``, ``%V``
keep their own meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional

_REFERENCE = re.compile(r"%(?:\{([^{}]*)\}|([A-Za-z0-9_]+))")
_NOT_VARIABLES = ("v", "V", "d")
_DEFAULT = "__default__"
"""The set of the variables that need no set's name."""


class _NotClear(LookupError):
    """What Nuke makes of a text is not documented."""


@dataclass(frozen=True)
class GraphScope:
    """The variables that hold at a place: pairs of a name and a value, sorted. Those of a named set are called
    ``set.name``."""

    variables: tuple[tuple[str, str], ...] = ()

    def inside(self, sets: Mapping[str, Mapping[str, str]]) -> GraphScope:
        """The scope inside a group that has these ``sets`` of variables: its own win over those around it."""
        if not any(sets.values()):
            return self
        own = {_full_name(of, name): str(value) for of, each in sets.items() for name, value in each.items()}
        return GraphScope(tuple(sorted({**dict(self.variables), **own}.items())))

    @property
    def text(self) -> str:
        """The variables as text; empty where there is none."""
        return json.dumps(dict(self.variables), sort_keys=True) if self.variables else ""

    def is_named_in(self, text: str) -> bool:
        """Whether a text names a variable: one of these, or in braces any."""
        known = dict(self.variables)
        return any(
            match[1] is not None or (match[2] in known and match[2] not in _NOT_VARIABLES)
            for match in _REFERENCE.finditer(text)
        )

    def expanded(self, text: str) -> Optional[str]:
        """A text with the values of its variables in their place; None where it is not known what Nuke makes of
        it."""
        try:
            return self._expanded(text, ())
        except _NotClear:
            return None

    def _expanded(self, text: str, around: tuple[str, ...]) -> str:
        return _REFERENCE.sub(lambda match: self._value(match, around), text)

    def _value(self, match: re.Match[str], around: tuple[str, ...]) -> str:
        name = match[2] if match[1] is None else match[1]
        found = dict(self.variables).get(name) if name not in _NOT_VARIABLES else None
        if name in around or (found is None and match[1] is not None):
            raise _NotClear(name)  # a circle, or no such variable
        return match[0] if found is None else self._expanded(found, (*around, name))


NO_VARIABLES = GraphScope()


def _full_name(of: str, name: str) -> str:
    return name if of == _DEFAULT else f"{of}.{name}"
