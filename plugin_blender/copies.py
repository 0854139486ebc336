"""Copies of nodes and of files: each has results of its own, and takes along those that it was copied with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from . import graph, touched
from .file_states import forget
from .matte_link.file_witness import seen_in_same_places
from .matte_link.result_key import OTHER, digest
from .places import all_nodes
from .plan import SolvePlan
from .result_files import frame_of, known_facts, known_stamp, withdrawn_content
from .results_folder import node_folder

_originals: dict[int, int] = {}
"""The groups that were copied in this session: which group each is a copy of, by their numbers in the session."""
_given: dict[tuple[int, str, str, str], str] = {}
"""The ids that copied nodes were given in this session, by scene, tree, node and the id they were copied with."""

_owners: dict[str, tuple[int, str]] = {}
"""The node that had each id in this session, by its tree and name: of two that have it now, the other is a copy."""


def make_unique() -> None:
    """Gives each copied node its own group and id: two nodes must not show one another's results. Nodes of a linked
    file keep theirs, and so does the node that was copied, whichever scene the window shows."""
    groups: set[int] = set()
    folders: dict[str, str] = {}
    scenes = list(bpy.data.scenes)
    taken = {node.matte.node_id for _, node in all_nodes()}

    def turn(found: tuple[Any, Any]) -> tuple[bool, bool, int]:
        scene, node = found
        is_copy = _owners.get(node.matte.node_id) != _name_of(node)
        return node.id_data.library is None, is_copy, scenes.index(scene)

    for scene, node in sorted(all_nodes(), key=turn):
        settings, is_linked = node.matte, node.id_data.library is not None
        if (node.node_tree.session_uid in groups or node.node_tree.library) and not is_linked:
            # A group of an asset library is linked too: what its player shows would not be saved.
            node.node_tree = _copy_of(node.node_tree)
        if (settings.node_id in folders or not settings.node_id) and not is_linked:
            settings.former = folders.get(settings.node_id, "")
            settings.node_id = _id_of_copy(scene, node, taken)
        groups.add(node.node_tree.session_uid)
        _owners[settings.node_id] = _name_of(node)
        folders.setdefault(settings.node_id, _played_folder(node) or settings.former or str(node_folder(settings)))


def _name_of(node: Any) -> tuple[int, str]:
    return node.id_data.session_uid, node.name


def part_from_others(node: Any) -> None:
    """Gives a node its own group where others have that, too."""
    if node.node_tree.users > 1 or node.node_tree.library:
        node.node_tree = _copy_of(node.node_tree)


def _copy_of(group: Any) -> Any:
    """A copy of a group: one that nothing uses any more since :func:`share_again`, else a new one."""
    for each in bpy.data.node_groups:
        if each.users == 0 and _originals.get(each.session_uid) == group.session_uid:
            return each
    copy = graph.copied_group(group)
    _originals[copy.session_uid] = group.session_uid
    return copy


def share_again() -> None:
    """Has copied nodes use the group that theirs was copied from, until :func:`make_unique`: an undo frees a copy
    that was made since the last step, whoever still refers to it."""
    groups = {group.session_uid: group for group in bpy.data.node_groups}
    for _, node in all_nodes():
        original = number = node.node_tree.session_uid
        while number in groups:
            original, number = number, _originals.get(number, 0)
        node.node_tree = groups.get(original, node.node_tree)


def _id_of_copy(scene: Any, node: Any, taken: set[str]) -> str:
    """A new id, or the one that the copy had before an undo took it away: its results lie in the folder of that."""
    copy = (scene.session_uid, node.id_data.name, node.name, node.matte.node_id)
    if _given.get(copy, "") in ("", *taken):
        own = _id_of_override(node)
        _given[copy] = graph.new_id() if own in ("", *taken) else own
    return _given[copy]


def _id_of_override(node: Any) -> str:
    """The id of a node in an override of a linked tree, the same each time: no file keeps it. Empty for others."""
    override = node.id_data.override_library
    if override is None:
        return ""
    library = Path(override.reference.library.filepath).name
    return f"matte-{digest([library, override.reference.name, node.name, node.matte.node_id])[:8]}"


def _played_folder(node: Any) -> str:
    """The node's folder as its player names it; empty where it plays nothing."""
    shown = graph.shown_file(node)
    return str(Path(shown).parents[1]) if shown else ""


def remember_former(node: Any, plan: SolvePlan) -> bool:
    """Notes where the results were before the node was copied, or its file saved elsewhere; whether that is new."""
    played = _played_folder(node)
    if not played or played in (plan.folder, node.matte.former):
        return False
    node.matte.former = played
    return True


def take_along(former: str, plan: SolvePlan) -> int:
    """Links the results of the node's former folder that are still right into its own; how many. A link costs no
    disk space, and deleting one leaves the other. Raises ``OSError`` where the disk has no links between them."""
    return _place([*_results_to_take(former, plan), *_learning_to_take(former, plan)], os.link)


def copy_along(former: str, plan: SolvePlan) -> int:
    """The same with copies, for another disk. Raises ``OSError``."""
    return _place([*_results_to_take(former, plan), *_learning_to_take(former, plan)], shutil.copy2)


def learning_along(former: str, plan: SolvePlan) -> int:
    """Copies key frames and learned weights alone: without the weights there may be no plan to take results for.
    Raises ``OSError``."""
    return _place(list(_learning_to_take(former, plan)), shutil.copy2)


def _place(pairs: Sequence[tuple[Path, Path]], put: Callable[[Path, Path], object]) -> int:
    taken = 0
    for source, target in pairs:
        temporary = target.with_suffix(".tmp")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        put(source, temporary)
        temporary.replace(target)
        forget(str(target))
        taken += 1
    return taken


def left_behind(former: str, plan: SolvePlan) -> int:
    """How many results of the former folder could be taken along."""
    return len(list(_results_to_take(former, plan)))


def _results_to_take(former: str, plan: SolvePlan) -> Iterator[tuple[Path, Path]]:
    """Results that were made from the plan's own inputs, and where they would lie."""
    if plan.problem:
        return
    # As seen from the former folder the pictures lie elsewhere, and its own folders are named so.
    left = [replace(plan, folder=former).results] if former not in ("", plan.folder) else []
    taken: set[Path] = set()
    for folder in (*left, *plan.elsewhere()):
        for source in sorted(folder.glob("matte.*.exr")):
            frame = frame_of(source.name)
            if frame is None or plan.result(frame) in taken or not _may_be_taken(source, frame, plan):
                continue
            taken.add(plan.result(frame))
            yield source, plan.result(frame)


def _may_be_taken(source: Path, frame: int, plan: SolvePlan) -> bool:
    """Whether a result is that of the frame's own inputs. Inputs that lie elsewhere may be others of the same
    names, sizes and times, so in the node's own folder only results are taken whose inputs this machine has seen in
    these very places; the others are compared by content (:mod:`put_again`)."""
    if plan.is_stamped(plan.result(frame)) or known_stamp(source) != plan.stamp(frame):
        return False
    facts, seen = known_facts(source), plan.seen(frame)
    if facts.content == withdrawn_content(plan.outdated(frame)) != "":
        return False
    if touched.verdict(str(source), facts, seen, have_same_times=True) == OTHER:
        return False
    is_of_own_folder = source.parents[1] == Path(plan.folder)
    return not is_of_own_folder or seen_in_same_places(facts.witness, seen.witness)


def _learning_to_take(former: str, plan: SolvePlan) -> Iterator[tuple[Path, Path]]:
    """Key frames and learned weights that the node's own folder lacks."""
    if not former or former == plan.folder:
        return
    for source in (*Path(former).glob("keys/key.*.exr"), *Path(former).glob("*.learned")):
        target = Path(plan.folder) / source.relative_to(former)
        if not target.exists():
            yield source, target
