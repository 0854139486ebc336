"""What Nuke calls: nodes that appear, change and go, labels, renders, and the menu."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

import nuke


def when_created(call: Callable[[], object]) -> None:
    """``call`` for every Group that appears: made, pasted, or read from a script."""
    nuke.addOnCreate(call, nodeClass="Group")


def when_destroyed(call: Callable[[], object]) -> None:
    """``call`` before a Group goes."""
    nuke.addOnDestroy(call, nodeClass="Group")


def when_changed(call: Callable[[], object]) -> None:
    """``call`` for every changed knob, input or opened panel of a Group."""
    nuke.addKnobChanged(call, nodeClass="Group")


def when_loaded(call: Callable[[], object]) -> None:
    """``call`` after a script was read."""
    nuke.addOnScriptLoad(call)


def when_closing(call: Callable[[], object]) -> None:
    """``call`` before a script is closed, or the host with it."""
    nuke.addOnScriptClose(call)


def when_labelled(call: Callable[[], Optional[str]]) -> None:
    """``call`` gives the text that a Group shows, or None for the host's own."""
    nuke.addAutolabel(call, nodeClass="Group")


def before_renders(call: Callable[[], object]) -> None:
    """``call`` before any Write renders; an exception in it stops the render."""
    nuke.addBeforeRender(call, nodeClass="Write")


def before_each_frame(call: Callable[[], object]) -> None:
    """``call`` before each frame that a Write renders."""
    nuke.addBeforeFrameRender(call, nodeClass="Write")


def no_longer_before_each_frame(call: Callable[[], object]) -> None:
    """Takes :func:`before_each_frame` back."""
    nuke.removeBeforeFrameRender(call, nodeClass="Write")


def add_to_menu(path: str, call: Callable[[], object]) -> None:
    """A command in the Nodes toolbar, for example under ``Keyer/Cleanplate Matte``."""
    nuke.menu("Nodes").addCommand(path, call)
