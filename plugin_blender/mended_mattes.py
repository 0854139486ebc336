"""Makes key frames.

A mended matte is a picture beside the node's results. It is what the node's Alpha gives, with Core and Holdout, or
what is connected to Key Matte.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import extraction, key_frames, planning
from .file_states import forget
from .graph import KEY_INPUT
from .matte_link.file_digest import file_digest
from .places import Feed, ways_to
from .plan import NodeError, SolvePlan
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
        name = f"{_FOLDER}/key.{frame:04d}.{file_digest(Path(file))[:12]}.exr"
        target = Path(plan.folder, name)
        Path(file).replace(target)
        forget(str(target))
    except OSError as error:
        raise NodeError(f"The key frame cannot be written: {error}.") from None
    key_frames.remove(node, frame)
    key = node.matte.key_frames.add()
    key.frame, key.file = frame, name
    key_frames.note_pictures(key, plan)


def _mended(scene: Any, node: Any, plan: SolvePlan, frame: int) -> Feed:
    plan.check([frame])
    if KEY_INPUT in node.inputs:
        feed = input_feed(node, KEY_INPUT, scene)
        if feed is not None:
            return feed
    if not (plan.is_fresh(frame) or plan.is_uncertain(frame)):
        raise NodeError(f"Frame {frame} is not solved.", "Solve it first: a key frame begins with its matte.")
    return Feed(socket=node.outputs["Alpha"], ways=ways_to(scene, node.id_data))
