"""From the zip to the first matte, each click or key a picture in ``$CLEANPLATE_PICTURES``.

Real keys and clicks drive the dialogs and the compositor. A drop from the desktop and the buttons of panels have no
place that a script could know: there the operator is called that the drop or the button calls.
"""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import importlib
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import bpy
import stage

_FIRST, _LAST = 1001, 1006
_ADD_ON = "bl_ext.user_default.cleanplate"
PRESSED: list[str] = []


def case(demo: str, place: str, zip_file: str, command: str) -> Generator[None, None, dict[str, Any]]:
    assert shutil.which("cleanplate") == command, "the default Command of the preferences"
    yield from stage.pause(1.0)
    # "Continue Offline", as an artist has pressed it once.
    bpy.context.preferences.extensions.use_online_access_handled = True
    yield from installing(zip_file)
    nobody_answers()
    yield from two_images(demo, place)
    editor = stage.open_editor(sidebar=False)
    tree = editor["area"].spaces.active.edit_tree
    plate, clean = tree.nodes[:2]
    yield from adding(editor, tree)
    (node,) = [each for each in tree.nodes if each.bl_idname == "CompositorNodeGroup"]
    assert node.inputs["Plate"].links[0].from_node == plate
    assert node.inputs["Clean Plate"].links[0].from_node == clean
    yield from stage.until(lambda: stage.sidebar_of(editor).active_panel_category == "Cleanplate", "no buttons")
    yield from solving(editor, node)
    pressed_by_then = list(PRESSED)
    yield from waiting(editor, node, Path(place))
    offered = yield from nothing_installed(editor, node, zip_file)
    yield from in_german()
    yield from preferences_page()
    return {"pressed": pressed_by_then, "offered": offered}


def own(module: str) -> Any:
    """A module of the installed add-on."""
    return importlib.import_module(f"{_ADD_ON}.{module}")


def installing(zip_file: str) -> Iterator[None]:
    """The zip is dropped into Blender's window, and its dialog confirmed."""
    window = bpy.context.window_manager.windows[0]
    x, y = window.width // 2, window.height // 2
    window.event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    yield from stage.pause(0.3)
    # What Blender calls for a drop.
    with bpy.context.temp_override(window=window):
        bpy.ops.extensions.package_install_files("INVOKE_DEFAULT", url=zip_file)
    yield from pressed("drop_the_zip")
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type="RET", value=value, x=x, y=y)
        yield
    yield from stage.until(lambda: _ADD_ON in bpy.context.preferences.addons, "the add-on was not installed")
    yield from pressed("install")


def nobody_answers() -> None:
    """A server at the default address would be used as it is: nothing would be started, or offered."""
    try:
        said = own("solve").ask_server()
    except own("matte_link.errors").LinkError:
        return
    raise AssertionError(f"This case wants no server at the default address. Stop it: {said}")


def solve_frame(editor: dict[str, Any], node: Any) -> str:
    """Presses it; returns what it complains of at once."""
    with bpy.context.temp_override(**editor):
        return stage.error_of(lambda: bpy.ops.cleanplate.solve_frame("INVOKE_DEFAULT", node_id=node.matte.node_id))


def waiting(editor: dict[str, Any], node: Any, place: Path) -> Iterator[None]:
    """A server starts that nobody watches, as after another file was opened. A solve that waits for it can be
    stopped, and ends with a sentence where the server dies or never is ready."""
    runtime, server_process = own("runtime"), own("server_process")
    state = runtime.state(node.matte.node_id)
    hangs = place / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 600\n")
    hangs.chmod(0o755)
    server_process.stop()
    server_process.start(str(hangs))
    patience = server_process.START_S
    for end in ("escape", "cancel", "never_ready", "dies"):
        assert not solve_frame(editor, node) and runtime.afterwards.node_id == node.matte.node_id
        yield from stage.pause(1.0)
        stage.picture(f"waits_{end}")
        assert runtime.afterwards is not None and runtime.running is None and not state.error
        if end == "escape":
            yield from key(editor, "ESC")
        elif end == "cancel":
            assert bpy.ops.cleanplate.cancel() == {"FINISHED"}
        elif end == "never_ready":
            server_process.START_S = 0.0
        else:
            server_process._server.process.kill()
        yield from stage.until(lambda: runtime.afterwards is None, f"the solve goes on waiting: {end}")
        server_process.START_S = patience
        yield from stage.pause(0.5)
        begins = {"never_ready": "The server was not ready after 0 s.", "dies": "The server did not start:"}
        assert state.error.startswith(begins.get(end, "")) and bool(state.error) == (end in begins), state.error
    stage.picture("waits_no_longer")
    state.error = ""


def nothing_installed(editor: dict[str, Any], node: Any, wheel: str) -> Generator[None, None, list[str]]:
    """Where there is neither a server nor its command, Solve Frame offers Set Up Server. What is pressed then."""
    own("server_process").stop()
    chosen = own("preferences").preferences()
    chosen.command = "no-such-command"
    # This Blender's Python is too new for the server, which is said before anything is offered.
    message = solve_frame(editor, node)
    assert message.startswith("There is no matting server yet. The server needs Python 3.11 to 3.13"), message
    assert own("runtime").afterwards is None and not bpy.ops.cleanplate.set_up_server.poll()
    yield from stage.pause(1.0)
    stage.picture("not_offered")
    # One that fits; the file is no wheel, which pip says.
    own("server_setup")._NEWEST, chosen.package = (3, 99), wheel
    PRESSED.clear()
    assert not solve_frame(editor, node)
    yield from stage.pause(1.0)
    stage.picture("offered")
    assert own("runtime").afterwards is not None
    window = editor["window"]
    for value in ("PRESS", "RELEASE"):
        window.event_simulate(type="RET", value=value, x=editor["area"].width // 2, y=editor["area"].height // 2)
        yield
    yield from pressed("set_up")
    yield from stage.until(lambda: own("runtime").afterwards is None, "the dialog was not confirmed")
    error = own("runtime").state(node.matte.node_id).error
    assert error.startswith("The server could not be set up:"), error
    stage.picture("offered_and_failed")
    chosen.command, chosen.package = "cleanplate", "cleanplate"
    own("server_setup")._NEWEST = (3, 13)
    return list(PRESSED)


def preferences_page() -> Iterator[None]:
    """Set Up Server is greyed there, with the reason."""
    bpy.ops.screen.userpref_show("INVOKE_DEFAULT")
    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "cleanplate"
    bpy.ops.preferences.addon_expand(module=_ADD_ON)
    yield from stage.pause(1.0)
    stage.picture("its_preferences")


def two_images(demo: str, place: str) -> Iterator[None]:
    scene, tree = stage.scene_with_tree(_FIRST, _LAST)
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(place) / "shot.blend"))
    scene.render.resolution_x, scene.render.resolution_y = 960, 540
    plate = stage.image_node(tree, Path(demo) / f"plate.{_FIRST}.exr", _LAST - _FIRST + 1, _FIRST)
    clean = stage.image_node(tree, Path(demo) / "clean.exr")
    plate.location, clean.location = (-500, 250), (-500, -150)
    plate.width = clean.width = 200
    stage.open_editor(sidebar=False)
    yield from stage.pause(1.0)
    with bpy.context.temp_override(**stage.open_editor(sidebar=False)):
        bpy.ops.screen.screen_full_area()
    yield from stage.pause(1.0)
    editor = stage.open_editor(sidebar=False)
    with bpy.context.temp_override(**editor):
        bpy.ops.node.view_all()
    yield from stage.pause(2.0)
    stage.picture(f"{len(PRESSED)}_two_images")


def pressed(name: str) -> Iterator[None]:
    PRESSED.append(name)
    yield from stage.pause(1.0)
    stage.picture(f"{len(PRESSED)}_{name}")


def key(editor: dict[str, Any], kind: str, **more: Any) -> Iterator[None]:
    window, area = editor["window"], editor["area"]
    x, y = area.x + area.width * 9 // 20, area.y + area.height * 3 // 5
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
    yield from pressed("choose_it")
    yield from key(editor, "LEFTMOUSE")
    yield from pressed("place_it")


def solving(editor: dict[str, Any], node: Any) -> Iterator[None]:
    """The button that the artist sees first. No server runs: it is started, and the frame solved then."""
    runtime = own("runtime")
    with bpy.context.temp_override(**editor):
        bpy.ops.cleanplate.solve_frame("INVOKE_DEFAULT", node_id=node.matte.node_id)
    yield from pressed("solve_frame")
    assert own("server_process").is_running() and runtime.afterwards is not None
    counts = runtime.state(node.matte.node_id)
    yield from stage.until(lambda: counts.counts.fresh and runtime.running is None, "the frame was not solved")
    yield from stage.pause(1.0)
    assert runtime.state(node.matte.node_id).counts.fresh == (_FIRST,), runtime.state(node.matte.node_id)
    yield from stage.until(stage.seen, "the matte is not shown")
    yield from stage.pause(1.0)
    stage.picture(f"{len(PRESSED)}_first_matte")


def in_german() -> Iterator[None]:
    """The same window in another language; nothing is pressed for it."""
    tr = own("translation").tr
    view = bpy.context.preferences.view
    view.language = "de_DE"
    view.use_translate_interface = view.use_translate_tooltips = True
    yield from stage.pause(2.0)
    stage.picture("german")
    assert tr("Solve Frame") == "Bild lösen", tr("Solve Frame")


stage.run_in_window(case, registers=False)
