"""Fresh, stale, missing; two nodes; copies; cancel; and messages."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import bpy
import failing_disks
import stage
import undo


def case(folder: str) -> None:
    stage.add_on()
    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    settings_and_inputs(place, scene, node)
    beyond_the_range(place, scene, tree, node)
    priority_of_a_background_process(scene, node)
    who_made_it(scene, node)
    what_is_missing(place, scene, tree, node)
    two_nodes(scene, tree, node)
    cancelling(scene, node)
    clearing(scene, node)
    what_cannot_be(place, scene, tree, node)
    renders_of_the_window(scene, tree, node)
    showing_the_folder(place, scene, tree, node)
    undo.case(place)
    failing_disks.case(place)


def counts(scene: Any, node: Any) -> tuple[int, int, int]:
    from plugin_blender import planning, put_again

    plan = planning.refresh(scene, node)
    for frame in plan.frames:
        # As a render does with its own: some plates are renamed and renamed back.
        put_again.settle(plan, frame)
    found = planning.refresh(scene, node).counts()
    return len(found.fresh), len(found.stale), len(found.missing)


def shown(node: Any) -> str:
    from plugin_blender import graph

    return graph.shown_file(node)


def settings_and_inputs(place: Path, scene: Any, node: Any) -> None:
    assert counts(scene, node) == (0, 0, 4)
    assert node.label.endswith("(not solved)")
    scene.frame_set(2)
    bpy.ops.cleanplate.solve_frame()
    assert counts(scene, node) == (1, 0, 3), counts(scene, node)
    bpy.ops.cleanplate.solve_range()
    first = shown(node)
    assert counts(scene, node) == (4, 0, 0) and node.label == "Cleanplate Matte"

    # A changed setting: the node plays another folder, in which nothing is yet.
    node.matte.softness = 1.5
    assert counts(scene, node) == (0, 4, 0) and node.label.endswith("(stale)")
    assert shown(node) != first
    assert [file.name for file in Path(shown(node)).parent.iterdir()] == ["matte.0000.exr"]
    node.matte.softness = 0.0
    assert counts(scene, node) == (4, 0, 0) and shown(node) == first

    # A plate that was rendered again: its result is put out of sight, the others stay.
    plate = place / "plate.0003.exr"
    rendered_again(plate)
    assert counts(scene, node) == (3, 1, 0)
    assert not Path(shown(node)).with_name("matte.0003.exr").exists()
    bpy.ops.cleanplate.solve_range()
    assert counts(scene, node) == (4, 0, 0)


def rendered_again(file: Path) -> None:
    """Other bytes, and a later time: what follows an EXR's last line is not read."""
    facts = file.stat()
    file.write_bytes(file.read_bytes() + b"\0")
    os.utime(file, (facts.st_atime, facts.st_mtime + 5))


def beyond_the_range(place: Path, scene: Any, tree: Any, node: Any) -> None:
    """A result of a frame that is not wanted any more is put out of sight, too, where its plate has changed."""
    stage.render_settings(scene, place / "out", (83, 61))
    stage.main_output(tree, node.outputs["Image"])
    node.matte.frames = "1-2"
    assert counts(scene, node) == (2, 0, 0)
    assert stage.shown_alpha(scene, 3) > 0.0, "a result of the present inputs is played beyond the range as well"
    plate = place / "plate.0003.exr"
    rendered_again(plate)
    assert counts(scene, node) == (2, 0, 0)
    assert stage.shown_alpha(scene, 3) == 0.0, "an old matte for a new picture"
    assert stage.shown_alpha(scene, 4) > 0.0
    node.matte.frames = ""
    assert counts(scene, node) == (3, 1, 0)
    bpy.ops.cleanplate.solve_range()
    assert counts(scene, node) == (4, 0, 0)


def priority_of_a_background_process(scene: Any, node: Any) -> None:
    """Frames of a process without a window do not go before those that an artist waits for."""
    from plugin_blender.matte_link.job import MatteJob

    from plugin_blender import solve as solves

    priorities = []
    request = MatteJob._request

    def watched(*arguments: Any) -> Any:
        made = request(*arguments)
        priorities.append(made.priority)
        return made

    MatteJob._request = watched
    assert not solves.solve_now(scene, node, [1], again=True).sentence
    MatteJob._request = request
    assert priorities == ["batch"], priorities


def who_made_it(scene: Any, node: Any) -> None:
    """Results of another version are stale, as is a range that mixes two. What cannot be compared is unknown."""
    from plugin_blender import planning, runtime
    from plugin_blender.exr_header import read_result

    [server] = runtime.servers.values()
    results = [Path(shown(node)).with_name(f"matte.{frame:04d}.exr") for frame in range(1, 5)]
    before = read_result(str(results[1]))[1]["maker"]
    assert before["version"] == server.version and before["model"] == "difference"

    other = server.version[:-1] + "x"
    replace_in(results[1], f'"version": "{server.version}"', f'"version": "{other}"')
    assert counts(scene, node) == (3, 1, 0) and node.label.endswith("(stale)")
    runtime.servers.clear()
    assert counts(scene, node) == (3, 1, 0), "two makers in one range, whichever server runs"
    bpy.ops.cleanplate.solve_range()
    assert counts(scene, node) == (4, 0, 0)
    assert read_result(str(results[1]))[1]["maker"] == before

    for result in results:
        replace_in(result, '"maker"', '"mAker"')
    assert counts(scene, node) == (0, 4, 0), "a version that did not say so made them"
    runtime.servers.clear()
    found = planning.refresh(scene, node).counts()
    assert found.unknown == (1, 2, 3, 4) and not found.fresh and node.label.endswith("(unknown)")
    bpy.ops.cleanplate.solve_range()
    assert counts(scene, node) == (4, 0, 0)


def replace_in(file: Path, old: str, new: str) -> None:
    """Changes some bytes of a result's header, and its time."""
    data = file.read_bytes()
    assert data.count(old.encode()) == 1 and len(old) == len(new)
    file.write_bytes(data.replace(old.encode(), new.encode()))
    os.utime(file, (file.stat().st_atime, file.stat().st_mtime + 5))


def what_is_missing(place: Path, scene: Any, tree: Any, node: Any) -> None:
    plate = place / "plate.0003.exr"
    moved = plate.rename(place / "elsewhere.exr")
    node.matte.erode = 1.0
    message = stage.error_of(bpy.ops.cleanplate.solve_range)
    assert message.startswith(f"Frame 3: The plate {plate} does not exist."), message
    assert counts(scene, node) == (3, 1, 0), "one missing frame stops the others"
    # Results of the present settings stay in sight: only their input is not here to be compared.
    node.matte.erode = 0.0
    assert counts(scene, node) == (3, 1, 0)
    assert Path(shown(node)).with_name("matte.0003.exr").exists()
    moved.rename(plate)
    assert counts(scene, node) == (4, 0, 0)

    link = node.inputs["Clean Plate"].links[0]
    clean = link.from_socket
    tree.links.remove(link)
    counts(scene, node)
    assert not shown(node), "a node without a clean plate shows old results"
    message = stage.error_of(bpy.ops.cleanplate.solve_range)
    assert message == "Nothing is connected to Clean Plate.", message
    tree.links.new(clean, node.inputs["Clean Plate"])
    assert counts(scene, node) == (4, 0, 0)
    node.matte.frames = "4-1"
    message = stage.error_of(bpy.ops.cleanplate.solve_range)
    assert "runs backwards" in message, message
    node.matte.frames = ""
    node.matte.black_point = 1.0
    message = stage.error_of(bpy.ops.cleanplate.solve_range)
    assert "must lie below white_point" in message, message
    node.matte.black_point = 0.0


def two_nodes(scene: Any, tree: Any, node: Any) -> None:
    from plugin_blender import copies, planning

    for each in tree.nodes:
        each.select = each == node
    tree.nodes.active = node
    # What Shift-D does: a second node on the same group, with the same id.
    second = tree.nodes.new("CompositorNodeGroup")
    second.node_tree = node.node_tree
    second.matte.node_id = node.matte.node_id
    for name in ("Plate", "Clean Plate"):
        tree.links.new(node.inputs[name].links[0].from_socket, second.inputs[name])
    second.matte.model, second.matte.bit_depth = "difference", "float"
    copies.make_unique()
    planning.refresh_all()
    assert second.node_tree != node.node_tree and second.matte.node_id != node.matte.node_id
    # The copy has the same inputs, so it takes the results along.
    assert counts(scene, node) == counts(scene, second) == (4, 0, 0)
    second.matte.frames, second.matte.softness = "2", 0.5
    assert counts(scene, second) == (0, 1, 0)
    bpy.ops.cleanplate.solve_range(node_id=second.matte.node_id)
    assert counts(scene, node) == (4, 0, 0) and counts(scene, second) == (1, 0, 0)
    assert Path(shown(second)).parents[1] != Path(shown(node)).parents[1]
    tree.nodes.remove(second)
    planning.refresh_all()


def cancelling(scene: Any, node: Any) -> None:
    from plugin_blender import handlers, runtime
    from plugin_blender.plan import NodeError
    from plugin_blender.solve import Solve

    node.matte.gamma = 1.25
    solve = Solve(scene, node, range(1, 5))
    try:
        Solve(scene, node, range(1, 5))
    except NodeError as error:
        assert "already running" in str(error), error
    assert node.label == "Cleanplate Matte (solving 0 of 4)"
    while not solve.done:
        assert solve.step()
        time.sleep(0.01)
    assert node.label == f"Cleanplate Matte (solving {len(solve.done)} of 4)"
    # A file that is saved meanwhile does not say so for ever.
    handlers.on_save()
    assert "solving" not in node.label, node.label
    bpy.ops.cleanplate.cancel()
    started = time.monotonic()
    while solve.step():
        time.sleep(0.01)
    solve.close()
    took = time.monotonic() - started
    # A tenth of a second where nothing else runs; the frame that is under way is left to the server.
    assert took < 10.0, took
    fresh, _, _ = counts(scene, node)
    assert fresh == len(solve.done) and 1 <= fresh < 4 and runtime.running is None, (fresh, solve.done)
    assert "cancelled" in solve.summary

    # Settings that change under a solve end it: its frames belong to the old ones.
    node.matte.gamma = 1.5
    solve = Solve(scene, node, range(1, 5))
    node.matte.gamma = 1.75
    solve.run()
    assert "was changed while it was solved" in solve.sentence, solve.sentence
    node.matte.gamma = 1.0


def clearing(scene: Any, node: Any) -> None:
    from plugin_blender import planning

    # A node inside that somebody has deleted is made again, and its results are seen as before.
    assert counts(scene, node) == (4, 0, 0)
    seen = shown(node)
    node.node_tree.nodes.remove(node.node_tree.nodes["Core from 0 to 1"])
    assert counts(scene, node) == (4, 0, 0) and shown(node) == seen
    plan = planning.refresh(scene, node)
    (Path(plan.folder) / "notes.txt").write_text("the artist's own")
    bpy.ops.cleanplate.clear_cache(only_old=True)
    assert counts(scene, node) == (4, 0, 0)
    bpy.ops.cleanplate.clear_cache()
    assert counts(scene, node) == (0, 0, 4)
    left = [file.name for file in Path(plan.folder).rglob("*") if file.is_file()]
    assert sorted(left) == ["matte.0000.exr", "notes.txt"], left


def what_cannot_be(place: Path, scene: Any, tree: Any, node: Any) -> None:
    """Each refusal is one sentence that says what to do."""
    from plugin_blender import planning

    # A node behind another one, which is not solved.
    plate, clean = (node.inputs[name].links[0].from_socket for name in ("Plate", "Clean Plate"))
    second = stage.matte_node(tree, node.outputs["Image"], clean)
    planning.refresh_all()
    message = stage.error_of(lambda: bpy.ops.cleanplate.solve_frame(node_id=second.matte.node_id))
    assert message.endswith("a result of another Cleanplate Matte, does not exist. Solve that node first."), message
    bpy.ops.cleanplate.solve_frame(node_id=node.matte.node_id)
    assert not stage.error_of(lambda: bpy.ops.cleanplate.solve_frame(node_id=second.matte.node_id))
    assert counts(scene, second) == (1, 0, 3)
    node.matte.softness = 0.25
    planning.refresh_all()
    assert counts(scene, second) == (0, 1, 3), "the node behind does not notice that the one before has changed"
    node.matte.softness = 0.0
    tree.nodes.remove(second)
    tree.nodes.active = node
    planning.refresh_all()

    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate, exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    scene.render.use_multiview = True
    message = stage.error_of(bpy.ops.cleanplate.solve_frame)
    assert message.startswith("Stereoscopy is on"), message
    scene.render.use_multiview = False
    width, height = scene.render.resolution_x, scene.render.resolution_y
    scene.render.resolution_x = scene.render.resolution_y = 4
    scene.render.resolution_percentage = 1
    message = stage.error_of(bpy.ops.cleanplate.solve_frame)
    frame = f"Frame {scene.frame_current}"
    assert message == f"{frame}: What feeds the node could not be rendered: Image too small.", message
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = 100
    tree.links.new(plate, node.inputs["Plate"])
    # No folder can lie inside of a file.
    node.matte.folder = str(place / "clean.exr")
    message = stage.error_of(bpy.ops.cleanplate.solve_frame)
    assert "cannot be written: Not a directory" in message, message
    message = stage.error_of(bpy.ops.cleanplate.learn)
    assert message.startswith("The learned weights cannot be kept in"), message
    node.matte.folder = "//cleanplate"
    planning.refresh(scene, node)
    bpy.ops.cleanplate.clear_cache()


def renders_of_the_window(scene: Any, tree: Any, node: Any) -> None:
    """What is done before and inside such a render, on its own thread; see window.py for a real one."""
    from plugin_blender import handlers, runtime

    stage.main_output(tree, node.outputs["Image"])
    handlers._prepare(scene)
    thread = threading.Thread(target=runtime.render.serve, args=(2,))
    thread.start()
    thread.join()
    runtime.work_off()
    sentences = runtime.render.sentences()
    assert counts(scene, node) == (1, 0, 3) and not sentences, (counts(scene, node), sentences)
    known, os.environ["CLEANPLATE_SERVER"] = os.environ["CLEANPLATE_SERVER"], "tcp://127.0.0.1:9"
    handlers._prepare(scene)
    assert [runtime.render.serve(frame) for frame in (2, 3, 4)] == [False, True, True]
    (message,) = runtime.render.sentences()
    assert message.startswith("Rendered without a matte: frames 3-4. No matting server answers"), message
    assert runtime.states[node.matte.node_id].error == message
    os.environ["CLEANPLATE_SERVER"], runtime.render = known, None


def showing_the_folder(place: Path, scene: Any, tree: Any, node: Any) -> None:
    from plugin_blender import planning

    # What a desktop has for opening folders.
    opener = place / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$1" >"{place}/opened"\n')
    opener.chmod(0o755)
    os.environ["PATH"] = f"{opener.parent}:{os.environ['PATH']}"
    bpy.ops.cleanplate.show_in_folder()
    plan = planning.refresh(scene, node)
    assert (place / "opened").read_text().strip() == str(plan.results)
    tree.links.remove(node.inputs["Plate"].links[0])
    node.matte.folder = str(place / "nowhere")
    message = stage.error_of(bpy.ops.cleanplate.show_in_folder)
    assert message.startswith(f"There is no folder {place / 'nowhere' / node.matte.node_id} yet."), message


stage.run(case)
