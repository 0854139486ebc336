"""Every kind of picture upstream: which are sent as files, and that rendered ones are exact."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import stage


def case(folder: str) -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    facts: dict[str, Any] = {}
    facts["kinds"] = kinds(place, tree, node)
    facts["numbering"] = numbering(place, scene, tree, node)
    facts["scene"] = render_layers(place, scene, tree, node)
    handlers_of_others(tree, node)
    for is_grouped in (False, True):
        driven_by_the_scene(place, scene, tree, node, is_grouped)
    driven_in_3d(place, scene, tree, node)
    ring_of_reroutes(tree, node)
    facts["multilayer"] = multilayer(place, scene, tree, node)
    facts["hd"] = high_definition(place, scene, tree, node)
    return facts


def kind(node: Any) -> str:
    from plugin_blender import upstream

    return type(upstream.sources_of(node, bpy.context.scene, ((),))[0]).__name__


def kinds(place: Path, tree: Any, node: Any) -> dict[str, str]:
    """Which sources are files to the server."""
    plate = node.inputs["Plate"].links[0].from_node
    found = {"sequence": kind(node)}
    plate.image.colorspace_settings.name = "sRGB"
    found["another colourspace"] = kind(node)
    plate.image.colorspace_settings.name = "Linear Rec.709"
    reroute = tree.nodes.new("NodeReroute")
    tree.links.new(plate.outputs[0], reroute.inputs[0])
    tree.links.new(reroute.outputs[0], node.inputs["Plate"])
    found["reroute"] = kind(node)
    tree.links.new(plate.outputs["Alpha"], node.inputs["Plate"])
    found["alpha output"] = kind(node)
    clip = tree.nodes.new("CompositorNodeMovieClip")
    clip.clip = bpy.data.movieclips.load(str(place / "plate.0001.exr"))
    clip.clip.colorspace_settings.name = "Linear Rec.709"
    tree.links.new(clip.outputs[0], node.inputs["Plate"])
    found["movie clip"] = kind(node)
    still = stage.image_node(tree, place / "clean.exr")
    tree.links.new(still.outputs[0], node.inputs["Plate"])
    found["still"] = kind(node)
    still.image.pack()
    found["packed"] = kind(node)
    packed_is_exact(place, node)
    still.image = bpy.data.images.new("made", 8, 8)
    found["generated"] = kind(node)
    tree.links.new(plate.outputs[0], node.inputs["Plate"])
    return found


def packed_is_exact(place: Path, node: Any) -> None:
    """A packed picture is rendered as it is, also where its file is gone."""
    from plugin_blender import extraction, planning

    clean = place / "clean.exr"
    hidden = clean.rename(place / "hidden.exr")
    (shown,) = extraction.render_inputs(bpy.context.scene, node, ["Plate"], 1, place)
    assert not planning.plan_of(bpy.context.scene, node).plate.missing(1)
    hidden.rename(clean)
    assert same(shown, str(clean))


def numbering(place: Path, scene: Any, tree: Any, node: Any) -> int:
    """The file that is sent for a frame is the one that Blender shows; both clip and image."""
    from plugin_blender import extraction, upstream

    plate = node.inputs["Plate"].links[0].from_node
    clip = next(each for each in tree.nodes if each.bl_idname == "CompositorNodeMovieClip")
    checked = 0
    for settings in ((1, 4, 0, False, 1), (3, 2, 1, False, 3), (1, 3, 1, True, 2)):
        start, plate.frame_duration, offset, cyclic, clip_start = settings
        plate.frame_start, plate.frame_offset, plate.use_cyclic = start, offset, cyclic
        clip.clip.frame_start, clip.clip.frame_offset = clip_start, offset
        for source in (plate, clip):
            tree.links.new(source.outputs[0], node.inputs["Plate"])
            for frame in (1, 3, 5, 9):
                file = upstream.sources_of(node, bpy.context.scene, ((),))[0]
                if file.missing(frame):
                    continue
                (shown,) = extraction.render_inputs(scene, node, ["Plate"], frame, place)
                assert same(shown, file.path(frame)), (source.name, settings, frame, file.path(frame))
                checked += 1
    plate.frame_duration, plate.frame_start, plate.frame_offset, plate.use_cyclic = 4, 1, 0, False
    tree.links.new(plate.outputs[0], node.inputs["Plate"])
    return checked


def same(one: str, other: str) -> bool:
    pictures = [bpy.data.images.load(each) for each in (one, other)]
    equal = list(pictures[0].pixels) == list(pictures[1].pixels)
    for picture in pictures:
        bpy.data.images.remove(picture)
    return equal


def render_layers(place: Path, scene: Any, tree: Any, node: Any) -> dict[str, Any]:
    """A 3D scene upstream, of this scene and of another one."""
    from plugin_blender import extraction, planning

    other = scene.copy()
    other.name = "Set"
    files = {}
    for name, rendered in (("own", scene), ("other", other)):
        rendered.render.engine = "CYCLES"
        rendered.cycles.samples, rendered.cycles.use_denoising = 1, False
        scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 48, 32, 100
        layers = tree.nodes.new("CompositorNodeRLayers")
        layers.scene = rendered
        tree.links.new(layers.outputs["Image"], node.inputs["Plate"])
        assert kind(node) == "GraphSource"
        (file,) = extraction.render_inputs(scene, node, ["Plate"], 2, place)
        files[name] = str(Path(file).rename(place / f"layers_{name}.exr"))
        assert scene.frame_current == other.frame_current == 1, "the timeline of the window stays"
    before = planning.plan_of(scene, node).key
    other.cycles.samples = 2
    assert planning.plan_of(scene, node).key != before
    bpy.data.scenes.remove(other)
    return files


def handlers_of_others(tree: Any, node: Any) -> None:
    """Other add-ons hear of each frame that is rendered for a solve, and of no render as a whole."""
    plate = next(each for each in tree.nodes if each.bl_idname == "CompositorNodeImage")
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    heard: list[str] = []
    names = [name for name in dir(bpy.app.handlers) if name.startswith(("render_", "frame_change_"))]
    hooks = {name: lambda *_, name=name: heard.append(name) for name in names}
    for name, hook in hooks.items():
        getattr(bpy.app.handlers, name).append(hook)
    node.matte.frames = "1-2"
    assert bpy.ops.cleanplate.solve_range() == {"FINISHED"}
    for name, hook in hooks.items():
        getattr(bpy.app.handlers, name).remove(hook)
    # The frame changes back from the one that was rendered.
    assert heard == ["render_pre", "render_post", "frame_change_pre", "frame_change_post"] * 2, heard
    node.matte.frames = ""
    tree.links.new(plate.outputs[0], node.inputs["Plate"])


def driven_by_the_scene(place: Path, scene: Any, tree: Any, node: Any, is_grouped: bool) -> None:
    """Drivers in the compositor, or in a group, read the scene at the frame that is rendered, and its range."""
    from plugin_blender import extraction

    def sent(name: str) -> str:
        (file,) = extraction.render_inputs(scene, node, ["Plate"], 4, place)
        return str(Path(file).rename(place / f"{name}.exr"))

    blocks = {*bpy.data.scenes, *bpy.data.node_groups}
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(stage.image_node(tree, place / "clean.exr").outputs[0], exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    exposure.inputs[1].default_value = 3.0
    fixed = sent("fixed")
    if is_grouped:
        exposure = grouped_exposure(tree, exposure, node)
    for frame, value in ((1, 0.0), (4, 3.0)):
        scene["stops"] = value
        scene.keyframe_insert('["stops"]', frame=frame)
    scene.frame_set(1)
    driver = exposure.inputs[1].driver_add("default_value").driver
    target = driver.variables.new().targets[0]
    target.id_type, target.id = "SCENE", scene
    driver.variables[0].name = "x"
    scene.frame_end = 30
    for path, expression in {'["stops"]': "x", "frame_current": "x - 1", "frame_end": "x / 10"}.items():
        target.data_path, driver.expression = path, expression
        assert same(sent("driven"), fixed), path
        assert target.id == scene and scene.frame_current == 1
    exposure.inputs[1].driver_remove("default_value")
    scene.animation_data_clear()
    if is_grouped:
        bpy.data.node_groups.remove(exposure.id_data)
    assert {*bpy.data.scenes, *bpy.data.node_groups} == blocks, "no copy is left"


def driven_in_3d(place: Path, scene: Any, tree: Any, node: Any) -> None:
    """Drivers of objects and materials read the scene at the frame that is rendered, wherever the timeline is."""
    from plugin_blender import extraction

    layers = next(each for each in tree.nodes if each.bl_idname == "CompositorNodeRLayers")
    layers.scene = scene
    tree.links.new(layers.outputs["Image"], node.inputs["Plate"])
    cube = bpy.data.objects["Cube"]
    colour = cube.active_material.node_tree.nodes["Principled BSDF"].inputs["Base Color"]
    scene["amount"] = 0.0
    scene.keyframe_insert('["amount"]', frame=1)
    scene["amount"] = 4.0
    scene.keyframe_insert('["amount"]', frame=4)
    for owner, name, index, path in (
        (cube, "location", 2, '["amount"]'),
        (cube, "location", 2, "frame_current"),
        (colour, "default_value", 0, "frame_current"),
    ):
        known = list(getattr(owner, name))
        getattr(owner, name)[index] = 4.0
        (fixed,) = extraction.render_inputs(scene, node, ["Plate"], 4, place)
        fixed = str(Path(fixed).rename(place / "fixed.exr"))
        curve = owner.driver_add(name, index)
        curve.driver.type = "SUM"
        target = curve.driver.variables.new().targets[0]
        target.id_type, target.id, target.data_path = "SCENE", scene, path
        (driven,) = extraction.render_inputs(scene, node, ["Plate"], 4, place)
        assert same(driven, fixed), (name, path)
        assert target.id == scene and scene.frame_current == 1
        owner.driver_remove(name, index)
        setattr(owner, name, known)
    scene.animation_data_clear()


def ring_of_reroutes(tree: Any, node: Any) -> None:
    """Blender leaves one link of a ring out: nothing feeds the node, and a grade in it is fed by nothing."""
    from plugin_blender import planning

    first, second = (tree.nodes.new("NodeReroute") for _ in range(2))
    for one, other in ((first, second), (second, first)):
        tree.links.new(one.outputs[0], other.inputs[0])
    tree.links.new(second.outputs[0], node.inputs["Plate"])
    assert planning.plan_of(bpy.context.scene, node).problem == "Nothing is connected to Plate."
    exposure = tree.nodes.new("CompositorNodeExposure")
    tree.links.new(second.outputs[0], exposure.inputs[0])
    tree.links.new(exposure.outputs[0], node.inputs["Plate"])
    assert not planning.plan_of(bpy.context.scene, node).problem
    for each in (first, second, exposure):
        tree.nodes.remove(each)


def grouped_exposure(tree: Any, exposure: Any, node: Any) -> Any:
    """An Exposure in a group, in the place of one in the tree."""
    group = bpy.data.node_groups.new("Exposed", "CompositorNodeTree")
    for side in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Image", in_out=side, socket_type="NodeSocketColor")
    inside = group.nodes.new("CompositorNodeExposure")
    group.links.new(group.nodes.new("NodeGroupInput").outputs[0], inside.inputs[0])
    group.links.new(inside.outputs[0], group.nodes.new("NodeGroupOutput").inputs[0])
    outer = tree.nodes.new("CompositorNodeGroup")
    outer.node_tree = group
    tree.links.new(exposure.inputs[0].links[0].from_socket, outer.inputs[0])
    tree.links.new(outer.outputs[0], node.inputs["Plate"])
    return inside


def multilayer(place: Path, scene: Any, tree: Any, node: Any) -> str:
    """A layer of a multilayer EXR that this Blender has written: one part in 4.5, one per layer in 5.x."""
    from plugin_blender import extraction

    plate = stage.image_node(tree, place / "plate.0002.exr")
    output = stage.layers_output(tree, place, "layers_", ("first", "second"))
    tree.links.new(stage.image_node(tree, place / "clean.exr").outputs[0], output.inputs[0])
    tree.links.new(plate.outputs[0], output.inputs[1])
    stage.render_settings(scene, place / "layers", (83, 61))
    scene.frame_start = scene.frame_end = 2
    stage.main_output(tree, plate.outputs[0])
    bpy.ops.render.render(animation=True)
    tree.nodes.remove(output)
    layers = stage.image_node(tree, place / "layers_0002.exr")
    assert layers.image.type == "MULTILAYER"
    tree.links.new(layers.outputs["second"], node.inputs["Plate"])
    (file,) = extraction.render_inputs(scene, node, ["Plate"], 2, place)
    assert same(file, str(place / "plate.0002.exr"))
    return kind(node)


def high_definition(place: Path, scene: Any, tree: Any, node: Any) -> str:
    from plugin_blender import extraction

    plate = stage.image_node(tree, place / "hd.exr")
    flip = tree.nodes.new("CompositorNodeFlip")
    flip.inputs["Flip X"].default_value = True
    tree.links.new(plate.outputs[0], flip.inputs[0])
    tree.links.new(flip.outputs[0], node.inputs["Plate"])
    (file,) = extraction.render_inputs(scene, node, ["Plate"], 1, place)
    return file


stage.run(case)
