"""Keeps the handlers of other add-ons out of the renders in which a solve gets its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy

_OF_A_JOB = ("render_init", "render_write", "render_stats", "render_complete", "render_cancel")


@contextmanager
def only_picture_handlers() -> Iterator[None]:
    """Inside, handlers that act on a render as a job are not called: a farm's notice, or a machine that is switched
    off, would come with every frame. Those of single frames (``render_pre``, ``render_post``) are called: they may
    change what is seen."""
    kept = {name: list(getattr(bpy.app.handlers, name)) for name in _OF_A_JOB}
    for name in _OF_A_JOB:
        getattr(bpy.app.handlers, name).clear()
    try:
        yield
    finally:
        for name, handlers in kept.items():
            getattr(bpy.app.handlers, name)[:] = handlers
