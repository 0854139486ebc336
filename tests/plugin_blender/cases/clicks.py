"""From two Image nodes to the first matte, each click or key a picture in ``$CLEANPLATE_PICTURES``."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import bpy
import stage

_FIRST, _LAST = 1001, 1006
PRESSED: list[str] = []


def case(demo: str, place: str) -> Generator[None, None, dict[str, Any]]:
    yield from stage.pause(1.0)
    scene, tree = stage.scene_with_tree(_FIRST, _LAST)
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(place) / "shot.blend"))
    scene.render.resolution_x, scene.render.resolution_y = 960, 540
    plate = stage.image_node(tree, Path(demo) / f"plate.{_FIRST}.exr", _LAST - _FIRST + 1, _FIRST)
    clean = stage.image_node(tree, Path(demo) / "clean.exr")
    plate.location, clean.location = (-300, 250), (-300, -150)
    stage.open_editor()
    yield from stage.pause(1.0)
    with bpy.context.temp_override(**stage.open_editor()):
        bpy.ops.screen.screen_full_area()
    yield from stage.pause(1.0)
    editor = stage.open_editor()
    with bpy.context.temp_override(**editor):
        bpy.ops.node.view_all()
    yield from stage.pause(2.0)
    stage.picture("0_two_images")
    yield from adding(editor, tree)
    (node,) = [each for each in tree.nodes if each.bl_idname == "CompositorNodeGroup"]
    assert node.inputs["Plate"].links[0].from_node == plate
    assert node.inputs["Clean Plate"].links[0].from_node == clean
    yield from solving(editor, node)
    return {"pressed": PRESSED}


def pressed(name: str) -> Iterator[None]:
    PRESSED.append(name)
    yield from stage.pause(1.0)
    stage.picture(f"{len(PRESSED)}_{name}")


def key(editor: dict[str, Any], kind: str, **more: Any) -> Iterator[None]:
    window, area = editor["window"], editor["area"]
    x, y = area.x + area.width // 3, area.y + area.height // 2
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    yield from stage.pause(0.3)
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type=kind, value=value, x=x, y=y, **more)
        yield


def adding(editor: dict[str, Any], tree: Any) -> Iterator[None]:
    """Both nodes are selected, and the node is found by its name in the Add menu."""
    yield from key(editor, "A")
    yield from pressed("select_both")
    yield from key(editor, "A", shift=True)
    yield from pressed("add_menu")
    for letter in "cleanplate":
        editor["window"].event_simulate(type="A", value="PRESS", unicode=letter, x=0, y=0)
        yield
        editor["window"].event_simulate(type="A", value="RELEASE", x=0, y=0)
        yield
    yield from pressed("type_its_name")
    yield from key(editor, "RET")
    yield from stage.pause(1.0)
    yield from key(editor, "LEFTMOUSE")
    yield from pressed("place_it")


def solving(editor: dict[str, Any], node: Any) -> Iterator[None]:
    """The tab of the sidebar, and the button that the artist sees first."""
    from plugin_blender import runtime

    stage.sidebar_of(editor).active_panel_category = "Cleanplate"
    yield from pressed("its_tab")
    with bpy.context.temp_override(**editor):
        bpy.ops.cleanplate.solve_frame("INVOKE_DEFAULT", node_id=node.matte.node_id)
    yield from pressed("solve_frame")
    yield from stage.until(lambda: runtime.running is None, "the frame was not solved")
    yield from stage.pause(1.0)
    assert runtime.state(node.matte.node_id).counts.fresh == (_FIRST,), runtime.state(node.matte.node_id)
    stage.picture(f"{len(PRESSED) + 1}_first_matte")
    yield from in_german()


def in_german() -> Iterator[None]:
    """The same window in another language; nothing is pressed for it."""
    from plugin_blender.translation import tr

    view = bpy.context.preferences.view
    view.language = "de_DE"
    view.use_translate_interface = view.use_translate_tooltips = True
    yield from stage.pause(2.0)
    stage.picture("german")
    assert tr("Solve Frame") == "Bild lösen", tr("Solve Frame")


stage.run_in_window(case)
