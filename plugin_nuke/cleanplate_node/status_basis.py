"""What the status of each node was set for: its settings and graph, and the result that it shows."""

from __future__ import annotations

from typing import Optional

from matte_link.errors import LinkError
from matte_link.sequence import evenly_spaced

from . import host
from .node_options import options_of
from .node_state import UNCLEAR, node_id, shown_file
from .preflight import frames_of
from .sources import NodeSources, sources_of

_SOME = 50
_noted: dict[str, str] = {}
"""By the node's id."""
_of_a_part: set[str] = set()
"""The ids of the nodes whose status is about some of their frames."""


def note(node: host.Node, sources: Optional[NodeSources] = None) -> None:
    """The node's status is about its present settings. ``sources`` are its own, where they were looked at."""
    _noted[node_id(node)] = _basis(node, sources)
    _of_a_part.discard(node_id(node))


def forget(node: host.Node) -> None:
    """The node's status is about nothing that is known: the next look checks it."""
    _noted.pop(node_id(node), None)


def note_part(node: host.Node) -> None:
    """The node's status is about some of its frames: a run says how it ended, and others may be stale."""
    _of_a_part.add(node_id(node))


def is_about_a_part(node: host.Node) -> bool:
    """Whether the node's status is about some of its frames."""
    return node_id(node) in _of_a_part


def changed(node: host.Node, sources: Optional[NodeSources]) -> bool:
    """Whether settings, graph or shown result are others than when the status was set."""
    return _noted.get(node_id(node)) != _basis(node, sources)


def _some_frames(node: host.Node) -> tuple[int, ...]:
    """Frames spread over the node's range, at which the knobs upstream that expressions drive are looked at."""
    try:
        return evenly_spaced(frames_of(node), _SOME)
    except LinkError:
        return ()


def _basis(node: host.Node, sources: Optional[NodeSources]) -> str:
    try:
        options, sources = options_of(node), sources or sources_of(node)
        curves = [host.script_text(node, name) for name in options.animated]
        shown = shown_file(node)
        driven = [sources.driven_at(frame) for frame in _some_frames(node)] if sources.upstream.driven else []
        facts = [sources.settings_key(options), shown, sources.hashed_with]
        return " ".join([*facts, *host.views(), *curves, *driven])
    except UNCLEAR as error:
        return str(error)
