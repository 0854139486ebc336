"""Has Nuke read files again that were overwritten.

It keeps what it has read of one until its Read is reloaded, and would render an old picture under the new file's
key."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Optional

from matte_link.seen_files import SeenFile

from . import host
from .range_plan import Refused
from .sources import NodeSources

_BEGAN_NS = time.time_ns()
"""Of what is older, this Nuke can have read nothing else."""
_SKEW_NS = 60 * 1_000_000_000
"""As far may the clock of a file server be from this machine's."""
_Name = tuple[str, Optional[int]]
"""A node's name, and how often it was reloaded: another of that name, made later, shows what was read before."""
_reloaded_ns: dict[_Name, int] = {}
"""When each node was last reloaded: it keeps nothing that it read before."""
_read: dict[tuple[_Name, str], SeenFile] = {}
"""What a node has read of a file, at the earliest: the file as it was when its picture was last wanted. Where that
is another by now no clock is asked."""
_not_reloaded: dict[tuple[_Name, str], SeenFile] = {}
"""The same of nodes that Nuke would not reload then, so that it is tried again."""


def reload_overwritten(sources: NodeSources, frames: Sequence[int]) -> bool:
    """Reloads the nodes upstream that may have read another picture of a file than these frames have now. Returns
    whether there were any; Nuke counts reloads, so ``sources`` are to be looked at again then.

    Raises ``Refused`` where a node has read another picture and cannot be reloaded: its matte would be an old one
    that passes for new.
    """
    found, old = False, []
    for node, files in sources.files_by_node(frames):
        now, name = time.time_ns(), _name(node)
        if host.is_reloaded_by_hand(node) and any(_is_another(name, file) for file in files):
            old.append(host.full_name(node))
            continue
        if host.can_reload(node) and any(_may_be_another(name, file) for file in files):
            if not host.reload(node):
                if any(_is_another(name, file) for file in files):
                    old.append(host.full_name(node))
                for file in files:
                    _not_reloaded.setdefault((name, file.path), file)
                continue
            name = _name(node)
            _reloaded_ns[name] = now
            found = True
        _read.update({(name, file.path): file for file in files})
    if old:
        raise Refused(
            "not_reloaded",
            f"Nuke does not reload {', '.join(sorted(old))}, and would render an older picture of the file.",
            "Press Reload there, in a LiveGroup once that is made editable, or open the script again.",
        )
    return found


def _name(node: host.Node) -> _Name:
    return host.full_name(node), host.reload_count(node)


def _may_be_another(name: _Name, file: SeenFile) -> bool:
    known = _read.get((name, file.path))
    if known is not None:
        return known != file
    return max(file.modified_ns, file.changed_ns) > _reloaded_ns.get(name, _BEGAN_NS) - _SKEW_NS


def _is_another(name: _Name, file: SeenFile) -> bool:
    """Whether the node was asked for its picture while the file was another."""
    known = _read.get((name, file.path), _not_reloaded.get((name, file.path)))
    return known is not None and known != file


def forget() -> None:
    """The script is closed: its nodes' names may be those of others."""
    _read.clear()
    _not_reloaded.clear()
    _reloaded_ns.clear()
