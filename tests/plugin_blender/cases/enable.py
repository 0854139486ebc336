"""Switches the installed add-on on, in the preferences of this user."""

# mypy: ignore-errors
# Runs inside Blender, whose API has no types.

from __future__ import annotations

import addon_utils
import bpy

assert addon_utils.enable("bl_ext.user_default.cleanplate", default_set=True) is not None
bpy.ops.wm.save_userpref()
