"""What the status of each node was set for: its settings and graph, and the result that it shows."""

from __future__ import annotations

from typing import Optional

from matte_link.errors import LinkError
from matte_link.sequence import evenly_spaced

from . import host
from .node_options import options_of
from .node_state import UNCLEAR, node_id, shown_file, tell
from .preflight import frames_of
from .sources import NodeSources, sources_of

_SOME = 50
_noted: dict[str, str] = {}
"""By the node's id."""
_of_a_part: set[str] = set()
"""The ids of the nodes whose status is not about all of their frames."""
_staying: set[str] = set()
"""The ids of the nodes whose status stays until something changes: the sentence of a failure."""


def note(node: host.Node, sources: Optional[NodeSources] = None, stays: bool = False) -> None:
    """The node's status is about its present settings, and ``stays`` until they change. ``sources`` are its own,
    where they were looked at."""
    _noted[node_id(node)] = _basis(node, sources)
    _of_a_part.discard(node_id(node))
    (_staying.add if stays else _staying.discard)(node_id(node))


def forget(node: host.Node) -> None:
    """The node's status is about nothing that is known: the next look checks it."""
    _noted.pop(node_id(node), None)


def note_part(node: host.Node) -> None:
    """The node's status is not about all of its frames: a run says how it ended, and others may be stale."""
    _of_a_part.add(node_id(node))


def tell_trouble(node: host.Node, text: str) -> None:
    """Sets the status to what a button came to grief on. The node shows what it showed before, and is looked at."""
    tell(node, text)
    note(node, stays=True)
    note_part(node)


def is_about_a_part(node: host.Node) -> bool:
    """Whether the node's status is not about all of its frames, so that it has to be looked at."""
    return node_id(node) in _of_a_part


def words_stay(node: host.Node) -> bool:
    """Whether the words of the status stay though the node is looked at."""
    return node_id(node) in _staying


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
        driven = [sources.driven_at(frame) for frame in _some_frames(node)]
        facts = [sources.settings_key(options), shown, sources.hashed_with]
        return " ".join([*facts, *host.views(), *curves, *driven])
    except UNCLEAR as error:
        return str(error)
