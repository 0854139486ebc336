"""Looks at a node: its status follows what changed, and so does the result that it shows."""

from __future__ import annotations

import contextlib
import functools
from typing import Optional

from matte_link.comparison import BackgroundComparison

from . import arrivals, host, later, learning, made_elsewhere, result_read, status_basis
from .node_options import options_of
from .node_runs import must_wait, running
from .node_state import UNCLEAR, is_ours, note_old, ours, settle_id, state, tell, watch, words_of
from .shown_result import ResultState, ShownResult
from .sources import NodeSources, sources_of

_WAIT_S = 0.5
"""As long is waited where Nuke renders, or a button is carried out."""
_KEYS = " keys"
"""What follows the name of a node where the files of its key frames are read; no node's name has a space."""


def look_again(node: host.Node, is_new: bool = False, listed: Optional[made_elsewhere.Listed] = None) -> bool:
    """Checks the node if it ``is_new`` here, or if its settings, its graph or what it shows changed since its
    status was set, or its results were made again elsewhere; returns whether any of that is so. So the sentence of
    a failure stays until the artist does something about it. It is checked once, too, after a run that went well,
    which has not looked at all of its frames. Its results may have been ``listed`` ahead.

    Where there are results of the present settings already, such as after an undo, the node shows them.
    """
    settle_id(node)
    try:
        sources: Optional[NodeSources] = sources_of(node)
    except UNCLEAR:
        sources = None
    arrivals.settle(node, sources)
    _note_script(node)
    was_read_again = not running(node) and result_read.read_again(node, listed)
    is_another = is_new or was_read_again or status_basis.changed(node, sources)
    if not (is_another or status_basis.is_about_a_part(node)):
        return False
    if sources is not None:
        with contextlib.suppress(*UNCLEAR):  # the check below says it
            result_read.follow_settings(node, sources)
    if host.has_window():  # else nobody sees it, and a farm's task would ask the disk for every file of the shot
        check(node, deep=False, sources=sources)
    return is_another


def _note_script(node: host.Node) -> None:
    if host.has_window():  # a farm writes nothing where it only renders
        with contextlib.suppress(*UNCLEAR):
            result_read.note_script(node)


def note_scripts() -> None:
    """Every node notes in which script it is, as that is called now: it may have been saved under another name a
    moment ago."""
    for node in ours():
        _note_script(node)


def check(node: host.Node, deep: bool = True, sources: Optional[NodeSources] = None) -> ResultState:
    """Compares what the node shows with what it would make now, and puts the words on the node.

    ``deep`` also compares the current frame and asks Nuke for its hashes, which is not allowed in all of its
    events.
    ``sources`` are the node's own, where they were looked at already.
    """
    if running(node):
        return ResultState(usable=False, text=state(node))
    watch(node)
    try:
        sources = sources or sources_of(node)
        unread = learning.list_keys(node, sources, options_of(node))
        if unread and host.has_window():
            _comparison.want(f"{host.full_name(node)}{_KEYS}", unread)
        shown = _shown(node, sources)
        found = shown.frame(host.current_frame(), with_hashes=True) if deep else shown.whole()
        if found.is_old or not deep:
            note_old(node, found.is_old)
    except UNCLEAR as error:
        found = ResultState(usable=False, text=words_of(error))
    tell(node, found.text)
    status_basis.note(node, sources)
    return found


def _shown(node: host.Node, sources: NodeSources) -> ShownResult:
    """In a window, files that have to be read are read in the background, after which the node is checked again."""
    read_later = functools.partial(_comparison.want, host.full_name(node)) if host.has_window() else None
    return ShownResult(node, sources, read_later)


def _compared(name: str) -> None:
    """On the comparison's thread: a node's files were read, or those of its key frames."""
    host.on_main(_check_again, name.partition(_KEYS)[0])


def _check_again(name: str) -> None:
    if must_wait():
        later.after(_WAIT_S, host.on_main, _check_again, name)
        return
    node = host.find(name)
    if node is not None and is_ours(node) and not running(node):
        check(node, deep=False)


_comparison = BackgroundComparison(_compared)
