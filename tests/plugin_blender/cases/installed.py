"""The zip, installed by Blender into nothing, and used."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str, zip_file: str) -> dict[str, Any]:
    assert not any("plugin_blender" in path for path in sys.path)
    bpy.ops.extensions.package_install_files(filepath=zip_file, repo="user_default", enable_on_install=True)
    addon = bpy.context.preferences.addons["bl_ext.user_default.cleanplate"]
    import zmq

    stage.shot_node(Path(folder), frames=1)
    bpy.ops.cleanplate.solve_range()
    results = sorted(Path(folder).glob("cleanplate/*/*/matte.0001.exr"))
    return {
        "zmq": zmq.__version__,
        "zmq_file": zmq.__file__,
        "result": str(results[0]),
        "command": addon.preferences.command,
        "names": sorted(each for each in sys.modules if each.startswith("matte_link")),
    }


stage.run(case)
