"""Handlers of other add-ons and of scripts: which of them run in the renders in which a solve gets its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bpy

_OF_A_FRAME = ("frame_change_pre", "frame_change_post", "render_pre")
_OF_A_JOB = ("render_init", "render_write", "render_stats", "render_complete", "render_cancel")


def frame_scripts() -> list[str]:
    """What other handlers do at every frame, each as a noun: they may change anything that is rendered."""
    handlers = [each for name in _OF_A_FRAME for each in getattr(bpy.app.handlers, name)]
    names = [_name(each) for each in handlers]
    return [f"what {name} does at every frame" for name in names if not name.startswith(f"{__package__}.")]


def _name(handler: Any) -> str:
    return f"{handler.__module__}.{getattr(handler, '__name__', 'handler')}"


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
