"""Frames whose mattes an artist has mended: what the shot is learnt from.

A mended matte is a picture beside the node's results. It is what the node's Alpha gives, with Core and Holdout, or
what is connected to Key Matte.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import extraction, planning
from .file_states import forget, state_of
from .graph import KEY_INPUT
from .matte_link.result_key import digest
from .places import Feed, ways_to
from .plan import NodeError, SolvePlan
from .result_files import file_digest
from .upstream import input_feed

_FOLDER = "keys"


def add(scene: Any, node: Any, frame: int) -> None:
    """Takes the frame's mended matte, instead of an earlier one. Raises ``NodeError``."""
    plan = planning.refresh(scene, node)
    feed = _mended(scene, node, plan, frame)
    folder = Path(plan.folder, _FOLDER)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (file,) = extraction.render_feeds(scene, {"the mended matte": feed}, frame, folder)
        # Named after its content: another version of the file, or an undo, may have another matte of this frame.
        name = f"{_FOLDER}/key.{frame:04d}.{file_digest(file)[:12]}.exr"
        target = Path(plan.folder, name)
        Path(file).replace(target)
        forget(str(target))
    except OSError as error:
        raise NodeError(f"The key frame cannot be written: {error}.") from None
    remove(node, frame)
    key = node.matte.key_frames.add()
    key.frame, key.file, key.pictures = frame, name, plan.pictures_stamp(frame)


def _mended(scene: Any, node: Any, plan: SolvePlan, frame: int) -> Feed:
    plan.check([frame])
    if KEY_INPUT in node.inputs:
        feed = input_feed(node, KEY_INPUT, scene)
        if feed is not None:
            return feed
    if not (plan.is_fresh(frame) or plan.is_uncertain(frame)):
        raise NodeError(f"Frame {frame} is not solved.", "Solve it first: a key frame begins with its matte.")
    return Feed(socket=node.outputs["Alpha"], ways=ways_to(scene, node.id_data))


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
