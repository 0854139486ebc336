"""What Nuke calls: nodes that appear, change and go, labels, renders, and the menu."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

import nuke

_WRITES = ("Write", "DeepWrite")


def when_created(call: Callable[[], object]) -> None:
    """Calls ``call`` for every Group that is created, pasted or read from a script."""
    nuke.addOnCreate(call, nodeClass="Group")


def when_destroyed(call: Callable[[], object]) -> None:
    """Calls ``call`` before a Group is deleted."""
    nuke.addOnDestroy(call, nodeClass="Group")


def when_changed(call: Callable[[], object]) -> None:
    """Calls ``call`` when a knob or an input of a Group changes or its panel is opened. Up to Nuke 16 only while
    the panel is open; from 17 on for every change, such as a move in the graph."""
    nuke.addKnobChanged(call, nodeClass="Group")


def when_updated(call: Callable[[], object]) -> None:
    """Calls ``call`` for every Group when Nuke comes to rest after a change, whether its panel is open or not."""
    nuke.addUpdateUI(call, nodeClass="Group")


def when_loaded(call: Callable[[], object]) -> None:
    """Calls ``call`` after a script was opened."""
    nuke.addOnScriptLoad(call)


def when_saving(call: Callable[[], object]) -> None:
    """Calls ``call`` before a script is saved. No document says which name it has by then."""
    nuke.addOnScriptSave(call)


def when_closing(call: Callable[[], object]) -> None:
    """Calls ``call`` before a script is closed, also when Nuke quits."""
    nuke.addOnScriptClose(call)


def when_labelled(call: Callable[[], Optional[str]]) -> None:
    """Asks ``call`` for the label of a Group; None leaves it to Nuke."""
    nuke.addAutolabel(call, nodeClass="Group")


def before_each_render(call: Callable[[], object]) -> None:
    """Calls ``call`` when a Write or DeepWrite begins to render."""
    for kind in _WRITES:
        nuke.addBeforeRender(call, nodeClass=kind)


def after_each_render(call: Callable[[], object]) -> None:
    """Calls ``call`` when a Write or DeepWrite has rendered its last frame."""
    for kind in _WRITES:
        nuke.addAfterRender(call, nodeClass=kind)


def before_each_frame(call: Callable[[], object]) -> None:
    """Calls ``call`` before each frame that a Write or DeepWrite renders, wherever the timeline is: the current
    frame is the one that is rendered. An exception in it stops the render."""
    for kind in _WRITES:
        nuke.addBeforeFrameRender(call, nodeClass=kind)


def no_longer_before_each_frame(call: Callable[[], object]) -> None:
    """Undoes :func:`before_each_frame`."""
    for kind in _WRITES:
        nuke.removeBeforeFrameRender(call, nodeClass=kind)


def add_to_menu(path: str, call: Callable[[], object]) -> None:
    """Adds a command to the Nodes toolbar; ``path`` is for example ``Keyer/Cleanplate Matte``."""
    nuke.menu("Nodes").addCommand(path, call)
