"""What a node takes along into a new folder: after Save As elsewhere, in a copy, with another results folder.

It goes on showing what it showed until a run has made something new. Then it shows the new folder, where the other
frames would be missing, and *Learn* would find no key frames.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from . import generations, host, key_frames, range_plan
from .node_state import node_id, results_folder, shown_results


def take_results(node: host.Node, folder: str) -> None:
    """Links the results that a node shows into the folder that it is to show, where they are of the same settings
    and lie elsewhere. Where they cannot be linked, as on another disk, they are made again."""
    shown = shown_results(node)
    if (
        shown
        and Path(shown).parent != Path(folder).parent
        and range_plan.key_of(shown) == range_plan.key_of(folder)
    ):
        with contextlib.suppress(OSError):
            generations.carry_over(shown, folder, may_copy=False)


def keys_of(node: host.Node) -> str:
    """Where the key frames of a node are: in its folder, else where the same node had it before. Raises
    ``LinkError``."""
    own = key_frames.folder_of(results_folder(node), node_id(node))
    before, _, name = shown_results(node).rpartition("/")[0].rpartition("/")
    other = key_frames.folder_of(before, name)
    return other if name == node_id(node) and not Path(own).is_dir() and Path(other).is_dir() else own


def take_keys(node: host.Node) -> None:
    """Copies the key frames of a node into its folder, where they are in that of before. Raises ``LinkError``."""
    there = keys_of(node)
    own = key_frames.folder_of(results_folder(node), node_id(node))
    if there == own:
        return
    try:
        key_frames.copy(there, own)
    except OSError as error:
        raise range_plan.Refused(
            "cannot_copy",
            f"The key frames in {there} cannot be copied to {own}: {error.strerror or 'not all can be read'}.",
            "Look at both folders, or choose another 'Results folder'.",
        ) from None
