"""Operators that go on in a window, step by step at the ticks of a timer.

Each has ``cancel(context)``, which Blender calls where it ends the operator itself: another file is opened, or the
window is closed.
"""

from __future__ import annotations

import contextlib
from typing import Any

import bpy

_running: list[Any] = []


def begin(operator: Any, context: Any, every_s: float) -> None:
    """Has Blender call the operator's ``modal`` at each tick."""
    manager = context.window_manager
    operator.timer = manager.event_timer_add(every_s, window=context.window)
    manager.modal_handler_add(operator)
    _running.append(operator)


def end(operator: Any, context: Any) -> None:
    """The operator goes on no longer."""
    context.window_manager.event_timer_remove(operator.timer)
    _running.remove(operator)


def runs(name: str) -> bool:
    """Whether an operator of a class of this name goes on in some window."""
    return any(type(operator).__name__ == name for operator in _running)


def end_all() -> None:
    """Ends all of them. Blender does not call ``cancel`` where an add-on takes their classes away."""
    for operator in list(_running):
        # It is gone where Blender has ended it in some other way.
        with contextlib.suppress(ReferenceError):
            operator.cancel(bpy.context)
    _running.clear()
