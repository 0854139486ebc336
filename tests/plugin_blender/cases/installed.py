"""The zip, installed by Blender into nothing, and used."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bpy
import stage


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
    addon = bpy.context.preferences.addons["bl_ext.user_default.cleanplate"]
    import zmq

    stage.shot_node(Path(folder), frames=1)
    bpy.ops.cleanplate.solve_range()
    results = sorted(Path(folder).glob("cleanplate/*/*/matte.0001.exr"))
    command_line(Path(folder))
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


stage.run(case)
