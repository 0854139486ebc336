"""The files that a node upstream reads."""

from __future__ import annotations

from collections.abc import Collection
from typing import Optional

import nuke

from ..graph_scope import GraphScope
from ..knob_text import all_pairs
from ..source_files import SourceFile
from .node import Node, as_typed, has_knob
from .script import root_evaluated
from .texts import is_one_file_name


def files_of(node: Node, knobs: str, scopes: Collection[GraphScope]) -> list[Optional[SourceFile]]:
    """The files that a node reads in each of the scopes that it is looked at with; None for one whose name at a
    frame is not known here. ``knobs`` is the text of its changed knobs."""
    found = [_file(node, knob, scope) for knob in _file_knobs(node, knobs) for scope in scopes]
    if _shows_its_render(node):
        found += [_rendered_file(node, scope) for scope in scopes]
    return found


def _file_knobs(node: Node, knobs: str) -> list[nuke.File_Knob]:
    """The names of files that the node reads. A Write reads where it is told to."""
    names = {"file", *(name for name, _ in all_pairs(knobs))} - {"proxy", "icon"}
    if _is_ours(node) or ("Write" in node.Class() and not _is_on(node, "reading")):
        return []
    found = [node.knob(name) for name in sorted(names)]
    return [knob for knob in found if isinstance(knob, nuke.File_Knob) and as_typed(knob)]


def _shows_its_render(node: Node) -> bool:
    """Whether a Precomp or LiveGroup reads what was rendered of it, in place of its nodes."""
    return isinstance(node, nuke.Precomp) and _is_on(node, "reading")


def _rendered_file(node: Node, scope: GraphScope) -> Optional[SourceFile]:
    """What was rendered of a Precomp that shows it, where its own panel names the file."""
    knob = node.knob("output")
    if not isinstance(knob, nuke.EvalString_Knob) or not (_is_on(node, "useOutput") and as_typed(knob)):
        return None
    pattern = _pattern(node, knob, scope)
    return None if pattern is None else SourceFile(pattern=pattern, is_made_by_tcl="[" in as_typed(knob))


def _is_ours(node: Node) -> bool:
    """Whether it is a Cleanplate node, of whose knobs only few change its picture: that is in its inner Read."""
    return has_knob(node, "node_id") and has_knob(node, "process_frame")


def _is_on(node: Node, name: str) -> bool:
    knob = node.knob(name)
    return knob is not None and bool(knob.value())


def _file(node: Node, knob: nuke.File_Knob, scope: GraphScope) -> Optional[SourceFile]:
    """A file, in proxy mode too the one of full size, and for the file of a Read its range too."""
    pattern, is_made = _pattern(node, knob, scope), "[" in as_typed(knob)
    if pattern is None:
        return None
    limits = [node.knob(one) for one in ("first", "last", "before", "after", "on_error")]
    first, last, before, after, error = limits
    if knob.name() != "file" or first is None or last is None or before is None or after is None:
        return SourceFile(pattern=pattern, is_made_by_tcl=is_made)
    shift = node.knob("frame")
    return SourceFile(
        pattern=pattern,
        frames=(int(first.value()), int(last.value())),
        before=str(before.value()),
        after=str(after.value()),
        on_error="error" if error is None else str(error.value()),
        has_own_frames=shift is not None and as_typed(shift) not in ("", "0"),
        is_made_by_tcl=is_made,
    )


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
    if path and not path.startswith(("/", "\\")) and path[1:2] != ":":
        folder = _project_directory(scope)
        path = None if folder is None else f"{folder}/{path}" if folder else path
    if path is None:
        return None
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
