"""Paths and numbers as Blender reads them: what is sent as a file is what Blender shows of it. And a copy of a node
of a file that was opened, which is saved."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str, step: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    return shown(place) if step == "shown" else copied(place)


def shown(place: Path) -> dict[str, Any]:
    (place / "comp").mkdir()
    scene, tree, node = stage.shot_node(place)
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "comp" / "shot.blend"))
    differs = [*written(place, scene, node), *numbered(place, scene, tree, node)]
    behind_a_link(place)
    return {"differs": differs}


def told_and_shown(scene: Any, node: Any, frame: int) -> tuple[float, float]:
    """The red of the file that is sent for a frame, and of what Blender renders of it; -1 without one."""
    from plugin_blender import extraction, planning
    from plugin_blender.plan import NodeError

    plan = planning.plan_of(scene, node)
    told = -1.0 if plan.missing_input(frame) else red(plan.plate.path(frame))
    with tempfile.TemporaryDirectory() as folder:
        try:
            shown = red(extraction.render_inputs(scene, node, ["Plate"], frame, Path(folder))[0])
        except NodeError:
            shown = -1.0
    # Blender shows nothing as black.
    return told, shown or -1.0


def red(file: str) -> float:
    # Without links that Blender would take another way: the bytes are those of this very file.
    with tempfile.TemporaryDirectory() as folder:
        image = bpy.data.images.load(shutil.copyfile(file, Path(folder) / "picture.exr").as_posix())
        found = round(image.pixels[0], 4)
        bpy.data.images.remove(image)
    return found


def written(place: Path, scene: Any, node: Any) -> list[str]:
    """One file, written in many ways: the same name each time, so that results stay."""
    from plugin_blender import planning

    image, differs = node.inputs["Plate"].links[0].from_node.image, []
    image.source = "FILE"
    for name in ("above.exr", "plates/p.exr"):
        keys = set()
        backslashes = str(place / name).replace("/", "\\")
        for path in (
            str(place / name),
            f"//../{name}",
            f"//../comp/../{name}",
            "//..\\" + name.replace("/", "\\"),
            backslashes,
            # Two slashes that are not the folder of the file.
            f"/{backslashes}",
        ):
            image.filepath = path
            image.reload()
            keys.add(planning.plan_of(scene, node).key)
            assert planning.plan_of(scene, node).plate.file == str(place / name), path
            told, shown = told_and_shown(scene, node, 1)
            if not told == shown == (8.0 if "/" in name else 7.0):
                differs.append(f"{path}: {told} is sent, {shown} is shown")
        assert len(keys) == 1, name
    # A drive of Windows.
    for path in ("P:\\plates\\a.exr", "p:/plates/a.exr", "//..\\a.exr"):
        image.filepath = path
        assert planning.plan_of(scene, node).plate.file == image.filepath_from_user(), path
    # A network folder of Windows, which Blender finds nowhere else.
    network = f"{chr(92) * 2}{str(place)[1:]}"
    image.filepath = network.replace("/", chr(92)) + chr(92) + "above.exr"
    image.reload()
    assert told_and_shown(scene, node, 1) == (-1.0, -1.0)
    assert planning.plan_of(scene, node).missing_input(1) == f"the plate {network}/above.exr"
    node.matte.folder = f"{network}/results"
    assert planning.plan_of(scene, node).problem.startswith("Results needs an absolute folder")
    node.matte.folder = " //..\\results"
    assert planning.plan_of(scene, node).folder == str(place / "results" / node.matte.node_id)
    node.matte.folder = "//cleanplate"
    return differs


def numbered(place: Path, scene: Any, tree: Any, node: Any) -> list[str]:
    """Sequences with and without a number, beyond their ends, and of no frames."""
    differs = []
    for first in ("a.0001.exr", "bare.exr", "take001\uff11.exr"):
        for length, start, offset, loops in ((4, 1, 0, False), (2, 1, -3, False), (0, 1, 2, True), (3, 2, 1, True)):
            played = stage.image_node(tree, place / "plates" / first, 1)
            played.frame_duration, played.frame_start, played.frame_offset = length, start, offset
            played.use_cyclic = loops
            differs += compared(scene, tree, node, played, f"{first} {length} {start} {offset} {loops}")
        for offset in (0, -3):
            clip = tree.nodes.new("CompositorNodeMovieClip")
            clip.clip = bpy.data.movieclips.load(str(place / "plates" / first))
            clip.clip.frame_offset = offset
            differs += compared(scene, tree, node, clip, f"clip {first} {offset}")
    return differs


def compared(scene: Any, tree: Any, node: Any, played: Any, what: str) -> list[str]:
    tree.links.new(played.outputs[0], node.inputs["Plate"])
    found = {frame: told_and_shown(scene, node, frame) for frame in (1, 3, 6)}
    tree.nodes.remove(played)
    assert any(told > 0 for told, _ in found.values()), f"{what} shows nothing"
    return [f"{what}: frame {frame}: {pair}" for frame, pair in found.items() if pair[0] != pair[1]]


def behind_a_link(place: Path) -> None:
    """A file that is opened through a link to its folder: Blender takes ``..`` out before it follows that."""
    from plugin_blender import places

    ((_, node),) = places.all_nodes()
    played = stage.image_node(node.id_data, place / "plates" / "p.exr")
    played.image.filepath = "//../plates/p.exr"
    node.id_data.links.new(played.outputs[0], node.inputs["Plate"])
    bpy.ops.wm.save_mainfile()
    (place / "home" / "now").symlink_to(place / "comp")
    for way, value in (("comp", 8.0), ("home/now", 9.0)):
        bpy.ops.wm.open_mainfile(filepath=str(place / way / "shot.blend"))
        ((scene, node),) = places.all_nodes()
        found = told_and_shown(scene, node, 1)
        assert found == (value, value), (way, found)


def copied(place: Path) -> dict[str, Any]:
    """Blender 4.5 frees memory twice where it saves a copied Alpha Over that came from a file. The test has it look
    whether what it frees is right."""
    from plugin_blender import copies, graph, places, planning

    file = str(place / "comp" / "shot.blend")
    bpy.ops.wm.open_mainfile(filepath=file)
    ((_, node),) = places.all_nodes()
    of_an_artist(node.node_tree)
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=file)
    ((_, node),) = places.all_nodes()
    # Blender's own button beside a group's name.
    single = node.node_tree.copy()
    single.use_fake_user = True
    assert has_all_of_an_artist(single)
    with bpy.data.libraries.load(str(shutil.copyfile(file, place / "other.blend"))) as (_, appended):
        appended.node_groups = [node.node_tree.name]
    again = graph.copied_group(appended.node_groups[0])
    again.use_fake_user = appended.node_groups[0].use_fake_user = True
    assert has_all_of_an_artist(again)
    bpy.ops.scene.new(type="FULL_COPY")
    if stage.FIVE and len(list(places.all_nodes())) == 1:
        bpy.context.scene.compositing_node_group = bpy.context.scene.compositing_node_group.copy()
    copies.make_unique()
    assert [graph.shown_file(each) for _, each in places.all_nodes()] == [graph.shown_file(node)] * 2 != [""] * 2
    assert all(graph.image_node(each).frame_offset == -1 for _, each in places.all_nodes())
    planning.refresh_all()
    assert len({graph.shown_file(each) for _, each in places.all_nodes()}) == 2
    groups = [each.node_tree for _, each in places.all_nodes()]
    assert len(set(groups)) == 2 and all(map(has_all_of_an_artist, groups))
    drawn = [sorted((link.from_socket.name, link.to_node.name) for link in group.links) for group in groups]
    assert drawn[0] == drawn[1] and len(drawn[0]) >= 20
    for _ in range(2):
        bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=file)
    return {"nodes": len(list(places.all_nodes()))}


def of_an_artist(group: Any) -> None:
    """Nodes that an artist puts into the node's group: an Alpha Over that is set, before a Blur, in a frame."""
    blur, over = (group.nodes.new(f"CompositorNode{kind}") for kind in ("Blur", "AlphaOver"))
    frame, blur.name, over.name = group.nodes.new("NodeFrame"), "blurred", "mine"
    over.parent, over.location, over.mute, over.label = frame, (33.0, 44.0), True, "Mine"
    over.inputs[0].default_value = 0.25 if not stage.FIVE else (0.25, 0.0, 0.0, 1.0)
    if not stage.FIVE:
        over.premul = 0.5
    group.links.new(group.nodes["Inputs"].outputs[0], over.inputs[1])
    group.links.new(over.outputs[0], blur.inputs[0]).is_muted = True


def has_all_of_an_artist(group: Any) -> bool:
    over, blur = group.nodes["mine"], group.nodes["blurred"]
    assert (over.mute, over.label, tuple(over.location)) == (True, "Mine", (33.0, 44.0)) and over.parent
    assert stage.FIVE or (over.inputs[0].default_value, over.premul) == (0.25, 0.5)
    assert over.inputs[1].links[0].from_node.name == "Inputs"
    return blur.inputs[0].links[0].from_node == over and blur.inputs[0].links[0].is_muted


if __name__ == "__main__":
    stage.run(case)
