"""The key frames of a node: frames whose mattes an artist has mended, which the shot is learnt from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .file_states import state_of
from .matte_link.file_witness import were_touched
from .matte_link.result_key import OTHER, SAME, UNKNOWN, digest
from .matte_link.seen_files import SeenTogether
from .plan import NodeError, SolvePlan


def remove(node: Any, frame: int) -> None:
    """Takes a frame off the list; its file stays, for an undo."""
    keys = node.matte.key_frames
    for index in reversed(range(len(keys))):
        if keys[index].frame == frame:
            keys.remove(index)


def note_pictures(key: Any, plan: SolvePlan) -> None:
    """Notes what the frame's plate and clean plate are now. Their files are read: those of a copy of the project
    have other times, and a file may be replaced by one of its size and time."""
    seen = plan.seen_pictures(key.frame)
    contents = seen.read_contents()
    key.pictures = plan.pictures_stamp(key.frame)
    key.seen = "-".join([plan.nodes_stamp, seen.witness, seen.sizes if contents else "", contents])


def files_of(node: Any, plan: SolvePlan) -> dict[int, str]:
    """The files of all mended mattes, by frame, in order. Raises ``NodeError`` where one is not there, or was made
    from other pictures than those of now."""
    for seen in in_doubt(node, plan):
        seen.read_contents()
    for frame, reason in unusable(node, plan):
        raise NodeError(f"The key frame {frame} cannot be learnt from: {reason}.", "Add it again, or remove it.")
    return {key.frame: str(Path(plan.folder, key.file)) for key in sorted(node.matte.key_frames, key=_frame)}


def unusable(node: Any, plan: SolvePlan) -> Iterator[tuple[int, str]]:
    """The key frames that cannot be learnt from, and why. Those whose files were put there again are among them
    until these are read."""
    for key in sorted(node.matte.key_frames, key=_frame):
        if not state_of(str(Path(plan.folder, key.file))).is_file:
            yield key.frame, f"{Path(plan.folder, key.file)} is not there"
        elif _compared(key, plan) == OTHER or _must_be_read(key, plan):
            yield key.frame, "its plate or clean plate has changed since"


def in_doubt(node: Any, plan: SolvePlan) -> list[SeenTogether]:
    """The files of those key frames that only reading them tells of."""
    return [plan.seen_pictures(key.frame) for key in node.matte.key_frames if _must_be_read(key, plan)]


def _must_be_read(key: Any, plan: SolvePlan) -> bool:
    can_be_read = key.seen.rpartition("-")[2] and plan.seen_pictures(key.frame).known_contents() is None
    return bool(can_be_read) and _compared(key, plan) == UNKNOWN


def _compared(key: Any, plan: SolvePlan) -> str:
    """How the frame's pictures of now compare with those of the key frame."""
    have_same_times = key.pictures == plan.pictures_stamp(key.frame)
    # Those of older versions say nothing of their files.
    nodes, witness, sizes, contents = (key.seen.split("-") + [""] * 4)[:4]
    if not have_same_times and nodes != plan.nodes_stamp:
        return OTHER
    seen = plan.seen_pictures(key.frame)
    if have_same_times and not were_touched(witness, seen.witness):
        return SAME
    return seen.compare(sizes, contents, have_same_times)


def _frame(key: Any) -> int:
    return int(key.frame)


def named(node: Any) -> str:
    """The name of all key frames together, by their content."""
    return digest(sorted([key.frame, key.file] for key in node.matte.key_frames))


def have_changed(node: Any) -> bool:
    """Whether the learned weights come from other key frames than those of now."""
    return bool(node.matte.learned) and node.matte.learned_from != named(node)
