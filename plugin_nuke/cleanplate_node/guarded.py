"""Guarded renders: whether a Write may render what a node shows, at the frames of it that are seen from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

from . import host, result_read
from .frame_reach import frames_reached
from .node_runs import running
from .node_state import UNCLEAR, ours, setting, words_of
from .shown_result import ResultState, ShownResult
from .sources import sources_of

_BEHIND = "its results were made again by another Nuke or a farm, and this Nuke may still show those of before"


class FramesSeen:
    """The frames and views of a node that a Write shows: a TimeOffset, FrameHold or Retime between the two takes
    other frames than the one that is rendered, and a OneView another view. The graph between them is walked once,
    when this is made."""

    def __init__(self, write: host.Node, node: host.Node) -> None:
        self._views = host.views_written(write)
        self._between, place = host.between(write, node)
        reached = frames_reached(self._between.facts, self._between.starts)
        # A node that only an expression names counts all the same.
        self._maps = () if place is None else sorted(reached[place], key=lambda one: one.order())
        self._is_only_named = place is not None and not self._maps

    def at(self, frame: int) -> Mapping[Optional[int], Sequence[str]]:
        """The node's frames that are seen in the Write's ``frame``, None for any of them, each with the views of
        it."""
        if self._is_only_named:
            return {frame: self._views}
        every = host.views()
        found: dict[Optional[int], set[str]] = {}
        for one in self._maps:
            held = [view for view in self._views if one.holds(frame, view, self._between.chosen)]
            if held:
                seen = {name for view in held for name in one.views(view, every)}
                found.setdefault(None if one.is_any else one.at(frame), set()).update(seen)
        return {at: [view for view in every if view in found[at]] for at in sorted(found, key=_none_first)}


def _none_first(frame: Optional[int]) -> tuple[bool, int]:
    return (False, 0) if frame is None else (True, frame)


class GuardedNode:
    """A guarded node upstream of a Write that renders now."""

    def __init__(self, node: host.Node, seen: FramesSeen, shown: ShownResult) -> None:
        self.node = node
        self._seen = seen
        self._shown = shown
        self._is_behind = result_read.shows_those_of_before(node)
        run = running(node)
        self._makes = run.makes if run else ()
        self._wholes: dict[tuple[str, ...], ResultState] = {}

    def states(self, frame: int) -> Iterator[ResultState]:
        """The states of what the Write sees of it in a frame; none where it sees nothing."""
        for seen, views in self._seen.at(frame).items():
            if self._is_off(seen):
                continue
            # First: results of a run that has not ended lie there already, and are nobody else's.
            if seen in self._makes or (seen is None and self._makes):
                which = "its frames are" if seen is None else f"frame {seen} is"
                yield ResultState(usable=False, text=f"{which} being made")
            else:
                found = self._whole(tuple(views)) if seen is None else self._shown.frame(seen, False, views)
                is_behind = self._is_behind and found.usable
                yield ResultState(usable=False, text=_BEHIND) if is_behind else found

    def _is_off(self, frame: Optional[int]) -> bool:
        """Whether the node passes its plate on, at a frame or at any."""
        if frame is None:
            return not host.is_animated(self.node, "disable") and bool(host.value(self.node, "disable"))
        return bool(host.value_at(self.node, "disable", frame))

    def _whole(self, views: tuple[str, ...]) -> ResultState:
        """Of all results, where any of them may be seen; looked at once in a render."""
        if views not in self._wholes:
            self._wholes[views] = self._shown.whole(views)
        return self._wholes[views]


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
        yield GuardedNode(node, seen, ShownResult(node, sources_of(node, scope), in_render=True))


def guarded_states(write: host.Node) -> Iterator[tuple[host.Node, ResultState]]:
    """The guarded nodes upstream of a Write, each with the state of what the present frame shows of it.
    Compares settings, graph and files alone: Nuke must not validate nodes while it renders. Says nothing on the
    nodes, and nothing of one that the picture does not depend on, as behind another Write that reads its render."""
    name = host.full_name(write)
    if name not in _guarded:
        chosen = [node for node in ours() if setting(node, "guard") and host.depends_on(write, node)]
        try:
            _guarded[name] = [one for node in chosen for one in _as_seen_from(write, node)]
        except UNCLEAR as error:
            yield from ((node, ResultState(usable=False, text=words_of(error))) for node in chosen[:1])
            return
    for one in _guarded[name]:
        yield from ((one.node, found) for found in one.states(host.current_frame()))
