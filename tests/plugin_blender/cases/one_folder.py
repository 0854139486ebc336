"""Files whose results lie in one folder, of plates whose paths end alike: each shows the mattes of its own."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import stage

VALUES = {"a": 2.0, "b": 3.0, "c": 4.0}
"""The red of the subject in the plates below each of these folders."""
_BLACK = 0.0


def case(folder: str, step: str) -> dict[str, Any]:
    place = Path(folder)
    if step == "make":
        stage.add_on()
        return make(place)
    if step == "with":
        stage.add_on()
    wanted = json.loads((place / "wanted.json").read_text())
    # In turn, and once more: a render with the add-on of one file may solve, and put aside, what another plays.
    return {"shown": [[rendered(place / name) for name in wanted] for _ in range(2)]}


def make(place: Path) -> dict[str, Any]:
    """All files, solved and saved, and what each is to show."""
    wanted: dict[str, float] = {}
    members = (versions, depths, subfolder, clean_plates, two_nodes, copied_node, linked, moved, behind, clips)
    for member in (*members, textured):
        home = place / member.__name__
        wanted |= {f"{member.__name__}/{name}": value for name, value in member(home).items()}
    (place / "wanted.json").write_text(json.dumps(wanted))
    return {"wanted": wanted}


def plate(letter: str, frame: int = 1) -> str:
    return f"{letter}/shot/plate.{frame:04d}.exr"


def new_file(home: Path, name: str, clean: str = "clean.exr", first: str = "") -> tuple[Any, Any, Any]:
    """A file of the plate below ``a`` that is not solved yet."""
    bpy.ops.wm.read_homefile(use_empty=True)
    scene, tree = stage.scene_with_tree(1, 2)
    bpy.ops.wm.save_as_mainfile(filepath=str(home / name))
    stage.render_settings(scene, home, (32, 32))
    played = stage.image_node(tree, home / (first or plate("a")), 2)
    node = stage.matte_node(tree, played.outputs[0], stage.image_node(tree, home / clean).outputs[0])
    stage.main_output(tree, node.outputs["Image"])
    # As those of a project that is moved are.
    bpy.ops.file.make_paths_relative()
    return scene, tree, node


def now() -> list[Any]:
    from plugin_blender import places

    return sorted((node for _, node in places.all_nodes()), key=lambda node: node.name)


def played_by(node: Any, name: str = "Plate") -> Any:
    fed = node.inputs[name].links[0].from_node
    while fed.bl_idname not in ("CompositorNodeImage", "CompositorNodeMovieClip"):
        fed = fed.inputs[0].links[0].from_node
    return getattr(fed, "image", None) or fed.clip


def solve(node: Any) -> None:
    from plugin_blender import planning

    node.id_data.nodes.active = node
    scene, node = planning.find(node.matte.node_id)
    bpy.ops.cleanplate.solve_range()
    assert planning.refresh(scene, node).counts().fresh == (1, 2), planning.plan_of(scene, node).problem
    bpy.ops.wm.save_mainfile()


def saved_as(file: Path, other: Path, change: Callable[[], object]) -> None:
    """Another file, made of a first one by an edit, and solved."""
    bpy.ops.wm.open_mainfile(filepath=str(file))
    other.parent.mkdir(exist_ok=True)
    bpy.ops.wm.save_as_mainfile(filepath=str(other))
    change()
    for node in now():
        solve(node)


def turned_to(file: Path) -> Callable[[], object]:
    """An edit: the first node's plate is this one."""

    def change() -> None:
        played_by(now()[0]).filepath = bpy.path.relpath(str(file))

    return change


def versions(home: Path) -> dict[str, float]:
    """Three versions of a file, each with the plate of another shot."""
    _, _, node = new_file(home, "A.blend")
    solve(node)
    for letter in ("b", "c"):
        saved_as(home / "A.blend", home / f"{letter.upper()}.blend", turned_to(home / plate(letter)))
    return {"A.blend": VALUES["a"], "B.blend": VALUES["b"], "C.blend": VALUES["c"]}


def depths(home: Path) -> dict[str, float]:
    """Folders of one name beside, above and below the file; right beside it, in a folder called as that below."""
    comp = home / "comp"
    files = {"a": comp / "shot", "b": home / "shot", "c": comp / "in" / "shot"}
    _, _, node = new_file(comp, "A.blend", "../clean.exr", "shot/plate.0001.exr")
    solve(node)
    for letter in ("b", "c"):
        other = turned_to(files[letter] / "plate.0001.exr")
        saved_as(comp / "A.blend", comp / f"{letter.upper()}.blend", other)
    saved_as(comp / "A.blend", comp / "beside.blend", turned_to(comp / "plate.0001.exr"))
    saved_as(comp / "A.blend", comp / "below.blend", turned_to(comp / "comp" / "plate.0001.exr"))
    wanted = {"A": VALUES["a"], "B": VALUES["b"], "C": VALUES["c"], "beside": VALUES["a"], "below": VALUES["b"]}
    return {f"comp/{name}.blend": value for name, value in wanted.items()}


def subfolder(home: Path) -> dict[str, float]:
    """Save As into a folder below takes the results along, and a version of that has another plate."""
    from plugin_blender import planning

    scene, _, node = new_file(home, "A.blend")
    solve(node)
    (home / "later").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(home / "later" / "A.blend"))
    assert planning.refresh(scene, node).counts().fresh == (1, 2), "they are not taken along"
    bpy.ops.wm.save_mainfile()
    saved_as(home / "later" / "A.blend", home / "later" / "B.blend", turned_to(home / plate("b")))
    return {"A.blend": VALUES["a"], "later/A.blend": VALUES["a"], "later/B.blend": VALUES["b"]}


def clean_plates(home: Path) -> dict[str, float]:
    """One plate with two clean plates: in one of them stands the subject, too."""
    _, _, node = new_file(home, "A.blend", clean="x/clean/clean.exr")
    solve(node)

    def change() -> None:
        played_by(now()[0], "Clean Plate").filepath = "//y/clean/clean.exr"

    saved_as(home / "A.blend", home / "B.blend", change)
    return {"A.blend": VALUES["a"], "B.blend": _BLACK}


def two_nodes(home: Path) -> dict[str, float]:
    """Two nodes in a file, and a version in which they have changed their plates."""
    _, tree, node = new_file(home, "A.blend")
    clean = node.inputs["Clean Plate"].links[0].from_socket
    other = stage.image_node(tree, home / plate("b"), 2)
    stage.matte_node(tree, other.outputs[0], clean)
    for each in now():
        solve(each)

    def change() -> None:
        first, second = now()
        played_by(first).filepath, played_by(second).filepath = f"//{plate('b')}", f"//{plate('a')}"

    saved_as(home / "A.blend", home / "B.blend", change)
    return {"A.blend": VALUES["a"], "B.blend": VALUES["b"]}


def copied_node(home: Path) -> dict[str, float]:
    """A copy of the node with another plate, and a version in which the copied one has a third."""
    from plugin_blender import copies

    _, tree, node = new_file(home, "A.blend")
    solve(node)
    copy = tree.nodes.new("CompositorNodeGroup")
    copy.node_tree = node.node_tree
    for key in sorted(node.matte.keys()):
        copy.matte[key] = node.matte[key]
    tree.links.new(stage.image_node(tree, home / plate("b"), 2).outputs[0], copy.inputs["Plate"])
    tree.links.new(node.inputs["Clean Plate"].links[0].from_socket, copy.inputs["Clean Plate"])
    copies.make_unique()
    for each in now():
        solve(each)
    saved_as(home / "A.blend", home / "B.blend", turned_to(home / plate("c")))
    return {"A.blend": VALUES["a"], "B.blend": VALUES["c"]}


def linked(home: Path) -> dict[str, float]:
    """A file that links the scene, and a version of the library with another plate."""
    _, _, node = new_file(home, "A.blend")
    solve(node)
    bpy.ops.wm.read_homefile(use_empty=True)
    (home / "user").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(home / "user" / "user.blend"))
    with bpy.data.libraries.load(str(home / "A.blend"), link=True) as (_, names):
        names.scenes = ["Scene"]
    bpy.ops.wm.save_mainfile()
    saved_as(home / "A.blend", home / "B.blend", turned_to(home / plate("b")))
    return {"A.blend": VALUES["a"], "B.blend": VALUES["b"], "user/user.blend": VALUES["a"]}


def moved(home: Path) -> dict[str, float]:
    """A file that is renamed on disk, and a version with another plate; then the whole project is moved."""
    old = home.with_name("before")
    _, _, node = new_file(old, "A.blend")
    solve(node)
    (old / "A.blend").rename(old / "R.blend")
    saved_as(old / "R.blend", old / "B.blend", turned_to(old / plate("b")))
    old.rename(home)
    return {"R.blend": VALUES["a"], "B.blend": VALUES["b"]}


def behind(home: Path, texture: str = "") -> dict[str, float]:
    """Plates behind nodes."""
    _, tree, node = new_file(home, "A.blend")
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(node.inputs["Plate"].links[0].from_socket, exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    if texture:
        exposure["texture"] = bpy.data.images.new("texture", 1, 1)
        exposure["texture"].source, exposure["texture"].filepath = "FILE", texture
    solve(node)
    saved_as(home / "A.blend", home / "B.blend", turned_to(home / plate("b")))
    return {"A.blend": VALUES["a"], "B.blend": VALUES["b"]}


def textured(home: Path) -> dict[str, float]:
    """Plates behind nodes that read another file, too, which is on no machine."""
    return behind(home, "/gone/textures/wood.png")


def clips(home: Path) -> dict[str, float]:
    """Movie clips."""
    _, tree, node = new_file(home, "A.blend")
    clip = tree.nodes.new("CompositorNodeMovieClip")
    clip.clip = bpy.data.movieclips.load(str(home / plate("a")))
    tree.links.new(clip.outputs[0], node.inputs["Plate"])
    solve(node)
    saved_as(home / "A.blend", home / "B.blend", turned_to(home / plate("b")))
    return {"A.blend": VALUES["a"], "B.blend": VALUES["b"]}


def rendered(file: Path) -> float:
    """The red in the middle of the file's second frame, rendered as a farm does."""
    bpy.ops.wm.open_mainfile(filepath=str(file))
    # A linked scene, where there is one.
    bpy.context.window.scene = scene = max(bpy.data.scenes, key=lambda each: each.library is not None)
    output = file.with_suffix(".render") / "main_"
    shutil.rmtree(output.parent, ignore_errors=True)
    scene.render.filepath = str(output)
    scene.frame_start = scene.frame_end = 2
    bpy.ops.render.render(animation=True)
    image = bpy.data.images.load(str(output.with_name("main_0002.exr")))
    found = round(image.pixels[4 * (16 * 32 + 16)], 4)
    shutil.rmtree(output.parent)
    return found


if __name__ == "__main__":
    stage.run(case)
