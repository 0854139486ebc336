"""Results whose pictures lie elsewhere by now, or seem to: found again where they are theirs, and only there."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy
import one_folder
import stage
from one_folder import new_file, plate, played_by, rendered, saved_as, solve, turned_to

_NOWHERE = "tcp://127.0.0.1:9"
RED = one_folder.VALUES["a"]


def case(folder: str) -> None:
    stage.add_on()
    place = Path(folder)
    for machine in ("", "another"):
        older_version(place / "two_nodes", machine)
    another_mount(place / "behind")
    same_sizes_and_times(place / "subfolder")
    clear_cache(place / "versions")
    changed_in_a_solve(place / "clips")
    behind_another_node(place / "textured")
    without_pictures(place / "moved" / "far" / "comp", place / "clean_plates")


def node_now() -> tuple[Any, Any]:
    from plugin_blender import places

    ((scene, node),) = places.all_nodes()
    return scene, node


def fresh() -> tuple[int, ...]:
    """Each frame is settled, as a render does with its own."""
    from plugin_blender import planning, put_again

    scene, node = node_now()
    plan = planning.refresh(scene, node)
    for frame in (1, 2):
        put_again.settle(plan, frame)
    plan = planning.refresh(scene, node)
    return tuple(frame for frame in (1, 2) if plan.is_fresh(frame))


class WithoutServer:
    """Nothing can be solved inside."""

    def __enter__(self) -> None:
        self.known, os.environ["CLEANPLATE_SERVER"] = os.environ["CLEANPLATE_SERVER"], _NOWHERE

    def __exit__(self, *_: object) -> None:
        os.environ["CLEANPLATE_SERVER"] = self.known


def older_version(home: Path, machine: str) -> None:
    """Results in a folder that is named by the plate's name alone, as those of older versions are. On the machine
    that made them they are known at once, on ``another`` by the plates' bytes."""
    from plugin_blender.matte_link import file_witness

    from plugin_blender import graph, planning
    from plugin_blender.plan import SolvePlan

    key, node_name, file = SolvePlan.key, file_witness.platform.node, home / f"old{machine}.blend"
    SolvePlan.key, file_witness.platform.node = SolvePlan.settings_key, lambda: machine or node_name()
    _, _, node = new_file(home, file.name)
    solve(node)
    older = Path(graph.shown_file(node)).parent
    SolvePlan.key, file_witness.platform.node = key, node_name
    with WithoutServer():
        bpy.ops.wm.open_mainfile(filepath=str(file))
        scene, node = node_now()
        plan = planning.refresh(scene, node)
        assert plan.counts().fresh == (() if machine else (1, 2)), machine
        assert rendered(file) == RED
        assert fresh() == (1, 2)
        assert plan.results != older and plan.results.name.startswith(older.name), (plan.results, older)
        # Versions that were not opened since play them there.
        assert all((older / f"matte.{frame:04d}.exr").is_file() for frame in (1, 2))


def another_mount(home: Path) -> None:
    """Plates that another machine has at another path, under the same names."""
    from plugin_blender import graph

    _, _, node = new_file(home, "mounted.blend")
    solve(node)
    first = graph.shown_file(node)
    (home / "mount").symlink_to(home / "a")
    with WithoutServer():
        played_by(node).filepath = "//mount/shot/plate.0001.exr"
        assert fresh() == (1, 2) and graph.shown_file(node_now()[1]) != first
        played_by(node).filepath = f"//{plate('a')}"
        assert fresh() == (1, 2) and graph.shown_file(node_now()[1]) == first


def same_sizes_and_times(home: Path) -> None:
    """Plates of other shots with the sizes and times of the first one's."""
    for frame in (1, 2):
        facts = (home / plate("a", frame)).stat()
        os.utime(home / plate("b", frame), ns=(facts.st_atime_ns, facts.st_mtime_ns))
        assert (home / plate("b", frame)).stat().st_size == facts.st_size
    _, _, node = new_file(home, "alike.blend")
    solve(node)
    bpy.ops.wm.save_as_mainfile(filepath=str(home / "other.blend"))
    turned_to(home / plate("b"))()
    assert fresh() == ()
    solve(node)
    assert (rendered(home / "alike.blend"), rendered(home / "other.blend")) == (RED, one_folder.VALUES["b"])


def clear_cache(home: Path) -> None:
    """Clear Cache of one file leaves what another plays."""
    _, _, node = new_file(home, "kept.blend")
    solve(node)
    saved_as(home / "kept.blend", home / "cleared.blend", turned_to(home / plate("b")))
    for only_old in (True, False):
        bpy.ops.cleanplate.clear_cache(only_old=only_old)
        assert (fresh() == (1, 2)) == only_old
    with WithoutServer():
        assert rendered(home / "kept.blend") == RED


def changed_in_a_solve(home: Path) -> None:
    """The plate behind nodes becomes another of its name in the middle of a solve: that ends, and no result of the
    new plate is taken for one of the old."""
    from plugin_blender.solve import Solve

    scene, tree, node = new_file(home, "changed.blend")
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(node.inputs["Plate"].links[0].from_socket, exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    running = Solve(scene, node, (1, 2))
    try:
        assert running.step()
        turned_to(home / plate("b"))()
        while running.step():
            pass
    finally:
        running.close()
    assert "was changed while it was solved" in running.sentence and 2 not in running.done
    bpy.ops.cleanplate.solve_range()
    assert fresh() == (1, 2)
    bpy.ops.wm.save_mainfile()
    assert rendered(home / "changed.blend") == one_folder.VALUES["b"]


def behind_another_node(home: Path) -> None:
    """A node whose plate is what another node shows keeps its results when the file is opened again."""
    from plugin_blender import places, planning

    _, tree, node = new_file(home, "chain.blend")
    stage.matte_node(tree, node.outputs["Foreground"], node.inputs["Clean Plate"].links[0].from_socket)
    for each in one_folder.now():
        solve(each)
    for _ in range(2):
        bpy.ops.wm.open_mainfile(filepath=str(home / "chain.blend"))
        found = [planning.refresh(scene, each).counts().fresh for scene, each in places.all_nodes()]
        assert found == [(1, 2), (1, 2)], found
        rendered(home / "chain.blend")


def without_pictures(home: Path, old: Path) -> None:
    """A project that is moved away from its plates shows what was solved: there is nothing to compare it with."""
    (old / "comp").mkdir()
    clean = "x/clean/clean.exr"
    _, _, node = new_file(old / "comp", "shot.blend", f"../{clean}", f"../{plate('a')}")
    played_by(node).filepath = str(old / plate("a"))
    played_by(node, "Clean Plate").filepath = str(old / clean)
    solve(node)
    home.mkdir(parents=True)
    (old / "comp").rename(home)
    (old / "a").rename(old / "gone")
    # Those of another file do not.
    for folder in list(home.glob("cleanplate/*/*-*")):
        folder.with_name(f"{folder.name.partition('-')[0]}-00000000").mkdir()
    with WithoutServer():
        assert rendered(home / "shot.blend") == RED
        # Others come in their place.
        (old / "b").rename(old / "a")
        bpy.ops.wm.open_mainfile(filepath=str(home / "shot.blend"))
        assert fresh() == () and stage.shown_alpha(bpy.context.scene, 2) == 0.0


if __name__ == "__main__":
    stage.run(case)
