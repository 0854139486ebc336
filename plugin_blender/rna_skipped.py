"""Which RNA properties do not change what is rendered: identity, interface, and what follows from others.

Everything that is not named here counts. A setting that is named in error is an edit that nobody notices, so this
list is short; one that is missing only makes a result stale too early.
"""

from __future__ import annotations

from typing import Any

import bpy

_ANYWHERE = frozenset(
    {
        "rna_type",
        # identity and bookkeeping of data-blocks
        "asset_data",
        "id_type",
        "is_evaluated",
        "is_library_indirect",
        "is_missing",
        "is_runtime_data",
        "library",
        "library_weak_reference",
        "name_full",
        "original",
        "override_library",
        "preview",
        "session_uid",
        "tag",
        # whether an editor shows it
        "use_extra_user",
        "use_fake_user",
        "users",
        # the interface
        "active",
        "active_index",
        "active_material",
        "active_material_index",
        "color_tag",
        "hide_select",
        "is_expanded",
        "lock",
        "panel_states",
        "select",
        "select_control_point",
        "select_head",
        "select_left_handle",
        "select_right_handle",
        "select_tail",
        "show_expanded",
        "ui_expand_flag",
        # follows from other settings, or from the current frame
        "bound_box",
        "depsgraph",
        "dimensions",
        "frame_current",
        "internal_links",
        "matrix",
        "matrix_basis",
        "matrix_channel",
        "matrix_local",
        "matrix_world",
        "motion_path",
        "pixels",
    }
)
_OF = {
    "Scene": frozenset(
        {
            # The compositor comes behind the 3D scene, and holds our own nodes.
            "compositing_node_group",
            "node_tree",
            "use_nodes",
            "objects",
            "cursor",
            "display_settings",
            # The range does not change a frame, and a farm narrows it.
            "frame_end",
            "frame_float",
            "frame_preview_end",
            "frame_preview_start",
            "frame_start",
            "frame_step",
            "frame_subframe",
            "keying_sets",
            "keying_sets_all",
            "lock_frame_selection_to_range",
            "sequence_editor",
            "sequencer_colorspace_settings",
            "tool_settings",
            "transform_orientation_slots",
            "use_preview_range",
            "view_settings",
        }
    ),
    "RenderSettings": frozenset(
        {
            "bake",
            "display_mode",
            # Pictures of 8 bits alone are dithered.
            "dither_intensity",
            "ffmpeg",
            "filepath",
            "image_settings",
            "preview_pixel_size",
            "threads",
            "threads_mode",
            # What is sent is the compositor's, whatever a render shows.
            "use_compositing",
            "use_file_extension",
            "use_lock_interface",
            "use_overwrite",
            "use_placeholder",
            "use_render_cache",
            "use_sequencer",
        }
    ),
    "ViewLayer": frozenset({"active_layer_collection", "objects"}),
    "CyclesRenderSettings": frozenset(
        {
            "preview_samples",
            "preview_denoising_input_passes",
            "use_preview_adaptive_sampling",
            "use_preview_denoising",
        }
    ),
    "LayerCollection": frozenset({"hide_viewport"}),
    "Object": frozenset({"hide_viewport", "mode"}),
    "Bone": frozenset({"children"}),
    "Action": frozenset({"groups"}),
    "FCurve": frozenset({"color", "color_mode", "group", "hide"}),
    "Image": frozenset(
        {"display_aspect", "filepath", "filepath_raw", "packed_file", "packed_files", "tiles", "is_dirty"}
    ),
    "Mesh": frozenset(
        {
            # follow from the corners and their attributes
            "corner_normals",
            "loop_triangle_polygons",
            "loop_triangles",
            "polygon_normals",
            "vertex_normals",
            # for painting
            "uv_layer_clone",
            "uv_layer_clone_index",
            "uv_layer_stencil",
            "uv_layer_stencil_index",
        }
    ),
    # Notes that are drawn on it, and how its editor shows it.
    "MovieClip": frozenset({"annotation", "display_aspect", "filepath", "grease_pencil"}),
    # What the next track begins with, and lists of the editor. What was solved is in the tracks.
    "MovieTracking": frozenset({"active_object_index", "dopesheet", "settings"}),
    # Blender warns of its default.
    "View3DShading": frozenset({"wireframe_color_type"}),
}
_CONTENT = {
    "ActionChannelbag": frozenset({"slot_handle"}),
    "ActionSlot": frozenset({"handle"}),
    "Bone": frozenset({"head_local", "matrix_local", "tail_local", "use_connect"}),
    "GreasePencilFrame": frozenset({"frame_number"}),
    "GreasePencilLayer": frozenset({"matrix_parent_inverse"}),
    "HookModifier": frozenset({"vertex_indices"}),
    "MovieReconstructedCamera": frozenset({"frame", "matrix"}),
    "MovieTrackingTrack": frozenset({"bundle", "has_bundle"}),
    "PackedFile": frozenset({"data"}),
    "ShapeKey": frozenset({"frame"}),
    "VertexGroupElement": frozenset({"group"}),
}
"""Read-only properties that do not follow from others: an operator or a mode of editing sets them."""
_NODE = frozenset(
    {
        "color",
        "height",
        "hide",
        "inputs",
        "is_active_output",
        "label",
        "location",
        "location_absolute",
        "name",
        "outputs",
        "parent",
        "use_custom_color",
        "warning_propagation",
        "width",
        "width_hidden",
    }
)


def is_skipped(struct: Any, item: Any) -> bool:
    """Whether a property of a struct does not change what is rendered."""
    name = item.identifier
    if is_content(struct, name):
        return False
    if name in _ANYWHERE or name.startswith(("bl_", "use_stamp", "stamp_")):
        return True
    if name.startswith(("open_", "show_")) and "render" not in name:
        return True
    if name in _OF.get(struct.bl_rna.identifier, ()) or _is_of_an_add_on(struct, item):
        return True
    if isinstance(struct, bpy.types.Node):
        return name in _NODE or _has_no_choice(struct, name)
    return name == "name" and isinstance(struct, bpy.types.ID)


def is_content(struct: Any, name: str) -> bool:
    """Whether a property counts although it is read-only."""
    return name in _CONTENT.get(struct.bl_rna.identifier, ())


def is_of_interface(struct: Any) -> bool:
    """Whether a struct is an attribute in which modes of editing keep what is selected."""
    return isinstance(struct, bpy.types.Attribute) and struct.name.startswith((".select", ".uv_select"))


def hidden_content(struct: Any) -> str:
    """What a struct has that no property shows, as a noun ("the bound shape of"); else empty."""
    if isinstance(struct, bpy.types.MultiresModifier) and struct.total_levels:
        return "the sculpted details of"
    if isinstance(struct, bpy.types.Mesh) and struct.is_editmode:
        return "the unfinished edit of"
    if isinstance(struct, bpy.types.CacheFile | bpy.types.Volume) and struct.is_sequence:
        return "the files of"
    is_bound = getattr(struct, "is_bound", False) or getattr(struct, "is_bind", False)
    return "the bound shape of" if is_bound else ""


def _has_no_choice(node: Any, name: str) -> bool:
    """Choices of an Image node that Blender offers only for some files, and complains about for others."""
    return name in ("layer", "view") and not getattr(node, f"has_{name}s", True)


def has_defaults_of_cycles(struct: Any, item: Any) -> bool:
    """Whether a pointer leads to settings of Cycles that all have their defaults. Where there are none yet, a look
    at them makes them, and an undo to before that can crash Blender."""
    if not item.fixed_type.identifier.startswith("Cycles"):
        return False
    if not struct.is_property_set(item.identifier):
        return True
    settings = getattr(struct, item.identifier)
    return not any(_is_changed(settings, each) for each in settings.bl_rna.properties)


def _is_changed(settings: Any, item: Any) -> bool:
    """Whether a setting is another than its default. A choice counts once it was set: Blender warns where
    it is asked for some defaults of Cycles."""
    name = item.identifier
    if name == "rna_type" or not settings.is_property_set(name):
        return False
    value = getattr(settings, name)
    if item.type not in ("BOOLEAN", "INT", "FLOAT"):
        return value is not None
    return bool(tuple(value) != tuple(item.default_array) if item.is_array else value != item.default)


def _is_of_an_add_on(struct: Any, item: Any) -> bool:
    """Whether an add-on other than Cycles has put the settings there: no built-in engine reads them. The inputs of
    a Geometry Nodes modifier are made while Blender runs, as settings of add-ons are."""
    if item.type != "POINTER" or item.fixed_type.identifier.startswith("Cycles"):
        return False
    if not item.is_runtime or struct.bl_rna.identifier.startswith("GeometryNodes"):
        return False
    return item.fixed_type.base is not None and item.fixed_type.base.identifier == "PropertyGroup"
