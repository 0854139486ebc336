"""Edits upstream of the node: each changes what results are compared by, or is called unknown.

Edits that change no picture must not: for these the pictures that are sent are rendered before and after, also
behind the 3D scene.
"""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bpy
import edge_edits
import mask_edits
import more_edits
import numpy as np
import quiet_edits
import stage
from sent import Sent

FOUND: dict[str, str] = {}


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    stage.render_settings(scene, place / "out", (83, 61))
    images(place, scene, tree, node)
    plate = node.inputs["Plate"].links[0].from_node
    more = partial(noted, scene, node)
    more_edits.flat(place, tree, plate, partial(feed, node), more)
    edge_edits.flat(place, scene, tree, plate, partial(feed, node), more)
    quiet_edits.flat(scene, tree, plate, partial(feed, node), more)
    feed(node, plate.outputs[0])
    nodes(place, scene, tree, node)
    animation(scene, tree, node)
    render_layers(scene, tree, node)
    materials(scene, tree, node)
    more_edits.solid(place, scene, more)
    edge_edits.solid(place, scene, more)
    quiet_edits.solid(scene, more)
    no_pictures(scene, tree, node)
    return {"found": FOUND}


def feed(node: Any, socket: Any, name: str = "Plate") -> None:
    node.id_data.links.new(socket, node.inputs[name])


def edit(name: str, scene: Any, node: Any, change: Callable[[], object]) -> None:
    """Notes whether the state after the change is another one, or unknown, or the same."""
    from plugin_blender import planning

    before = planning.plan_of(scene, node)
    assert not before.problem, (name, before.problem)
    marks = [before.key, before.stamp(1)]
    is_said_to_change_none = name.startswith("(none)")
    if not is_said_to_change_none:
        again = planning.plan_of(scene, node)
        assert marks == [again.key, again.stamp(1)], f"{name}: changes without an edit"
    sent = Sent(scene, node, (1,))
    pictures = sent.digest() if is_said_to_change_none else ""
    change()
    bpy.context.view_layer.update()
    if is_said_to_change_none:
        assert int(pictures, 16), "a digest, and no sentence"
        assert sent.digest() == pictures, f"{name}: other pixels"
    after = planning.plan_of(scene, node)
    changed = bool(after.problem) or marks != [after.key, after.stamp(1)]
    assert name not in FOUND, name
    FOUND[name] = "noticed" if changed else "unknown" if after.uncomparable else "UNNOTICED"


def noted(scene: Any, node: Any, name: str, change: Callable[[], object]) -> None:
    edit(name, scene, node, change)


def setting(owner: Any, name: str, value: Any) -> Callable[[], object]:
    return lambda: setattr(owner, name, value)


def paint(image: Any, first: int, value: float) -> None:
    pixels = np.empty(len(image.pixels), "f4")
    image.pixels.foreach_get(pixels)
    pixels[first : first + 40] = value
    image.pixels.foreach_set(pixels)
    image.update()


def images(place: Path, scene: Any, tree: Any, node: Any) -> None:
    plate = node.inputs["Plate"].links[0].from_node
    edit("alpha mode of a bare file", scene, node, setting(plate.image, "alpha_mode", "CHANNEL_PACKED"))
    plate.image.alpha_mode = "PREMUL"
    if hasattr(plate, "use_straight_alpha_output"):
        edit("straight alpha of a bare file", scene, node, setting(plate, "use_straight_alpha_output", True))
        plate.use_straight_alpha_output = False
    edit("deinterlacing of a bare file", scene, node, setting(plate.image, "use_deinterlace", True))
    plate.image.use_deinterlace = False
    edit("colourspace of a bare file", scene, node, setting(plate.image.colorspace_settings, "name", "sRGB"))
    plate.image.colorspace_settings.name = "Linear Rec.709"
    clean = node.inputs["Clean Plate"].links[0].from_node
    edit("first stroke on a clean plate", scene, node, lambda: paint(clean.image, 0, 0.7))
    edit("second stroke on a clean plate", scene, node, lambda: paint(clean.image, 80, 0.7))
    made = stage.image_node(tree, place / "clean.exr")
    made.image = bpy.data.images.new("made", 83, 61, float_buffer=True)
    feed(node, made.outputs[0], "Clean Plate")
    edit("colour of a generated image", scene, node, setting(made.image, "generated_color", (0.5, 0.1, 0.1, 1)))
    edit("stroke on a generated image", scene, node, lambda: paint(made.image, 0, 0.3))
    made.image.pack()
    edit("stroke on a packed image", scene, node, lambda: paint(made.image, 0, 0.6))
    layers(place, scene, tree, node)
    still = stage.image_node(tree, place / "clean.exr")
    feed(node, still.outputs[0], "Clean Plate")
    feed(node, plate.outputs[0])


def layers(place: Path, scene: Any, tree: Any, node: Any) -> None:
    """A pass of a multilayer EXR, and another one of the same node."""
    plate = node.inputs["Plate"].links[0].from_node
    output = stage.layers_output(tree, place, "layers_", ("first", "second"))
    for socket in list(output.inputs)[:2]:
        tree.links.new(plate.outputs[0], socket)
    stage.main_output(tree, plate.outputs[0])
    scene.frame_end = 1
    bpy.ops.render.render(animation=True)
    scene.frame_end = 4
    tree.nodes.remove(output)
    both = stage.image_node(tree, place / "layers_0001.exr")
    feed(node, both.outputs["first"])
    edit("another pass of a multilayer EXR", scene, node, lambda: feed(node, both.outputs["second"]))
    feed(node, plate.outputs[0])


def nodes(place: Path, scene: Any, tree: Any, node: Any) -> None:
    plate = node.inputs["Plate"].links[0].from_node
    clip = bpy.data.movieclips.load(str(place / "plate.0001.exr"))
    for kind in ("MovieDistortion", "Stabilize"):
        each = tree.nodes.new(f"CompositorNode{kind}")
        each.clip = clip
        tree.links.new(plate.outputs[0], each.inputs[0])
        feed(node, each.outputs[0])
        if kind == "MovieDistortion":
            edit("lens distortion of a clip", scene, node, setting(clip.tracking.camera, "k1", 0.3))
        else:
            steady = clip.tracking.stabilization
            edit("influence of stabilization", scene, node, setting(steady, "influence_location", 0.5))
            edit("anchor of stabilization", scene, node, setting(steady, "anchor_frame", 3))
    tree.nodes.new("CompositorNodeBoxMask")
    curves = tree.nodes.new("CompositorNodeCurveRGB")
    tree.links.new(plate.outputs[0], curves.inputs["Image"])
    feed(node, curves.outputs[0])
    edit("point of a colour curve", scene, node, lambda: curves.mapping.curves[3].points.new(0.5, 0.8))
    render = scene.render
    for kind, name in (
        ("CompositorNodeCurveRGB", "(none) {} behind a grade"),
        ("CompositorNodeBoxMask", "{} behind a box"),
    ):
        feed(node, next(each for each in tree.nodes if each.bl_idname == kind).outputs[0])
        edit(name.format("resolution percentage"), scene, node, setting(render, "resolution_percentage", 50))
        render.resolution_percentage, render.use_crop_to_border = 100, True
        edit(name.format("border"), scene, node, setting(render, "use_border", True))
        render.use_border = render.use_crop_to_border = False
    edit("(none) sides of a border that is off", scene, node, setting(render, "border_min_x", 0.3))
    render.border_min_x = 0.0
    values_of_outputs(scene, tree, node, plate)
    groups(scene, tree, node, plate)
    mask_edits.masks(place, scene, tree, plate, partial(feed, node), partial(noted, scene, node))
    separate = tree.nodes.new("CompositorNodeSeparateColor")
    tree.links.new(plate.outputs[0], separate.inputs[0])
    feed(node, separate.outputs[0])
    edit("another output of a node", scene, node, lambda: feed(node, separate.outputs[1]))


def values_of_outputs(scene: Any, tree: Any, node: Any, plate: Any) -> None:
    """Nodes whose setting is the value of their output."""
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    value = tree.nodes.new("ShaderNodeValue" if stage.FIVE else "CompositorNodeValue")
    tree.links.new(value.outputs[0], exposure.inputs[1])
    feed(node, exposure.outputs[0])
    edit("a Value node", scene, node, setting(value.outputs[0], "default_value", 0.7))
    edit("a muted node", scene, node, setting(exposure, "mute", True))


def groups(scene: Any, tree: Any, node: Any, plate: Any) -> None:
    group = bpy.data.node_groups.new("Grade", "CompositorNodeTree")
    for side in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Image", in_out=side, socket_type="NodeSocketColor")
    first, last = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    inside = group.nodes.new("CompositorNodeExposure")
    group.links.new(first.outputs[0], inside.inputs[0])
    group.links.new(inside.outputs[0], last.inputs[0])
    outer = tree.nodes.new("CompositorNodeGroup")
    outer.node_tree = group
    tree.links.new(plate.outputs[0], outer.inputs[0])
    feed(node, outer.outputs[0])
    bend = tree.nodes.new("NodeReroute")

    def bent() -> None:
        tree.links.new(plate.outputs[0], bend.inputs[0])
        tree.links.new(bend.outputs[0], outer.inputs[0])

    def viewed() -> None:
        group.nodes.new("NodeFrame")
        group.links.new(inside.outputs[0], group.nodes.new("CompositorNodeViewer").inputs[0])

    edit("(none) a reroute", scene, node, bent)
    edit("(none) a viewer and a frame in a group", scene, node, viewed)
    edit("a muted link into a reroute", scene, node, setting(bend.inputs[0].links[0], "is_muted", True))
    bend.inputs[0].links[0].is_muted = False
    edit("a node inside a group", scene, node, setting(inside.inputs[1], "default_value", 1.5))
    edit("a link inside a group", scene, node, lambda: group.links.new(first.outputs[0], last.inputs[0]))


def animation(scene: Any, tree: Any, node: Any) -> None:
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(
        next(each for each in tree.nodes if each.bl_idname == "CompositorNodeImage").outputs[0], exposure.inputs[0]
    )
    feed(node, exposure.outputs[0])
    socket = exposure.inputs[1]
    for frame, value in ((1, 0.0), (10, 2.0)):
        socket.default_value = value
        socket.keyframe_insert("default_value", frame=frame)
    from plugin_blender.animation import acting_curves

    (curve,) = [each for each in acting_curves(tree) if exposure.name in each.data_path]
    curve.keyframe_points[0].interpolation = "BEZIER"
    edit("a key", scene, node, setting(curve.keyframe_points[1], "co", (10, 3)))

    def handle() -> None:
        curve.keyframe_points[0].handle_right_type = "FREE"
        curve.keyframe_points[0].handle_right = (9, 2)

    edit("a Bezier handle", scene, node, handle)
    edit("a curve modifier", scene, node, lambda: curve.modifiers.new("NOISE"))
    edit("strength of a curve modifier", scene, node, setting(curve.modifiers[0], "strength", 9))
    edit("extrapolation", scene, node, setting(curve, "extrapolation", "LINEAR"))
    edit("a muted curve", scene, node, setting(curve, "mute", True))
    drivers(scene, tree, node, exposure)


def drivers(scene: Any, tree: Any, node: Any, exposure: Any) -> None:
    second = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(exposure.outputs[0], second.inputs[0])
    feed(node, second.outputs[0])
    driver = second.inputs[1].driver_add("default_value").driver
    variable = driver.variables.new()
    variable.name = "x"
    variable.targets[0].id, variable.targets[0].data_path = bpy.data.objects["Cube"], "location.x"
    driver.expression = "x"
    edit("expression of a driver", scene, node, setting(driver, "expression", "x * 2"))
    edit("target of a driver", scene, node, setting(variable.targets[0], "data_path", "location.y"))
    edit("an object that drives", scene, node, setting(bpy.data.objects["Cube"], "location", (0, 3, 0)))


def render_layers(scene: Any, tree: Any, node: Any) -> None:
    node_of_layers = tree.nodes.new("CompositorNodeRLayers")
    layer = scene.view_layers[0]
    layer.use_pass_normal = True
    bpy.context.view_layer.update()
    feed(node, node_of_layers.outputs["Image"])
    cube, render = bpy.data.objects["Cube"], scene.render
    edit("engine", scene, node, setting(render, "engine", "CYCLES"))
    edit("samples", scene, node, setting(scene.cycles, "samples", 7))
    edit("denoising", scene, node, setting(scene.cycles, "use_denoising", False))  # below it is ten times as quick
    edit("film", scene, node, setting(render, "film_transparent", True))
    edit("motion blur", scene, node, setting(render, "use_motion_blur", True))
    edit("border", scene, node, setting(render, "use_border", True))
    edit("resolution", scene, node, setting(render, "resolution_x", 90))
    edit("an object that is not rendered", scene, node, setting(cube, "hide_render", True))
    edit("an object's place", scene, node, setting(cube, "location", (1, 2, 3)))
    edit("a vertex", scene, node, setting(cube.data.vertices[0], "co", (3, 3, 3)))
    edit("a modifier", scene, node, lambda: cube.modifiers.new("Bevel", "BEVEL"))
    edit("a modifier's setting", scene, node, setting(cube.modifiers[0], "width", 0.7))
    edit("material override", scene, node, setting(layer, "material_override", bpy.data.materials[0]))
    edit("lens of the camera", scene, node, setting(scene.camera.data, "lens", 35))
    edit("energy of a light", scene, node, setting(bpy.data.lights[0], "energy", 10))
    edit("a collection that is left out", scene, node, setting(layer.layer_collection.children[0], "exclude", True))
    layer.layer_collection.children[0].exclude = False
    normal = node_of_layers.outputs["Normal"]
    edit("another pass of Render Layers", scene, node, lambda: feed(node, normal))
    edit("a simulation", scene, node, lambda: cube.modifiers.new("Cloth", "CLOTH"))
    edit("the object in a simulation", scene, node, setting(cube.modifiers[-1].settings, "mass", 2.0))
    cube.modifiers.remove(cube.modifiers[-1])


def materials(scene: Any, tree: Any, node: Any) -> None:
    material = bpy.data.materials[0]
    material.use_nodes = scene.world.use_nodes = True
    shader = next(each for each in material.node_tree.nodes if each.bl_idname == "ShaderNodeBsdfPrincipled")
    edit("colour of a material", scene, node, setting(shader.inputs[0], "default_value", (1, 0, 0, 1)))
    mesh = bpy.data.meshes.new("dense")
    mesh.from_pydata([(x, y, 0) for x in range(10) for y in range(10)], [], [])
    scene.collection.objects.link(bpy.data.objects.new("dense", mesh))
    bpy.context.view_layer.update()
    edit("a vertex among many", scene, node, setting(mesh.vertices[50], "co", (9, 9, 9)))
    background = next(each for each in scene.world.node_tree.nodes if each.bl_idname == "ShaderNodeBackground")
    edit("the world", scene, node, setting(background.inputs[1], "default_value", 3.0))


def no_pictures(scene: Any, tree: Any, node: Any) -> None:
    """Edits that change no picture."""
    exposure = next(each for each in tree.nodes if each.bl_idname == "CompositorNodeExposure")
    for name, change in {
        "(none) view transform": setting(scene.view_settings, "view_transform", "Standard"),
        "(none) place of a node": setting(exposure, "location", (33, 44)),
        "(none) label of a node": setting(exposure, "label", "x"),
        "(none) output path": setting(scene.render, "filepath", "//x"),
        "(none) range": setting(scene, "frame_end", 3),
        "(none) frame": lambda: scene.frame_set(3),
        "(none) selection": lambda: bpy.data.objects["Light"].select_set(False),
        "(none) saving": lambda: bpy.ops.wm.save_mainfile(),
    }.items():
        edit(name, scene, node, change)


stage.run(case)
