"""Results that stay right: in other versions of a file, in copies, with the same pictures; and what that costs."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    versions(place)
    saved_elsewhere(place)
    saved_elsewhere_in_a_solve(place)
    copied_scene(place)
    linked(place)
    contents(place)
    return {"stats": idle(place)}


def node_now() -> tuple[Any, Any]:
    from plugin_blender import places

    ((scene, node),) = places.all_nodes()
    return scene, node


def fresh(scene: Any, node: Any) -> tuple[int, ...]:
    from plugin_blender import planning

    return planning.refresh(scene, node).counts().fresh


def reopened(path: Path) -> tuple[Any, Any]:
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return node_now()


def versions(place: Path) -> None:
    """Two versions beside each other: Clear Cache of one leaves what the other plays, packed or not."""
    scene, tree, node = stage.shot_node(place)
    stage.main_output(tree, node.outputs["Image"])
    bpy.ops.cleanplate.solve_range()
    for compress in (False, True):
        first = place / "shot.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(first), compress=compress)
        bpy.ops.wm.save_as_mainfile(filepath=str(place / "shot_v002.blend"), compress=False)
        scene, node = node_now()
        assert fresh(scene, node) == (1, 2, 3, 4)
        node.matte.softness = 2.0
        bpy.ops.cleanplate.solve_range()
        bpy.ops.cleanplate.clear_cache(only_old=True)
        bpy.ops.cleanplate.clear_cache()
        assert fresh(scene, node) == ()
        scene, node = reopened(first)
        assert fresh(scene, node) == (1, 2, 3, 4), f"another version deleted them, compressed {compress}"
    (place / "shot_v002.blend").unlink()
    named_as_former(place)
    scene, node = reopened(first)
    damaged = place / "damaged.blend"
    damaged.write_bytes(b"\x28\xb5\x2f\xfd no frame of Zstandard")
    message = stage.error_of(bpy.ops.cleanplate.clear_cache)
    assert "damaged.blend cannot be read" in message and fresh(scene, node) == (1, 2, 3, 4), message
    damaged.unlink()


def no_links(*_: Any) -> None:
    """What a disk without links answers."""
    raise OSError(18, "Invalid cross-device link")


def named_as_former(place: Path) -> None:
    """Clear Cache leaves what another file may still take along, though it plays other results by now."""
    (place / "later").mkdir()
    other = place / "later" / "shot.blend"
    for compress in (False, True):
        link, os.link = os.link, no_links
        scene, node = reopened(place / "shot.blend")
        node.matte.softness = 3.0
        bpy.ops.wm.save_as_mainfile(filepath=str(other), compress=compress)
        os.link = link
        scene, node = reopened(place / "shot.blend")
        assert fresh(scene, node) == (1, 2, 3, 4)
        bpy.ops.cleanplate.clear_cache()
        assert fresh(scene, node) == (1, 2, 3, 4), f"what another file names was deleted, compressed {compress}"
        scene, node = reopened(other)
        node.matte.softness = 0.0
        assert fresh(scene, node) == (1, 2, 3, 4), "the other file cannot take them along"
        other.unlink()
        shutil.rmtree(place / "later" / "cleanplate")


def saved_elsewhere(place: Path) -> None:
    """Save As into another folder takes the results along, and what is cleared there stays here."""
    from plugin_blender import copies, planning, runtime

    for folder in ("elsewhere", "away"):
        (place / folder).mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "elsewhere" / "shot.blend"))
    scene, node = node_now()
    assert runtime.states[node.matte.node_id].counts.fresh == (1, 2, 3, 4), "counted before they were there"
    plan = planning.refresh(scene, node)
    assert plan.counts().fresh == (1, 2, 3, 4) and str(plan.folder).startswith(str(place / "elsewhere"))
    replaced_since(place / "plate.0002.exr", scene, node)
    bpy.ops.wm.save_mainfile()
    bpy.ops.cleanplate.clear_cache()
    assert fresh(scene, node) == ()
    scene, node = reopened(place / "shot.blend")
    assert fresh(scene, node) == (1, 2, 3, 4)

    # A disk without links: a window offers to copy them, and background processes do.
    link, os.link = os.link, no_links
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "away" / "shot.blend"))
    os.link = link
    scene, node = node_now()
    plan = planning.refresh(scene, node)
    assert plan.counts().fresh == (1, 2, 3, 4) and not copies.left_behind(node.matte.former, plan)
    for frame in range(1, 5):
        plan.result(frame).unlink()
    assert fresh(scene, node) == () and bpy.ops.cleanplate.copy_results() == {"FINISHED"}
    assert fresh(scene, node) == (1, 2, 3, 4)


def replaced_since(plate: Path, scene: Any, node: Any) -> None:
    """Another picture of the same size and time: neither the node's own result, nor its link to the one in the
    folder before Save As, is played for it. Then the first one again."""
    from plugin_blender import planning, put_again, runtime

    kept, facts = plate.read_bytes(), plate.stat()
    for data, wanted in ((kept[:-1] + bytes([kept[-1] ^ 1]), (1, 3, 4)), (kept, (1, 2, 3, 4))):
        plate.write_bytes(data)
        os.utime(plate, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        put_again.settle(planning.plan_of(scene, node), 2)
        for _ in range(2):
            # As each solve's end does.
            runtime.look_back_again()
            plan = planning.refresh(scene, node)
            assert plan.counts().fresh == wanted and plan.result(2).exists() == (2 in wanted)


def saved_elsewhere_in_a_solve(place: Path) -> None:
    """What is solved after Save As, or after the node was copied, is taken along too."""
    from plugin_blender import copies, planning, solve

    scene, node = reopened(place / "shot.blend")
    node.matte.softness = 3.0
    running = solve.Solve(scene, node, (1, 2, 3, 4))
    try:
        while not running.done:
            assert running.step()
        (place / "meanwhile").mkdir()
        bpy.ops.wm.save_as_mainfile(filepath=str(place / "meanwhile" / "shot.blend"))
        copy = node.id_data.nodes.new("CompositorNodeGroup")
        pasted(node, copy)
        copies.make_unique()
        assert len(fresh(scene, node)) < 4 > len(fresh(scene, copy))
        while running.step():
            pass
    finally:
        running.close()
    assert len(running.done) == 4
    assert fresh(scene, node) == fresh(scene, copy) == (1, 2, 3, 4)
    assert str(planning.plan_of(scene, node).folder).startswith(str(place / "meanwhile"))


def pasted(node: Any, copy: Any) -> None:
    """Makes the copy what copy and paste make it."""
    copy.node_tree = node.node_tree
    for key in sorted(node.matte.keys()):
        copy.matte[key] = node.matte[key]
    for name in ("Plate", "Clean Plate"):
        copy.id_data.links.new(node.inputs[name].links[0].from_socket, copy.inputs[name])


def copied_scene(place: Path) -> None:
    from plugin_blender import places, planning

    _, original = reopened(place / "shot.blend")
    name = original.matte.node_id
    bpy.ops.scene.new(type="FULL_COPY")
    if stage.FIVE and len(list(places.all_nodes())) == 1:
        # Blender 5 shares the tree; this is the button beside it.
        bpy.context.scene.compositing_node_group = bpy.context.scene.compositing_node_group.copy()
    planning.refresh_all()
    found = list(places.all_nodes())
    assert [node.matte.node_id == name for scene, node in found if scene.name == "Scene"] == [True]
    assert len({node.matte.node_id for _, node in found}) == len(found) == 2
    assert [fresh(scene, node) for scene, node in found] == [(1, 2, 3, 4)] * 2
    # Whatever the scenes are called: the one that comes first has the copy.
    (copied,) = [node for scene, node in found if scene.name != "Scene"]
    copied.matte.node_id = name
    bpy.data.scenes["Scene"].name = "The original"
    planning.refresh_all()
    kept = {scene.name: node.matte.node_id == name for scene, node in places.all_nodes()}
    assert kept == {"The original": True, "Scene.001": False}, kept


def linked(place: Path) -> None:
    """A linked scene's results lie beside the file that it is linked from."""
    from plugin_blender import graph, planning

    bpy.ops.wm.read_homefile(use_empty=True)
    (place / "library").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "library" / "user.blend"))
    with bpy.data.libraries.load(str(place / "shot.blend"), link=True) as (_, wanted):
        wanted.scenes = ["Scene"]
    scene, node = node_now()
    assert Path(graph.shown_file(node)).is_relative_to(place / "cleanplate"), "as it lies beside the library"
    planning.refresh_all()
    assert scene.library and fresh(scene, node) == (1, 2, 3, 4), planning.plan_of(scene, node).folder
    assert not (place / "library" / "cleanplate").exists()
    linked_node_keeps_up(place, scene, node)
    group = node.node_tree.name
    if stage.FIVE:
        assert bpy.context.scene != scene
        bpy.context.scene.compositing_node_group = scene.compositing_node_group
        message = stage.error_of(bpy.ops.cleanplate.add)
        assert "is linked from" in message, message
        overridden(place, scene)
    group_of_a_library(place, group)


def overridden(place: Path, scene: Any) -> None:
    """The node of an override has a folder of its own beside that of the library's, and the same one each time."""
    from plugin_blender import places, planning

    file = place / "library" / "user.blend"
    bpy.context.scene.compositing_node_group = scene.compositing_node_group.override_create()
    found = []
    for _ in range(2):
        planning.refresh_all()
        found.append({node.matte.node_id: node.id_data.library is None for _, node in places.all_nodes()})
        bpy.ops.wm.save_as_mainfile(filepath=str(file))
        bpy.ops.wm.open_mainfile(filepath=str(file))
    assert found[0] == found[1] and sorted(found[0].values()) == [False, True], found


def linked_node_keeps_up(place: Path, scene: Any, node: Any) -> None:
    """Blender lets a linked node play no image of this file. It plays its results all the same."""
    from plugin_blender import graph, handlers, planning

    def shown() -> str:
        planning.refresh_all()
        assert planning.shows(node, planning.plan_of(scene, node)), graph.shown_file(node)
        return graph.shown_file(node)

    own, bpy.context.window.scene = bpy.context.scene, scene
    first = shown()
    solved = stage.shown_alpha(scene, 2)
    node.matte.erode = 3.0
    assert shown() != first and stage.shown_alpha(scene, 2) == 0.0 < solved
    node.matte.erode = 0.0
    assert shown() == first and stage.shown_alpha(scene, 2) == solved
    result = planning.plan_of(scene, node).result(2)
    result.rename(place / "away.exr")
    assert shown() == first and stage.shown_alpha(scene, 2) == 0.0
    (place / "away.exr").rename(result)
    assert shown() == first and stage.shown_alpha(scene, 2) == solved, "it has come since"
    handlers.on_undo_begin()
    assert graph.shown_file(node) == first, "no step of the undo has another"
    handlers.on_undo()
    assert graph.shown_file(node) == first and stage.shown_alpha(scene, 2) == solved
    clean = node.inputs["Clean Plate"].links[0].from_socket
    node.id_data.links.remove(node.inputs["Clean Plate"].links[0])
    planning.refresh_all()
    assert graph.shown_file(node) == "" and stage.shown_alpha(scene, 2) == 0.0
    node.id_data.links.new(clean, node.inputs["Clean Plate"])
    assert shown() == first
    bpy.context.window.scene = own


def group_of_a_library(place: Path, name: str) -> None:
    """The node's group as an asset, linked into another file: the node there has a group and results of its own."""
    from plugin_blender import planning

    bpy.ops.wm.read_homefile(use_empty=True)
    (place / "asset").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "asset" / "user.blend"))
    _, tree = stage.scene_with_tree(1, 4)
    with bpy.data.libraries.load(str(place / "shot.blend"), link=True) as (_, wanted):
        wanted.node_groups = [name]
    node = tree.nodes.new("CompositorNodeGroup")
    node.node_tree = wanted.node_groups[0]
    for socket, picture in (
        ("Plate", stage.image_node(tree, place / "plate.0001.exr", 4)),
        ("Clean Plate", stage.image_node(tree, place / "clean.exr")),
    ):
        tree.links.new(picture.outputs[0], node.inputs[socket])
    node.matte.model = "difference"
    planning.refresh_all()
    assert node.node_tree.library is None and node.matte.node_id
    assert fresh(bpy.context.scene, node) == ()
    bpy.ops.cleanplate.solve_range()
    bpy.ops.wm.save_mainfile()
    scene, node = reopened(place / "asset" / "user.blend")
    assert fresh(scene, node) == (1, 2, 3, 4)
    assert list((place / "asset" / "cleanplate").glob("*/*/matte.0004.exr"))


def contents(place: Path) -> None:
    """The pictures that were sent decide, where settings and times of files say nothing or too much."""
    from plugin_blender import planning, runtime
    from plugin_blender.solve import Solve

    scene, node = reopened(place / "shot.blend")
    plate = place / "plate.0003.exr"
    facts = plate.stat()
    # A copy of a project that lost the times of its files.
    os.utime(plate, ns=(facts.st_atime_ns, facts.st_mtime_ns + 10**10))
    assert fresh(scene, node) == (1, 2, 4)
    assert bpy.ops.cleanplate.compare() == {"FINISHED"}
    assert fresh(scene, node) == (1, 2, 3, 4)

    # What cannot be compared by its settings is solved in a window, for its pictures are known, until an
    # edit. In the background it is unknown.
    tree = node.id_data
    mix = tree.nodes.new("CompositorNodeSetAlpha")
    tree.links.new(node.inputs["Plate"].links[0].from_socket, mix.inputs[0])
    tree.links.new(mix.outputs[0], node.inputs["Plate"])
    seen = bpy.app.driver_namespace
    seen["plate_is_seen"] = lambda: 1.0
    mix.inputs[1].driver_add("default_value").driver.expression = "plate_is_seen()"
    solve = Solve(scene, node, [1, 2])
    solve.run()
    assert sorted(solve.done) == [1, 2] and not solve.sentence, solve.sentence
    counts = planning.refresh(scene, node).counts()
    assert counts.unknown == (1, 2) and not counts.fresh
    runtime.in_window = True
    solve = Solve(scene, node, [1, 2])
    solve.run()
    assert sorted(solve.unchanged) == [1, 2] and not solve.done and "2 unchanged" in solve.summary
    assert fresh(scene, node) == (1, 2)
    scene.collection.objects.link(bpy.data.objects.new("another", None))
    bpy.context.view_layer.update()
    assert planning.refresh(scene, node).counts().unknown == (1, 2), "an edit is not noticed"
    runtime.in_window = False
    withdrawn(scene, node, seen)


def withdrawn(scene: Any, node: Any, seen: dict[str, Any]) -> None:
    """What a comparison has found to be of other pictures is not brought back by files that are the same, nor from
    a folder of pictures elsewhere, but by a comparison alone."""
    from plugin_blender import planning, put_again, runtime

    plan = planning.refresh(scene, node)
    shutil.copytree(plan.results, plan.results.with_name(f"{plan.settings_key}-00000000"))
    # It leaves nothing of the plate.
    seen["plate_is_seen"] = lambda: 0.0
    counts = []
    for _ in range(2):
        assert bpy.ops.cleanplate.compare() == {"FINISHED"}
        for _ in range(2):
            plan = planning.refresh(scene, node)
            for frame in (1, 2):
                put_again.settle(plan, frame)
            runtime.look_back_again()
        counts.append(planning.refresh(scene, node).counts())
        seen["plate_is_seen"] = lambda: 1.0
    assert [(each.unknown, set(each.stale) & {1, 2}) for each in counts] == [((), {1, 2}), ((1, 2), set())], counts


def idle(place: Path) -> dict[str, list[int]]:
    """How often the disk is asked for a file while a window rests, and after an edit, at 1,000 frames."""
    from plugin_blender import file_states, planning, runtime

    for folder in ("many", "many/cleanplate"):
        (place / folder).mkdir()
    for frame in range(1, 1001):
        os.link(place / "plate.0001.exr", place / "many" / f"plate.{frame:04d}.exr")
    shutil.copy(place / "clean.exr", place / "many")
    bpy.ops.wm.read_homefile(use_empty=True)
    scene, _, node = stage.shot_node(place / "many", 1000)
    # Plates of the same size and time have results of the same stamp.
    bpy.ops.cleanplate.solve_frame()
    plan = planning.refresh(scene, node)
    for frame in range(2, 1001):
        os.link(plan.result(1), plan.result(frame))
    assert len(planning.refresh(scene, node).counts().fresh) == 1000
    real, asked = os.stat, []

    def counted(path: Any, *rest: Any, **more: Any) -> Any:
        asked.append(path)
        return real(path, *rest, **more)

    found = {"rest": [], "edit": [], "background": []}
    os.stat = counted
    planning.refresh_all()
    found["background"].append(len(asked))
    file_states.is_kept = True
    planning.refresh_all()
    for _ in range(6):
        asked.clear()
        planning.look_at_files()
        found["rest"].append(len(asked))
    for _ in range(3):
        asked.clear()
        runtime.mark_changed()
        planning.refresh_all()
        found["edit"].append(len(asked))
    os.stat = real
    # What is seen is noticed all the same.
    scene.frame_set(7)
    seven = place / "many" / "plate.0007.exr"
    seven.unlink()
    seven.write_bytes(b"another")
    before = runtime.changed_at
    planning.look_at_files()
    assert runtime.changed_at > before, "the frame that is shown has changed, and nobody noticed"
    return found


stage.run(case)
