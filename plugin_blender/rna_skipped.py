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
        "library",
        "library_weak_reference",
        "name_full",
        "original",
        "override_library",
        "preview",
        "session_uid",
        "tag",
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
        "select_left_handle",
        "select_right_handle",
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
            "ffmpeg",
            "filepath",
            "image_settings",
            "preview_pixel_size",
            "threads",
            "threads_mode",
            "use_file_extension",
            "use_lock_interface",
            "use_overwrite",
            "use_placeholder",
            "use_render_cache",
        }
    ),
    "ViewLayer": frozenset({"active_layer_collection", "objects"}),
    "LayerCollection": frozenset({"hide_viewport"}),
    "Object": frozenset({"hide_viewport", "mode"}),
    "Bone": frozenset({"children"}),
    "Action": frozenset({"groups"}),
    "FCurve": frozenset({"color", "color_mode", "group", "hide"}),
    "Image": frozenset({"filepath", "filepath_raw", "name", "packed_file", "packed_files", "tiles", "is_dirty"}),
    "MovieClip": frozenset({"filepath", "name"}),
    # Blender warns of its default.
    "View3DShading": frozenset({"wireframe_color_type"}),
}
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
    if name in _ANYWHERE or name.startswith(("bl_", "use_stamp", "stamp_")):
        return True
    if name.startswith("show_") and "render" not in name:
        return True
    if isinstance(struct, bpy.types.Node):
        return name in _NODE or _has_no_choice(struct, name)
    if name in _OF.get(struct.bl_rna.identifier, ()):
        return True
    return _is_of_an_add_on(item)


def _has_no_choice(node: Any, name: str) -> bool:
    """Choices of an Image node that Blender offers only for some files, and complains about for others."""
    return name in ("layer", "view") and not getattr(node, f"has_{name}s", True)


def _is_of_an_add_on(item: Any) -> bool:
    """Whether an add-on other than Cycles has put the settings there: no built-in engine reads them."""
    if item.type != "POINTER" or item.fixed_type.identifier.startswith("Cycles"):
        return False
    return (
        item.is_runtime and item.fixed_type.base is not None and item.fixed_type.base.identifier == "PropertyGroup"
    )
