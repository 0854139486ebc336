"""Looks at a node: its status follows what changed, and so does the result that it shows."""

from __future__ import annotations

import contextlib
import functools
from typing import Optional

from matte_link.comparison import BackgroundComparison

from . import arrivals, disk_ahead, host, later, learning, made_elsewhere, result_read, status_basis
from .disk_ahead import DiskAhead
from .node_options import options_of
from .node_runs import must_wait, running
from .node_state import (
    UNCLEAR,
    UP_TO_DATE,
    is_ours,
    note_old,
    ours,
    settle_id,
    shown_results,
    state,
    tell,
    watch,
    words_of,
)
from .shown_result import ResultState, ShownResult
from .sources import NodeSources, sources_of

_WAIT_S = 0.5
"""As long is waited where Nuke renders, or a button is carried out."""
_KEYS = " keys"
"""What follows the name of a node where the files of its key frames are read; no node's name has a space."""


def look_again(node: host.Node, ahead: Optional[DiskAhead] = None, deep: bool = False) -> Optional[bool]:
    """Checks the node if its settings, its graph or what it shows changed since its status was set, or its results
    were made again elsewhere; returns whether any of that is so. It is checked once, too, after whatever has not
    looked at all of its frames: a script was opened, a run ended. The sentence of a failure stays all the same,
    until the artist does something about it. Where the disk was asked ``ahead``, but too early, or it was not known
    what for, nothing is checked and None is returned: it has to be asked again. ``deep`` as for :func:`check`,
    whether anything changed or not.

    Where there are results of the present settings already, such as after an undo, the node shows them.
    """
    if ahead is not None and not disk_ahead.holds(host.full_name(node), ahead):
        return None
    sources = _settled(node)
    was_read_again = not running(node) and result_read.read_again(node, ahead.results if ahead else None)
    is_another = was_read_again or status_basis.changed(node, sources)
    if not (is_another or deep or status_basis.is_about_a_part(node)):
        return False
    _follow(node, sources)
    if ahead is not None and sources is not None and _asks_for_more(node, sources, ahead):
        if is_another:
            status_basis.forget(node)
        return None
    stays = status_basis.words_stay(node) and not is_another
    check(node, deep=deep, sources=sources, ahead=ahead, tells=not stays)
    return is_another


def is_to_be_asked(node: host.Node) -> bool:
    """Whether a node shows results of which the disk was asked nothing, since that was not known yet; it is now."""
    shown = shown_results(node)
    made_elsewhere.note_shown(host.full_name(node), shown)
    return bool(shown)


def open_again(node: host.Node) -> None:
    """The script was opened: the node shows what it has. It is looked at a moment later; in a terminal nobody sees
    its status, and a farm's task would ask the disk for every file of the shot."""
    watch(node)
    sources = _settled(node)
    _follow(node, sources)
    status_basis.note(node, sources)
    status_basis.note_part(node)
    if shown_results(node):
        tell(node, "its results are being looked at")


def before_saving(node: host.Node) -> None:
    """The script is saved: what it says to a Nuke without the plugin must be true by now. In a window the files are
    looked at a moment later only, and a setting that was changed just before the script was saved is seen here."""
    if not host.has_window():
        check(node, deep=False)
        return
    with contextlib.suppress(*UNCLEAR):
        if ShownResult(node).settings().is_old:
            note_old(node, True)


def _settled(node: host.Node) -> Optional[NodeSources]:
    """What feeds a node, once it is what it is here: it may be a copy, or have come from another script."""
    settle_id(node)
    try:
        sources: Optional[NodeSources] = sources_of(node)
    except UNCLEAR:
        sources = None
    arrivals.settle(node, sources)
    _note_script(node)
    return sources


def _follow(node: host.Node, sources: Optional[NodeSources]) -> None:
    if sources is not None:
        with contextlib.suppress(*UNCLEAR):  # the check says it
            result_read.follow_settings(node, sources)


def _asks_for_more(node: host.Node, sources: NodeSources, ahead: DiskAhead) -> bool:
    """Whether many files have to be looked at that were not known to be needed when the disk was asked, and have it
    done ahead. Two looks may be under way, so what is known by now does not count."""
    name = host.full_name(node)
    with contextlib.suppress(*UNCLEAR):
        shown = ShownResult(node, sources, ahead=ahead)
        if not (running(node) or ahead.knows_files(shown.count)):
            wanted = shown.files_wanted()
            disk_ahead.note_files(name, wanted, shown.count)
            return ahead.lacks(wanted)
    return False


def _note_script(node: host.Node) -> None:
    if host.has_window():  # a farm writes nothing where it only renders
        with contextlib.suppress(*UNCLEAR):
            result_read.note_script(node)


def note_scripts() -> None:
    """Every node notes in which script it is, as that is called now: it may have been saved under another name a
    moment ago."""
    for node in ours():
        _note_script(node)


def check(
    node: host.Node,
    deep: bool = True,
    sources: Optional[NodeSources] = None,
    ahead: Optional[DiskAhead] = None,
    tells: bool = True,
) -> ResultState:
    """Compares what the node shows with what it would make now, and puts the words on the node, where it ``tells``
    them.

    ``deep`` compares the current frame and asks Nuke for its hashes, which is not allowed in all of its events; the
    other frames only where the disk was asked ahead.
    ``sources`` are the node's own, where they were looked at already; what the disk was asked ``ahead`` is not
    asked again.
    """
    if running(node):
        return ResultState(usable=False, text=state(node))
    watch(node)
    try:
        sources = sources or sources_of(node)
        unread = learning.list_keys(node, sources, options_of(node))
        if unread and host.has_window():
            _comparison.want(f"{host.full_name(node)}{_KEYS}", unread)
        shown = _shown(node, sources, ahead)
        is_whole = not deep or ahead is not None
        found = _compared_state(shown, is_whole, deep)
        if found.is_old or is_whole:
            note_old(node, found.is_old)
        if shown.files:
            disk_ahead.note_files(host.full_name(node), shown.files, shown.count)
    except UNCLEAR as error:
        found = ResultState(usable=False, text=words_of(error))
    if tells:
        tell(node, found.text)
    status_basis.note(node, sources, stays=not tells)
    return found


def _compared_state(shown: ShownResult, is_whole: bool, deep: bool) -> ResultState:
    """Of all frames where ``is_whole``, and where those say nothing else, and ``deep``, of the current one."""
    whole = shown.whole() if is_whole else None
    if whole is not None and not (deep and whole.usable):
        return whole
    at = shown.frame(host.current_frame(), with_hashes=True)
    return at if whole is None or at.text != UP_TO_DATE else whole


def _shown(node: host.Node, sources: NodeSources, ahead: Optional[DiskAhead]) -> ShownResult:
    """In a window, files that have to be read are read in the background, after which the node is checked again."""
    read_later = functools.partial(_comparison.want, host.full_name(node)) if host.has_window() else None
    return ShownResult(node, sources, read_later, ahead=ahead)


def _compared(name: str) -> None:
    """On any thread but the main one: a node's files were read, or those of its key frames."""
    name = name.partition(_KEYS)[0]
    host.on_main(_check_again, name, disk_ahead.ask(name))


def _check_again(name: str, ahead: Optional[DiskAhead]) -> None:
    if must_wait():
        later.after(_WAIT_S, _compared, name)
        return
    node = host.find(name)
    if node is not None and is_ours(node) and not running(node):
        ahead = ahead if ahead and disk_ahead.holds(name, ahead) else None
        is_another = status_basis.changed(node, None)
        check(node, deep=False, ahead=ahead, tells=not status_basis.words_stay(node))
        if is_another:
            # The look that follows a change must still see it: an automatic update follows that.
            status_basis.forget(node)


_comparison = BackgroundComparison(_compared)
