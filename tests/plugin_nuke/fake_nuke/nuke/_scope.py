"""What Graph Scope Variables are in scope, and a text with their values (NDK, DDImage/GraphScope.h)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ._state import state

if TYPE_CHECKING:
    from ._nodes import Node


def own_sets(node: Node) -> dict[str, dict[str, str]]:
    """The variables that a node sets itself."""
    knob: Any = node._knobs.get("gsv")
    return knob._value if knob is not None else {}


def flattened(sets: dict[str, dict[str, str]]) -> dict[str, str]:
    """Those of a named set have its name before them."""
    return {
        name if group == "__default__" else f"{group}.{name}": value
        for group, each in sets.items()
        for name, value in each.items()
    }


def around(node: Node | None) -> dict[str, str]:
    """The variables where a node stands."""
    if node is None:
        return {}
    if node is state.root:
        return flattened(own_sets(node))
    group = node._group
    return {**around(group), **flattened(own_sets(group))} if group is not None else {}


def expand(text: str, variables: dict[str, str], inside: tuple[str, ...] = ()) -> str:
    """Letter by letter, as the header tells it: a name ends with the first letter that none can have, or with a
    brace where one began it. What is not defined, and what goes in circles, stays."""
    result, position = "", 0
    while position < len(text):
        found = re.compile(r"%\{([A-Za-z0-9_.]+)\}|%([A-Za-z0-9_]+)").match(text, position)
        name = (found[1] or found[2]) if found else ""
        if found and name in variables and name not in (*inside, "v", "V", "d"):
            result += expand(variables[name], variables, (*inside, name))
        else:
            result += found[0] if found else text[position]
        position = found.end() if found else position + 1
    return result
