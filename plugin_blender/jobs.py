"""Blender's own jobs: a render, and what the viewer shows, are computed on threads of their own.

Such a thread reads the file's images and scenes. Blender crashes where they are freed, or another render runs,
meanwhile. Jobs are started on the main thread, so none begins while our code runs there.
"""

from __future__ import annotations

from typing import Any

import bpy

from . import runtime

_READERS = ("COMPOSITE", "RENDER_PREVIEW")


def is_rendering() -> bool:
    """Whether the artist's own render reads the file: no node may be changed. A render that waits until we have
    prepared it reads nothing."""
    if runtime.preparing_render:
        return False
    return runtime.rendering or _runs("RENDER", "OBJECT_BAKE")


def is_busy() -> bool:
    """Whether any job reads the file: no image or scene may be freed, and no input rendered."""
    return is_rendering() or _runs(*_READERS)


def is_playing() -> bool:
    """Whether an animation plays in a window."""
    manager: Any = bpy.context.window_manager
    return any(window.screen.is_animation_playing for window in manager.windows)


def waiting() -> str:
    """What is waited for where Blender is busy, for panels."""
    return "Waiting for the render" if is_rendering() else "Waiting for the viewer"


def _runs(*names: str) -> bool:
    # The stubs list the names.
    is_running: Any = bpy.app.is_job_running
    return any(map(is_running, names))
