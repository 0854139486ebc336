"""Where a node's results lie: in a folder of its own, beside the file that the node is saved in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .plan import NodeError
from .rna_facts import absolute_path


def node_folder(settings: Any) -> Path:
    """The node's own folder, absolute; that of a linked node lies beside the file that it is linked from."""
    return Path(absolute_path(settings.folder, settings.id_data)) / (settings.node_id or "unnamed")


def lacking_place(settings: Any) -> str:
    """Why the results have no folder, as a sentence; empty where they have one. A path without a place would mean
    the folder that Blender was started in."""
    if lies_beside(settings):
        is_saved = bpy.data.filepath or settings.id_data.library
        return "" if is_saved else "Save the file first: results are kept beside it."
    if Path(str(settings.folder).strip()).is_absolute():
        return ""
    return "Results needs an absolute folder, or one that begins with // for the folder of the file."


def lies_beside(settings: Any) -> bool:
    """Whether the results lie beside the file, wherever that is saved."""
    return str(settings.folder).strip().startswith("//")


def need_place(settings: Any) -> None:
    """Raises ``NodeError`` where the results have no folder of their own."""
    sentence = lacking_place(settings)
    if sentence:
        raise NodeError(sentence)
