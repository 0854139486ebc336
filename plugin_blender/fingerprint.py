"""The digest of everything that some nodes read: each data-block once, and those that it refers to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import bpy

from . import file_states, runtime
from .matte_link.result_key import digest
from .node_facts import block_facts
from .read_by_name import is_read
from .rna_facts import Findings, read_aside

_BUILT_IN_ENGINES = ("CYCLES", "BLENDER_EEVEE", "BLENDER_EEVEE_NEXT", "BLENDER_WORKBENCH")
_QUICK = (bpy.types.Image, bpy.types.Mask, bpy.types.MovieClip, bpy.types.Scene, bpy.types.Text)
"""Types that are always read: Blender does not report each of their edits, and they are read fast."""
_MOST_S = 0.02
"""What takes longer to read would make a window stutter."""
_SAVE_S = 0.5
_known: dict[int, _Block] = {}
_turn = 0


@dataclass(frozen=True)
class _Block:
    """One data-block, its digest, and what it refers to; ``seconds`` is how long the processor took to read it."""

    block: Any
    digest: str
    facts: Findings
    seconds: float


def forget(block: Any = None) -> None:
    """A data-block was edited, or without an argument: any of them may have been, and any file."""
    if block is None:
        file_states.forget()
    if block is None or block.is_embedded_data:
        _known.clear()
    else:
        _known.pop(block.session_uid, None)


def look_again() -> bool:
    """Reads one of the kept data-blocks again, each in its turn; whether it is another now. Blender reports no
    edits of what is disabled in viewports, nor in scenes that no window shows."""
    global _turn
    numbers = list(_known)
    if not numbers:
        return False
    _turn = (_turn + 1) % len(numbers)
    known = _known[numbers[_turn]]
    if known.seconds > _MOST_S or _is_as_before(known):
        return False
    del _known[numbers[_turn]]
    return True


def look_at_all() -> None:
    """The same with all of them, or as many as a file that is being saved may wait for."""
    until = time.perf_counter() + _SAVE_S
    for _ in range(len(_known)):
        if time.perf_counter() < until:
            look_again()


def _is_as_before(known: _Block) -> bool:
    try:
        found = _read(known.block)
        return found.digest == known.digest and found.facts.is_like(known.facts)
    except ReferenceError:
        # It was deleted.
        return False


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
    walked: list[_Block] = []
    # The list grows while it is read.
    for block in facts.blocks:
        found = _block(block)
        facts.add(found.facts)
        walked.append(found)
        digests.append([found.digest, [facts.number_of(each) for each in found.facts.blocks]])
        if facts.reads_scene:
            facts.number_of(scene)
    if facts.reads_frames:
        # The rendered scene's own frame is that of the result.
        others = (block for block in facts.blocks if isinstance(block, bpy.types.Scene) and block != scene)
        digests.append([other.frame_current_final for other in others])
    if facts.shows_names:
        digests.append([block.name for block in facts.blocks])
    digests += [_that_count(walked, facts), list(_attributes(facts))]
    return digests


def _that_count(found: Sequence[_Block], facts: Findings) -> list[object]:
    """For each data-block what counts of it because something reads it by its name."""
    # A script may read anything.
    reads_all = any(isinstance(each.block, bpy.types.Text) for each in found)
    paths = facts.names_read | facts.attributes_read
    return [
        [
            value
            for name, value in each.facts.unread
            if (reads_all or is_read(name, paths) if name else facts.shows_names)
        ]
        for each in found
    ]


def _attributes(facts: Findings) -> Iterator[object]:
    """The values of settings that do not count by themselves, where shaders read them."""
    owners = [owner for block in facts.blocks for owner in (block, *getattr(block, "view_layers", ()))]
    for path in sorted(facts.attributes_read):
        yield [read_aside(owner, path) for owner in owners]


def _block(block: Any) -> _Block:
    keeps = not isinstance(block, _QUICK) and not block.is_embedded_data
    keeps = keeps and (runtime.rendering or runtime.in_window)
    if keeps and block.session_uid in _known:
        return _known[block.session_uid]
    found = _read(block)
    if keeps:
        _known[block.session_uid] = found
    return found


def _read(block: Any) -> _Block:
    facts, begun = Findings(), time.thread_time()
    found = digest(block_facts(block, facts))
    if isinstance(block, bpy.types.Scene) and block.render.engine not in _BUILT_IN_ENGINES:
        facts.unknown.append(f"what the render engine {block.render.engine} makes of {block.name}")
    return _Block(block=block, digest=found, facts=facts, seconds=time.thread_time() - begun)
