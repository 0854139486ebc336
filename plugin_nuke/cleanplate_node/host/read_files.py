"""The files that a node upstream reads."""

from __future__ import annotations

from collections.abc import Collection
from typing import Optional

import nuke

from ..frame_reach import SAME_FRAME, FrameMap, number_taken
from ..graph_scope import GraphScope
from ..knob_text import all_pairs
from ..source_files import SourceFile
from .node import Node, as_typed, as_typed_in, is_cleanplate, is_on, is_write, shows_its_render
from .script import root_evaluated, views
from .texts import is_one_file_name
from .walk import inside_of

_READS_FILE = ("read_from_file", "read_from_scene", "particle_cache_read_from_file")
"""Where such a switch is off, Nuke does not read the node's file, when the script is opened either."""


def files_of(node: Node, knobs: str, scopes: Collection[GraphScope]) -> list[Optional[SourceFile]]:
    """The files that a node reads in each of the scopes that it is looked at with; None for one whose name at a
    frame is not known here. ``knobs`` is the text of its changed knobs."""
    found = [
        _file(node, knob, scope, view, typed)
        for knob in _file_knobs(node, knobs)
        for view, typed in _typed_in_views(knob).items()
        for scope in scopes
    ]
    if shows_its_render(node) and not any(is_write(one) for one in inside_of(node)):
        found.append(None)
    return found


def _file_knobs(node: Node, knobs: str) -> list[nuke.File_Knob]:
    """The names of files that the node reads. A Write reads where it is told to, or the Precomp that it is in is
    told to read what was rendered of it; the picture of a Cleanplate node is in its inner Read."""
    names = {"file", *(name for name, _ in all_pairs(knobs))} - {"proxy", "icon"}
    is_written = is_write(node) and not (is_on(node, "reading") or shows_its_render(node.parent()))
    if is_cleanplate(node) or is_written or _is_told_not_to_read(node):
        return []
    found = [node.knob(name) for name in sorted(names)]
    return [knob for knob in found if isinstance(knob, nuke.File_Knob) and as_typed(knob)]


def _is_told_not_to_read(node: Node) -> bool:
    """As a Camera is whose file's values were taken over to be edited."""
    found = [node.knob(name) for name in _READS_FILE]
    return any(isinstance(knob, nuke.Boolean_Knob) and not (knob.value() or knob.hasExpression()) for knob in found)


def _typed_in_views(knob: nuke.File_Knob) -> dict[str, str]:
    """A file's name as typed: one of no view's, or where it was split for views that of each."""
    every = views()
    found = {view: as_typed_in(knob, view) for view in every} if len(every) > 1 else {}
    return found if len(set(found.values())) > 1 else {"": as_typed(knob)}


def _file(node: Node, knob: nuke.File_Knob, scope: GraphScope, view: str, typed: str) -> Optional[SourceFile]:
    """A file, in proxy mode too the one of full size, and for the file of a Read its range too. ``view`` is the one
    that it was split for, and ``typed`` its name."""
    # Nuke would evaluate the text of the view that is looked at.
    pattern = _opened(_without_variables(typed, scope), scope) if view else _pattern(node, knob, scope)
    # Another project directory makes another file of the same text; a variable's value counts by itself.
    is_made = "[" in typed or is_relative(scope.expanded(typed) or typed)
    if pattern is None:
        return None
    if knob.name() != "file":
        return SourceFile(pattern=pattern, is_made=is_made, only_in=view)
    limits = [node.knob(one) for one in ("first", "last", "before", "after", "on_error")]
    first, last, before, after, error = limits
    takes = _numbers_taken(node, first)
    if first is None or last is None or before is None or after is None:
        return SourceFile(pattern=pattern, takes=takes, is_made=is_made, only_in=view)
    frames = int(first.value()), int(last.value())
    whole = [node.knob(one) for one in ("origfirst", "origlast")]
    return SourceFile(
        pattern=pattern,
        frames=frames,
        before=str(before.value()),
        after=str(after.value()),
        on_error="error" if error is None else str(error.value()),
        takes=takes,
        is_made=is_made,
        only_in=view,
        is_cut=any(one is not None and int(one.value()) != at for one, at in zip(whole, frames)),
    )


def _numbers_taken(node: Node, first: Optional[nuke.Knob]) -> FrameMap:
    """The number of the file that a Read, or a Write that reads, takes at a frame. Its range has ``first``."""
    text, mode, placed = node.knob("frame"), node.knob("frame_mode"), node.knob("origfirst")
    if text is None or mode is None:
        return SAME_FRAME
    known = None
    # A range that was cut has two first frames, and no document says which one is placed.
    if first is not None and placed is not None and int(placed.value()) == int(first.value()):
        known = int(first.value())
    return number_taken(str(mode.value()), as_typed(text), known)


def _pattern(node: Node, knob: nuke.EvalString_Knob, scope: GraphScope) -> Optional[str]:
    """A file's name with frame number and view left in; None where it is not known here."""
    typed = as_typed(knob)
    if not is_one_file_name(node, typed):
        return None
    if scope.is_named_in(typed):
        # Nuke would take the variables of the node's own place here.
        return _opened(_without_variables(typed, scope), scope)
    of_file = isinstance(knob, nuke.File_Knob)
    return _opened(str((knob.getEvaluatedValue() if of_file else knob.value()) or ""), scope)


def _without_variables(typed: str, scope: GraphScope) -> Optional[str]:
    """A text with the values of its variables; None where TCL would be run on it after that."""
    expanded = scope.expanded(typed)
    return None if expanded is None or "[" in expanded or "\\" in expanded else expanded


def _opened(path: Optional[str], scope: GraphScope) -> Optional[str]:
    """A file's name as Nuke opens it: a relative one from the project directory, or where that is empty from the
    working directory, and by the house's filters, which may turn the paths of one system into those of another."""
    if path and is_relative(path):
        folder = _project_directory(scope)
        path = None if folder is None else f"{folder}/{path}" if folder else path
    return None if path is None else filtered(path)


def is_relative(path: str) -> bool:
    """Whether a file's name begins neither with a folder, nor with a drive or server of Windows."""
    return not path.startswith(("/", "\\")) and path[1:2] != ":"


def filtered(path: str) -> str:
    """A file's name after the house's filters, by which Nuke opens and writes it."""
    try:
        return str(nuke.filenameFilter(path) or path)
    except Exception:  # noqa: BLE001 - a house's own function may raise anything; Nuke says so where it reads the file
        return path


def _project_directory(scope: GraphScope) -> Optional[str]:
    knob = nuke.root().knob("project_directory")
    typed = as_typed(knob) if knob is not None else ""
    named = scope.is_named_in(typed)
    folder = _without_variables(typed, scope) if named else root_evaluated("project_directory")
    return None if folder is None else folder.replace("\\", "/").rstrip("/")
