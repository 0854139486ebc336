"""The node inside groups: what feeds it from within and from outside, nested groups, and groups that are shared."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import stage


def case(step: str, folder: str) -> dict[str, Any]:
    stage.add_on()
    return {"solve": solve, "refuse": refuse}[step](Path(folder))


def refuse(place: Path) -> dict[str, Any]:
    """A background render of a group that is used twice."""
    scene, tree, node = stage.shot_node(place, 2)
    stage.render_settings(scene, place / "out", (83, 61))
    stage.main_output(tree, node.outputs["Image"])
    outer, _ = group_of(scene, tree, node)
    second = tree.nodes.new("CompositorNodeGroup")
    second.node_tree = outer.node_tree
    bpy.ops.render.render(animation=True)
    return {}


def solve(place: Path) -> dict[str, Any]:
    scene, tree, node = stage.shot_node(place, 2)
    stage.render_settings(scene, place / "out", (83, 61))
    bpy.ops.cleanplate.solve_range()
    stage.main_output(tree, node.outputs["Image"])
    found = {"top": results_of(scene, node)}
    # One after the other, each around the one before.
    outer, inner = group_of(scene, tree, node)
    found["bare files outside"] = solved(scene, inner)
    found["graph"] = graded(scene, outer, inner)
    found["nested"] = nested(scene, tree, outer, inner)
    rendered(place, scene, tree, found)
    found["shared"] = shared(scene, tree, inner)
    copied_groups(scene, tree, inner)
    adding_inside(scene, inner)
    ungrouped(place, inner)
    unused(inner)
    return found


def results_of(scene: Any, node: Any) -> str:
    from plugin_blender import planning

    return str(planning.refresh(scene, node).results)


def solved(scene: Any, node: Any) -> str:
    """Solves both frames; the folder of the results."""
    from plugin_blender import planning, runtime

    bpy.ops.cleanplate.solve_range(node_id=node.matte.node_id)
    plan = planning.refresh(scene, node)
    assert plan.counts().fresh == (1, 2), (plan.problem, plan.counts(), runtime.states)
    return str(plan.results)


def inputs_and_output(group: Any, names: tuple[str, ...]) -> tuple[Any, Any]:
    for name in names:
        group.interface.new_socket(name, in_out="INPUT", socket_type="NodeSocketColor")
    group.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
    return group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")


def group_of(scene: Any, tree: Any, node: Any) -> tuple[Any, Any]:
    """What Ctrl-G makes of the node: a group whose inputs are those of the node."""
    from plugin_blender import copies, places

    group = bpy.data.node_groups.new("Key", "CompositorNodeTree")
    first, last = inputs_and_output(group, ("Plate", "Clean Plate"))
    inner = group.nodes.new("CompositorNodeGroup")
    inner.node_tree, inner.name, inner.label = node.node_tree, node.name, node.label
    for key in sorted(node.matte.keys()):
        inner.matte[key] = node.matte[key]
    outer = tree.nodes.new("CompositorNodeGroup")
    outer.node_tree = group
    for index, name in enumerate(("Plate", "Clean Plate")):
        reroute = group.nodes.new("NodeReroute")
        group.links.new(first.outputs[index], reroute.inputs[0])
        group.links.new(reroute.outputs[0], inner.inputs[name])
        tree.links.new(node.inputs[name].links[0].from_socket, outer.inputs[index])
    group.links.new(inner.outputs["Image"], last.inputs[0])
    target = node.outputs["Image"].links[0].to_socket
    tree.nodes.remove(node)
    tree.links.new(outer.outputs[0], target)
    copies.make_unique()
    assert [(each.name, found.name) for each, found in places.all_nodes()] == [(scene.name, inner.name)]
    assert inner in places.rendered_nodes(scene)
    last.mute = True
    assert inner in places.rendered_nodes(scene), "a muted output of a group is rendered all the same"
    last.mute = False
    return outer, inner


def graded(scene: Any, outer: Any, inner: Any) -> str:
    """A grade outside and one inside: both are rendered, and an edit of either is noticed."""
    from plugin_blender import planning

    tree, group = outer.id_data, inner.id_data
    outside, inside = tree.nodes.new("CompositorNodeExposure"), group.nodes.new("CompositorNodeExposure")
    tree.links.new(outer.inputs[0].links[0].from_socket, outside.inputs[0])
    tree.links.new(outside.outputs[0], outer.inputs[0])
    group.links.new(inner.inputs["Plate"].links[0].from_socket, inside.inputs[0])
    group.links.new(inside.outputs[0], inner.inputs["Plate"])
    outside.inputs[1].default_value, inside.inputs[1].default_value = 1.0, -1.0
    result = solved(scene, inner)
    for exposure in (outside, inside):
        key, value = planning.plan_of(scene, inner).key, exposure.inputs[1].default_value
        exposure.inputs[1].default_value = 0.5
        assert planning.plan_of(scene, inner).key != key, exposure.id_data.name
        exposure.inputs[1].default_value = value
    # Our own node and what lies behind it do not feed it.
    key = planning.plan_of(scene, inner).key
    behind = group.nodes.new("CompositorNodeExposure")
    group.links.new(inner.outputs["Image"], behind.inputs[0])
    inner.matte.frames = "1-2"
    assert planning.plan_of(scene, inner).key == key
    return result


def nested(scene: Any, tree: Any, outer: Any, inner: Any) -> str:
    """A group around the group; its clean plate is graded there."""
    top = bpy.data.node_groups.new("Shot", "CompositorNodeTree")
    first, last = inputs_and_output(top, ("Plate", "Clean Plate"))
    middle = top.nodes.new("CompositorNodeGroup")
    middle.node_tree = outer.node_tree
    grade = top.nodes.new("CompositorNodeExposure")
    top.links.new(first.outputs[0], middle.inputs[0])
    top.links.new(first.outputs[1], grade.inputs[0])
    top.links.new(grade.outputs[0], middle.inputs[1])
    top.links.new(middle.outputs[0], last.inputs[0])
    outer.node_tree = top
    return solved(scene, inner)


def rendered(place: Path, scene: Any, tree: Any, found: dict[str, Any]) -> None:
    groups = len(bpy.data.node_groups)
    bpy.ops.wm.save_mainfile()
    bpy.ops.render.render(animation=True)
    assert len(bpy.data.node_groups) == groups, "copies of groups are left"
    assert (place / "out" / "main_0002.exr").exists()


def shared(scene: Any, tree: Any, inner: Any) -> str:
    """Two group nodes with pictures of their own, and one node inside: refused, with a way out."""
    from plugin_blender import planning

    (first,) = [node for node in tree.nodes if node.bl_idname == "CompositorNodeGroup"]
    second = tree.nodes.new("CompositorNodeGroup")
    second.node_tree = first.node_tree
    message = stage.error_of(lambda: bpy.ops.cleanplate.solve_range(node_id=inner.matte.node_id))
    assert planning.refresh(scene, inner).problem == message
    assert not planning.graph.shown_file(inner), "a shared group shows the matte of another picture"
    return message


def copied_groups(scene: Any, tree: Any, inner: Any) -> None:
    """The way out: each has a node of its own then, and the first one's results are the second one's, too."""
    from plugin_blender import places, planning

    first, second = [node for node in tree.nodes if node.bl_idname == "CompositorNodeGroup"]
    second.node_tree = second.node_tree.copy()
    (middle,) = [node for node in second.node_tree.nodes if node.bl_idname == "CompositorNodeGroup"]
    middle.node_tree = middle.node_tree.copy()
    for index in range(2):
        tree.links.new(first.inputs[index].links[0].from_socket, second.inputs[index])
    planning.refresh_all()
    one, other = [node for _, node in places.all_nodes()]
    assert one.matte.node_id != other.matte.node_id and one.node_tree != other.node_tree
    assert planning.refresh(scene, one).counts().fresh == planning.refresh(scene, other).counts().fresh == (1, 2)
    tree.nodes.remove(second)


def adding_inside(scene: Any, inner: Any) -> None:
    """Add puts the node where the artist looks, and finds its scene."""
    from plugin_blender import places

    assert places.scene_of(inner.id_data) == scene


def ungrouped(place: Path, inner: Any) -> None:
    """What Ungroup leaves of a node of ours: its Image node, which goes on with what it plays, and says so."""
    from plugin_blender import graph, planning

    labels = []
    for image in (graph.image_node(inner).image, bpy.data.images.load(str(place / "clean.exr"))):
        left = inner.id_data.nodes.new("CompositorNodeImage")
        left.image, left.label = image, "Results"
        planning.refresh_all()
        labels.append(left.label)
        inner.id_data.nodes.remove(left)
    assert labels == ["Results (not kept up to date)", "Results"], labels
    assert graph.image_node(inner).label == "Results"


def unused(inner: Any) -> None:
    """A group that no compositor uses: said in words."""
    from plugin_blender import places
    from plugin_blender.plan import NodeError

    alone = bpy.data.node_groups.new("Alone", "CompositorNodeTree")
    try:
        places.scene_of(alone)
    except NodeError as error:
        assert "is not used in the compositor of a scene" in str(error), error
    else:
        raise AssertionError("a group without a scene has one")


stage.run(case)
