"""Input files that are put there again with their old sizes and times: no old matte for a new picture, and no new
solve for an old one."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import stage

EVERY = (1, 2, 3, 4)


def case(folder: str) -> None:
    stage.add_on()
    place = Path(folder)
    scene, _, node = stage.shot_node(place)
    bpy.ops.cleanplate.solve_range()
    assert fresh(scene, node) == EVERY
    for put in (over_it, beside_and_renamed, copied):
        replaced_and_back(scene, node, place / "plate.0003.exr", (1, 2, 4), put)
    replaced_and_back(scene, node, place / "clean.exr", (), copied)
    same_pictures(scene, node, place)
    scene, node = in_another_session(scene, node, place)
    in_a_window(scene, node, place)
    elsewhere(scene, node, place)
    rendered(place)
    in_time(place)


def counts(scene: Any, node: Any) -> Any:
    from plugin_blender import planning

    return planning.refresh(scene, node).counts()


def fresh(scene: Any, node: Any) -> tuple[int, ...]:
    """Each frame is settled, as a render does with its own."""
    from plugin_blender import planning

    plan = planning.refresh(scene, node)
    for frame in EVERY:
        plan.settle(frame)
    found = counts(scene, node)
    assert not found.unknown, found
    return found.fresh


def other_picture(data: bytes) -> bytes:
    """A readable EXR of the same size: it is uncompressed, so one bit of its last pixel is another."""
    return data[:-1] + bytes([data[-1] ^ 1])


def tick() -> None:
    """The disk's clock goes on: it counts in steps of the kernel, of 4 ms or 10."""
    time.sleep(0.03)


def over_it(file: Path, data: bytes) -> None:
    facts = file.stat()
    file.write_bytes(data)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def beside_and_renamed(file: Path, data: bytes) -> None:
    """As rsync -t and every careful writer do."""
    facts = file.stat()
    beside = file.with_suffix(".part")
    beside.write_bytes(data)
    os.utime(beside, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    beside.replace(file)


def copied(file: Path, data: bytes) -> None:
    """As cp -p does."""
    source = file.parent / "elsewhere.bin"
    source.write_bytes(data)
    facts = file.stat()
    os.utime(source, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    shutil.copy2(source, file)
    source.unlink()


def replaced_and_back(
    scene: Any, node: Any, file: Path, left: tuple[int, ...], put: Callable[[Path, bytes], None]
) -> None:
    data, before = file.read_bytes(), file.stat()
    tick()
    put(file, other_picture(data))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns), "the test's own premise"
    assert fresh(scene, node) == left, f"{file.name}, {put.__name__}"
    # The comp shows nothing there, and not the old matte.
    shown = Path(bpy.path.abspath(stage_player(node).filepath)).parent
    assert not (shown / "matte.0003.exr").exists(), put.__name__
    tick()
    put(file, data)
    # Results of the very same pictures are taken again.
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    assert fresh(scene, node) == EVERY


def stage_player(node: Any) -> Any:
    return next(each.image for each in node.node_tree.nodes if each.bl_idname == "CompositorNodeImage")


def same_pictures(scene: Any, node: Any, place: Path) -> None:
    """Locked, linked, renamed and back, copied over itself: the same pictures, and nothing is sent."""
    from plugin_blender.solve import Solve

    plate = place / "plate.0002.exr"

    def locked() -> None:
        plate.chmod(0o444)
        plate.chmod(0o644)

    def linked() -> None:
        os.link(plate, place / "backup.exr")
        (place / "backup.exr").unlink()

    def renamed() -> None:
        plate.rename(place / "away.exr")
        (place / "away.exr").rename(plate)

    for touch in (locked, linked, renamed, lambda: copied(plate, plate.read_bytes())):
        tick()
        touch()
        assert fresh(scene, node) == EVERY, touch.__name__
    solve = Solve(scene, node, EVERY)
    solve.run()
    assert not solve.done and not solve.sentence
    in_renders(scene, node, place)


def in_renders(scene: Any, node: Any, place: Path) -> None:
    """A render has its own frame compared, and no other: an old matte is solved anew, and one of the same pictures
    needs no server."""
    from plugin_blender import handlers, on_demand, planning
    from plugin_blender.plan import NodeError

    def touch() -> None:
        tick()
        for file in place.glob("plate.000?.exr"):
            file.chmod(0o444)
            file.chmod(0o644)

    touch()
    scene.frame_set(2)
    handlers._make_fresh(scene, node)
    found = counts(scene, node)
    assert (found.fresh, found.unknown) == ((2,), (1, 3, 4)), found
    on_demand.RenderSolve([planning.plan_of(scene, node)], NodeError("nobody"), lambda: None).serve(3)
    found = counts(scene, node)
    assert (found.fresh, found.unknown) == ((2, 3), (1, 4)), found
    plate = place / "plate.0002.exr"
    data = plate.read_bytes()
    tick()
    copied(plate, other_picture(data))
    handlers._make_fresh(scene, node)
    found = counts(scene, node)
    assert (found.fresh, found.unknown) == ((2, 3), (1, 4)), found
    assert not planning.plan_of(scene, node).is_touched(2)
    copied(plate, data)
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    assert fresh(scene, node) == EVERY


def in_another_session(scene: Any, node: Any, place: Path) -> tuple[Any, Any]:
    """Replaced while Blender was closed."""
    from plugin_blender import places, touched

    bpy.ops.wm.save_as_mainfile(filepath=str(place / "shot.blend"))
    plate = place / "plate.0001.exr"
    data = plate.read_bytes()
    tick()
    copied(plate, other_picture(data))
    touched._compared.clear()
    bpy.ops.wm.open_mainfile(filepath=str(place / "shot.blend"))
    ((scene, node),) = places.all_nodes()
    assert fresh(scene, node) == (2, 3, 4)
    return scene, node


def in_a_window(scene: Any, node: Any, place: Path) -> None:
    """A window does not wait for the disk: until a thread has read the pictures they are unknown, and *Clear Cache*
    of old results does not take them for old ones."""
    from plugin_blender import contents, file_states, runtime

    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    tick()
    for file in place.glob("plate.000?.exr"):
        file.chmod(0o444)
        file.chmod(0o644)
    assert counts(scene, node).unknown == EVERY, "in the background nobody reads them unasked"
    bpy.ops.cleanplate.clear_cache(only_old=True)
    assert counts(scene, node).unknown == EVERY
    copied(place / "plate.0002.exr", other_picture((place / "plate.0002.exr").read_bytes()))
    at_once, contents._AT_ONCE = contents._AT_ONCE, 2
    file_states.is_kept = runtime.in_window = True
    file_states.forget()
    before, until = runtime.changed_at, time.monotonic() + 60
    while (found := counts(scene, node)).unknown:
        assert runtime.changed_at > before, "nobody goes on"
        assert time.monotonic() < until, found
        before = runtime.changed_at
        time.sleep(0.05)
    assert found.fresh == (1, 3, 4), found
    file_states.is_kept = runtime.in_window = False
    contents._AT_ONCE = at_once


def elsewhere(scene: Any, node: Any, place: Path) -> None:
    """The key is portable: a copy of the project, with its times, has its results."""
    from plugin_blender import places

    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "shot.blend"))
    copy = place.parent / "copy" / place.name
    shutil.copytree(place, copy)
    bpy.ops.wm.open_mainfile(filepath=str(copy / "shot.blend"))
    ((scene, node),) = places.all_nodes()
    for each in bpy.data.images:
        if each.filepath.endswith("plate.0001.exr") or each.filepath.endswith("clean.exr"):
            each.filepath = f"//{Path(each.filepath).name}"
    assert fresh(scene, node) == EVERY


def shot_of_its_own(folder: Path) -> tuple[Path, Any, Any, Any]:
    """A copy in ``folder`` of the pictures beside it, in an empty file: the folder, scene, tree and node."""
    bpy.ops.wm.read_homefile(use_empty=True)
    folder.mkdir()
    for file in folder.parent.glob("*.exr"):
        shutil.copy2(file, folder)
    return (folder, *stage.shot_node(folder))


def rendered(place: Path) -> None:
    """Where nodes feed the node, only a comparison tells; until then nothing is called solved."""
    from plugin_blender import planning

    place, scene, tree, node = shot_of_its_own(place / "rendered")
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(node.inputs["Plate"].links[0].from_socket, exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    assert fresh(scene, node) == EVERY
    plate = place / "plate.0004.exr"
    tick()
    copied(plate, plate.read_bytes())
    assert counts(scene, node).unknown == (4,)
    planning.plan_of(scene, node).settle(4)
    assert counts(scene, node).unknown == (4,), "its files alone do not tell"
    assert bpy.ops.cleanplate.compare() == {"FINISHED"}
    assert fresh(scene, node) == EVERY
    tick()
    copied(plate, other_picture(plate.read_bytes()))
    assert counts(scene, node).unknown == (4,)
    assert bpy.ops.cleanplate.compare() == {"FINISHED"}
    assert fresh(scene, node) == (1, 2, 3)


def in_time(place: Path) -> None:
    """With temporal smoothing the frames beside count."""
    place, scene, _, node = shot_of_its_own(place / "time")
    node.matte.temporal = 0.5
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    assert fresh(scene, node) == EVERY
    plate = place / "plate.0001.exr"
    tick()
    copied(plate, other_picture(plate.read_bytes()))
    assert fresh(scene, node) == (3, 4)


stage.run(case)
