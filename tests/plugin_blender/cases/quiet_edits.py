"""Edits for ``edits.py`` of what editors show: most change no picture, and some do all the same."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import bpy
import stage
from more_edits import Edit, added, setting


def flat(scene: Any, tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    """Edits of the compositor alone. ``feed`` connects a socket to the node."""
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    feed(exposure.outputs[0])
    edit("(none) View as Render", setting(plate.image, "use_view_as_render", True))
    # As it says where the sequence was asked for a frame that it has not.
    edit("(none) the format that Blender says of an image", setting(plate.image, "file_format", "TARGA"))
    driven_aside(scene, exposure, edit)
    driven_by_context(scene, exposure, edit)
    feed(plate.outputs[0])
    tree.nodes.remove(exposure)


def driven_aside(scene: Any, exposure: Any, edit: Edit) -> None:
    """Settings that change no picture, unless a driver reads them."""
    driver = exposure.inputs[1].driver_add("default_value").driver
    driver.type = "SUM"
    target = driver.variables.new().targets[0]
    target.id_type, target.id = "SCENE", scene
    for path, change in {
        "frame_end": setting(scene, "frame_end", 6),
        "view_settings.exposure": setting(scene.view_settings, "exposure", 1.0),
        "cursor.location[0]": setting(scene.cursor, "location", (3.0, 0.0, 0.0)),
        "render.image_settings.quality": setting(scene.render.image_settings, "quality", 7),
    }.items():
        target.data_path = path
        edit(f"{path} that drives", change)
    target.data_path = "frame_current"
    edit("(none) another frame, behind a driver that reads it", lambda: scene.frame_set(2))
    scene.frame_set(1)
    target.data_path = "no.such[0].path"
    # Blender marks the driver when it finds nothing.
    bpy.context.view_layer.update()
    edit("(none) nothing, behind a driver that finds nothing", lambda: None)
    exposure.inputs[1].driver_remove("default_value")
    scene.frame_end = 4


def driven_by_context(scene: Any, exposure: Any, edit: Edit) -> None:
    """A driver may read whichever scene is rendered."""
    scene["grade"] = 0.5
    driver = exposure.inputs[1].driver_add("default_value").driver
    driver.type = "SUM"
    variable = driver.variables.new()
    variable.type = "CONTEXT_PROP"
    target = variable.targets[0]
    target.data_path = '["grade"]'
    edit("a property of the active scene that drives", lambda: scene.__setitem__("grade", 2.0))
    target.context_property = "ACTIVE_VIEW_LAYER"
    scene.view_layers[0]["grade"] = 0.5
    edit(
        "a property of the active view layer that drives",
        lambda: scene.view_layers[0].__setitem__("grade", 2.0),
    )
    target.context_property, target.data_path = "ACTIVE_SCENE", "frame_end"
    edit("(unknown) the end of the active scene that drives", lambda: None)
    exposure.inputs[1].driver_remove("default_value")


# -- the 3D scene


def solid(scene: Any, edit: Edit) -> None:
    """Edits of what Render Layers show."""
    cube = bpy.data.objects["Box"]
    of_timeline(scene, edit)
    of_viewports(scene, cube, edit)
    shape_keys(cube, edit)
    called_as_interface(scene, cube, edit)
    cycles(scene, edit)
    read_by_name(scene, cube, edit)
    unread(scene, cube, edit)
    unreported(scene, cube, edit)


def of_timeline(scene: Any, edit: Edit) -> None:
    edit("(none) a marker for people", lambda: scene.timeline_markers.new("note", frame=3))
    edit("(none) how playback keeps up", setting(scene, "sync_mode", "FRAME_DROP"))
    edit("(none) sound while scrubbing", setting(scene, "use_audio_scrub", True))


def of_viewports(scene: Any, cube: Any, edit: Edit) -> None:
    smooth, camera = cube.modifiers.new("Smooth", "SUBSURF"), scene.camera.data
    edit("(none) subdivisions in viewports", setting(smooth, "levels", 3))
    edit("subdivisions in renders", setting(smooth, "render_levels", 1))
    cube.modifiers.new("Bevel", "BEVEL")
    edit("(none) another modifier clicked", setting(smooth, "is_active", True))
    cube.modifiers.clear()
    edit("(none) samples of viewports", setting(scene.eevee, "taa_samples", 3))
    edit("(none) samples of Cycles in viewports", setting(scene.cycles, "preview_adaptive_threshold", 0.5))
    edit("(none) simplification in viewports", setting(scene.render, "simplify_subdivision", 1))
    edit("(none) size of the camera in viewports", setting(camera, "display_size", 3.0))
    edit("(none) what is around the camera's picture", setting(camera, "passepartout_alpha", 0.9))
    edit("(none) a reference picture of the camera", camera.background_images.new)
    for kind in ("WIRE", "BOUNDS"):
        edit(f"(none) an object drawn as {kind}", setting(cube, "display_type", kind))
    edit("(none) the shape of its bounds", setting(cube, "display_bounds_type", "SPHERE"))
    drawn(scene, cube, edit)
    edit("(none) units", setting(scene.unit_settings, "system", "IMPERIAL"))
    edit("(none) units of angles", setting(scene.unit_settings, "system_rotation", "RADIANS"))
    edit("(none) a collection disabled in viewports", setting(bpy.data.collections[0], "hide_viewport", True))
    bpy.data.collections[0].hide_viewport = False


def drawn(scene: Any, cube: Any, edit: Edit) -> None:
    """How objects are drawn: Grease Pencil is rendered where it, and what may have instances of it, is solid."""
    pencil = added(
        scene,
        "Pencil",
        bpy.data.grease_pencils.new("Pencil") if stage.FIVE else bpy.data.grease_pencils_v3.new("Pencil"),
    )
    edit("Grease Pencil drawn as wire", setting(pencil, "display_type", "WIRE"))
    group = added(scene, "Group", None)
    group.instance_type, group.instance_collection = "COLLECTION", bpy.data.collections.new("Pencils")
    edit("instances drawn as wire", setting(group, "display_type", "WIRE"))
    scattering = cube.modifiers.new("Scatter", "NODES")
    edit("what nodes may scatter, drawn as wire", setting(cube, "display_type", "WIRE"))
    cube.modifiers.remove(scattering)
    edit("in front, in Workbench", setting(cube, "show_in_front", True))
    edit("shadows of an object in Workbench", setting(cube.display, "show_shadows", False))
    bones = added(scene, "Bones", bpy.data.armatures.new("Bones"))
    # Blender makes their pose when it first evaluates them.
    bpy.context.view_layer.update()
    edit("(none) bones in front", setting(bones, "show_in_front", True))
    for each in (pencil, group, bones):
        bpy.data.objects.remove(each)


def shape_keys(cube: Any, edit: Edit) -> None:
    _, second = (cube.shape_key_add(name=name) for name in ("Basis", "Other"))
    second.value = 0.0
    second.data[0].co = (3.0, 3.0, 3.0)
    cube.active_shape_key_index = 0
    edit("(none) a shape key clicked", setting(cube, "active_shape_key_index", 1))
    edit("a shape key that is pinned", setting(cube, "show_only_shape_key", True))
    edit("a shape key clicked, where it is pinned", setting(cube, "active_shape_key_index", 0))
    cube.show_only_shape_key = False
    cube.shape_key_clear()


def called_as_interface(scene: Any, cube: Any, edit: Edit) -> None:
    """Settings that renders follow, and that are called as those of editors."""
    curve = bpy.data.curves.new("Flat", "CURVE")
    added(scene, "Flat", curve)
    edit("a curve that is flat", setting(curve, "dimensions", "3D"))
    edit("backs of transparent surfaces", setting(cube.active_material, "show_transparent_back", False))
    ink = bpy.data.materials.new("Ink")
    bpy.data.materials.create_gpencil_data(ink)
    cube.data.materials.append(ink)
    pen = ink.grease_pencil
    edit("strokes of Grease Pencil", setting(pen, "show_stroke", not pen.show_stroke))
    nodes = cube.active_material.node_tree.nodes
    other = nodes.new("ShaderNodeOutputMaterial")
    edit("another output of a material", setting(other, "is_active_output", True))
    nodes.remove(other)
    shading = scene.display.shading
    edit("cavities in Workbench", setting(shading, "show_cavity", not shading.show_cavity))


def cycles(scene: Any, edit: Edit) -> None:
    """A choice that is set to what it is by default."""
    edit(
        "(none) a choice of Cycles set to its default",
        setting(scene.cycles, "pixel_filter_type", "BLACKMAN_HARRIS"),
    )
    edit("a choice of Cycles", setting(scene.cycles, "pixel_filter_type", "GAUSSIAN"))


def read_by_name(scene: Any, cube: Any, edit: Edit) -> None:
    """Names, and settings that are named by a shader, count where a picture has them."""
    nodes, shading = cube.active_material.node_tree.nodes, scene.display.shading
    info = nodes.new("ShaderNodeObjectInfo")
    edit("an object's name where each has a random value", setting(cube, "name", "Crate"))
    nodes.remove(info)
    shading.color_type = "RANDOM"
    edit("an object's name where each has a random colour", setting(cube, "name", "Box"))
    shading.color_type = "MATERIAL"
    group = bpy.data.node_groups.new("Picked", "GeometryNodeTree")
    group.nodes.new("GeometryNodeCollectionInfo")
    cube.modifiers.new("Picked", "NODES").node_group = group
    edit("an object's name where collections are sorted", setting(cube, "name", "Crate"))
    empty = added(scene, "Target", None)
    edit("an empty's name where collections are sorted", setting(empty, "name", "A target"))
    bpy.data.objects.remove(empty)
    cube.modifiers.clear()
    cube.name = "Box"
    attribute = nodes.new("ShaderNodeAttribute")
    attribute.attribute_type, attribute.attribute_name = "OBJECT", "shade"
    cube["shade"] = 0.1
    edit("a custom property that a shader reads", lambda: cube.__setitem__("shade", 0.9))
    attribute.attribute_type, attribute.attribute_name = "VIEW_LAYER", "view_settings.exposure"
    edit("a setting of the scene that a shader reads", setting(scene.view_settings, "exposure", 0.3))
    nodes.remove(attribute)
    painted = bpy.data.meshes.new("Painted")
    painted.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    for name in ("first", "second"):
        painted.color_attributes.new(name, "FLOAT_COLOR", "POINT")
    painted.color_attributes.render_color_index = 0
    shown = added(scene, "Painted", painted)
    edit("which of a mesh's colours are rendered", setting(painted.color_attributes, "render_color_index", 1))
    bpy.data.objects.remove(shown)


def unread(scene: Any, cube: Any, edit: Edit) -> None:
    """What scripts and riggers add, and no picture shows."""
    from plugin_blender.animation import acting_curves

    edit("(none) a custom property that nothing reads", lambda: cube.__setitem__("exported", "yesterday"))
    bpy.types.Scene.tally = bpy.props.IntProperty()
    scene.tally = 1
    edit("(none) a setting of an add-on", setting(scene, "tally", 2))
    del bpy.types.Scene.tally
    made = (None, bpy.data.cameras.new("Spare"), bpy.data.armatures.new("Spare"))

    def add() -> None:
        for data in made:
            added(scene, "Spare", data)

    edit("(none) an empty, a camera and bones that nothing refers to", add)
    wind = scene.objects["Spare"]
    bpy.context.view_layer.objects.active = wind
    bpy.ops.object.forcefield_toggle()
    edit("the strength of a wind", setting(wind.field, "strength", 7.0))
    bpy.data.objects.remove(wind)
    cube.keyframe_insert("location", frame=1)
    (key,) = next(acting_curves(cube)).keyframe_points
    edit("(none) the colour of a key", setting(key, "type", "BREAKDOWN"))
    edit("(none) the range of an action", setting(cube.animation_data.action, "use_frame_range", True))
    cube.animation_data_clear()


def unreported(scene: Any, cube: Any, edit: Edit) -> None:
    """As in a window: no edits are reported of what is disabled in viewports, or of scenes that are not shown."""
    from plugin_blender import fingerprint, runtime

    def seen_later(owner: Any, name: str, value: Any) -> Callable[[], object]:
        def change() -> None:
            known = len(fingerprint._known)
            setattr(owner, name, value)
            bpy.context.view_layer.update()
            assert len(fingerprint._known) == known, "the test's own premise: Blender says nothing of it"
            assert any(fingerprint.look_again() for _ in range(known)), "each in its turn"

        return change

    light = next(each for each in scene.objects if each.type == "LIGHT")
    aside = added(scene, "Aside", cube.data)
    runtime.in_window = True
    edit("(none) nothing, in a window", lambda: None)
    edit("a light in a window", setting(light.data, "energy", 55.0))
    light.hide_viewport = aside.hide_viewport = True
    bpy.context.view_layer.update()
    edit("a light that is disabled in viewports", seen_later(light.data, "energy", 77.0))
    edit("a place of what is disabled in viewports", seen_later(aside, "location", (3.0, 1.0, 1.0)))
    light.hide_viewport = aside.hide_viewport = False
    layers = scene.compositing_node_group if stage.FIVE else scene.node_tree
    node = next(each for each in layers.nodes if each.bl_idname == "CompositorNodeRLayers")
    other, lamp = bpy.data.scenes.new("Elsewhere"), bpy.data.lights.new("Lamp", "POINT")
    other.collection.objects.link(bpy.data.objects.new("Lamp", lamp))
    other.view_layers[0].update()
    node.scene = other
    bpy.context.view_layer.update()
    edit("a light of a scene that is not shown", seen_later(lamp, "energy", 99.0))
    node.scene = scene
    bpy.data.scenes.remove(other)
    assert not any(fingerprint.look_again() for _ in range(len(fingerprint._known))), "nothing was edited"
    timed()
    runtime.in_window = False


def timed() -> None:
    """The window's timer looks at one data-block, rests, and leaves an animation that plays alone."""
    from plugin_blender import fingerprint, jobs, planning

    def looks(now: float) -> bool:
        before = fingerprint._turn
        planning._look_at_unreported(now)
        return fingerprint._turn != before

    planning._next_unreported = 0.0
    assert looks(1.0) and not looks(1.0)
    later = planning._next_unreported
    with mock.patch.object(jobs, "is_playing", return_value=True):
        assert not looks(later)
    assert looks(later)
