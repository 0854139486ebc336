"""Whether the result that a node shows is the one that it would make now."""

from __future__ import annotations

from dataclasses import dataclass

from matte_link.errors import LinkError
from matte_link.options import MatteOptions

from . import graph, host, makers, manifest, preflight, range_plan, status_basis
from .node_state import NOT_PROCESSED, STALE_SETTINGS, UP_TO_DATE, node_id, setting, state, summaries, tell
from .range_run import running


@dataclass(frozen=True)
class ResultState:
    """What a check found. ``usable`` says whether a guarded render may use the result; ``text`` is for the artist.

    A result of which something is unknown is usable, and its text says what. It is never called up to date.
    """

    usable: bool
    text: str


def look_again(node: host.Node) -> bool:
    """Checks the node if its settings, its graph or what it shows changed since its status was set; returns whether
    they did. So the sentence of a failure stays until the artist does something about it."""
    if not status_basis.changed(node):
        return False
    check(node, deep=False)
    return True


def check(node: host.Node, deep: bool = True) -> ResultState:
    """Compares what the node shows with what it would make now, and puts the words on the node.

    ``deep`` also asks Nuke for the hashes of the current frame, which is not allowed in all of its events.
    """
    if running(node):
        return ResultState(usable=False, text=state(node))
    try:
        found = _checked(node, deep)
    except (LinkError, KeyError) as error:
        found = ResultState(usable=False, text=str(error))
    tell(node, found.text)
    status_basis.note(node)
    return found


def check_frame(node: host.Node) -> ResultState:
    """The same for the frame that Nuke renders now, from settings, graph and files alone: Nuke must not validate
    nodes while it renders. Says nothing on the node."""
    if running(node):
        return ResultState(usable=False, text=state(node))
    try:
        return _checked(node, deep=True, with_hashes=False)
    except (LinkError, KeyError) as error:
        return ResultState(usable=False, text=str(error))


def _checked(node: host.Node, deep: bool, with_hashes: bool = True) -> ResultState:
    folder = range_plan.shown_folder(str(host.value(host.inner(node, graph.READ), "file")))
    if not folder:
        return ResultState(usable=False, text=summaries.get(node_id(node), NOT_PROCESSED))
    options = preflight.options_of(node)
    if folder.rpartition("/")[2] != preflight.settings_key_of(node, options):
        return ResultState(usable=False, text=STALE_SETTINGS)
    found = ResultState(usable=True, text=summaries.get(node_id(node), UP_TO_DATE))
    if deep:
        found = _check_frame(node, folder, options, with_hashes)
    if not found.usable:
        return found
    compared = _compare_makers(node, folder, options)
    return ResultState(usable=not compared.stale, text=compared.text) if compared.text else found


def _check_frame(node: host.Node, folder: str, options: MatteOptions, with_hashes: bool) -> ResultState:
    """The current frame in all views, without who made it."""
    frame, views, footage = host.current_frame(), host.views(), preflight.footage_of(node, options)
    hashed = (frame,) if with_hashes else ()
    keys = preflight.SourceKeys(node, preflight.roles_of(node), hashed).keys((frame,), views, footage)
    for view in views:
        record = manifest.read(folder, frame, view)
        if record is None:
            return ResultState(usable=False, text=f"frame {frame} is not processed")
        if record.code:
            return ResultState(usable=False, text=f"frame {frame} failed: {record.message}")
        if record.key.differs(keys[frame, view], compare_hashes=not host.uses_proxy()):
            return ResultState(usable=False, text=f"stale: the sources of frame {frame} changed")
        if record.warnings:
            return ResultState(usable=True, text=f"frame {frame}: {' '.join(record.warnings)}")
    return ResultState(usable=True, text=UP_TO_DATE)


def _compare_makers(node: host.Node, folder: str, options: MatteOptions) -> makers.MakerComparison:
    try:
        address = range_plan.endpoint_of(str(setting(node, "server"))).address
    except range_plan.Refused:
        address = ""  # no server has this address, so the results are compared with each other
    return preflight.compare_makers_of(node, folder, options, address, (host.current_frame(),))
