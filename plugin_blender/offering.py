"""Spares the artist presses: the first node shows its buttons, and Solve starts or offers the server it lacks."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import bpy

from . import modals, planning, runtime, server_process
from .matte_link.endpoint import ADDRESS_VARIABLE
from .matte_link.errors import LinkError
from .plan import NodeError
from .preferences import preferences, server_command, setup_obstacle
from .solve import ASK_S, ask_server

CATEGORY = "Cleanplate"
"""The sidebar's tab."""
_EVERY_S, _TRIES = 0.1, 50
_WAITS = "The matting server is not ready yet; the solve begins when it is (ESC stops)."


def server_is_coming(node_id: str, press: Callable[[], object]) -> str:
    """Where no server answers, and nobody has named one: starts the one that is installed, or offers Set Up Server.
    ``press`` is called as soon as it is ready. Returns what goes on, for the artist; empty where a server answers,
    or where there is nothing to offer. Raises ``NodeError`` where the one that is installed cannot be started, or
    none can be set up."""
    if runtime.server_address or preferences().address.strip() or os.environ.get(ADDRESS_VARIABLE):
        return ""
    if not server_process.is_running():
        with contextlib.suppress(LinkError):
            ask_server(ASK_S)
            return ""
    elif server_process.endpoint():
        return ""
    runtime.afterwards = runtime.Waiting(node_id, press)
    runtime.state(node_id).error = ""
    operators = cast(Any, bpy.ops).cleanplate
    if runtime.setup is not None or modals.runs("CLEANPLATE_OT_start_server"):
        return _WAITS
    if server_process.is_running() or shutil.which(server_command()):
        sentence = complaint_of(partial(operators.start_server, "INVOKE_DEFAULT"))
        if sentence:
            runtime.afterwards = None
            raise NodeError(sentence)
        return _WAITS
    refused = setup_obstacle()
    if refused:
        runtime.afterwards = None
        raise NodeError("There is no matting server yet. " + refused.message, refused.hint)
    operators.set_up_server("INVOKE_DEFAULT")
    return "There is no matting server yet."


def complaint_of(press: Callable[[], object]) -> str:
    """Presses a button; returns what its operator reports as an error at once, which Blender raises."""
    try:
        press()
    except RuntimeError as error:
        return str(error).removeprefix("Error: ").strip()
    return ""


def take_back() -> str:
    """The artist cancels what waits for the server; returns what to tell. The server is set up and started all the
    same."""
    runtime.afterwards = None
    planning.redraw()
    return "The solve that has waited for the server is cancelled."


def is_taken_back_by(event: Any) -> bool:
    """Whether something waits for the server, and the artist presses ESC."""
    return runtime.afterwards is not None and event.type == "ESC" and event.value == "PRESS"


def go_on() -> None:
    """The server is ready: presses what has waited for it. Where that cannot begin any more, its node says so."""
    waiting, runtime.afterwards = runtime.afterwards, None
    if waiting is not None:
        runtime.state(waiting.node_id).error = complaint_of(waiting.press)


def give_up(sentence: str = "") -> None:
    """The server will not be ready: forgets what has waited for it, and says why on its node."""
    waiting, runtime.afterwards = runtime.afterwards, None
    if waiting is not None:
        runtime.state(waiting.node_id).error = sentence


def show_buttons(tree: Any) -> None:
    """Opens the sidebar at the add-on's tab in the editors of a tree. Blender knows its tabs once it was drawn."""
    tries = _TRIES

    def choose() -> float | None:
        nonlocal tries
        tries -= 1
        sidebars = _sidebars(tree)
        for each in sidebars:
            # A sidebar that has just come up has no tabs to choose from, or not yet this one.
            with contextlib.suppress(AttributeError, TypeError):
                each.active_panel_category = CATEGORY
        shown = all(each.active_panel_category == CATEGORY for each in sidebars)
        return None if shown or not tries else _EVERY_S

    for area in _areas(tree):
        area.spaces.active.show_region_ui = True
    bpy.app.timers.register(choose, first_interval=_EVERY_S)


def _areas(tree: Any) -> list[Any]:
    manager: Any = bpy.context.window_manager
    everything = [area for window in manager.windows for area in window.screen.areas if area.type == "NODE_EDITOR"]
    return [area for area in everything if area.spaces.active.edit_tree == tree]


def _sidebars(tree: Any) -> list[Any]:
    return [region for area in _areas(tree) for region in area.regions if region.type == "UI"]
