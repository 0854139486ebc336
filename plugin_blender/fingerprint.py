"""The digest of everything that some nodes read: each data-block once, and those that it refers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

from . import file_states, runtime
from .matte_link.result_key import digest
from .node_facts import block_facts
from .rna_facts import Findings

_BUILT_IN_ENGINES = ("CYCLES", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")
_QUICK = (bpy.types.Image, bpy.types.Mask, bpy.types.MovieClip, bpy.types.Scene, bpy.types.Text)
"""Types that are always read: Blender does not report each of their edits, and they are read fast."""
_known: dict[int, _Block] = {}


@dataclass(frozen=True)
class _Block:
    """One data-block's digest, and what it refers to."""

    digest: str
    facts: Findings


def forget(block: Any = None) -> None:
    """A data-block was edited, or without an argument: any of them may have been, and any file."""
    if block is None:
        file_states.forget()
    if block is None or block.is_embedded_data:
        _known.clear()
    else:
        _known.pop(block.session_uid, None)


def add_blocks(facts: Findings, scene: Any) -> list[object]:
    """The digests of all data-blocks that the facts refer to, directly or not, each with the numbers of those that
    it refers to; adds what those refer to. ``scene`` is the one that is rendered."""
    try:
        return _digests(facts, scene)
    except ReferenceError:
        # A data-block that a kept one refers to is gone.
        _known.clear()
        return _digests(facts, scene)


def _digests(facts: Findings, scene: Any) -> list[object]:
    digests: list[object] = []
    reported = _reported()
    # The list grows while it is read.
    for block in facts.blocks:
        found = _block(block, runtime.rendering or block.session_uid in reported)
        facts.add(found.facts)
        digests.append([found.digest, [facts.number_of(each) for each in found.facts.blocks]])
        if facts.reads_scene:
            facts.number_of(scene)
    if facts.reads_frames:
        # The rendered scene's own frame is that of the result.
        others = (block for block in facts.blocks if isinstance(block, bpy.types.Scene) and block != scene)
        digests.append([other.frame_current_final for other in others])
    if any(_shows_names(block) for block in facts.blocks):
        digests.append([block.name for block in facts.blocks])
    return digests


def _shows_names(block: Any) -> bool:
    """Whether a data-block is a scene whose Cryptomattes are rendered: they come from the names of objects."""
    kinds = ("object", "material", "asset")
    return isinstance(block, bpy.types.Scene) and any(
        getattr(layer, f"use_pass_cryptomatte_{kind}") for layer in block.view_layers for kind in kinds
    )


def _reported() -> set[int]:
    """The data-blocks whose edits Blender reports, by their numbers in the session: those that windows evaluate,
    and not what is disabled in viewports or in other scenes."""
    if not runtime.in_window:
        return set()
    manager: Any = bpy.context.window_manager
    graphs = [window.view_layer.depsgraph for window in manager.windows]
    return {block.original.session_uid for graph in graphs if graph is not None for block in graph.ids}


def _block(block: Any, is_watched: bool) -> _Block:
    """``is_watched``: nothing is edited in it unnoticed."""
    keeps = is_watched and not isinstance(block, _QUICK) and not block.is_embedded_data
    if keeps and block.session_uid in _known:
        return _known[block.session_uid]
    facts = Findings()
    found = _Block(digest=digest(block_facts(block, facts)), facts=facts)
    if isinstance(block, bpy.types.Scene) and block.render.engine not in _BUILT_IN_ENGINES:
        facts.unknown.append(f"what the render engine {block.render.engine} makes of {block.name}")
    if keeps:
        _known[block.session_uid] = found
    return found
