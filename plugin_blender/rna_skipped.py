"""Which RNA properties do not change what is rendered: identity, interface, and what follows from others.

Everything that is not named here counts. A setting that is named in error is an edit that nobody notices, so this
list is short; one that is missing only makes a result stale too early.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        "annotation",
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
    }
)
_FOLLOWS = frozenset(
    {
        "bound_box",
        "depsgraph",
        "frame_current",
        "frame_float",
        "frame_subframe",
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
"""What follows from other settings, or from the current frame."""
_PREFIXES = ("bl_", "preview_", "stamp_", "use_preview_", "use_stamp")
_ACTIVE_IN_RENDERS = frozenset({"active_clip", "active_render", "active_render_index"})
"""What is called active for renders too. Otherwise it is the one of several that an editor shows."""
_OF = {
    "Scene": frozenset(
        {
            # what playback does
            "audio_volume",
            "sync_mode",
            "use_audio_scrub",
            # The compositor comes behind the 3D scene, and holds our own nodes.
            "compositing_node_group",
            "node_tree",
            "use_nodes",
            "objects",
            "cursor",
            "display_settings",
            # The range does not change a frame, and a farm narrows it.
            "frame_end",
            "frame_preview_end",
            "frame_preview_start",
            "frame_start",
            "frame_step",
            # notes of annotations, in 4.5
            "grease_pencil",
            "keying_sets",
            "keying_sets_all",
            "lock_frame_selection_to_range",
            "safe_areas",
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
            "compositor_denoise_preview_quality",
            "display_mode",
            # Pictures of 8 bits alone are dithered.
            "dither_intensity",
            "ffmpeg",
            "filepath",
            "image_settings",
            "preview_pixel_size",
            # of viewports; those of renders have names of their own
            "simplify_child_particles",
            "simplify_gpencil_view_fill",
            "simplify_subdivision",
            "simplify_volumes",
            "threads",
            "threads_mode",
            # What is sent is the compositor's, whatever a render shows.
            "use_compositing",
            "use_file_extension",
            "use_lock_interface",
            "use_overwrite",
            "use_persistent_data",
            "use_placeholder",
            "use_render_cache",
            "use_sequencer",
        }
    ),
    "ViewLayer": frozenset({"objects"}),
    # of viewports
    "CyclesRenderSettings": frozenset({"texture_limit", "texture_resolution", "volume_preview_step_rate"}),
    "SceneDisplay": frozenset({"viewport_aa"}),
    "SceneEEVEE": frozenset({"taa_samples", "use_shadow_jitter_viewport", "use_taa_reprojection"}),
    "LayerCollection": frozenset({"hide_viewport"}),
    "Collection": frozenset({"hide_viewport"}),
    "Object": frozenset(
        {"dimensions", "display_bounds_type", "empty_display_size", "empty_display_type", "hide_viewport", "mode"}
    ),
    "Camera": frozenset({"background_images", "display_size", "lens_unit", "passepartout_alpha"}),
    "Armature": frozenset({"display_type"}),
    "Bone": frozenset({"children", "display_type", "hide"}),
    "BoneCollection": frozenset({"is_solo", "is_visible"}),
    "PoseBone": frozenset({"hide"}),
    "Modifier": frozenset({"is_active"}),
    "MultiresModifier": frozenset({"levels", "sculpt_levels"}),
    "SubsurfModifier": frozenset({"levels"}),
    "Volume": frozenset({"display"}),
    # The range is for editors and exporters.
    "Action": frozenset({"frame_end", "frame_start", "groups", "use_cyclic", "use_frame_range"}),
    "FCurve": frozenset({"color", "color_mode", "group", "hide"}),
    "Image": frozenset(
        {
            "display_aspect",
            # Blender says another one before it has read a file, and after it has found none.
            "file_format",
            "filepath",
            "filepath_raw",
            "is_dirty",
            "packed_file",
            "packed_files",
            "resolution",
            "tiles",
            "use_view_as_render",
        }
    ),
    "Keyframe": frozenset({"type"}),
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
    # They follow from the mesh's corners.
    "MeshPolygon": frozenset({"vertices"}),
    # Notes that are drawn on it in 4.5, and how its editor shows it: renders read no proxies of clips.
    "MovieClip": frozenset({"display_aspect", "filepath", "grease_pencil", "proxy", "use_proxy_custom_directory"}),
    # What the next track begins with, and lists of the editor. What was solved is in the tracks.
    "MovieTracking": frozenset({"dopesheet", "settings"}),
    "MovieTrackingTrack": frozenset(
        {
            "color",
            "grease_pencil",
            "select_anchor",
            "select_pattern",
            "select_search",
            "use_alpha_preview",
            "use_custom_color",
            "use_grayscale_preview",
        }
    ),
    "NodeTree": frozenset({"default_group_node_width", "description", "grease_pencil"}),
    "NodeTreeInterfaceItem": frozenset({"description", "name"}),
    # In which units numbers are shown. How long one is (scale_length) counts.
    "UnitSettings": frozenset(
        {"length_unit", "mass_unit", "system", "system_rotation", "temperature_unit", "time_unit", "use_separate"}
    ),
    # Blender warns of its default.
    "View3DShading": frozenset({"wireframe_color_type"}),
    "Node": frozenset(
        {
            "color",
            "dimensions",
            "height",
            "hide",
            "inputs",
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
    ),
}
"""By types and those that they come from."""
_CONTENT = {
    "ActionChannelbag": frozenset({"slot_handle"}),
    "ActionSlot": frozenset({"handle"}),
    "Bone": frozenset({"head_local", "matrix_local", "tail_local", "use_connect"}),
    "GreasePencilFrame": frozenset({"frame_number"}),
    "GreasePencilLayer": frozenset({"matrix_parent_inverse"}),
    "HookModifier": frozenset({"vertex_indices"}),
    "Material": frozenset({"show_transparent_back"}),
    "MaterialGPencilStyle": frozenset({"show_fill", "show_stroke"}),
    "MovieReconstructedCamera": frozenset({"frame", "matrix"}),
    "MovieTrackingTrack": frozenset({"bundle", "has_bundle"}),
    "Object": frozenset({"show_only_shape_key"}),
    # Workbench renders with these, and with those of the scene's shading.
    "ObjectDisplay": frozenset({"show_shadows"}),
    "PackedFile": frozenset({"data"}),
    "ShapeKey": frozenset({"frame"}),
    "VertexGroupElement": frozenset({"group"}),
    "View3DShading": frozenset(
        {
            "show_backface_culling",
            "show_cavity",
            "show_object_outline",
            "show_shadows",
            "show_specular_highlight",
            "show_xray",
            "show_xray_wireframe",
        }
    ),
}
"""Properties that count although they are read-only, because an operator or a mode of editing sets them, or
although they are called as those of the interface."""


_known: dict[tuple[str, str], bool] = {}
"""What was decided of each type's properties: a walk asks of many structs of few types."""


def is_skipped(struct: Any, item: Any) -> bool:
    """Whether a property of a struct does not change what is rendered, or follows from others."""
    name = item.identifier
    if name == "active_shape_key_index":
        return not struct.show_only_shape_key
    if name == "show_in_front":
        # Workbench renders follow it, and never show an armature, which often is in front.
        return bool(struct.type == "ARMATURE")
    if name == "display_type" and isinstance(struct, bpy.types.Object):
        return not _may_draw_strokes(struct)
    if name == "use_proxy" and isinstance(struct, bpy.types.MovieClip):
        # Blender 4.5 finds frames of movies by the timecode of their proxies.
        return bool(getattr(struct.proxy, "timecode", "NONE") == "NONE")
    if name.startswith(("border_", "use_crop_")) and isinstance(struct, bpy.types.RenderSettings):
        return not struct.use_border
    if name in ("layer", "view") and _has_no_choice(struct, name):
        return True
    place = (struct.bl_rna.identifier, name)
    if place not in _known:
        _known[place] = _is_skipped(struct, item)
    return _known[place]


def _is_skipped(struct: Any, item: Any) -> bool:
    name = item.identifier
    if is_content(struct, name):
        return False
    if follows(item) or name in _ANYWHERE or name.startswith(_PREFIXES):
        return True
    if name.startswith(("open_", "show_")) and "render" not in name:
        return True
    if name.startswith("active_") and name not in _ACTIVE_IN_RENDERS:
        return True
    if _is_named(_OF, struct, name) or _is_of_an_add_on(struct, item):
        return True
    return name == "name" and isinstance(struct, bpy.types.ID)


def is_content(struct: Any, name: str) -> bool:
    """Whether a property counts although it is read-only, or is called as those of the interface."""
    return _is_named(_CONTENT, struct, name)


def follows(item: Any) -> bool:
    """Whether a property follows from other settings, or from the current frame."""
    return item.identifier in _FOLLOWS


def has_no_effect(item: Any) -> bool:
    """Whether an item of a collection does not change what is rendered: markers of the timeline switch cameras, or
    are for people."""
    return isinstance(item, bpy.types.TimelineMarker) and item.camera is None


def _is_named(table: Mapping[str, frozenset[str]], struct: Any, name: str) -> bool:
    kind = struct.bl_rna
    while kind is not None:
        if name in table.get(kind.identifier, ()):
            return True
        kind = kind.base
    return False


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


def _may_draw_strokes(item: Any) -> bool:
    """Whether an object is Grease Pencil, or may have instances of it: renders lack those that are drawn as wire or
    as bounds, and show all else."""
    nodes = any(modifier.type == "NODES" for modifier in item.modifiers)
    return bool(item.type == "GREASEPENCIL" or item.instance_type != "NONE" or nodes)


def _has_no_choice(node: Any, name: str) -> bool:
    """A choice of an Image node that Blender offers only for some files, and complains about for others."""
    return not getattr(node, f"has_{name}s", True)


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
    """Whether a setting is another than its default. A choice whose items are made while Blender runs counts once
    it was set: Blender warns where it is asked for the default."""
    name = item.identifier
    if name == "rna_type" or not settings.is_property_set(name):
        return False
    value = getattr(settings, name)
    if item.type == "ENUM" and item.enum_items_static:
        return bool(value != item.default)
    if item.type not in ("BOOLEAN", "INT", "FLOAT"):
        return value is not None
    return bool(tuple(value) != tuple(item.default_array) if item.is_array else value != item.default)


def _is_of_an_add_on(struct: Any, item: Any) -> bool:
    """Whether an add-on other than Cycles has put the settings there: no built-in engine reads them. The inputs of
    a Geometry Nodes modifier are made while Blender runs, as settings of add-ons are."""
    if item.type not in ("COLLECTION", "POINTER") or item.fixed_type.identifier.startswith("Cycles"):
        return False
    if not item.is_runtime or struct.bl_rna.identifier.startswith("GeometryNodes"):
        return False
    return item.fixed_type.base is not None and item.fixed_type.base.identifier == "PropertyGroup"
