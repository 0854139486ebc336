"""Guarded renders: whether a Write may render what a node shows, at the frames of it that are seen from there."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Optional

from . import host
from .frame_reach import frames_reached
from .freshness import UNCLEAR, ResultState, ShownResult
from .node_runs import running
from .node_state import ours, setting, state, words_of
from .sources import sources_of


class FramesSeen:
    """The frames of a node that a Write shows: a TimeOffset, FrameHold or Retime between the two takes others than
    the one that is rendered. The graph between them is walked once, when this is made."""

    def __init__(self, write: host.Node, node: host.Node) -> None:
        self._between, place = host.between(write, node)
        reached = frames_reached(self._between.facts, self._between.starts)
        # A node that only an expression names counts all the same.
        self._maps = () if place is None else sorted(reached[place], key=lambda one: one.order())
        self._is_only_named = place is not None and not self._maps

    def at(self, frame: int) -> Optional[tuple[int, ...]]:
        """The node's frames that are seen in the Write's ``frame``; None for any of them."""
        if self._is_only_named:
            return (frame,)
        chosen, views = self._between.chosen, host.views()
        held = [one for one in self._maps if any(one.holds(frame, view, chosen) for view in views)]
        if any(one.is_any for one in held):
            return None
        return tuple(sorted({one.at(frame) for one in held}))


class GuardedNode:
    """A guarded node upstream of a Write that renders now."""

    def __init__(self, node: host.Node, seen: FramesSeen, shown: ShownResult) -> None:
        self.node = node
        self._seen = seen
        self._shown = shown

    def states(self, frame: int) -> Iterator[ResultState]:
        """The states of what the Write sees of it in a frame; none where it sees nothing."""
        frames = self._seen.at(frame)
        yield from [self._whole] if frames is None else [self._shown.frame(one, False) for one in frames]

    @functools.cached_property
    def _whole(self) -> ResultState:
        """Of all results, where any of them may be seen; looked at once in a render."""
        return self._shown.whole()


_guarded: dict[str, list[GuardedNode]] = {}
"""The guarded nodes upstream of each Write that renders now, by the Write's name. A render cannot change the graph,
so it is walked once for each render, not for each frame."""


def render_begins(write: host.Node) -> None:
    """A Write begins to render: whatever was seen in an earlier render is forgotten."""
    _guarded.pop(host.full_name(write), None)


render_ended = render_begins


def _as_seen_from(write: host.Node, node: host.Node) -> Iterator[GuardedNode]:
    """A node's result, compared with what feeds the node in a render: a group with Graph Scope Variables on the way
    there changes them upstream."""
    seen = FramesSeen(write, node)
    for scope in host.scopes_from(write, node):
        yield GuardedNode(node, seen, ShownResult(node, sources_of(node, scope), waits=True))


def guarded_states(write: host.Node) -> Iterator[tuple[host.Node, ResultState]]:
    """The guarded nodes upstream of a Write, each with the state of what the present frame shows of it.
    Compares settings, graph and files alone: Nuke must not validate nodes while it renders. Says nothing on the
    nodes, and nothing of one that the picture does not depend on, as behind another Write that reads its render."""
    name = host.full_name(write)
    if name not in _guarded:
        chosen = [node for node in ours() if setting(node, "guard") and host.depends_on(write, node)]
        busy = [(node, ResultState(usable=False, text=state(node))) for node in chosen if running(node)]
        yield from busy
        try:
            _guarded[name] = [one for node in chosen for one in _as_seen_from(write, node)]
        except UNCLEAR as error:
            yield from ((node, ResultState(usable=False, text=words_of(error))) for node in chosen[:1])
            return
    for one in _guarded[name]:
        yield from ((one.node, found) for found in one.states(host.current_frame()))
