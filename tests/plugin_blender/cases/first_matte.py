"""From nothing to the first matte: the server is set up from a wheel, Add connects two nodes, and where it acts."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str, wheel: str, needed: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    adding(place)
    node = results_folder()
    offline()
    not_started()
    node.id_data.nodes.remove(node)
    return {"command": setting_up(wheel, needed)}


def adding(place: Path) -> None:
    """Two selected nodes are connected, the clean plate to its own input, whichever was made first."""
    _, tree = stage.scene_with_tree(1, 4)
    bpy.ops.wm.save_as_mainfile(filepath=str(place / "shot.blend"))
    clean = stage.image_node(tree, place / "clean.exr")
    plate = stage.image_node(tree, place / "plate.0001.exr", 4)
    for first, second in ((plate, clean), (clean, plate)):
        for each in tree.nodes:
            each.select = each in (first, second)
        bpy.ops.cleanplate.add()
        node = tree.nodes.active
        assert node.inputs["Plate"].links[0].from_node == plate
        assert node.inputs["Clean Plate"].links[0].from_node == clean
        tree.nodes.remove(node)
    plate.select = False
    bpy.ops.cleanplate.add()
    assert not tree.nodes.active.inputs["Plate"].is_linked
    tree.nodes.remove(tree.nodes.active)


def results_folder() -> Any:
    """A path without a place never means the folder that Blender was started in. Its node stays."""
    from plugin_blender import planning

    bpy.ops.cleanplate.add()
    scene = bpy.context.scene
    tree = scene.compositing_node_group if stage.FIVE else scene.node_tree
    node = tree.nodes.active
    pictures = [each for each in tree.nodes if each.bl_idname == "CompositorNodeImage"]
    for name, picture in zip(("Plate", "Clean Plate"), pictures, strict=True):
        tree.links.new(picture.outputs[0], node.inputs[name])
    for folder in ("", "results"):
        node.matte.folder = folder
        assert "needs an absolute folder" in planning.refresh(scene, node).problem
        assert "needs an absolute folder" in stage.error_of(bpy.ops.cleanplate.clear_cache)
    long_paths(Path(bpy.data.filepath).parent, scene, node)
    return node


def long_paths(place: Path, scene: Any, node: Any) -> None:
    """As long as Blender and the disk allow it works, and one byte more is said in words."""
    from plugin_blender import planning, results_folder

    node.matte.model = "difference"
    node.matte.folder = str(place / ("é" * 128))
    problem = planning.refresh(scene, node).problem
    assert problem.endswith("has 256 bytes, and disks allow 255. Shorten it."), problem
    longest = results_folder._LONGEST_PATH - len(results_folder._BELOW)
    folder, own = str(place), len(f"/{node.matte.node_id}")
    while longest - own - len(folder) > 220:
        folder += "/" + "d" * 200
    folder += "/" + "e" * (longest - own - len(folder) - 1)
    node.matte.folder = folder + "e"
    problem = planning.refresh(scene, node).problem
    assert problem.startswith(f"Results: the path of the node's folder is {longest + 1} bytes long"), problem
    assert stage.error_of(bpy.ops.cleanplate.solve_frame) == problem
    node.matte.folder = folder
    scene.frame_set(2)
    assert not stage.error_of(bpy.ops.cleanplate.solve_frame)
    assert planning.refresh(scene, node).is_fresh(2)
    stage.main_output(node.id_data, node.outputs["Image"])
    stage.render_settings(scene, place / "out", (83, 61))
    assert stage.shown_alpha(scene, 2) > 0.5, "Blender cannot read a result with so long a path"


def offline() -> None:
    """No address beyond this machine is used while Blender works offline, unless the command line names it. These
    addresses are for documents: nobody has them."""
    from plugin_blender import preferences, runtime, solve_headless
    from plugin_blender.plan import NodeError

    assert not bpy.app.online_access
    preferences._UNSET.address = "tcp://192.0.2.1:5560"
    for refused in (preferences.endpoint, bpy.ops.cleanplate.test_server):
        try:
            refused()
        except (NodeError, RuntimeError) as error:
            assert "192.0.2.1:5560 is not on this machine" in str(error), error
            assert "Allow Online Access" in str(error), error
        else:
            raise AssertionError("an address of the network is used offline")
    assert solve_headless.main(["--frames", "1", "--again"]) == solve_headless.UNUSABLE
    # Said once, and used: nobody answers there.
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = solve_headless.main(["--frames", "1", "--again", "--server", "tcp://192.0.2.2:5560"])
    assert code == solve_headless.NO_SERVER, (code, said.getvalue())
    sentence = "Blender is set to work offline; --server names tcp://192.0.2.2:5560, so it is used."
    assert said.getvalue().count(sentence) == 1, said.getvalue()
    assert preferences.endpoint().address == "tcp://192.0.2.2:5560"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        solve_headless.main(["--frames", "1", "--again", "--server", "tcp://127.0.0.1:9"])
    assert "offline" not in said.getvalue()
    runtime.server_address = preferences._UNSET.address = ""


def not_started() -> None:
    """Solve says why the installed server cannot be started, and does not wait for it. Its command may be named
    from the home folder."""
    from plugin_blender import offering, preferences, runtime
    from plugin_blender.plan import NodeError

    command = Path.home() / "cleanplate-command"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    named = os.environ.pop("CLEANPLATE_SERVER")
    preferences._UNSET.command, preferences._UNSET.keys = "~/cleanplate-command", "/nowhere/keys.json"
    try:
        offering.server_is_coming("", lambda: None)
    except NodeError as error:
        assert str(error).startswith("the key file /nowhere/keys.json cannot be used"), error
    else:
        raise AssertionError("a server is started with keys that cannot be read")
    assert runtime.afterwards is None
    preferences._UNSET.command, preferences._UNSET.package = "", " "
    assert preferences.server_command() == preferences.setup_package() == "cleanplate", "emptied fields"
    beside = Path(bpy.data.filepath).parent
    preferences._UNSET.command, preferences._UNSET.package = "//bin/cleanplate", "~/server.whl"
    assert preferences.server_command() == str(beside / "bin" / "cleanplate")
    assert preferences.setup_package() == str(Path.home() / "server.whl")
    preferences._UNSET.package = preferences.PACKAGE
    preferences._UNSET.command, preferences._UNSET.keys = "cleanplate", ""
    os.environ["CLEANPLATE_SERVER"] = named
    # The server is ready, and what has waited for it cannot begin any more: its node was deleted.
    press = partial(bpy.ops.cleanplate.solve_frame, "INVOKE_DEFAULT", node_id="deleted")
    runtime.afterwards = runtime.Waiting(node_id="deleted", press=press)
    offering.go_on()
    assert runtime.states.pop("deleted").error and runtime.afterwards is None


def setting_up(wheel: str, needed: str) -> str:
    """A real environment, with a wheel of a server that only has a name, and one that it needs; cancelled once,
    continued, and removed. Blender works offline: all lies on this machine."""
    from plugin_blender import preferences
    from plugin_blender.server_setup import ServerSetup

    assert not bpy.app.online_access
    folder = preferences.setup_folder()
    for cpu_only in (False, True):
        message = stage.error_of(partial(bpy.ops.cleanplate.set_up_server, cpu_only=cpu_only))
        assert "Blender is set to work offline" in message, message
    assert not folder.exists()
    preferences._UNSET.package = wheel
    setup = ServerSetup(folder, wheel, cpu_only=False, offline=True)
    assert setup.poll() and setup.step == "Making the environment"
    setup.cancel()
    assert not setup.poll() and preferences.server_command() == "cleanplate"
    message = stage.error_of(bpy.ops.cleanplate.set_up_server)
    assert f"what it needs must lie in {Path(wheel).parent}" in message, message
    assert preferences.server_command() == "cleanplate"
    shutil.copy(needed, Path(wheel).parent)
    assert bpy.ops.cleanplate.set_up_server(cpu_only=True) == {"FINISHED"}
    command = preferences.server_command()
    output = subprocess.run([command], capture_output=True, text=True, check=True).stdout
    assert bpy.ops.cleanplate.remove_server() == {"FINISHED"}
    assert not folder.exists() and preferences.server_command() == "cleanplate"
    return output


stage.run(case)
