"""What each node is doing now: one run at a time, and the outcome of each."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Optional

from matte_link.errors import LinkError

from . import host

_running: dict[str, NodeRun] = {}
"""The runs that have not ended, by the node's id."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended. ``text`` is for the artist or a farm's log; ``code`` is empty if nothing went wrong."""

    done: int
    total: int
    code: str
    text: str

    @property
    def succeeded(self) -> bool:
        """Whether all of it was done."""
        return not self.code and self.done == self.total


class NodeRun:
    """Something that a node does on a thread of its own. ``outcome`` is None until it has ended; then ``on_end`` is
    called with it, on the main thread. ``makes`` are the frames whose results it replaces.

    A run in the background ends where another run of its node begins.
    """

    def __init__(self, node: host.Node, node_id: str, is_background: bool = False) -> None:
        self.node = node
        self.node_id = node_id
        self.is_background = is_background
        self.makes: Collection[int] = ()
        self.outcome: Optional[RunOutcome] = None
        self.on_end: Callable[[RunOutcome], None] = lambda outcome: None
        self._cancel = threading.Event()

    def cancel(self) -> None:
        """Stops within a moment; what was finished stays."""
        self._cancel.set()

    def leave(self) -> None:
        """The script is closed, so nobody waits for the run any longer."""
        self.cancel()

    def start(self) -> None:
        """Starts the thread and returns. Without a window it returns only when the run has ended."""
        _running[self.node_id] = self
        if host.has_window():
            threading.Thread(target=self._work, name="cleanplate-node", daemon=True).start()
        else:
            self._work()

    def _work(self) -> None:
        """On the run's own thread. Must call :meth:`_ended` on the main thread, whatever happens."""
        raise NotImplementedError

    def _is_current(self) -> bool:
        """Whether the node is there and no other run has taken this one's place."""
        return host.exists(self.node) and _running.get(self.node_id) is self

    def _ended(self) -> None:
        if _running.get(self.node_id) is self:
            del _running[self.node_id]


_at_work: list[str] = []
"""The names of the nodes whose button is carried out now on the main thread."""


@contextlib.contextmanager
def at_work(node: host.Node) -> Iterator[None]:
    """A button is carried out inside the ``with`` block. Nuke looks at its events meanwhile, as often as a progress
    bar moves and as long as a question is open, so another button may come. Raises ``LinkError`` then, and in the
    middle of a render, which may be that of the node's own plates."""
    if _at_work:
        raise LinkError(f"{_at_work[-1]} is at work.", "Try again in a moment.")
    if host.is_rendering():
        raise LinkError("Nuke is rendering something else.", "Try again when it is done.")
    _at_work.append(host.full_name(node))
    try:
        yield
    finally:
        _at_work.pop()


def must_wait() -> bool:
    """Whether Nuke renders, or a button is carried out: what is not asked for then waits."""
    return bool(_at_work) or host.is_rendering()


def running(node: host.Node) -> Optional[NodeRun]:
    """The run of a node that has not ended, or None."""
    return _running.get(str(host.value(node, "node_id")))


def all_running() -> list[NodeRun]:
    """The runs of all nodes that have not ended."""
    return list(_running.values())


def give_way(node: host.Node) -> None:
    """Has a run in the background end by itself, so that another one can begin at once."""
    found = running(node)
    if found and found.is_background:
        del _running[found.node_id]
        found.cancel()
