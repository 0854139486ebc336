"""Which Graph Scope Variables the nodes upstream are looked at with.

Each group with variables adds its own to those around it, and hands them on to what feeds its inputs, too: one node
may be looked at in several scopes (developer guide, Graph Scope Variables).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Optional

import nuke

from ..graph_scope import NO_VARIABLES, GraphScope
from .node import Node, holders, identity
from .walk import inputs_of, inside_of, linked, visited

Seen = Mapping[str, Collection[GraphScope]]
"""The scopes in which nodes are looked at, by the nodes' identities."""


def scope_around(node: Node) -> GraphScope:
    """The variables that hold where a node stands: the project's and those of each group around it, of which the
    nearest win. Empty before Nuke 16."""
    scope = NO_VARIABLES
    for holder in reversed([*holders(node)]):
        scope = scope.inside(_sets(holder))
    return scope


def seen_scopes(starts: Iterable[Optional[Node]], around: GraphScope, nodes: Iterable[Node]) -> Seen:
    """The scopes in which each of the ``nodes`` upstream of some nodes is looked at, where those are looked at with
    the variables ``around``. Empty where all have the same."""
    if not any(linked(one) or any(_sets(one).values()) for one in nodes):
        return {}
    found: dict[str, set[GraphScope]] = {}
    stack = [(one, around) for one in starts if one is not None]
    while stack:
        node, scope = stack.pop()
        known = found.setdefault(identity(node), set())
        if scope not in known:
            known.add(scope)
            stack.extend(_steps(node, scope))
    return {name: sorted(each, key=lambda one: one.variables) for name, each in found.items()}


def scopes_from(node: Node, other: Node) -> tuple[GraphScope, ...]:
    """The scopes in which ``other``, upstream of a node, is looked at from there."""
    seen = seen_scopes([node], scope_around(node), visited([node]).values())
    return tuple(seen.get(identity(other), (scope_around(node),)))


def _steps(node: Node, scope: GraphScope) -> Iterator[tuple[Node, GraphScope]]:
    inner = scope.inside(_sets(node))
    yield from ((one, inner) for one in inside_of(node))
    if inner == scope or not _is_always_on(node):
        yield from ((one, scope) for one in inputs_of(node) if one is not None)
    # No document says whether what a link stands for is looked at from there or from the link.
    yield from ((one, scope_around(one)) for one in linked(node))


def _is_always_on(node: Node) -> bool:
    knob = node.knob("disable")
    return isinstance(knob, nuke.Array_Knob) and not (knob.value() or knob.isAnimated() or knob.hasExpression())


def _sets(node: Node) -> Mapping[str, Mapping[str, str]]:
    """The variables that a group sets itself, by the names of their sets."""
    knob = node.knob("gsv")
    found = knob.value() if knob is not None else None
    return {name: one for name, one in found.items() if isinstance(one, dict)} if isinstance(found, dict) else {}
