"""Every setting and input of every kind of node that can feed ours: changed, is it noticed, and is the picture that
is sent another one?

With ``all`` the pictures are compared for each change; without, only for those that are not noticed.
"""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import stage
from sent import Sent

_KINDS = ("CompositorNode", "ShaderNode", "FunctionNode", "TextureNode")
# Not nodes of their own, or the 3D scene, which edits.py changes.
_LEFT_OUT = {"CompositorNodeRLayers", "CompositorNodeGroup", "CompositorNodeCustomGroup", "ShaderNodeGroup"}
_OF_EVERY_NODE = {each.identifier for each in bpy.types.Node.bl_rna.properties}
_PLAYS = ("CompositorNodeImage", "CompositorNodeMovieClip")
_FRAME = 2
_CHOICES = 3
"""Of an enumeration so many other items are tried."""


def case(folder: str, how: str = "") -> dict[str, Any]:
    stage.add_on()
    place = Path(folder)
    scene, tree, node = stage.shot_node(place)
    stage.render_settings(scene, place / "out", (83, 61))
    plate = node.inputs["Plate"].links[0].from_node
    blocks = make_blocks(place, scene)
    rows: list[list[Any]] = []
    tried = 0
    # One value alone makes no picture: half of it lies over the plate.
    over = tree.nodes.new("CompositorNodeAlphaOver")
    first, second = [socket for socket in over.inputs if socket.type == "RGBA"][:2]
    tree.links.new(plate.outputs[0], first)
    next(socket for socket in over.inputs if socket.type == "VALUE").default_value = 0.5
    sent = Sent(scene, node, (_FRAME,))
    for kind in kinds():
        try:
            made = tree.nodes.new(kind)
        except RuntimeError:
            continue
        if len(made.outputs):
            tried += 1
            prepare(made, blocks)
            picture = next((each for each in made.inputs if each.type == "RGBA"), None)
            if picture is not None:
                tree.links.new(plate.outputs[0], picture)
            shown = made.outputs[0]
            if picture is None and kind not in _PLAYS:
                tree.links.new(shown, second)
                shown = over.outputs[0]
            tree.links.new(shown, node.inputs["Plate"])
            rows += [[kind, *row] for row in edits(scene, node, made, sent, how == "all")]
        tree.links.new(plate.outputs[0], node.inputs["Plate"])
        tree.nodes.remove(made)
    return {"kinds": tried, "rows": rows}


def kinds() -> list[str]:
    """What may be a kind of node in the compositor; some belong to other editors, and cannot be made there."""
    return sorted(each for each in dir(bpy.types) if each.startswith(_KINDS) and each not in _LEFT_OUT)


def make_blocks(place: Path, scene: Any) -> dict[str, Any]:
    """What nodes may point to."""
    mask = bpy.data.masks.new("Roto")
    spline = mask.layers.new(name="Layer").splines.new()
    spline.points.add(3)
    for point, co in zip(spline.points, ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)), strict=True):
        point.co = co
    spline.use_cyclic = True
    texture = bpy.data.textures.new("Clouds", "CLOUDS")
    return {
        "image": bpy.data.images.load(str(place / "clean.exr")),
        "clip": bpy.data.movieclips.load(str(place / "plate.0001.exr")),
        "mask": mask,
        "texture": texture,
        "scene": scene,
    }


def prepare(made: Any, blocks: dict[str, Any]) -> None:
    for name, block in blocks.items():
        if hasattr(made, name):
            with contextlib.suppress(TypeError, AttributeError):
                setattr(made, name, block)


def edits(scene: Any, node: Any, made: Any, sent: Sent, compares_all: bool) -> Iterator[list[Any]]:
    """The name of each edit, whether it is noticed, and whether it changes the picture (None: not compared)."""
    pictures = sent.digest() if compares_all else None
    for name, owner, attribute, values in changes(made):
        if not values:
            continue
        before = getattr(owner, attribute)
        before = before if isinstance(before, (bool, int, float, str)) else tuple(before)
        for value in values:
            state = sent.state()
            try:
                setattr(owner, attribute, value)
            except (TypeError, ValueError, AttributeError):
                continue
            now = getattr(owner, attribute)
            if (now if isinstance(now, (bool, int, float, str)) else tuple(now)) == before:
                continue
            found, is_unknown = sent.look()
            noticed = "unknown" if is_unknown else "noticed" if found != state else "UNNOTICED"
            changed = None
            if compares_all:
                changed = sent.digest() != pictures
            elif noticed == "UNNOTICED":
                after = sent.digest()
                setattr(owner, attribute, before)
                changed = sent.digest() != after
            setattr(owner, attribute, before)
            yield [f"{name}: {shown(before)} to {shown(value)}", noticed, changed]


def shown(value: Any) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(shown(each) for each in value) + ")"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def changes(made: Any) -> Iterator[tuple[str, Any, str, list[Any]]]:
    """Names, owners, attributes and other values of everything that can be set."""
    yield "mute", made, "mute", [True]
    for item in made.bl_rna.properties:
        if (
            item.identifier not in _OF_EVERY_NODE
            and not item.is_readonly
            and item.type not in ("POINTER", "COLLECTION")
        ):
            yield item.identifier, made, item.identifier, others(made, item)
    for socket in made.inputs:
        if not socket.is_linked and socket.enabled and hasattr(socket, "default_value"):
            item = socket.bl_rna.properties["default_value"]
            values = menu(socket) if socket.type == "MENU" else others(socket, item)
            yield f"input {socket.name}", socket, "default_value", values
    for curve in getattr(getattr(made, "mapping", None), "curves", ())[:1]:
        yield "a curve's point", curve.points[0], "location", [(0.1, 0.4)]
    ramp = getattr(made, "color_ramp", None)
    if ramp is not None:
        yield "a ramp's colour", ramp.elements[0], "color", [(0.6, 0.1, 0.2, 1.0)]


def menu(socket: Any) -> list[str]:
    """The other items of a menu, which only its error names."""
    try:
        socket.default_value = "no such item"
    except TypeError as error:
        items = str(error).rpartition("(")[2].replace("'", "").rstrip(")").split(", ")
        return items[: _CHOICES + 1]
    return []


def others(owner: Any, item: Any) -> list[Any]:
    """Other values of a property."""
    now = getattr(owner, item.identifier)
    if item.type == "ENUM":
        if item.is_enum_flag:
            return []
        return [each.identifier for each in item.enum_items if each.identifier != now][:_CHOICES]
    if item.type == "BOOLEAN":
        return [not now] if not item.is_array else [(not now[0], *now[1:])]
    if item.type in ("INT", "FLOAT"):
        if item.is_array:
            return [(number(item, now[0]), *now[1:])]
        return [number(item, now)]
    if item.type == "STRING":
        return [f"{now}x"]
    return []


def number(item: Any, now: float) -> float:
    """Another number within the range that is shown."""
    step = 1 if item.type == "INT" else 0.37
    up, down = now + step, now - step
    found = up if up <= item.soft_max else down if down >= item.soft_min else (item.soft_min + item.soft_max) / 2
    return int(found) if item.type == "INT" else found


if __name__ == "__main__":
    stage.run(case)
