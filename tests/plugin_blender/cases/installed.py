"""The zip, installed by Blender into nothing, and used."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from importlib import import_module, reload
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bpy
import stage

_ADD_ON = "bl_ext.user_default.cleanplate"


class _NotOurs(MetaPathFinder):
    """Hides the pyzmq of the environment, which a Blender does not have: only the zip's may be found."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "zmq":
            return None
        home = os.environ["BLENDER_USER_RESOURCES"]
        found = PathFinder.find_spec(name, [each for each in sys.path if each.startswith(home)])
        if found is None:
            raise ModuleNotFoundError("there is no zmq but the environment's")
        return found


def case(folder: str, zip_file: str) -> dict[str, Any]:
    assert find_spec("plugin_blender") is None and find_spec("matte_link") is None
    sys.meta_path.insert(0, _NotOurs())
    bpy.ops.extensions.package_install_files(filepath=zip_file, repo="user_default", enable_on_install=True)
    addon = bpy.context.preferences.addons[_ADD_ON]
    import zmq

    stage.shot_node(Path(folder), frames=1)
    bpy.ops.cleanplate.solve_range()
    results = sorted(Path(folder).glob("cleanplate/*/*/matte.0001.exr"))
    command_line(Path(folder))
    reloaded_in_a_solve(Path(folder), Path(zip_file))
    a_second_copy(Path(folder))
    return {
        "zmq": zmq.__version__,
        "zmq_file": zmq.__file__,
        "result": str(results[0]),
        "command": addon.preferences.command,
        "names": sorted(each for each in sys.modules if each.startswith("matte_link")),
    }


def command_line(place: Path) -> None:
    """What ``blender --command cleanplate`` calls: bpy is no command, so the window's test runs the whole line."""
    from bl_ext.user_default.cleanplate import registration, solve_headless

    assert len(registration._commands) == 1
    bpy.ops.wm.save_mainfile()
    file = bpy.data.filepath
    bpy.ops.wm.read_homefile(use_empty=True)
    assert solve_headless.command([file, "--frames", "1", "--again"]) == 0
    assert bpy.data.filepath == file
    assert solve_headless.command([]) == solve_headless.command(["--frames", "1"]) == 2
    assert solve_headless.command([str(place / "nowhere.blend")]) == 2
    # The command line's server goes before every other: nobody is there.
    assert solve_headless.command([file, "--again", "--server", "tcp://127.0.0.1:9"]) == 3


def reloaded_in_a_solve(place: Path, zip_file: Path) -> None:
    """Reload Scripts, and another version of the add-on over this one, in the middle of a solve."""
    import addon_utils

    runtime = own("runtime")
    solve = solve_begun()
    written = Path(runtime.__file__)
    written.write_text(written.read_text() + "\nEDITED = 1\n")
    # What Reload Scripts does with an add-on; its operator does nothing in Blender as a module.
    addon_utils.disable(_ADD_ON)
    reload(sys.modules[_ADD_ON])
    addon_utils.enable(_ADD_ON)
    assert solve.cancelled and not hasattr(runtime, "EDITED")
    assert own("runtime").EDITED == 1 and own("runtime").running is None, "the code of before runs on"
    update = place / "update.zip"
    with zipfile.ZipFile(zip_file) as old, zipfile.ZipFile(update, "w") as new:
        for name in old.namelist():
            more = b"\nEDITED = 2\n" if name == "runtime.py" else b""
            new.writestr(name, old.read(name) + more)
    solve = solve_begun()
    bpy.ops.extensions.package_install_files(filepath=str(update), repo="user_default", enable_on_install=True)
    assert solve.cancelled and own("runtime").EDITED == 2
    solve = solve_begun()
    solve.run()
    assert solve.done == [1] and not solve.sentence, solve.sentence


def a_second_copy(place: Path) -> None:
    """Is refused in one sentence, and the first works on: both would act on the same nodes."""
    import addon_utils

    shutil.copytree(Path(own("runtime").__file__).parent, place / "cleanplate_again")
    sys.path.append(str(place))
    errors: list[str] = []
    addon_utils.enable("cleanplate_again", handle_error=lambda error: errors.append(str(error)))
    (sentence,) = errors
    assert sentence.startswith(f"Another copy of Cleanplate Matte is switched on: {_ADD_ON}. "), sentence
    solve_begun().run()
    addon_utils.disable(_ADD_ON)
    addon_utils.enable("cleanplate_again", handle_error=lambda error: errors.append(str(error)))
    assert len(errors) == 1 and hasattr(bpy.types, "CLEANPLATE_OT_add")
    addon_utils.disable("cleanplate_again")
    addon_utils.enable(_ADD_ON)


def own(module: str) -> Any:
    """A module of the installed add-on, as it is now."""
    return import_module(f"{_ADD_ON}.{module}")


def solve_begun() -> Any:
    ((scene, node),) = own("places").all_nodes()
    solve = own("solve").Solve(scene, node, (1,), again=True)
    solve.step()
    return solve


stage.run(case)
