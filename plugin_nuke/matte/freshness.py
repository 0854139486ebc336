"""Whether what a node shows is what it would make now."""

from __future__ import annotations

from dataclasses import dataclass

from matte_link.errors import LinkError

from . import graph, host, manifest, preflight, range_plan
from .neighbours import Footage
from .node_state import NOT_PROCESSED, UP_TO_DATE, node_id, state, summaries, tell
from .range_run import running


@dataclass(frozen=True)
class Freshness:
    """What was found of a node's result: ``fresh`` where a render may use it, and the words for it."""

    fresh: bool
    text: str


def check(node: host.Node, deep: bool = True) -> Freshness:
    """Looks whether what the node shows is what it would make now, and says so on the node.

    ``deep`` also asks the host for the current frame's hashes, which it must not be asked for everywhere.
    """
    if running(node):
        return Freshness(False, state(node))
    try:
        found = _checked(node, deep)
    except (LinkError, KeyError) as error:
        found = Freshness(False, str(error))
    tell(node, found.text)
    return found


def _checked(node: host.Node, deep: bool) -> Freshness:
    folder = range_plan.shown_folder(str(host.value(host.inner(node, graph.READ), "file")))
    if not folder:
        return Freshness(False, summaries.get(node_id(node), NOT_PROCESSED))
    options = preflight.options_of(node)
    if folder.rpartition("/")[2] != preflight.settings_key_of(node, options):
        return Freshness(False, "stale: a setting or an input changed")
    if deep:
        return _check_frame(node, folder, preflight.footage_of(node, options))
    return Freshness(True, summaries.get(node_id(node), UP_TO_DATE))


def _check_frame(node: host.Node, folder: str, footage: Footage) -> Freshness:
    frame, views = host.current_frame(), host.views()
    keys = preflight.SourceKeys(node, preflight.roles_of(node), (frame,)).keys((frame,), views, footage)
    for view in views:
        record = manifest.read(folder, frame, view)
        if record is None:
            return Freshness(False, f"frame {frame} is not processed")
        if record.code:
            return Freshness(False, f"frame {frame} failed: {record.message}")
        if record.key.differs(keys[frame, view], compare_hashes=not host.uses_proxy()):
            return Freshness(False, f"stale: the sources of frame {frame} changed")
        if record.warnings:
            return Freshness(True, f"frame {frame}: {' '.join(record.warnings)}")
    return Freshness(True, UP_TO_DATE)
