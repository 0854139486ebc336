"""Rare edits for ``edits.py``: strips, drivers of sequences, menus, handlers, volumes, libraries and the like."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import stage
from more_edits import Edit, added, new_group, setting


def flat(place: Path, scene: Any, tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    """Edits of the compositor alone. ``feed`` connects a socket to the node."""
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    feed(exposure.outputs[0])
    of_the_3d_scene(scene, tree, exposure, edit)
    looks(place, tree, plate, feed, edit)
    feed(exposure.outputs[0])
    edit("precision of the compositor", other_choice(scene.render, "compositor_precision"))
    strips(tree, exposure, edit)
    another_scene(exposure, edit)
    edit("(none) dither", setting(scene.render, "dither_intensity", 0.5))
    handlers(edit)
    configuration(place, edit)
    animated_sequence(tree, place, feed, edit)
    menus(tree, plate, feed, edit)
    cryptomatte(tree, plate, feed, edit)
    conversions(tree, plate, feed, edit)
    library(place, tree, plate, feed, edit)
    feed(plate.outputs[0])


def of_the_3d_scene(scene: Any, tree: Any, exposure: Any, edit: Edit) -> None:
    """Settings of a render that nodes alone do not see, and those that they do."""
    render = scene.render
    for name, value in (
        ("fps", 30),
        ("use_motion_blur", True),
        ("use_simplify", True),
        ("film_transparent", True),
        ("filter_size", 2.5),
        ("use_persistent_data", True),
        ("line_thickness", 2.0),
        ("use_single_layer", True),
    ):
        before = getattr(render, name)
        edit(f"(none) {name} behind nodes alone", setting(render, name, value))
        setattr(render, name, before)
    edit("time remapping", setting(render, "frame_map_new", 50))
    render.frame_map_new = 100
    edit("aspect of the render's pixels", setting(render, "pixel_aspect_x", 2.0))
    render.pixel_aspect_x = 1.0
    time = tree.nodes.new("CompositorNodeSceneTime")
    tree.links.new(time.outputs["Seconds"], exposure.inputs[1])
    edit("frames a second behind Scene Time", setting(render, "fps", 30))
    group_node = tree.nodes.new("CompositorNodeGroup")
    group_node.node_tree = bpy.data.node_groups.new("clock", "CompositorNodeTree")
    inner = group_node.node_tree
    inner.interface.new_socket("Seconds", in_out="OUTPUT", socket_type="NodeSocketFloat")
    inner.links.new(
        inner.nodes.new("CompositorNodeSceneTime").outputs["Seconds"], inner.nodes.new("NodeGroupOutput").inputs[0]
    )
    tree.links.new(group_node.outputs[0], exposure.inputs[1])
    edit("frames a second behind Scene Time in a group", setting(render, "fps", 24))
    tree.links.remove(exposure.inputs[1].links[0])


def looks(place: Path, tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    """What an artist does to look at a plate, or to track it, and that changes no picture."""
    clip = tree.nodes.new("CompositorNodeMovieClip")
    clip.clip = bpy.data.movieclips.load(str(place / "plate.0001.exr"))
    mix = tree.nodes.new("CompositorNodeSetAlpha")
    tree.links.new(plate.outputs[0], mix.inputs[0])
    tree.links.new(clip.outputs["Alpha"], mix.inputs[1])
    feed(mix.outputs[0])
    edit("(none) a look in the Image Editor", lambda: shown_in("IMAGE_EDITOR", "image", plate.image))
    edit("(none) a look in the Clip Editor", lambda: shown_in("CLIP_EDITOR", "clip", clip.clip))
    assert plate.image.use_extra_user and clip.clip.use_extra_user, "the test's own premise"
    edit("(none) aspect of the Clip Editor's view", setting(clip.clip, "display_aspect", (2.0, 1.0)))
    edit("(none) a note on a clip", lambda: annotate(clip.clip))
    edit("(none) what the next track begins with", setting(clip.clip.tracking.settings, "default_pattern_size", 31))
    tracking = clip.clip.tracking
    edit("(none) the lens of a clip of which the pictures are shown", setting(tracking.camera, "k1", 0.1))
    tree.links.new(clip.outputs["Scale"], mix.inputs[1])
    edit("how a clip is steadied that is read", setting(tracking.stabilization, "use_2d_stabilization", True))
    tree.links.remove(mix.inputs[1].links[0])
    driver = mix.inputs[1].driver_add("default_value").driver
    driver.type = "SUM"
    target = driver.variables.new().targets[0]
    target.id_type, target.id, target.data_path = "MOVIECLIP", clip.clip, "tracking.camera.k1"
    edit("the lens of a clip that drives", setting(tracking.camera, "k1", 0.2))
    mix.inputs[1].driver_remove("default_value")


def shown_in(kind: str, name: str, block: Any) -> None:
    screen = bpy.data.screens[0]
    area = screen.areas[0]
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], screen=screen, area=area):
        area.type = kind
        setattr(area.spaces.active, name, block)


def annotate(clip: Any) -> None:
    """The name is another one since Blender 5."""
    if hasattr(clip, "annotation"):
        clip.annotation = bpy.data.annotations.new("note")
    else:
        clip.grease_pencil = bpy.data.grease_pencils.new("note")


def other_choice(owner: Any, name: str) -> Callable[[], object]:
    """Sets an enum to a choice that it has not now."""
    items = owner.bl_rna.properties[name].enum_items
    return setting(owner, name, next(each.identifier for each in items if each.identifier != getattr(owner, name)))


def strips(tree: Any, exposure: Any, edit: Edit) -> None:
    """The compositor's own animation as strips."""
    socket = exposure.inputs[1]
    for frame, value in ((1, 0.0), (10, 2.0)):
        socket.default_value = value
        socket.keyframe_insert("default_value", frame=frame)
    data = tree.animation_data
    action, slot = data.action, getattr(data, "action_slot", None)
    track = data.nla_tracks.new()
    strip = track.strips.new("strip", 1, action)
    if slot is not None:
        strip.action_slot = slot
    data.action = None
    edit("influence of a strip of the compositor", setting(strip, "influence", 0.3))
    edit("speed of a strip of the compositor", setting(strip, "scale", 2.0))
    edit("a strip of the compositor played backwards", setting(strip, "use_reverse", True))
    edit("blending of a strip of the compositor", setting(strip, "blend_type", "ADD"))
    edit("extrapolation of a strip of the compositor", setting(strip, "extrapolation", "NOTHING"))
    edit("a muted track of the compositor", setting(track, "mute", True))
    track.mute = False
    data.action = action
    if slot is not None:
        data.action_slot = slot
    edit("influence of the compositor's action", setting(data, "action_influence", 0.5))
    second = data.nla_tracks.new()
    edit("(none) a track without strips", lambda: None)
    edit("another track alone", setting(second, "is_solo", True))
    tree.animation_data_clear()


def another_scene(exposure: Any, edit: Edit) -> None:
    """A driver may read a scene that is not rendered, and the frame at which it stands."""
    other = bpy.data.scenes.new("Other")
    other["knob"] = 0.5
    driver = exposure.inputs[1].driver_add("default_value").driver
    driver.type = "SUM"
    target = driver.variables.new().targets[0]
    target.id_type, target.id, target.data_path = "SCENE", other, '["knob"]'
    bpy.context.view_layer.update()
    edit("a custom property of another scene", lambda: other.__setitem__("knob", 2.0))
    edit("(none) the frame of another scene", lambda: other.frame_set(5))
    target.data_path = "frame_current"
    edit("the frame of another scene that drives", lambda: other.frame_set(7))
    exposure.inputs[1].driver_remove("default_value")
    bpy.data.scenes.remove(other)


def handlers(edit: Edit) -> None:
    """A script of the file may change anything at any frame."""

    def brighten(scene: Any, *_: Any) -> None:
        pass

    bpy.app.handlers.frame_change_pre.append(brighten)
    edit("(unknown) a script at every frame", lambda: None)
    bpy.app.handlers.frame_change_pre.remove(brighten)
    edit("(none) nothing, without a script", lambda: None)


def configuration(place: Path, edit: Edit) -> None:
    """The studio edits its colour configuration; this Blender reads it at its next start."""
    file = place / "config.ocio"
    file.write_text("ocio_profile_version: 2\n")
    known = os.environ.get("OCIO")
    os.environ["OCIO"] = str(file)
    edit("the colour configuration", lambda: file.write_text("ocio_profile_version: 2\n# edited\n"))
    table = place / "film.spi1d"
    file.write_text("ocio_profile_version: 2\n# src: film.spi1d\n")
    edit("a table of the colour configuration", lambda: table.write_text("edited"))
    os.environ.pop("OCIO")
    if known is not None:
        os.environ["OCIO"] = known


def animated_sequence(tree: Any, place: Path, feed: Callable[[Any], object], edit: Edit) -> None:
    """Which file is played may be animated, also where the node is bare."""
    for kind in ("bare", "graded"):
        node = stage.image_node(tree, place / "plate.0001.exr", 4)
        exposure = tree.nodes.new("CompositorNodeExposure")
        tree.links.new(node.outputs[0], exposure.inputs[0])
        feed((node if kind == "bare" else exposure).outputs[0])
        curve = node.driver_add("frame_offset")
        curve.driver.type = "SCRIPTED"
        curve.driver.expression = "0"
        bpy.context.view_layer.update()
        edit(f"a driver of a {kind} sequence", setting(curve.driver, "expression", "frame % 2"))
        edit(f"(unknown) another frame of a {kind} driven sequence", lambda: bpy.context.scene.frame_set(2))
        bpy.context.scene.frame_set(1)
        node.driver_remove("frame_offset")


def menus(tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    """Blender 5's Menu Switch and Index Switch, at the top and through a group."""
    group, first, last = new_group("Menu")
    for kind in ("GeometryNodeMenuSwitch", "GeometryNodeIndexSwitch"):
        try:
            switch = group.nodes.new(kind)
        except RuntimeError:
            continue
        switch.data_type = "RGBA"
        exposure = group.nodes.new("CompositorNodeExposure")
        exposure.inputs[1].default_value = 2.0
        group.links.new(first.outputs[0], exposure.inputs[0])
        pictures = [socket for socket in switch.inputs if socket.type == "RGBA"]
        group.links.new(first.outputs[0], pictures[0])
        group.links.new(exposure.outputs[0], pictures[1])
        group.links.new(switch.outputs[0], last.inputs[0])
        outer = tree.nodes.new("CompositorNodeGroup")
        outer.node_tree = group
        tree.links.new(plate.outputs[0], outer.inputs[0])
        feed(outer.outputs[0])
        control = switch.inputs[0]
        value = "B" if control.type == "MENU" else 1
        edit(f"choice of a {kind}", setting(control, "default_value", value))
        if control.type == "MENU":
            edit("(none) name of a choice", lambda switch=switch: None)
            group.interface.new_socket("Which", in_out="INPUT", socket_type="NodeSocketMenu")
            group.links.new(next(each for each in first.outputs if each.name == "Which"), control)
            outer_menu = next(each for each in outer.inputs if each.name == "Which")
            edit("a choice through a group", setting(outer_menu, "default_value", "A"))


def cryptomatte(tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    node = tree.nodes.new("CompositorNodeCryptomatteV2")
    tree.links.new(plate.outputs[0], node.inputs[0])
    feed(node.outputs[0])
    edit("objects of a Cryptomatte", setting(node, "matte_id", "<0.5>"))
    edit("source of a Cryptomatte", setting(node, "source", "IMAGE"))


def conversions(tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    node = tree.nodes.new("CompositorNodeConvertColorSpace")
    tree.links.new(plate.outputs[0], node.inputs[0])
    feed(node.outputs[0])
    edit("a conversion of colours", setting(node, "to_color_space", "sRGB"))
    if hasattr(bpy.types, "CompositorNodeConvertToDisplay"):
        node = tree.nodes.new("CompositorNodeConvertToDisplay")
        tree.links.new(plate.outputs[0], node.inputs[0])
        feed(node.outputs[0])
        edit("the view of a conversion", setting(node.view_settings, "view_transform", "Raw"))


def library(place: Path, tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    """A grade that is linked from another file, and overridden."""
    group, first, last = new_group("Linked Grade")
    exposure = group.nodes.new("CompositorNodeExposure")
    group.links.new(first.outputs[0], exposure.inputs[0])
    group.links.new(exposure.outputs[0], last.inputs[0])
    one, two = place / "grade.blend", place / "grade2.blend"
    bpy.data.libraries.write(str(one), {group})
    exposure.inputs[1].default_value = 3.0
    bpy.data.libraries.write(str(two), {group})
    bpy.data.node_groups.remove(group)
    with bpy.data.libraries.load(str(one), link=True) as (_, wanted):
        wanted.node_groups = ["Linked Grade"]
    outer = tree.nodes.new("CompositorNodeGroup")
    outer.node_tree = wanted.node_groups[0]
    tree.links.new(plate.outputs[0], outer.inputs[0])
    feed(outer.outputs[0])

    def reload() -> None:
        shutil.copyfile(two, one)
        outer.node_tree.library.reload()

    edit("a grade in a library that was saved again", reload)


# -- the 3D scene


def solid(place: Path, scene: Any, edit: Edit) -> None:
    """Edits of what Render Layers show."""
    cube, layer = bpy.data.objects["Box"], scene.view_layers[0]
    edit("a layer that is not rendered", setting(layer, "use", False))
    layer.use = True
    edit("thickness of Freestyle's lines", setting(scene.render, "line_thickness", 3.0))
    edit("an object's colour", setting(cube, "color", (1, 0, 0, 1)))
    edit("an object's pass index", setting(cube, "pass_index", 4))
    receivers = bpy.data.collections.new("Receivers")
    edit("light linking", setting(bpy.data.objects["Light"].light_linking, "receiver_collection", receivers))
    edit("a receiver of light", lambda: receivers.objects.link(cube))
    curve = bpy.data.curves.new("Curve", "CURVE")
    spline = curve.splines.new("BEZIER")
    added(scene, "Curve", curve)
    edit("bevel of a curve", setting(curve, "bevel_depth", 0.2))
    edit("a handle of a curve", setting(spline.bezier_points[0], "handle_right", (1, 2, 3)))
    ball = bpy.data.metaballs.new("Ball")
    element = ball.elements.new()
    added(scene, "Ball", ball)
    edit("an element of a metaball", setting(element, "radius", 3.0))
    lattice = bpy.data.lattices.new("Lattice")
    bent = cube.modifiers.new("Bent", "LATTICE")
    bent.object = added(scene, "Lattice", lattice)
    edit("a point of a lattice that bends an object", setting(lattice.points[0], "co_deform", (9, 9, 9)))
    cube.modifiers.remove(bent)
    caches(place, scene, edit)


def caches(place: Path, scene: Any, edit: Edit) -> None:
    """One file for each frame: only the one that is named is looked at."""
    volume = bpy.data.volumes.new("Smoke")
    made = added(scene, "Smoke", volume)
    volume.filepath = str(place / "smoke_0001.vdb")
    edit("a volume for each frame", setting(volume, "is_sequence", True))
    edit("(unknown) files of a volume for each frame", lambda: None)
    volume.is_sequence = False
    edit("(none) nothing, with one volume", lambda: None)
    bpy.data.objects.remove(made)
