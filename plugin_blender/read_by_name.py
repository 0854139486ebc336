"""What renders follow only where something reads it by its name, or by its place among others.

Drivers and shaders name a custom property, and Collection Info picks objects in the order of their names.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import bpy

_OWNERS = (bpy.types.ID, bpy.types.Bone, bpy.types.PoseBone, bpy.types.ViewLayer)
"""Whose custom properties are for people and scripts. Those of modifiers are the inputs of their nodes."""
_BY_NAMES = frozenset(
    {"GeometryNodeCollectionChildren", "GeometryNodeCollectionInfo", "ShaderNodeObjectInfo", "ShaderNodeScript"}
)
"""Nodes that sort by names, or give each a random value."""
_SHOWS_NOTHING = frozenset({"ARMATURE", "CAMERA", "EMPTY", "LATTICE", "SPEAKER"})
_CRYPTOMATTES = ("asset", "material", "object")


def may_be_unread(struct: Any, item: Any = None) -> bool:
    """Whether custom properties of a struct, or an ``item`` that an add-on has registered, count only where
    something names them."""
    return isinstance(struct, _OWNERS) and (item is None or (item.is_runtime and item.type != "POINTER"))


def is_read(name: str, paths: Collection[str]) -> bool:
    """Whether one of the paths has the name of a custom property."""
    names = (name, bpy.utils.escape_identifier(name))
    return any(each in path for path in paths for each in names)


def shows_nothing(item: Any) -> bool:
    """Whether an item of a collection is an object that no picture shows, but by what refers to it: the scene's
    camera, a bone that deforms, an empty that is followed."""
    if not isinstance(item, bpy.types.Object) or item.type not in _SHOWS_NOTHING:
        return False
    acts = item.rigid_body_constraint is not None or (item.field is not None and item.field.type != "NONE")
    return item.instance_type == "NONE" and not acts


def shows_names(struct: Any) -> bool:
    """Whether names change the picture: of a Cryptomatte, of what is random for each object, of what is sorted."""
    kind = str(struct.bl_rna.identifier)
    if kind == "ViewLayer":
        return any(getattr(struct, f"use_pass_cryptomatte_{each}") for each in _CRYPTOMATTES)
    if kind == "View3DShading":
        return bool(struct.color_type == "RANDOM")
    return kind in _BY_NAMES or (kind.startswith("GreasePencil") and hasattr(struct, "seed"))
