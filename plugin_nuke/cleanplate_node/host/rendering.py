"""Renders of the plugin's own Writes, on the main thread."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence

import nuke

from ..knob_text import unquoted, words
from .node import Node, has_knob, set_value
from .script import views

Ranges = Sequence[tuple[int, int, int]]
_BUSY = "already executing"
_SCRIPTS = (".nk", ".py")
_VIEW_FLAGS = ("--view", "-view")


class RenderCancelled(Exception):
    """The artist pressed Cancel while the host rendered."""


class HostBusy(Exception):
    """Nuke is rendering something else."""


def is_rendering() -> bool:
    """Whether Nuke renders something now. It looks at its events between frames, so whatever was queued for the
    main thread may come in the middle of a render; so may a button. Expressions may have other values there
    (``[python nuke.executing()]``)."""
    return bool(nuke.executing())


def render(writes: Sequence[Node], ranges: Ranges, view: str) -> None:
    """Renders some Writes, on the main thread. Raises RenderCancelled, HostBusy, or RuntimeError with Nuke's words
    or those of a studio's own callback, which may raise anything."""
    try:
        nuke.executeMultiple(tuple(writes), tuple(ranges), [view])
    except nuke.CancelledError as error:
        raise RenderCancelled from error
    except Exception as error:  # see above
        if str(error).lower().startswith("cancelled"):
            raise RenderCancelled from error
        if _BUSY in str(error):
            raise HostBusy from error
        if isinstance(error, RuntimeError):
            raise
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


@contextlib.contextmanager
def writing(write: Node, file: str, pins: Mapping[str, object]) -> Iterator[Node]:
    """Enables a Write and sets its file name inside the ``with`` block; afterwards it is disabled without one. The
    knobs of ``pins`` are set too, and stay; those that this version of Nuke lacks are left out."""
    for name, value in pins.items():
        if has_knob(write, name):
            set_value(write, name, value)
    write["file"].setValue(file)
    write["disable"].setValue(False)
    try:
        yield write
    finally:
        write["disable"].setValue(True)
        write["file"].setValue("")


def views_written(write: Node) -> tuple[str, ...]:
    """The views that a Write renders: those that are chosen in it, else all of the script, and of these those that
    the command names. No call tells which of them is rendered now."""
    knob = write.knob("views")
    chosen = [unquoted(word) for word in words(str(knob.value() or ""))] if knob is not None else []
    written = tuple(view for view in views() if view in chosen) or views()
    named = _views_of_the_command()
    return tuple(view for view in written if view in named) or written


def _views_of_the_command() -> Sequence[str]:
    """Those that ``nuke -x --view left,right SCRIPT`` renders; none where it does not say. What stands behind a
    script is that one's own."""
    if nuke.GUI:
        return ()
    given = [*itertools.takewhile(lambda word: not word.endswith(_SCRIPTS), map(str, nuke.rawArgs))]
    return next((names.split(",") for flag, names in zip(given, given[1:]) if flag in _VIEW_FLAGS), ())


def cancel_render() -> None:
    """Cancels what the host executes now."""
    nuke.cancel()
