"""A .blend of real footage: two Image nodes and a Cleanplate Matte node, saved and not solved."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from pathlib import Path

import bpy
import stage


def case(folder: str, plate: str, clean: str, frame: str) -> None:
    stage.add_on()
    _, tree = stage.scene_with_tree(int(frame), int(frame))
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(folder) / "footage.blend"))
    pictures = [stage.image_node(tree, Path(plate), 1, int(frame)), stage.image_node(tree, Path(clean))]
    node = stage.matte_node(tree, *[picture.outputs[0] for picture in pictures])
    node.matte.bit_depth = "half"
    bpy.ops.wm.save_mainfile()


stage.run(case)
