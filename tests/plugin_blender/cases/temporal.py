"""Temporal smoothing: which frames a result is made from, what is sent and rendered for it, and its messages."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    # Small pictures, in which a search for the camera's motion would only add its warnings.
    node.matte.align, node.matte.match_exposure = "none", False
    scene.frame_set(2)
    facts = from_files(scene, node)
    what_makes_stale(place, scene, node)
    what_is_said(place, scene, node)
    ends_of_footage(place, scene, tree, node)
    facts["rendered"] = from_nodes(scene, tree, node)
    cut_and_cancelled(scene, node)
    facts["demanded"] = on_demand(place, scene, tree, node)
    return facts


def counts(scene: Any, node: Any) -> tuple[int, int, int]:
    from plugin_blender import planning

    found = planning.refresh(scene, node).counts()
    return len(found.fresh), len(found.stale), len(found.missing)


def task_of(scene: Any, node: Any, frame: int) -> Any:
    from plugin_blender import planning, sending

    plan = planning.plan_of(scene, node)
    return sending.task_of(plan, frame, sending.sent_for(plan, frame)())


def results(scene: Any, node: Any) -> str:
    from plugin_blender import planning

    return str(planning.refresh(scene, node).results)


def from_files(scene: Any, node: Any) -> dict[str, Any]:
    """Without and with it; and a range in parts, of which each needs frames of the others."""
    from plugin_blender import plan as plans
    from plugin_blender import planning
    from plugin_blender.solve import solve_now

    assert node.matte.temporal == 0.0
    plan = planning.refresh(scene, node)
    identities = [plan.key, plan.plate.identity(2), plan.clean_plate.identity(2)]
    assert plan.stamp(2) == plans.digest(identities), "results of before would be stale"
    task = task_of(scene, node, 2)
    assert task.before is None and task.after is None
    bpy.ops.cleanplate.solve_range()
    facts = {"plain": results(scene, node)}

    node.matte.temporal = 1.0
    assert counts(scene, node) == (0, 4, 0)
    weights = {}
    for part in ([1], [2, 3], [4]):
        solve = solve_now(scene, node, part)
        assert not solve.sentence and not solve.warnings, (solve.sentence, solve.warnings)
        weights.update({frame: solve.diagnostics[frame]["temporal"] for frame in part})
    assert counts(scene, node) == (4, 0, 0) and scene.frame_current == 2
    # A farm that narrows the scene's range to its part finds the same results.
    scene.frame_start = scene.frame_end = 3
    assert counts(scene, node) == (1, 0, 0)
    scene.frame_start, scene.frame_end = 1, 4
    return {**facts, "smooth": results(scene, node), "weights": weights}


def touch(file: Path, seconds: int) -> None:
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime + seconds))


def what_makes_stale(place: Path, scene: Any, node: Any) -> None:
    """A plate that was rendered again: its own result, and with smoothing those on both sides."""
    from plugin_blender import planning

    touch(place / "plate.0003.exr", 5)
    assert planning.refresh(scene, node).counts().fresh == (1,)
    node.matte.temporal = 0.0
    assert planning.refresh(scene, node).counts().fresh == (1, 2, 4)
    bpy.ops.cleanplate.solve_range()
    node.matte.temporal = 1.0
    assert counts(scene, node) == (1, 3, 0)
    bpy.ops.cleanplate.solve_range()
    assert counts(scene, node) == (4, 0, 0)


def what_is_said(place: Path, scene: Any, node: Any) -> None:
    """A hole in the footage stops those that need it; a picture that cannot be read is left out, with a warning."""
    from plugin_blender.solve import solve_now

    plate = place / "plate.0003.exr"
    moved = plate.rename(place / "elsewhere.exr")
    message = stage.error_of(bpy.ops.cleanplate.solve_frame)
    wanted = f"Frame 2: the plate {plate}, which temporal smoothing needs, does not exist."
    assert message.startswith(wanted), message
    assert counts(scene, node) == (1, 3, 0), "only frame 1 has all that it is made from"
    assert not solve_now(scene, node, [1], again=True).sentence

    plate.write_bytes(moved.read_bytes()[:300])
    solve = solve_now(scene, node, [2], again=True)
    assert solve.done == [2] and not solve.sentence, solve.sentence
    (warning,) = solve.warnings
    assert warning.startswith("The frame after was left out of temporal smoothing."), warning
    weights = solve.diagnostics[2]["temporal"]
    assert weights["before"] > 0 and weights["after"] is None, weights
    moved.replace(plate)
    assert counts(scene, node) == (1, 3, 0), "a result without its neighbour passes for a whole one"
    bpy.ops.cleanplate.solve_range()
    assert counts(scene, node) == (4, 0, 0)


def sides(scene: Any, node: Any, frame: int) -> list[int]:
    from plugin_blender import planning

    return list(planning.plan_of(scene, node).around(frame).values())


def ends_of_footage(place: Path, scene: Any, tree: Any, node: Any) -> None:
    """Where plate and clean plate begin and end by themselves, and what each side's task is given."""

    plate = node.inputs["Plate"].links[0].from_node
    plate.frame_start, plate.frame_duration = 11, 3
    assert [sides(scene, node, frame) for frame in (11, 12, 13)] == [[12], [11, 13], [12]]
    plate.use_cyclic = True
    assert sides(scene, node, 13) == [12, 14]
    plate.frame_start, plate.frame_duration, plate.use_cyclic = 1, 4, False

    clip = tree.nodes.new("CompositorNodeMovieClip")
    clip.clip = bpy.data.movieclips.load(str(place / "plate.0001.exr"))
    clip.clip.frame_start, clip.clip.frame_offset = 21, 1
    tree.links.new(clip.outputs[0], node.inputs["Plate"])
    # plate.0001 is shown in frame 20, plate.0004 in frame 23.
    assert [sides(scene, node, frame) for frame in (20, 21, 23)] == [[21], [20, 22], [22]]
    # Movies: as the Image node plays one, and all of its five frames in a clip.
    movie = stage.image_node(tree, place / "movie.mkv")
    movie.frame_start, movie.frame_duration = 31, 3
    clip.clip = bpy.data.movieclips.load(str(place / "movie.mkv"))
    clip.clip.frame_start = 41
    for source, first, last in ((movie, 31, 33), (clip, 41, 45)):
        tree.links.new(source.outputs[0], node.inputs["Plate"])
        assert [sides(scene, node, frame) for frame in (first, last)] == [[first + 1], [last - 1]], source.name
        tree.nodes.remove(source)
    tree.links.new(plate.outputs[0], node.inputs["Plate"])

    still = node.inputs["Clean Plate"].links[0].from_socket
    moving = stage.image_node(tree, place / "plate.0001.exr", 2)
    moving.frame_start, moving.frame_offset = 2, 0
    tree.links.new(moving.outputs[0], node.inputs["Clean Plate"])
    # It shows nothing in frame 1, and is held after frame 3.
    assert [sides(scene, node, frame) for frame in (2, 3, 4)] == [[3], [2, 4], [3]]
    task = task_of(scene, node, 3)
    used = [Path(side.clean_plate.path).name for side in (task.before, task, task.after)]
    assert used == ["plate.0001.exr", "plate.0002.exr", "plate.0002.exr"], used
    tree.links.new(still, node.inputs["Clean Plate"])
    tree.nodes.remove(moving)
    task = task_of(scene, node, 3)
    assert [task.before.plate.path, task.after.plate.path] == [str(place / f"plate.000{n}.exr") for n in (2, 4)]
    assert task.before.clean_plate == task.clean_plate
    assert counts(scene, node) == (4, 0, 0)


class WatchedSolve:
    """Notes which frames' inputs are rendered, and where; nothing of it may be left in the end."""

    def __init__(self) -> None:
        self.frames: list[int] = []
        self.folders: dict[int, Path] = {}

    def __enter__(self) -> WatchedSolve:
        from plugin_blender import extraction

        self._real = extraction.render_inputs

        def render_inputs(scene: Any, node: Any, inputs: Any, frame: int, folder: Path) -> list[str]:
            files = self._real(scene, node, inputs, frame, folder)
            self.frames.append(frame)
            self.folders[frame] = folder
            return files

        extraction.render_inputs = render_inputs
        return self

    def __exit__(self, *_: Any) -> None:
        from plugin_blender import extraction

        extraction.render_inputs = self._real
        left = [folder for folder in self.folders.values() if folder.exists()]
        assert not left, left


def from_nodes(scene: Any, tree: Any, node: Any) -> str:
    """Inputs that have to be rendered: each frame's once. Both inputs, so that the clean plate has files too."""
    from plugin_blender import planning

    plate = node.inputs["Plate"].links[0].from_node
    for name in ("Plate", "Clean Plate"):
        exposure = tree.nodes.new("CompositorNodeExposure")
        tree.links.new(node.inputs[name].links[0].from_socket, exposure.inputs[0])
        tree.links.new(exposure.outputs[0], node.inputs[name])
    assert [sides(scene, node, frame) for frame in (1, 2, 4)] == [[2], [1, 3], [3]]
    with WatchedSolve() as watched:
        bpy.ops.cleanplate.solve_range()
    assert watched.frames == [1, 2, 3, 4] and scene.frame_current == 2, watched.frames
    assert counts(scene, node) == (4, 0, 0)
    # Without footage there is always a frame before and after; frames are numbered from 0.
    plan, generated = planning.plan_of(scene, node), bpy.data.images.new("plain", 8, 8)
    footage, plate.image = plate.image, generated
    assert sides(scene, node, 4) == [3, 5] and sides(scene, node, 0) == [1]
    plate.image = footage
    plate.frame_duration, plate.frame_start, plate.frame_offset = 4, 1, 0
    assert planning.plan_of(scene, node).key == plan.key
    return str(plan.results)


def cut_and_cancelled(scene: Any, node: Any) -> None:
    """A part of the range renders its neighbours too; files go as soon as no task needs them, and on cancel."""
    from plugin_blender.solve import Solve, solve_now

    node.matte.erode = 1.0
    with WatchedSolve() as watched:
        solve_now(scene, node, [2, 3])
    assert watched.frames == [1, 2, 3, 4], watched.frames
    with WatchedSolve() as watched:
        solve_now(scene, node, [1, 4])
    assert watched.frames == [1, 2, 3, 4], watched.frames
    with WatchedSolve() as watched:
        solve = Solve(scene, node, range(1, 5), again=True)
        gone: dict[int, int] = {}
        while solve.step():
            for frame, folder in watched.folders.items():
                if not (folder / f"input0_{frame:04d}.exr").exists():
                    gone.setdefault(frame, len(solve.done))
        solve.close()
    # Each is needed until the frame after it is done, and not to the end of the solve.
    assert solve.done == [1, 2, 3, 4] and watched.frames == [1, 2, 3, 4]
    assert all(done >= min(frame + 1, 4) for frame, done in gone.items()) and gone[1] < 4, gone
    with WatchedSolve() as watched:
        solve = Solve(scene, node, range(1, 5), again=True)
        while not watched.frames:
            assert solve.step()
        solve.cancel()
        while solve.step():
            pass
        solve.close()
    assert watched.frames == [1] and solve.cancelled


def on_demand(place: Path, scene: Any, tree: Any, node: Any) -> str:
    """Frames that a render comes upon: in the background, and as the window's render thread does it."""
    from plugin_blender import graph, handlers, planning, runtime

    for name in ("Plate", "Clean Plate"):
        exposure = node.inputs[name].links[0].from_node
        tree.links.new(exposure.inputs[0].links[0].from_socket, node.inputs[name])
    node.matte.erode = 0.0
    # Nothing is there to be taken along.
    graph.show_nothing(node)
    node.matte.folder = str(place / "demanded")
    stage.main_output(tree, node.outputs["Image"])
    stage.render_settings(scene, place / "out", (64, 48))
    handlers._prepare(scene)
    assert not runtime.render.serve(2) and not runtime.render.sentences(), runtime.render.sentences()
    runtime.render = None
    assert planning.refresh(scene, node).counts().fresh == (2,)
    bpy.ops.render.render(animation=True)
    assert counts(scene, node) == (4, 0, 0)
    return results(scene, node)


stage.run(case)
