"""The key frames of a node: frames whose mattes an artist has mended, which the shot is learnt from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .file_states import state_of
from .matte_link.result_key import digest
from .plan import NodeError, SolvePlan


def remove(node: Any, frame: int) -> None:
    """Takes a frame off the list; its file stays, for an undo."""
    keys = node.matte.key_frames
    for index in reversed(range(len(keys))):
        if keys[index].frame == frame:
            keys.remove(index)


def files_of(node: Any, plan: SolvePlan) -> dict[int, str]:
    """The files of all mended mattes, by frame, in order. Raises ``NodeError`` where one is not there, or was made
    from other pictures than those of now."""
    for frame, reason in unusable(node, plan):
        raise NodeError(f"The key frame {frame} cannot be learnt from: {reason}.", "Add it again, or remove it.")
    return {key.frame: str(Path(plan.folder, key.file)) for key in sorted(node.matte.key_frames, key=_frame)}


def unusable(node: Any, plan: SolvePlan) -> Iterator[tuple[int, str]]:
    """The key frames that cannot be learnt from, and why."""
    for key in sorted(node.matte.key_frames, key=_frame):
        if not state_of(str(Path(plan.folder, key.file))).is_file:
            yield key.frame, f"{Path(plan.folder, key.file)} is not there"
        elif key.pictures != plan.pictures_stamp(key.frame):
            yield key.frame, "its plate or clean plate has changed since"


def _frame(key: Any) -> int:
    return int(key.frame)


def named(node: Any) -> str:
    """The name of all key frames together, by their content."""
    return digest(sorted([key.frame, key.file] for key in node.matte.key_frames))


def have_changed(node: Any) -> bool:
    """Whether the learned weights come from other key frames than those of now."""
    return bool(node.matte.learned) and node.matte.learned_from != named(node)
