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
    written_over(place)
    with_other_times(place)


def counts(scene: Any, node: Any) -> Any:
    from plugin_blender import planning

    return planning.refresh(scene, node).counts()


def fresh(scene: Any, node: Any) -> tuple[int, ...]:
    """Each frame is settled, as a render does with its own."""
    from plugin_blender import planning, put_again

    plan = planning.refresh(scene, node)
    for frame in EVERY:
        put_again.settle(plan, frame)
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
    handlers._make_fresh(scene, node, scene.frame_current)
    found = counts(scene, node)
    assert (found.fresh, found.unknown) == ((2,), (1, 3, 4)), found
    on_demand.RenderSolve([planning.plan_of(scene, node)], NodeError("nobody"), lambda: None).serve(3)
    found = counts(scene, node)
    assert (found.fresh, found.unknown) == ((2, 3), (1, 4)), found
    plate = place / "plate.0002.exr"
    data = plate.read_bytes()
    tick()
    copied(plate, other_picture(data))
    handlers._make_fresh(scene, node, scene.frame_current)
    found = counts(scene, node)
    assert (found.fresh, found.unknown) == ((2, 3), (1, 4)), found
    assert not planning.plan_of(scene, node).is_touched(2)
    copied(plate, data)
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    assert fresh(scene, node) == EVERY


def in_another_session(scene: Any, node: Any, place: Path) -> tuple[Any, Any]:
    """Replaced while Blender was closed."""
    from plugin_blender.matte_link import seen_files

    from plugin_blender import places, touched

    bpy.ops.wm.save_as_mainfile(filepath=str(place / "shot.blend"))
    plate = place / "plate.0001.exr"
    data = plate.read_bytes()
    tick()
    copied(plate, other_picture(data))
    touched._equal.clear()
    seen_files._known.clear()
    bpy.ops.wm.open_mainfile(filepath=str(place / "shot.blend"))
    ((scene, node),) = places.all_nodes()
    assert fresh(scene, node) == (2, 3, 4)
    return scene, node


def in_a_window(scene: Any, node: Any, place: Path) -> None:
    """A window does not wait for the disk: until a thread has read the pictures they are unknown, and *Clear Cache*
    of old results does not take them for old ones."""
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    tick()
    for file in place.glob("plate.000?.exr"):
        file.chmod(0o444)
        file.chmod(0o644)
    assert counts(scene, node).unknown == EVERY, "in the background nobody reads them unasked"
    bpy.ops.cleanplate.clear_cache(only_old=True)
    assert counts(scene, node).unknown == EVERY
    copied(place / "plate.0002.exr", other_picture((place / "plate.0002.exr").read_bytes()))
    assert compared_in_a_window(scene, node, lambda found: found.unknown).fresh == (1, 3, 4)


def compared_in_a_window(scene: Any, node: Any, goes_on: Callable[[Any], object]) -> Any:
    """The counts when nothing goes on any more: after each piece of news a window counts again."""
    from plugin_blender import file_states, put_again, runtime

    at_once, put_again._AT_ONCE = put_again._AT_ONCE, 2
    file_states.is_kept = runtime.in_window = True
    file_states.forget()
    before, until = runtime.changed_at, time.monotonic() + 60
    while goes_on(found := counts(scene, node)):
        while runtime.changed_at == before:
            assert time.monotonic() < until, found
            time.sleep(0.01)
        before = runtime.changed_at
    file_states.is_kept = runtime.in_window = False
    put_again._AT_ONCE = at_once
    return found


def aged(file: Path) -> None:
    """Another time, as in a copy of a project, a restored backup or a fetched cache."""
    facts = file.stat()
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 7_000_000_000))


def with_other_times(place: Path) -> None:
    """The same bytes under another time are the same picture, without a solve; until they are read, nothing of them
    is shown, for as many bytes are mostly another picture (DPX, and EXR without compression)."""
    from plugin_blender import on_demand, planning, runtime
    from plugin_blender.plan import NodeError

    place, scene, tree, node = shot_of_its_own(place / "times")
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    plates = [place / f"plate.{frame:04d}.exr" for frame in EVERY]
    made = {frame: planning.plan_of(scene, node).result(frame).read_bytes() for frame in EVERY}
    for file in (*plates, place / "clean.exr"):
        aged(file)
    other = plates[1].read_bytes()
    over_it(plates[1], other_picture(other))
    found = counts(scene, node)
    assert found.stale == EVERY and not found.fresh, found
    assert not planning.plan_of(scene, node).result(3).exists(), "an old matte, for all that is known by now"
    # The one that is another picture may be the last to be read.
    state = runtime.state(node.matte.node_id)
    found = compared_in_a_window(scene, node, lambda found: found.fresh != (1, 3, 4) or state.comparing)
    assert found.stale == (2,), found
    assert not state.comparing
    # They are the results of before, but for the stamp; the next session reads nothing for them.
    plan = planning.plan_of(scene, node)
    for frame in (1, 3, 4):
        now = plan.result(frame).read_bytes()
        assert len(now) == len(made[frame]) and now[8192:] == made[frame][8192:], frame
    assert fresh(scene, node) == (1, 3, 4)
    over_it(plates[1], other)
    assert fresh(scene, node) == EVERY

    # A render needs no server for them, and reads its own frame alone.
    for file in plates:
        aged(file)
    on_demand.RenderSolve([planning.refresh(scene, node)], NodeError("nobody"), lambda: None).serve(3)
    found = counts(scene, node)
    assert (found.fresh, found.stale) == ((3,), (1, 2, 4)), found
    assert fresh(scene, node) == EVERY

    # Behind nodes too: the nodes are compared as ever, and their files by what is in them.
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(node.inputs["Plate"].links[0].from_socket, exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    for file in plates:
        aged(file)
    assert counts(scene, node).stale == EVERY
    assert compared_in_a_window(scene, node, lambda found: found.fresh != EVERY).fresh == EVERY
    cannot_be_taken_back(place, scene, node)


def cannot_be_taken_back(place: Path, scene: Any, node: Any) -> None:
    """A results folder that cannot be written: no window tries for ever."""
    from plugin_blender import put_again, runtime

    aged(place / "plate.0002.exr")
    write, put_again.write_atomically = put_again.write_atomically, refused
    found = compared_in_a_window(
        scene, node, lambda _: runtime.state(node.matte.node_id).comparing or not runtime.changed_at
    )
    put_again.write_atomically = write
    assert found.fresh == (1, 3, 4), found
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    assert fresh(scene, node) == EVERY


def refused(*_: Any) -> None:
    raise OSError(30, "Read-only file system")


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
    """Where nodes feed the node, their files are read too: as long as nobody has, nothing is called solved."""
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
    assert fresh(scene, node) == EVERY
    tick()
    copied(plate, plate.read_bytes())
    assert counts(scene, node).unknown == (4,)
    assert bpy.ops.cleanplate.compare() == {"FINISHED"}
    assert counts(scene, node).fresh == EVERY
    tick()
    copied(plate, other_picture(plate.read_bytes()))
    assert counts(scene, node).unknown == (4,)
    assert bpy.ops.cleanplate.compare() == {"FINISHED"}
    assert fresh(scene, node) == (1, 2, 3)


def written_over(place: Path) -> None:
    """Blender has a still in memory, and goes on with it; what is sent is what its file is now."""
    from plugin_blender import extraction, planning, rendered

    place, scene, tree, node = shot_of_its_own(place / "over")
    for name in ("Plate", "Clean Plate"):
        exposure = tree.nodes.new("CompositorNodeExposure")
        tree.links.new(node.inputs[name].links[0].from_socket, exposure.inputs[0])
        tree.links.new(exposure.outputs[0], node.inputs[name])
    painted = stage.image_node(tree, place / "plate.0004.exr")
    painted.image.pixels[40] = painted.image.pixels[40] + 1.0

    def sent(name: str) -> bytes:
        folder = place / "sent"
        folder.mkdir(exist_ok=True)
        (file,) = extraction.render_inputs(scene, node, [name], 1, folder)
        return Path(file).read_bytes()

    before, plate = sent("Clean Plate"), sent("Plate")
    assert sent("Clean Plate") == before != plate
    clean = (place / "clean.exr").read_bytes()
    shutil.copy(place / "plate.0001.exr", place / "clean.exr")
    assert sent("Clean Plate") == plate, "the clean plate that Blender had read"
    assert painted.image.is_dirty, "paint is lost"
    (place / "clean.exr").write_bytes(clean)

    # Written over behind the render of it, and before it is sent.
    real = rendered.extraction.render_inputs
    again = []

    def late(scene: Any, node: Any, names: Any, frame: int, folder: Path) -> Any:
        files = real(scene, node, names, frame, folder)
        again.append(frame)
        if again == [1, 2]:
            shutil.copy(place / "plate.0004.exr", place / "plate.0002.exr")
        return files

    rendered.extraction.render_inputs = late
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    rendered.extraction.render_inputs = real
    assert again == [1, 2, 2, 3, 4] and counts(scene, node).fresh == EVERY, again
    made = planning.plan_of(scene, node)
    two, four = (bpy.data.images.load(str(made.result(frame))) for frame in (2, 4))
    assert list(two.pixels) == list(four.pixels), "a matte of the picture that was there before"


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
