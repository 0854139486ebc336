"""Movies that are written over while Blender has them in memory."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    movie = place / "movie.mkv"
    clip = tree.nodes.new("CompositorNodeMovieClip")
    clip.clip = bpy.data.movieclips.load(str(movie))
    found = {}
    for name, source in (("image", stage.image_node(tree, movie)), ("clip", clip)):
        tree.links.new(source.outputs[0], node.inputs["Plate"])
        files = [rendered(scene, node, place / f"{name} before")]
        shutil.copy(place / "other.mkv", movie)
        files.append(rendered(scene, node, place / f"{name} after"))
        found[name] = files
        shutil.copy(place / "first.mkv", movie)
    return found


def rendered(scene: Any, node: Any, folder: Path) -> str:
    from plugin_blender import extraction

    folder.mkdir()
    (file,) = extraction.render_inputs(scene, node, ["Plate"], 1, folder)
    return file


stage.run(case)
