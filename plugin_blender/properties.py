"""The node's settings: a property group made from the table of options, kept on the node and saved in the file."""

from __future__ import annotations

from typing import Any

import bpy

from . import runtime
from .matte_link.option_spec import OptionSpec
from .matte_link.options import MatteOptions, shown_in
from .results_folder import node_folder
from .rna_facts import absolute_path

DEFAULT_FOLDER = "//cleanplate"
_SMALL_WORDS = ("a", "and", "for", "from", "in", "of", "on", "the", "to", "with")
_CHOICES = {
    "auto": "Chosen by the server",
    "cleanplate": "The network of this project, made for a plate and its clean plate",
    "difference": "A plain difference key, without a network",
    "half": "16 bits a channel",
    "float": "32 bits a channel",
    "none": "Off",
    "zip": "Without loss, blocks of 16 lines",
    "zips": "Without loss, line by line",
    "piz": "Without loss, best for grain",
    "rle": "Without loss, fast and large",
    "pxr24": "Without loss in half, nearly so in float",
    "b44": "With loss, of a fixed size",
    "b44a": "With loss, small where the picture is flat",
    "dwaa": "With loss, small",
    "dwab": "With loss, smallest",
}


def _changed(self: Any, context: Any) -> None:
    runtime.mark_changed()


def _property(spec: OptionSpec) -> Any:
    # Not animatable: a result is named by its settings, which therefore hold for the whole shot.
    words: dict[str, Any] = {
        "name": title_case(spec.label),
        "description": spec.help.rstrip("."),
        "default": spec.default,
        "options": set(),
        "update": _changed,
    }
    if spec.choices:
        items = [(choice, choice, _CHOICES.get(choice, "")) for choice in spec.choices if is_readable(choice)]
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
    if spec.unit == "px":
        words["subtype"] = "PIXEL"
    return bpy.props.FloatProperty(precision=3, step=1, **limits, **words)


def title_case(label: str) -> str:
    """A label as Blender writes its own: "Clean Plate Colourspace"."""
    return " ".join(word if word in _SMALL_WORDS else word[:1].upper() + word[1:] for word in label.split())


def is_readable(choice: str) -> bool:
    """Whether Blender can read a result that is written so: its OpenEXR is older than JPEG 2000 in EXR."""
    return not choice.startswith("htj2k")


class MatteKeyFrame(bpy.types.PropertyGroup):
    """One mended matte: its frame, its file in the node's folder, what plate and clean plate were then, and what
    was seen of their files."""

    __annotations__ = {
        "frame": bpy.props.IntProperty(name="Frame"),
        "file": bpy.props.StringProperty(name="File"),
        "pictures": bpy.props.StringProperty(name="Pictures"),
        "seen": bpy.props.StringProperty(name="Files Seen"),
    }


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
    __annotations__["use_learned"] = bpy.props.BoolProperty(
        name="Use Learned Weights",
        description="Matte with the weights that Learn made of this shot",
        default=False,
        options=set(),
        update=_changed,
    )
    __annotations__["learned"] = bpy.props.StringProperty(
        name="Learned Weights", description="Their file, in the node's own folder", options={"HIDDEN"}
    )
    __annotations__["learned_from"] = bpy.props.StringProperty(
        name="Learned From", description="The key frames that they were learned from", options={"HIDDEN"}
    )
    __annotations__["key_frames"] = bpy.props.CollectionProperty(type=MatteKeyFrame, name="Key Frames")
    __annotations__["former"] = bpy.props.StringProperty(
        name="Former Results",
        description="Where this node's results were before it was copied, or its file was saved elsewhere",
        options={"HIDDEN"},
    )


def options_of(settings: Any) -> MatteOptions:
    """The node's options; raises ``ValueError`` with one sentence."""
    values = {}
    for spec in shown_in("blender"):
        value = getattr(settings, spec.name)
        if spec.choices and not value:
            raise ValueError(f"{title_case(spec.label)} is set to what this version does not offer. Choose again.")
        # Blender keeps numbers as float32: 0.1 comes back as 0.10000000149.
        values[spec.name] = round(value, 6) if spec.type is float else value
    values["weights"] = _weights(settings)
    return MatteOptions(**values)


def _weights(settings: Any) -> str:
    if not settings.use_learned:
        named: str = settings.weights
        return absolute_path(named, settings.id_data) if named.startswith("//") else named
    learned = node_folder(settings) / settings.learned
    if not settings.learned or not learned.is_file():
        raise ValueError(f"The learned weights {learned} are not there. Switch them off, then learn again.")
    return str(learned)


def _group_nodes() -> Any:
    """The class of group nodes, which get an attribute that its stubs do not know."""
    return bpy.types.CompositorNodeGroup


def register() -> None:
    """Puts the settings on group nodes."""
    for each in (MatteKeyFrame, MatteProperties):
        bpy.utils.register_class(each)
    _group_nodes().matte = bpy.props.PointerProperty(type=MatteProperties)


def unregister() -> None:
    """Takes them away; what files have saved stays in them."""
    del _group_nodes().matte
    for each in (MatteProperties, MatteKeyFrame):
        bpy.utils.unregister_class(each)
