"""Notices files that change while nobody edits anything, at a cost that does not grow with the shot. Does not
import bpy."""

from __future__ import annotations

from pathlib import Path

from . import file_states
from .plan import SolvePlan
from .sources import FileSource

_turns: dict[str, int] = {}


def has_changed(plan: SolvePlan, frame: int) -> bool:
    """Whether the frame's plate has changed since the last look, or the other place that is looked at in turn.

    Two files or folders are looked at, however many frames the plan has: the frame that is shown, and one of the
    folders, whose time changes where a file in them is made, renamed or deleted.
    """
    shown, *others = _places(plan, frame)
    turn = _turns[plan.node_id] = _turns.get(plan.node_id, -1) + 1
    looked_at = {shown, others[turn % len(others)]}
    # Each is looked at, also behind one that has changed.
    changed = [path for path in looked_at if file_states.has_changed(path)]
    if changed:
        file_states.forget()
    return bool(changed)


def _places(plan: SolvePlan, frame: int) -> list[str]:
    """The file of the frame that is shown first, then the folders."""
    files = [each.path(frame) for each in _files(plan)]
    folders = [str(Path(file).parent) for file in files]
    places = [*files, *folders, str(plan.results), plan.folder]
    return list(dict.fromkeys(places))


def _files(plan: SolvePlan) -> list[FileSource]:
    found: list[FileSource] = []
    for source in (plan.plate, plan.clean_plate):
        found += [source] if isinstance(source, FileSource) else [*source.pictures, *source.files]
    return [each for each in found if each.file]
