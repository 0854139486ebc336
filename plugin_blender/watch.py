"""Notices files that change while nobody edits anything, at a cost that does not grow with the shot.

Does not import bpy."""

from __future__ import annotations

from pathlib import Path

from . import file_states
from .plan import SolvePlan

_turns: dict[str, int] = {}


def has_changed(plan: SolvePlan, frame: int, is_new_frame: bool = False) -> bool:
    """Whether the frame's plate has changed since the last look, or the other place that is looked at in turn.

    Two files or folders are looked at, however many frames the plan has: the frame that is shown, and one of the
    folders, whose time changes where a file in them is made, renamed or deleted. Where another frame is shown than
    before, all files that its result is made from are looked at.
    """
    files, folders = _files(plan, frame), _folders(plan, frame)
    shown, *others = dict.fromkeys([*files, *folders])
    turn = _turns[plan.node_id] = _turns.get(plan.node_id, -1) + 1
    looked_at = {shown, others[turn % len(others)], *(files if is_new_frame else ())}
    # Each is looked at, also behind one that has changed.
    changed = [path for path in looked_at if file_states.has_changed(path)]
    if changed:
        file_states.forget()
    return bool(changed)


def _files(plan: SolvePlan, frame: int) -> list[str]:
    """The files that the frame's result is made from, the frame's own first."""
    return [path for number in (frame, *plan.around(frame).values()) for path in plan.files_of(number)]


def _folders(plan: SolvePlan, frame: int) -> list[str]:
    folders = [str(Path(file).parent) for file in plan.files_of(frame)]
    return [*folders, str(plan.results), plan.folder]
