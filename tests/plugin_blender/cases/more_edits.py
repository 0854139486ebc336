"""More edits for ``edits.py``: what lies deep in groups, on disk, or in data that no ordinary setting shows."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bmesh
import bpy
import stage

Edit = Callable[..., None]
"""Notes an edit: its name, and what makes it."""


def setting(owner: Any, name: str, value: Any) -> Callable[[], object]:
    return lambda: setattr(owner, name, value)


def overwrite(source: Path, target: Path) -> None:
    """Another picture under the same name, a second later."""
    facts = target.stat()
    shutil.copyfile(source, target)
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns + 10**9))


# -- the compositor


def flat(place: Path, tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    """Edits of the compositor alone. ``feed`` connects a socket to the node."""
    groups(tree, plate, feed, edit)
    links(tree, plate, feed, edit)
    files(place, tree, plate, feed, edit)
    sequences(place, tree, feed, edit)
    clips(place, tree, plate, feed, edit)


def new_group(name: str) -> tuple[Any, Any, Any]:
    """A node group that takes a picture and a value, with its two ends."""
    group = bpy.data.node_groups.new(name, "CompositorNodeTree")
    for side, socket, kind in (
        ("INPUT", "Image", "NodeSocketColor"),
        ("INPUT", "Stops", "NodeSocketFloat"),
        ("OUTPUT", "Image", "NodeSocketColor"),
    ):
        group.interface.new_socket(socket, in_out=side, socket_type=kind)
    return group, group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")


def groups(tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    inner, first, last = new_group("Inner")
    exposure, invert = inner.nodes.new("CompositorNodeExposure"), inner.nodes.new("CompositorNodeInvert")
    for source, target in zip(first.outputs[:2], exposure.inputs[:2], strict=True):
        inner.links.new(source, target)
    inner.links.new(exposure.outputs[0], last.inputs[0])
    outer, begin, end = new_group("Outer")
    nested, top = outer.nodes.new("CompositorNodeGroup"), tree.nodes.new("CompositorNodeGroup")
    nested.node_tree, top.node_tree = inner, outer
    for source, target in zip(begin.outputs[:2], nested.inputs[:2], strict=True):
        outer.links.new(source, target)
    outer.links.new(nested.outputs[0], end.inputs[0])
    tree.links.new(plate.outputs[0], top.inputs[0])
    feed(top.outputs[0])
    edit("(none) nothing, behind a group", lambda: None)
    edit("value of a group in a group", setting(top.inputs[1], "default_value", 1.0))
    edit("a link in the outer group", lambda: outer.links.remove(nested.inputs[1].links[0]))
    edit("value of the inner group", setting(nested.inputs[1], "default_value", 2.0))
    edit("the inner group muted", setting(nested, "mute", True))
    nested.mute = False
    edit("a node more in the inner group", lambda: inner.links.new(exposure.outputs[0], invert.inputs["Color"]))
    for name, block in {"inner": inner, "nested node": nested, "outer": outer, "top node": top}.items():
        edit(f"(none) name of the {name}", setting(block, "name", f"{name} 2"))
    edit("(none) an equal copy of the inner group", setting(nested, "node_tree", inner.copy()))


def links(tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    reroute, exposure = tree.nodes.new("NodeReroute"), tree.nodes.new("CompositorNodeExposure")
    exposure.inputs[1].default_value = 1.0
    tree.links.new(plate.outputs[0], exposure.inputs[0])
    tree.links.new(exposure.outputs[0], reroute.inputs[0])
    feed(reroute.outputs[0])
    edit("a muted link", setting(exposure.inputs[0].links[0], "is_muted", True))
    edit("the source of a reroute", lambda: tree.links.new(plate.outputs[0], reroute.inputs[0]))
    switch = tree.nodes.new("CompositorNodeSwitch")
    first, second = (socket for socket in switch.inputs if socket.type == "RGBA")
    tree.links.new(exposure.outputs[0], first)
    tree.links.new(plate.outputs[0], second)
    feed(switch.outputs[0])
    turned = (switch, "check") if hasattr(switch, "check") else (switch.inputs[0], "default_value")
    edit("a switch", setting(*turned, True))
    edit("(none) name of a node", setting(switch, "name", "Other"))
    edit("(none) name of an image", setting(plate.image, "name", "other"))
    edit("(none) a File Output behind the plate", lambda: tree.nodes.new("CompositorNodeOutputFile"))
    edit("(none) a frame around a node", lambda: setattr(switch, "parent", tree.nodes.new("NodeFrame")))
    time = tree.nodes.new("CompositorNodeTime")
    tree.links.new(time.outputs[0], exposure.inputs[1])
    feed(exposure.outputs[0])
    edit("a point of a time curve", lambda: time.curve.curves[0].points.new(0.5, 0.9))
    # A scene that is not named is the one that is rendered.
    defocus = tree.nodes.new("CompositorNodeDefocus")
    tree.links.new(plate.outputs[0], defocus.inputs[0])
    defocus.scene = None
    feed(defocus.outputs[0])
    edit("the camera of a Defocus", setting(bpy.context.scene.camera.data.dof, "aperture_fstop", 0.7))


def files(place: Path, tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    file = place / "changing.exr"
    shutil.copyfile(place / "clean.exr", file)
    still, exposure = stage.image_node(tree, file), tree.nodes.new("CompositorNodeExposure")
    image = still.image
    tree.links.new(still.outputs[0], exposure.inputs[0])
    feed(exposure.outputs[0])
    edit("a file that was written over", lambda: overwrite(place / "plate.0002.exr", file))
    edit("another file", setting(image, "filepath", str(place / "plate.0003.exr")))
    image.reload()
    image.pack()

    def pack_another() -> None:
        image.unpack(method="REMOVE")
        image.filepath = str(place / "plate.0004.exr")
        image.reload()
        image.pack()

    edit("another picture that is packed", pack_another)
    made = still.image = bpy.data.images.new("made again", 83, 61)
    made.generated_type = "COLOR_GRID"
    edit("kind of a generated image", setting(made, "generated_type", "UV_GRID"))
    edit("size of a generated image", setting(made, "generated_width", 60))


def sequences(place: Path, tree: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    for kind in ("bare", "graded"):
        node = stage.image_node(tree, place / "plate.0001.exr", 4)
        exposure = tree.nodes.new("CompositorNodeExposure")
        tree.links.new(node.outputs[0], exposure.inputs[0])
        feed((node if kind == "bare" else exposure).outputs[0])
        edit(f"offset of a {kind} sequence", setting(node, "frame_offset", 1))
        edit(f"start of a {kind} sequence", setting(node, "frame_start", 0))
        edit(f"(none) a length of a {kind} sequence that has the frame", setting(node, "frame_duration", 2))
        edit(f"a length of a {kind} sequence that has not", setting(node, "frame_duration", 1))
        edit(f"a {kind} sequence in a loop", setting(node, "use_cyclic", True))
        edit(f"a {kind} sequence as a still", setting(node.image, "source", "FILE"))


def clips(place: Path, tree: Any, plate: Any, feed: Callable[[Any], object], edit: Edit) -> None:
    node = tree.nodes.new("CompositorNodeMovieClip")
    clip = node.clip = bpy.data.movieclips.load(str(place / "plate.0001.exr"))
    feed(node.outputs[0])
    edit("start of a clip", setting(clip, "frame_start", 0))
    edit("offset of a clip", setting(clip, "frame_offset", 1))
    edit("(none) proxies of a clip", setting(clip, "use_proxy", True))
    edit("(none) a folder of proxies", setting(clip, "use_proxy_custom_directory", True))
    edit("(none) its name", setting(clip.proxy, "directory", "//proxies"))
    if hasattr(clip.proxy, "timecode"):
        exposure = tree.nodes.new("CompositorNodeExposure")
        tree.links.new(node.outputs[0], exposure.inputs[0])
        feed(exposure.outputs[0])
        edit("timecode of proxies", setting(clip.proxy, "timecode", "RECORD_RUN"))
    tracks = clip.tracking.objects[0].tracks
    for x, y in ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)):
        tracks.new(name=f"{x} {y}", frame=1).markers[0].co = (x, y)
    screen = tree.nodes.new("CompositorNodeKeyingScreen")
    screen.clip = clip
    feed(screen.outputs[0])
    edit("a marker of a track", setting(tracks[1].markers[0], "co", (0.6, 0.3)))
    edit("(none) name of a clip", setting(clip, "name", "other clip"))


# -- the 3D scene


def solid(place: Path, scene: Any, edit: Edit) -> None:
    """Edits of what Render Layers show."""
    cube = bpy.data.objects["Cube"]
    cube.modifiers.clear()
    scene_data(scene, cube, edit)
    drivers(scene, cube, edit)
    meshes(scene, cube, edit)
    bones(scene, cube, edit)
    hidden(scene, cube, edit)
    geometry_nodes(place, scene, cube, edit)
    linked_library(place, scene, edit)
    names(scene, cube, edit)


def added(scene: Any, name: str, data: Any) -> Any:
    made = bpy.data.objects.new(name, data)
    scene.collection.objects.link(made)
    return made


def scene_data(scene: Any, cube: Any, edit: Edit) -> None:
    layer, camera = scene.view_layers[0], scene.camera
    edit("a holdout object", setting(cube, "is_holdout", True))
    edit("another camera", setting(scene, "camera", added(scene, "Second", bpy.data.cameras.new("Second"))))
    marker = scene.timeline_markers.new("cut", frame=1)
    edit("a camera of a marker", setting(marker, "camera", camera))
    edit("a light's group", setting(bpy.data.objects["Light"], "lightgroup", "key"))
    layer["tint"] = 0.1
    edit("(none) custom property of a view layer that nothing reads", lambda: layer.__setitem__("tint", 0.9))
    edit("(none) custom property of a mesh that nothing reads", lambda: cube.data.__setitem__("tint", 0.9))
    text = bpy.data.curves.new("Title", "FONT")
    added(scene, "Title", text)
    edit("the words of a text", setting(text, "body", "Other"))
    edit("underlining of a letter", setting(text.body_format[0], "use_underline", True))
    cube.keyframe_insert("location", frame=1)
    action = cube.animation_data.action
    strip = cube.animation_data.nla_tracks.new().strips.new("strip", 1, action)
    cube.animation_data.action = None
    edit("influence of a strip", setting(strip, "influence", 0.3))
    edit("speed of a strip", setting(strip, "scale", 2.0))
    cube.animation_data_clear()


def drivers(scene: Any, cube: Any, edit: Edit) -> None:
    empty = added(scene, "Empty", None)
    empty["amount"], empty["deep"] = 0.0, {"amount": 0.0}
    driver = cube.driver_add("location", 0).driver
    variable = driver.variables.new()
    variable.name = driver.expression = "x"
    variable.targets[0].id = empty
    for path, owner in {'["amount"]': empty, '["deep"]["amount"]': empty["deep"]}.items():
        variable.targets[0].data_path = path
        edit(f"custom property {path} that drives", lambda owner=owner: owner.__setitem__("amount", 1.5))
    cube.driver_remove("location")


def meshes(scene: Any, cube: Any, edit: Edit) -> None:
    key = [cube.shape_key_add(name=name) for name in ("Basis", "Key")][1]
    edit("(none) nothing, with shape keys", lambda: None)
    edit("a point of a shape key", setting(key.data[0], "co", (5.0, 5.0, 5.0)))
    cube.shape_key_clear()
    first, second = (cube.vertex_groups.new(name=name) for name in ("first", "second"))
    first.add([0], 1.0, "REPLACE")

    def move_weight() -> None:
        first.remove([0])
        second.add([0], 1.0, "REPLACE")

    edit("a weight of another group", move_weight)
    hook = cube.modifiers.new("Hook", "HOOK")
    hook.vertex_indices_set([0])
    edit("the vertices of a hook", lambda: hook.vertex_indices_set([1]))
    cube.modifiers.clear()
    # More vertices than are read one by one.
    many = bpy.data.meshes.new("many")
    many.from_pydata([(x, y, 0) for x in range(150) for y in range(150)], [], [])
    group = added(scene, "Many", many).vertex_groups.new(name="weights")
    edit("(none) nothing, with many vertices", lambda: None)
    edit("(none) a vertex selected", setting(many.vertices[7], "select", not many.vertices[7].select))
    edit("a vertex among very many", setting(many.vertices[20000], "co", (9.0, 9.0, 9.0)))
    edit("a weight among very many", lambda: group.add([20000], 0.5, "REPLACE"))
    bpy.data.meshes.remove(many)
    faces = bpy.data.meshes.new("faces")
    corners = [(x * 9 + y, x * 9 + y + 1, x * 9 + y + 10, x * 9 + y + 9) for x in range(8) for y in range(8)]
    faces.from_pydata([(x, y, 0) for x in range(9) for y in range(9)], [], corners)
    added(scene, "Faces", faces)
    edit("(none) nothing, with many faces of four corners", lambda: None)
    edit("a smooth face among many", setting(faces.polygons[40], "use_smooth", not faces.polygons[40].use_smooth))
    edit("a corner of a face among many", setting(faces.loops[100], "vertex_index", 3))
    bpy.data.meshes.remove(faces)
    bpy.context.view_layer.objects.active = cube
    bpy.ops.object.mode_set(mode="EDIT")

    def drag() -> None:
        edited = bmesh.from_edit_mesh(cube.data)
        edited.verts.ensure_lookup_table()
        edited.verts[0].co = (4.0, 4.0, 4.0)
        bmesh.update_edit_mesh(cube.data)

    edit("(unknown) a vertex in edit mode", drag)
    edit("a vertex when edit mode is left", lambda: bpy.ops.object.mode_set(mode="OBJECT"))


def bones(scene: Any, cube: Any, edit: Edit) -> None:
    armature = bpy.data.armatures.new("Armature")
    rig = added(scene, "Rig", armature)
    bpy.context.view_layer.objects.active = rig

    def shape(**values: Any) -> None:
        bpy.ops.object.mode_set(mode="EDIT")
        bone = armature.edit_bones.get("Bone") or armature.edit_bones.new("Bone")
        for name, value in values.items():
            setattr(bone, name, value)
        bpy.ops.object.mode_set(mode="OBJECT")

    shape(head=(0, 0, 0), tail=(0, 0, 1))
    cube.parent, cube.parent_type, cube.parent_bone = rig, "BONE", "Bone"
    edit("a bone at rest", lambda: shape(tail=(0, 1, 1)))
    edit("roll of a bone", lambda: shape(roll=1.0))
    edit("pose of a bone", setting(rig.pose.bones["Bone"], "location", (0, 0, 1)))
    armature.bones["Bone"]["amount"] = 0.0
    edit(
        "(none) custom property of a bone that nothing reads",
        lambda: armature.bones["Bone"].__setitem__("amount", 1.0),
    )


def hidden(scene: Any, cube: Any, edit: Edit) -> None:
    """What no property shows is unknown, and known again without it."""
    made = added(scene, "Sculpted", cube.data.copy())
    made.modifiers.new("Multires", "MULTIRES")
    bpy.context.view_layer.objects.active = made
    bpy.ops.object.multires_subdivide(modifier="Multires", mode="CATMULL_CLARK")
    edit("(unknown) sculpted details", lambda: None)
    made.modifiers.clear()
    bound = made.modifiers.new("Bound", "SURFACE_DEFORM")
    bound.target = cube
    bpy.ops.object.surfacedeform_bind(modifier="Bound")
    assert bound.is_bound
    edit("(unknown) a bound surface", lambda: None)
    bpy.data.objects.remove(made)
    edit("(none) nothing, without hidden data", lambda: None)


def geometry_nodes(place: Path, scene: Any, cube: Any, edit: Edit) -> None:
    group = bpy.data.node_groups.new("Geometry", "GeometryNodeTree")
    group.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
    words = group.interface.new_socket("Words", in_out="INPUT", socket_type="NodeSocketString").identifier
    seen = group.interface.new_socket("Seen", in_out="INPUT", socket_type="NodeSocketObject").identifier
    group.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
    first, last = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    strings = group.nodes.new("GeometryNodeStringToCurves")
    group.links.new(first.outputs[1], strings.inputs["String"])
    group.links.new(strings.outputs[0], last.inputs[0])
    modifier = cube.modifiers.new("Nodes", "NODES")
    modifier.node_group = group

    def give(name: str, value: Any) -> None:
        if hasattr(modifier, "properties"):
            getattr(modifier.properties.inputs, name).value = value
        else:
            modifier[name] = value
        cube.update_tag()

    give(words, "first")
    edit("words of a geometry node", lambda: give(words, "second"))
    edit("object of a geometry node", lambda: give(seen, bpy.data.objects["Title"]))
    edit("size in a geometry node", setting(strings.inputs["Size"], "default_value", 3.0))
    if hasattr(bpy.types, "GeometryNodeImportOBJ"):
        model, node = place / "model.obj", group.nodes.new("GeometryNodeImportOBJ")
        model.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
        node.inputs[0].default_value = str(model)
        group.links.new(node.outputs[0], last.inputs[0])
        edit(
            "a model that nodes import", lambda: model.write_text("v 0 0 0\nv 1 0 0\nv 0 9 0\nf 1 2 3\n# longer\n")
        )
    zone = group.nodes.new("GeometryNodeSimulationOutput")
    edit("(unknown) a simulation zone", lambda: None)
    group.nodes.remove(zone)
    cube.modifiers.clear()


def linked_library(place: Path, scene: Any, edit: Edit) -> None:
    collection, mesh = bpy.data.collections.new("Asset"), bpy.data.meshes.new("asset")
    mesh.from_pydata([(0, 0, 0), (2, 0, 0), (0, 2, 0)], [], [(0, 1, 2)])
    collection.objects.link(bpy.data.objects.new("asset", mesh))
    first, second = place / "library.blend", place / "library_v2.blend"
    bpy.data.libraries.write(str(first), {collection})
    mesh.vertices[1].co = (5, 0, 3)
    bpy.data.libraries.write(str(second), {collection})
    bpy.data.collections.remove(collection)
    bpy.data.meshes.remove(mesh)
    with bpy.data.libraries.load(str(first), link=True) as (_, wanted):
        wanted.collections = ["Asset"]
    instance = added(scene, "Instance", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", wanted.collections[0]

    def reload() -> None:
        shutil.copyfile(second, first)
        instance.instance_collection.library.reload()

    edit("a linked library that was saved again", reload)
    edit("what an instance shows", setting(instance, "instance_collection", None))


def names(scene: Any, cube: Any, edit: Edit) -> None:
    """Names change no picture, but for Cryptomattes."""
    blocks = (cube, cube.data, bpy.data.materials[0], scene, scene.world, bpy.data.node_groups[0])
    for block in blocks:
        kind = block.bl_rna.identifier
        edit(f"(none) name of a {kind}", setting(block, "name", f"other {kind}"))
    scene.view_layers[0].use_pass_cryptomatte_object = True
    edit("an object's name in a Cryptomatte", setting(cube, "name", "Box"))
    scene.view_layers[0].use_pass_cryptomatte_object = False
