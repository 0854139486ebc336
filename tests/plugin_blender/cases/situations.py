"""Situations of real files: tiles, sequences without Auto Refresh, persistent data, sub-frames, frames below 0.

The picture that is sent is compared each time, and not only what results are compared by.
"""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bpy
import stage
from more_edits import overwrite
from sent import Sent

_SIZE = (83, 61)


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    stage.render_settings(scene, place / "out", _SIZE)
    plate = node.inputs["Plate"].links[0].from_node
    auto_refresh(place, scene, tree, node, plate)
    below_zero(scene, node)
    between_frames(scene, tree, node, plate)
    tiles(place, scene, tree, node)
    persistent_data(scene, tree, node)
    muted_outputs(place, scene, tree, node)
    strips(scene, tree, node)
    shown_below_zero(place / "negative")
    return {}


def muted_outputs(place: Path, scene: Any, tree: Any, node: Any) -> None:
    """A muted File Output writes nothing: a node that leads to nothing else keeps no render from going on."""
    from plugin_blender import places

    stage.write_outputs(tree, node, place / "muted")
    (output,) = [each for each in tree.nodes if each.bl_idname == "CompositorNodeOutputFile"]
    assert places.rendered_nodes(scene) == [node]
    output.mute = True
    assert places.rendered_nodes(scene) == []
    tree.nodes.remove(output)
    if stage.FIVE:
        # Of two main outputs Blender renders the active one.
        stage.main_output(tree, node.inputs["Plate"].links[0].from_socket)
        second = tree.nodes.new("NodeGroupOutput")
        tree.links.new(node.outputs["Image"], second.inputs[0])
        assert not second.is_active_output and places.rendered_nodes(scene) == []
        second.is_active_output = True
        assert places.rendered_nodes(scene) == [node]
        for each in [each for each in tree.nodes if each.bl_idname == "NodeGroupOutput"]:
            tree.nodes.remove(each)
        tree.interface.clear()


def strips(scene: Any, tree: Any, node: Any) -> None:
    """Where strips are rendered, the compositor is not asked, and no node in it keeps a render from going on. The
    compositor of a strip is asked: a node there shows what belongs to its scene's, or nothing."""
    from plugin_blender import graph, places, planning

    stage.main_output(tree, node.outputs["Image"])
    planning.refresh_all()
    assert places.rendered_nodes(scene) == [node]
    edit = bpy.data.scenes.new("Edit")
    for each in (scene, edit):
        each.sequence_editor_create()
    strip = scene.sequence_editor.strips.new_effect("Colour", "COLOR", 1, 1, **stage.strip_length(4))
    assert places.rendered_nodes(scene) == []
    for muted in (strip, scene.sequence_editor.channels[1]):
        muted.mute = True
        assert places.rendered_nodes(scene) == [node]
        muted.mute = False
    key = planning.plan_of(scene, node).key
    scene.render.use_sequencer = False
    assert places.rendered_nodes(scene) == [node] and planning.plan_of(scene, node).key == key
    if bpy.app.version < (5, 1, 0):
        # 4.5 has no such modifiers, and 5.0.1 crashes where a script gives one its tree.
        return
    strip = edit.sequence_editor.strips.new_effect("Colour", "COLOR", 1, 3, length=2)
    strip.modifiers.new("Matte", "COMPOSITOR").node_group = tree
    assert places.rendered_nodes(edit, 3) == [node] and places.rendered_nodes(edit, 5) == []
    in_muted_strips(edit, strip, node)
    copy = tree.copy()
    strip.modifiers[0].node_group = copy
    (other,) = places.matte_nodes(copy)
    shown = graph.shown_file(node)
    assert shown and graph.shown_file(other) == shown, "the same group"
    planning.refresh_all()
    assert graph.shown_file(other) == "" and graph.shown_file(node) == shown
    assert other.label == "Cleanplate Matte (not ready)"


def in_muted_strips(edit: Any, strip: Any, node: Any) -> None:
    """A strip in a muted channel is not shown, nor one in a Meta strip beyond that, which has its own channels."""
    from plugin_blender import places

    def rendered(frame: int | None = None) -> bool:
        return places.rendered_nodes(edit, frame) == [node]

    meta = edit.sequence_editor.strips.new_meta("Meta", 2, 1)
    inner = meta.strips.new_effect("Colour", "COLOR", 3, 3, length=6)
    inner.modifiers.new("Matte", "COMPOSITOR").node_group = node.id_data
    meta.frame_final_end = 6
    for muted in (strip, edit.sequence_editor.channels[1]):
        assert rendered(3) and rendered(5) and not rendered(6)
        muted.mute = True
        assert rendered(5) and not rendered(6)
        for around in (inner, meta.channels[3], inner.modifiers[0], meta, edit.sequence_editor.channels[2]):
            around.mute = True
            assert not rendered(), around
            around.mute = False
        muted.mute = False
    edit.sequence_editor.strips.remove(meta)


def auto_refresh(place: Path, scene: Any, tree: Any, node: Any, plate: Any) -> None:
    """Without it Blender renders the same frames of a sequence: each frame's own file is sent, as it is shown."""
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    shown = {}
    for refreshes in (True, False):
        plate.use_auto_refresh = refreshes
        tree.links.new(exposure.outputs[0], node.inputs["Plate"])
        shown[refreshes] = [Sent(scene, node, (frame,)).digest() for frame in (1, 2, 4)]
        tree.links.new(plate.outputs[0], node.inputs["Plate"])
        assert not stage.error_of(lambda: bpy.ops.cleanplate.solve_range())
        assert Sent(scene, node, (1,)).plan().counts().fresh == (1, 2, 3, 4)
    assert len(set(shown[True])) == 3 and shown[False] == shown[True], shown
    plate.use_auto_refresh = True


def below_zero(scene: Any, node: Any) -> None:
    """Said in words, by a solve of a range, of a frame, and on a command line; the frames from 0 on are solved."""
    from plugin_blender import planning, solve_headless

    before = planning.plan_of(scene, node).frames_with_results()
    # Blender's own ranges begin at 0; those of the panel are typed.
    scene.frame_start = -2
    assert scene.frame_start == 0
    node.matte.frames = "-2-1"
    message = stage.error_of(bpy.ops.cleanplate.solve_range)
    assert message == "Frame -2 cannot be solved: frames are numbered from 0.", message
    scene.frame_set(-1)
    message = stage.error_of(bpy.ops.cleanplate.solve_frame)
    assert message == "Frame -1 cannot be solved: frames are numbered from 0.", message
    assert solve_headless.main(["--frames=-2-1"]) == solve_headless.UNUSABLE
    assert planning.plan_of(scene, node).frames_with_results() == before
    node.matte.frames = ""
    scene.frame_start = 1
    scene.frame_set(1)


def shown_below_zero(place: Path) -> None:
    """Nothing: neither what is shown at frame 0, nor at any other."""
    bpy.ops.wm.read_homefile(use_empty=True)
    place.mkdir()
    for name in ("plate.0001.exr", "clean.exr"):
        shutil.copy(place.parent / name, place)
    scene, tree, node = stage.shot_node(place, frames=1)
    node.inputs["Plate"].links[0].from_node.frame_start = 0
    stage.main_output(tree, node.outputs["Image"])
    node.matte.frames = "0,2"
    assert not stage.error_of(bpy.ops.cleanplate.solve_range)
    shown = [stage.shown_alpha(scene, frame) for frame in (0, 2, 1, -1, -2, -300000)]
    assert min(shown[:2]) > 0.9 and not any(shown[2:]), shown


def between_frames(scene: Any, tree: Any, node: Any, plate: Any) -> None:
    """Where the timeline stands between two frames, the whole frame's picture is sent, and its result is that."""
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    for frame, value in ((1, 0.0), (4, 3.0)):
        exposure.inputs[1].default_value = value
        exposure.inputs[1].keyframe_insert("default_value", frame=frame)
    sent = Sent(scene, node, (2,))
    scene.frame_set(2)
    state, picture = sent.state(), sent.digest()
    scene.frame_set(2, subframe=0.5)
    assert [sent.state(), sent.digest()] == [state, picture]
    assert not stage.error_of(bpy.ops.cleanplate.solve_frame)
    assert sent.plan().is_fresh(2) and abs(scene.frame_subframe - 0.5) < 1e-6
    scene.frame_set(3)
    assert Sent(scene, node, (3,)).digest() != picture
    scene.frame_set(1)


def tiles(place: Path, scene: Any, tree: Any, node: Any) -> None:
    """An image of UDIM tiles: each of its files counts, and they are not one file's frames."""
    for number, source in ((1001, "plate.0001.exr"), (1002, "plate.0002.exr")):
        shutil.copyfile(place / source, place / f"tiles.{number}.exr")
    image = bpy.data.images.load(str(place / "tiles.1001.exr"))
    image.source = "TILED"
    image.filepath = str(place / "tiles.<UDIM>.exr")
    if len(image.tiles) < 2:
        image.tiles.new(1002)
    tiled = tree.nodes.new("CompositorNodeImage")
    tiled.image = image
    tree.links.new(tiled.outputs[0], node.inputs["Plate"])
    tiles_of(place, Sent(scene, node, (1,)), image, {1001: "tiles.1001.exr", 1002: "tiles.1002.exr"})
    # The other way of numbering them, by column and row.
    for number, name in ((1001, "tiles.u1_v1.exr"), (1002, "tiles.u2_v1.exr")):
        shutil.copyfile(place / f"tiles.{number}.exr", place / name)
    image.filepath = str(place / "tiles.<UVTILE>.exr")
    image.reload()
    assert image.size[0] > 0
    tiles_of(place, Sent(scene, node, (1,)), image, {1001: "tiles.u1_v1.exr", 1002: "tiles.u2_v1.exr"})


def tiles_of(place: Path, sent: Sent, image: Any, names: dict[int, str]) -> None:
    from plugin_blender.node_facts import tile_files

    assert tile_files(image) == [str(place / name) for name in names.values()]
    state, picture = sent.state(), sent.digest()
    assert sent.digest() == picture and sent.state() == state
    for (number, name), source in zip(names.items(), ("plate.0003.exr", "plate.0004.exr"), strict=True):
        overwrite(place / source, place / name)
        image.reload()
        changed = [sent.state() != state, sent.digest() != picture]
        # Whatever tile Blender shows: what changes the picture is noticed, or called unknown.
        assert changed[0] or sent.is_unknown() or not changed[1], (number, changed)
        assert changed[0] or sent.is_unknown(), f"tile {number} has no say"
        state, picture = sent.state(), sent.digest()


def persistent_data(scene: Any, tree: Any, node: Any) -> None:
    """What Cycles keeps between renders never comes back: an edit is seen in the next picture."""
    layers = tree.nodes.new("CompositorNodeRLayers")
    stage.quick_cycles(scene)
    scene.cycles.seed = 3
    tree.links.new(layers.outputs["Image"], node.inputs["Plate"])
    cube = bpy.data.objects["Cube"]
    sent, fresh = Sent(scene, node, (1,)), {}
    for kept in (False, True):
        scene.render.use_persistent_data = kept
        for place in (0.0, 1.5, 0.0):
            cube.location.x = place
            bpy.context.view_layer.update()
            fresh.setdefault(kept, []).append(sent.digest())
    assert fresh[True] == fresh[False], fresh
    assert fresh[True][0] == fresh[True][2] != fresh[True][1], fresh
    scene.render.use_persistent_data = False


if __name__ == "__main__":
    stage.run(case)
