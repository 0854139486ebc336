"""The node's settings: a property group made from the table of options, kept on the node and saved in the file."""

from __future__ import annotations

from typing import Any

import bpy

from . import runtime
from .matte_link.option_spec import OptionSpec
from .matte_link.options import MatteOptions, shown_in

DEFAULT_FOLDER = "//cleanplate"


def _changed(self: Any, context: Any) -> None:
    runtime.mark_changed()


def _property(spec: OptionSpec) -> Any:
    unit = f" ({spec.unit})" if spec.unit else ""
    # Not animatable: a result is named by its settings, which therefore hold for the whole shot.
    words: dict[str, Any] = {
        "name": spec.label + unit,
        "description": spec.help.rstrip("."),
        "default": spec.default,
        "options": set(),
        "update": _changed,
    }
    if spec.choices:
        items = [(choice, choice, "") for choice in spec.choices]
        return bpy.props.EnumProperty(items=items, **words)
    if spec.type is bool:
        return bpy.props.BoolProperty(**words)
    if spec.type is str:
        return bpy.props.StringProperty(**words)
    limits: dict[str, Any] = (
        {} if spec.minimum is None else {"min": spec.type(spec.minimum), "max": spec.type(spec.maximum)}
    )
    if spec.type is int:
        return bpy.props.IntProperty(**limits, **words)
    return bpy.props.FloatProperty(precision=3, step=1, **limits, **words)


class MatteProperties(bpy.types.PropertyGroup):
    """What one Cleanplate Matte node is set to."""

    __annotations__ = {spec.name: _property(spec) for spec in shown_in("blender")}
    __annotations__["node_id"] = bpy.props.StringProperty(name="Id", options={"HIDDEN"})
    __annotations__["frames"] = bpy.props.StringProperty(
        name="Frames",
        description="Frames to solve, such as 1-100x2,120. Empty: the scene's range",
        options=set(),
        update=_changed,
    )
    __annotations__["folder"] = bpy.props.StringProperty(
        name="Results",
        description="Where results are kept, a folder for each node. The node plays them from here",
        default=DEFAULT_FOLDER,
        subtype="DIR_PATH",
        options={"PATH_SUPPORTS_BLEND_RELATIVE"},
        update=_changed,
    )


def options_of(settings: Any) -> MatteOptions:
    """The node's options; raises ``ValueError`` with one sentence."""
    values = {}
    for spec in shown_in("blender"):
        value = getattr(settings, spec.name)
        # Blender keeps numbers as float32: 0.1 comes back as 0.10000000149.
        values[spec.name] = round(value, 6) if spec.type is float else value
    return MatteOptions(**values)


def _group_nodes() -> Any:
    """The class of group nodes, which get an attribute that its stubs do not know."""
    return bpy.types.CompositorNodeGroup


def register() -> None:
    """Puts the settings on group nodes."""
    bpy.utils.register_class(MatteProperties)
    _group_nodes().matte = bpy.props.PointerProperty(type=MatteProperties)


def unregister() -> None:
    """Takes them away; what files have saved stays in them."""
    del _group_nodes().matte
    bpy.utils.unregister_class(MatteProperties)
