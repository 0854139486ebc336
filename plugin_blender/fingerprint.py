"""The digest of everything that some nodes read: each data-block once, and those that it refers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy

from . import file_states, runtime
from .matte_link.result_key import digest
from .node_facts import block_facts
from .rna_facts import Findings, reference

_BUILT_IN_ENGINES = ("CYCLES", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")
_QUICK = (bpy.types.Image, bpy.types.Mask, bpy.types.MovieClip, bpy.types.Scene)
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


def add_blocks(facts: Findings) -> list[object]:
    """The digests of all data-blocks that the facts refer to, directly or not; adds what those refer to."""
    digests: dict[str, str] = {}
    waiting: list[tuple[object, Any]] = [("", block) for block in facts.blocks]
    seen = set()
    while waiting:
        owner, block = waiting.pop()
        if block.as_pointer() in seen:
            continue
        seen.add(block.as_pointer())
        found = _block(block)
        # Data-blocks inside of others, such as the nodes of materials, all have the same name.
        name = [reference(block), owner if block.is_embedded_data else ""]
        digests[repr(name)] = found.digest
        facts.pictures += found.facts.pictures
        facts.files += found.facts.files
        facts.unknown += found.facts.unknown
        waiting += [(name, each) for each in found.facts.blocks]
    return [list(each) for each in sorted(digests.items())]


def _block(block: Any) -> _Block:
    keeps = not isinstance(block, _QUICK) and not block.is_embedded_data
    keeps = keeps and (runtime.rendering or not bpy.app.background)
    if keeps and block.session_uid in _known:
        return _known[block.session_uid]
    facts = Findings()
    found = _Block(digest=digest(block_facts(block, facts)), facts=facts)
    if isinstance(block, bpy.types.Scene) and block.render.engine not in _BUILT_IN_ENGINES:
        facts.unknown.append(f"what the render engine {block.render.engine} makes of {block.name}")
    if keeps:
        _known[block.session_uid] = found
    return found
