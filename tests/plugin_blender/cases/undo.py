"""What one undo takes back: the last edit alone, and never a result."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import stage


def case(place: Path) -> None:
    """From the empty file on. A script's operators make steps of the undo list only where they are told to."""
    looked_at()
    bpy.ops.wm.read_homefile(use_empty=True)
    scene, tree = stage.scene_with_tree(1, 4)
    stage.render_settings(scene, place / "out", (83, 61))
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "undo.blend"))
    stage.image_node(tree, place / "plate.0001.exr", 4)
    stage.image_node(tree, place / "clean.exr")
    bpy.ops.ed.undo_push(message="Images")
    added()
    solved()
    key_framed()
    learned()
    cleared()
    copied()
    while_it_is_solved()


def looked_at() -> None:
    """A look makes no settings that the steps of the undo list lack: Blender crashed where it took back a scene.
    Those that are made otherwise count as soon as one of them is another than its default."""
    from sent import Sent

    bpy.ops.wm.read_homefile()
    scene, tree = stage.scene_with_tree(1, 4)
    bpy.ops.wm.save_as_mainfile(filepath=f"{bpy.app.tempdir}looked.blend")
    layers = tree.nodes.new("CompositorNodeRLayers").outputs["Image"]
    own = [scene, *scene.view_layers, *bpy.data.objects, *bpy.data.lights, *bpy.data.worlds]
    made = [each.is_property_set("cycles") for each in own]
    assert not all(made)
    look = Sent(scene, stage.matte_node(tree, layers, layers), (1,))
    state = look.state()
    assert [each.is_property_set("cycles") for each in own] == made
    assert None not in [each.cycles for each in own] and look.state() == state
    for settings, name in ((scene.cycles, "samples"), (bpy.data.lights[0].cycles, "max_bounces")):
        kept = getattr(settings, name)
        setattr(settings, name, 7)
        assert look.state() != state, name
        setattr(settings, name, kept)
        assert look.state() == state, name


def compositor() -> Any:
    from plugin_blender.versions import tree_of

    return tree_of(bpy.context.scene)


def mattes() -> list[Any]:
    """Undo replaces what Python holds: nodes are looked up again after each."""
    from plugin_blender import places

    return places.matte_nodes(compositor())


def press(operator: Callable[..., object], **settings: Any) -> None:
    assert operator("EXEC_DEFAULT", True, **settings) == {"FINISHED"}


def edit(name: str, value: Any) -> None:
    """An edit of the first node by hand, which is a step of its own."""
    setattr(mattes()[0].matte, name, value)
    bpy.ops.ed.undo_push(message=name)


def undo() -> None:
    bpy.ops.ed.undo()
    looked()


def redo() -> None:
    bpy.ops.ed.redo()
    looked()


def looked() -> None:
    """What the window's timer does behind each edit."""
    from plugin_blender import planning

    planning.refresh_all(by_timer=True)


def fresh(number: int = 0) -> tuple[int, ...]:
    from plugin_blender import runtime

    return runtime.state(mattes()[number].matte.node_id).counts.fresh


def added() -> None:
    """Add is one step, also where it connects the selected images."""
    for each in compositor().nodes:
        each.select = True
    press(bpy.ops.cleanplate.add)
    assert all(mattes()[0].inputs[name].is_linked for name in ("Plate", "Clean Plate"))
    undo()
    assert not mattes() and len(compositor().nodes) == 2
    redo()
    (node,) = mattes()
    assert node.inputs["Clean Plate"].is_linked
    edit("model", "difference")
    edit("bit_depth", "float")


def solved() -> None:
    """A solve is no step: an undo behind it takes back the edit before, and the results come back with a redo."""
    stage.main_output(compositor(), mattes()[0].outputs["Image"])
    bpy.ops.ed.undo_push(message="Output")
    edit("despeckle", 3)
    press(bpy.ops.cleanplate.solve_range)
    assert fresh() == (1, 2, 3, 4)
    undo()
    assert mattes()[0].matte.despeckle == 0 and not fresh()
    assert stage.shown_alpha(bpy.context.scene, 1) == 0.0, "an old matte for another setting"
    redo()
    assert mattes()[0].matte.despeckle == 3 and fresh() == (1, 2, 3, 4)
    assert stage.shown_alpha(bpy.context.scene, 1) > 0.5, "the results are there, and not seen"
    shown_again()


def shown_again() -> None:
    """An edit elsewhere, then a solve, then undo: Blender has the image of then again, and what it read of it."""
    from plugin_blender import graph

    mattes()[0].location.x = 50.0
    bpy.ops.ed.undo_push(message="Move")
    before = graph.image_node(mattes()[0]).image.session_uid
    press(bpy.ops.cleanplate.solve_frame)
    mattes()[0].location.x = 90.0
    bpy.ops.ed.undo_push(message="Move")
    undo()
    assert mattes()[0].location.x == 50.0 and fresh() == (1, 2, 3, 4)
    assert graph.image_node(mattes()[0]).image.session_uid != before, (
        "the image shows what it read before the solve"
    )
    assert stage.shown_alpha(bpy.context.scene, 1) > 0.5


def key_framed() -> None:
    bpy.context.scene.frame_set(2)
    edit("use_learned", False)
    press(bpy.ops.cleanplate.add_key_frame)
    assert [key.frame for key in mattes()[0].matte.key_frames] == [2]
    press(bpy.ops.cleanplate.remove_key_frame, frame=2)
    assert not mattes()[0].matte.key_frames
    undo()
    assert [key.frame for key in mattes()[0].matte.key_frames] == [2]
    undo()
    assert not mattes()[0].matte.key_frames and fresh() == (1, 2, 3, 4), (
        "one undo takes back more than the key frame"
    )
    redo()
    key = mattes()[0].matte.key_frames[0]
    assert (Path(bpy.data.filepath).parent / "cleanplate" / mattes()[0].matte.node_id / key.file).is_file()


def learned() -> None:
    """Learn is a step where the node gets its weights; what it learned stays on disk."""
    from plugin_blender import learning

    node = mattes()[0]
    node.matte.frames = "1-4"
    bpy.ops.ed.undo_push(message="Frames")
    started = learning.Learning(bpy.context.scene, node)
    output = Path(started.plan.folder, "learning.learned")
    output.write_bytes(b"weights")
    started._use(stage.learnt(output))
    started.close()
    assert mattes()[0].matte.use_learned
    undo()
    matte = mattes()[0].matte
    assert not matte.use_learned and matte.frames == "1-4" and fresh() == (1, 2, 3, 4), (matte.frames, fresh())
    redo()
    assert mattes()[0].matte.use_learned and output.with_name(mattes()[0].matte.learned).is_file()
    undo()


def cleared() -> None:
    """Clear Cache is no step: nothing brings files back. The undo behind it takes back the edit before."""
    edit("softness", 1.0)
    press(bpy.ops.cleanplate.solve_range)
    press(bpy.ops.cleanplate.clear_cache)
    assert not fresh()
    undo()
    assert mattes()[0].matte.softness == 0.0 and not fresh()
    assert stage.shown_alpha(bpy.context.scene, 1) == 0.0, "results that were deleted are shown"
    press(bpy.ops.cleanplate.solve_range)


def copied() -> None:
    """A duplicate has results of its own, also behind an undo to the moment in which it was made."""
    node = mattes()[0]
    second = compositor().nodes.new("CompositorNodeGroup")
    second.node_tree, second.matte.node_id = node.node_tree, node.matte.node_id
    for name in ("Plate", "Clean Plate"):
        compositor().links.new(node.inputs[name].links[0].from_socket, second.inputs[name])
    second.matte.model = "difference"
    bpy.ops.ed.undo_push(message="Duplicate Nodes")
    looked()
    name, own = second.name, second.matte.node_id
    assert own != node.matte.node_id
    press(bpy.ops.cleanplate.solve_range, node_id=own)
    compositor().nodes[name].location.x = 300.0
    bpy.ops.ed.undo_push(message="Move")
    undo()
    assert compositor().nodes[name].matte.node_id == own, "what the copy has solved is lost"
    assert fresh(0) == fresh(1) == (1, 2, 3, 4)
    undo()
    assert len(mattes()) == 1 and fresh() == (1, 2, 3, 4)
    redo()
    steps_at_once(name)


def steps_at_once(name: str) -> None:
    """Some edits before the timer has looked at a duplicate. When the last is taken back, Blender leaves the tree
    as it is, and frees the group that the duplicate was given since."""
    node, second = mattes()[0], compositor().nodes[name]
    bpy.data.node_groups.remove(second.node_tree)
    second.node_tree, second.matte.node_id = node.node_tree, node.matte.node_id
    for step in ("Duplicate Nodes", "Elsewhere", "And Elsewhere"):
        bpy.data.texts.new(step)
        bpy.ops.ed.undo_push(message=step)
    looked()
    undo()
    groups = {each.node_tree.name for each in mattes()}
    assert len(groups) == len(mattes()) == 2 and groups <= set(bpy.data.node_groups.keys())
    compositor().nodes.remove(compositor().nodes[name])
    looked()


def while_it_is_solved() -> None:
    """The solve goes on for the settings that it began with, or says why it does not."""
    from plugin_blender import runtime
    from plugin_blender.solve import Solve

    mattes()[0].location.x = 10.0
    bpy.ops.ed.undo_push(message="Move")
    solve = Solve(bpy.context.scene, mattes()[0], (1, 2, 3, 4), again=True)
    undo()
    solve.run()
    assert not solve.sentence and len(solve.done) == 4, solve.sentence
    edit("gamma", 1.5)
    solve = Solve(bpy.context.scene, mattes()[0], (1, 2, 3, 4))
    undo()
    solve.run()
    assert "was changed while it was solved" in solve.sentence, solve.sentence
    assert fresh() == (1, 2, 3, 4) and runtime.running is None
