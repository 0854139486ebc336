"""Edits of masks for ``edits.py``: points, keys at other frames, parents, and what cannot be read."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from more_edits import Edit, setting

_CORNERS = ((0.2, 0.2), (0.2, 0.8), (0.8, 0.8), (0.8, 0.2))


def masks(place: Path, scene: Any, tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    """``feed`` connects a socket to the node."""
    mask = bpy.data.masks.new("Roto")
    layer = mask.layers.new(name="Layer")
    spline = layer.splines.new()
    spline.points.add(3)
    for point, corner in zip(spline.points, _CORNERS, strict=True):
        point.co = point.handle_left = point.handle_right = corner
    source, over = tree.nodes.new("CompositorNodeMask"), tree.nodes.new("CompositorNodeAlphaOver")
    source.mask = mask
    for socket in (each for each in over.inputs if each.type == "RGBA"):
        tree.links.new(plate.outputs[0], socket)
    tree.links.new(source.outputs[0], next(each for each in over.inputs if each.type == "VALUE"))
    feed(over.outputs[0])
    point = spline.points[1]
    edit("a point of a mask", setting(point, "co", (0.5, 0.7)))
    edit("a handle of a mask", setting(point, "handle_right", (0.5, 0.9)))
    edit("weight of a mask's point", setting(point, "weight", 0.5))
    edit("kind of a mask's handle", setting(point, "handle_left_type", "FREE"))
    edit("another spline of a mask", lambda: layer.splines.new().points.add(2))
    edit("a closed spline of a mask", setting(spline, "use_cyclic", True))
    edit("opacity of a mask's layer", setting(layer, "alpha", 0.5))
    edit("keys of a mask's opacity", lambda: layer.keyframe_insert("alpha", frame=7))
    edit("(none) a selected point of a mask", setting(spline.points[2], "select", True))
    parents(place, mask, spline, edit)
    drivers(scene, layer, edit)
    keys(scene, mask, spline, edit)
    with_other_names(edit)
    edit("a point of a mask that moves", lambda: spline.points.add(1))
    layer.splines.new().points.add(2)
    edit("(unknown) a mask with points that its keys lack", lambda: None)
    linked(place, mask, source, edit)
    feed(plate.outputs[0])


def parents(place: Path, mask: Any, spline: Any, edit: Edit) -> None:
    clip = bpy.data.movieclips.load(str(place / "plate.0001.exr"))
    track = clip.tracking.tracks.new(name="Corner", frame=1)
    parent = spline.points[0].parent
    edit("a clip that moves a mask", setting(parent, "id", clip))
    edit("a track that moves a mask", setting(parent, "parent", "Corner"))
    edit("a marker that moves a mask", lambda: track.markers.insert_frame(3, co=(0.3, 0.4)))
    clip.tracking.tracks.active, track.select, spline.points[0].select = track, True, True
    press("parent_set", mask, clip)
    track.markers[0].co = (0.1, 0.2)
    edit("where a track was when a mask was parented to it", lambda: press("parent_set", mask, clip))


def drivers(scene: Any, layer: Any, edit: Edit) -> None:
    """With the scene that a driver reads Blender would write the whole file. One that reads the mask stays."""
    target = layer.driver_add("invert").driver.variables.new().targets[0]
    read(target, "SCENE", scene, "frame_start")
    edit("(unknown) a driver of a mask that reads the scene", lambda: None)
    edit("a driver of a mask that reads the mask", lambda: read(target, "MASK", layer.id_data, "frame_start"))


def read(target: Any, kind: str, block: Any, path: str) -> None:
    target.id_type, target.id, target.data_path = kind, block, path


def with_other_names(edit: Edit) -> None:
    from plugin_blender import mask_shapes

    names, mask_shapes._ALWAYS = mask_shapes._ALWAYS, ("bezt.other",)
    edit("(unknown) a mask in a Blender that names its values otherwise", lambda: None)
    mask_shapes._ALWAYS = names


def keys(scene: Any, mask: Any, spline: Any, edit: Edit) -> None:
    """Keys at frames 1 and 9; Blender shows a place between, which no edit of ours may be taken for."""
    for point in spline.points:
        point.select = True
    edit("a key of a mask", lambda: press("shape_key_insert", mask))
    edit("a second key of a mask", lambda: moved(scene, mask, spline, 9, 0.1))
    edit("a key of a mask at another frame", lambda: moved(scene, mask, spline, 9, 0.2))
    before = tuple(spline.points[0].co)
    scene.frame_set(5)
    assert tuple(spline.points[0].co) != before, "the mask does not move"
    scene.frame_set(9)
    edit("(none) another frame of a mask that moves", lambda: scene.frame_set(5))
    scene.frame_set(1)
    edit("the frame of a mask's key", lambda: later(scene, mask))


def moved(scene: Any, mask: Any, spline: Any, frame: int, step: float) -> None:
    scene.frame_set(frame)
    for point in spline.points:
        point.co[0] += step
    press("shape_key_insert", mask)
    scene.frame_set(1)


def later(scene: Any, mask: Any) -> None:
    """The key of frame 9 comes to frame 12, where Blender shows the same shape."""
    scene.frame_set(12)
    press("shape_key_insert", mask)
    scene.frame_set(9)
    press("shape_key_clear", mask)
    scene.frame_set(1)


def press(button: str, mask: Any, clip: Any = None) -> None:
    """A button of the mask's menu, at the current frame: in the Image Editor, or in the Movie Clip Editor."""
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    before, area.type = area.type, "CLIP_EDITOR" if clip else "IMAGE_EDITOR"
    if clip:
        area.spaces.active.clip = clip
    area.spaces.active.mode, area.spaces.active.mask = "MASK", mask
    with bpy.context.temp_override(window=window, area=area, region=area.regions[-1]):
        assert getattr(bpy.ops.mask, button)() == {"FINISHED"}
    area.type = before


def linked(place: Path, mask: Any, source: Any, edit: Edit) -> None:
    bpy.data.libraries.write(str(place / "masks.blend"), {mask})
    with bpy.data.libraries.load(str(place / "masks.blend"), link=True) as (_, loaded):
        loaded.masks = ["Roto"]
    edit("(unknown) a mask of another file", setting(source, "mask", loaded.masks[0]))
