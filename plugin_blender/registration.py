"""Registers and unregisters all classes, properties and handlers of the add-on."""

from __future__ import annotations

from typing import Any

import bpy

from . import (
    file_states,
    handlers,
    learn_operators,
    learn_panel,
    modals,
    operators,
    panels,
    planning,
    properties,
    runtime,
    server_operators,
    server_process,
    sessions,
    setup_operators,
    solve_headless,
    translation,
)
from .preferences import CleanplatePreferences

_commands: list[Any] = []
_CLASSES = (
    CleanplatePreferences,
    *operators.CLASSES,
    *server_operators.CLASSES,
    *setup_operators.CLASSES,
    *learn_operators.CLASSES,
    *panels.CLASSES,
    *learn_panel.CLASSES,
)


def register() -> None:
    """Switches the add-on on."""
    file_states.is_kept = runtime.in_window = not bpy.app.background
    properties.register()
    translation.register()
    for each in _CLASSES:
        bpy.utils.register_class(each)
    getattr(bpy.types, panels.ADD_MENU).append(panels.draw_add_menu)
    handlers.register()
    _commands.append(bpy.utils.register_cli_command("cleanplate", solve_headless.command))
    runtime.mark_changed()


def unregister() -> None:
    """Switches the add-on off; stops a running solve and the server that this Blender started."""
    modals.end_all()
    if runtime.running is not None:
        runtime.running.cancel()
        runtime.running.close()
    if runtime.learning is not None:
        runtime.learning.close()
    planning.label_for_file()
    while _commands:
        bpy.utils.unregister_cli_command(_commands.pop())
    if runtime.setup is not None:
        runtime.setup.cancel()
    handlers.unregister()
    getattr(bpy.types, panels.ADD_MENU).remove(panels.draw_add_menu)
    for each in reversed(_CLASSES):
        bpy.utils.unregister_class(each)
    translation.unregister()
    properties.unregister()
    sessions.unmark_all()
    server_process.stop()
