"""Renders of the plugin's own Writes, on the main thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import nuke

from .node import Node

Ranges = Sequence[tuple[int, int, int]]
_BUSY = "already executing"


class RenderCancelled(Exception):
    """The artist pressed Cancel while the host rendered."""


class HostBusy(Exception):
    """Nuke is rendering something else."""


def render(writes: Sequence[Node], ranges: Ranges, view: str) -> None:
    """Renders some Writes, on the main thread. Raises RenderCancelled, HostBusy, or Nuke's RuntimeError."""
    try:
        nuke.executeMultiple(tuple(writes), tuple(ranges), [view])
    except nuke.CancelledError as error:
        raise RenderCancelled from error
    except RuntimeError as error:
        if str(error).lower().startswith("cancelled"):
            raise RenderCancelled from error
        if _BUSY in str(error):
            raise HostBusy from error
        raise


@contextlib.contextmanager
def writing(write: Node, file: str) -> Iterator[Node]:
    """Enables a Write and sets its file name inside the ``with`` block; afterwards it is disabled without one."""
    write["file"].setValue(file)
    write["disable"].setValue(False)
    try:
        yield write
    finally:
        write["disable"].setValue(True)
        write["file"].setValue("")


def cancel_render() -> None:
    """Cancels what the host executes now."""
    nuke.cancel()
