"""Has Nuke read files again that were overwritten: it keeps what it has read of one until its Read is reloaded, and
would render an old picture under the new file's key."""

from __future__ import annotations

import time
from collections.abc import Sequence

from matte_link.seen_files import SeenFile

from . import host
from .sources import NodeSources

_BEGAN_NS = time.time_ns()
"""Of what is older, this Nuke can have read nothing else."""
_SKEW_NS = 60 * 1_000_000_000
"""As far may the clock of a file server be from this machine's."""
_read: dict[tuple[str, str], SeenFile] = {}
"""What a node has read, at the earliest: its files as they were before it was reloaded, by its name and theirs."""


def reload_overwritten(sources: NodeSources, frames: Sequence[int]) -> bool:
    """Reloads the nodes upstream that may have read another picture of a file than these frames have now. Returns
    whether there were any; Nuke counts reloads, so ``sources`` are to be looked at again then."""
    found = False
    for node, files in sources.files_by_node(frames):
        name = host.full_name(node)
        if any(_may_be_another(name, file) for file in files) and host.reload(node):
            _read.update({(name, file.path): file for file in files})
            found = True
    return found


def _may_be_another(name: str, file: SeenFile) -> bool:
    is_new = max(file.modified_ns, file.changed_ns) > _BEGAN_NS - _SKEW_NS
    return is_new and _read.get((name, file.path)) != file


def forget() -> None:
    """The script is closed: its nodes' names may be those of others."""
    _read.clear()
