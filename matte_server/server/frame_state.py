"""The life of a frame on the server, as one state and a table of transitions (after h11's ``_state.py``).

Normally a frame goes QUEUED, READ_AHEAD (where a worker is free to decode it early), RUNNING, ENDED. One that ran
out of memory or of disk, or whose worker died before it began or with another frame, is computed again by itself:
ISOLATED_WAITING, ISOLATED_RUNNING, ENDED. A frame that is abandoned while it waits ends at once; one that a worker
has becomes ABANDONED or ISOLATED_ABANDONED until that worker has stopped. Whatever the table does not list is an
error.
"""

from __future__ import annotations

from enum import Enum, auto


class FrameState(Enum):
    """Where a frame is."""

    QUEUED = auto()
    """Waits for its client's turn."""
    READ_AHEAD = auto()
    """Waits for its client's turn; a worker was told to decode its pictures meanwhile."""
    RUNNING = auto()
    """A worker computes or writes it."""
    ISOLATED_WAITING = auto()
    """Waits until no other frame is running, because it is computed again by itself."""
    ISOLATED_RUNNING = auto()
    """A worker computes or writes it, and no other frame may start."""
    ABANDONED = auto()
    """Nobody wants it any more, but its worker has not stopped yet."""
    ISOLATED_ABANDONED = auto()
    """The same for a frame that ran by itself."""
    ENDED = auto()
    """Answered or dropped; the server has forgotten it."""

    @property
    def is_running(self) -> bool:
        """Whether a worker has the frame."""
        return self in _RUNNING

    @property
    def is_isolated(self) -> bool:
        """Whether a worker has the frame and no other frame may start."""
        return self in (FrameState.ISOLATED_RUNNING, FrameState.ISOLATED_ABANDONED)

    @property
    def is_abandoned(self) -> bool:
        """Whether only its worker is waited for."""
        return self in (FrameState.ABANDONED, FrameState.ISOLATED_ABANDONED)


_RUNNING = (
    FrameState.RUNNING,
    FrameState.ISOLATED_RUNNING,
    FrameState.ABANDONED,
    FrameState.ISOLATED_ABANDONED,
)


class FrameEvent(Enum):
    """What happens to a frame."""

    READ_AHEAD = auto()
    """A worker is told to decode its pictures ahead of its turn."""
    START = auto()
    """A worker gets it."""
    ISOLATE = auto()
    """It is to be computed again, by itself: it ran out of memory or of disk, or a worker died that also had
    another frame."""
    ABANDON = auto()
    """Its client cancelled it or is gone, or the server cannot compute anything."""
    END = auto()
    """Its worker finished it, reported a failure, or died."""


TRANSITIONS: dict[tuple[FrameState, FrameEvent], FrameState] = {
    (FrameState.QUEUED, FrameEvent.READ_AHEAD): FrameState.READ_AHEAD,
    (FrameState.QUEUED, FrameEvent.START): FrameState.RUNNING,
    (FrameState.QUEUED, FrameEvent.ABANDON): FrameState.ENDED,
    (FrameState.READ_AHEAD, FrameEvent.START): FrameState.RUNNING,
    (FrameState.READ_AHEAD, FrameEvent.ISOLATE): FrameState.ISOLATED_WAITING,
    (FrameState.READ_AHEAD, FrameEvent.ABANDON): FrameState.ENDED,
    (FrameState.RUNNING, FrameEvent.ISOLATE): FrameState.ISOLATED_WAITING,
    (FrameState.RUNNING, FrameEvent.ABANDON): FrameState.ABANDONED,
    (FrameState.RUNNING, FrameEvent.END): FrameState.ENDED,
    (FrameState.ISOLATED_WAITING, FrameEvent.START): FrameState.ISOLATED_RUNNING,
    (FrameState.ISOLATED_WAITING, FrameEvent.ABANDON): FrameState.ENDED,
    (FrameState.ISOLATED_RUNNING, FrameEvent.ISOLATE): FrameState.ISOLATED_WAITING,
    (FrameState.ISOLATED_RUNNING, FrameEvent.ABANDON): FrameState.ISOLATED_ABANDONED,
    (FrameState.ISOLATED_RUNNING, FrameEvent.END): FrameState.ENDED,
    (FrameState.ABANDONED, FrameEvent.END): FrameState.ENDED,
    (FrameState.ISOLATED_ABANDONED, FrameEvent.END): FrameState.ENDED,
}


class FrameStateError(RuntimeError):
    """An event that cannot happen to a frame in its state: a defect of the server."""


def next_state(state: FrameState, event: FrameEvent) -> FrameState:
    """The state after an event. Raises :class:`FrameStateError`."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise FrameStateError(f"{event.name} cannot happen to a frame that is {state.name}.") from None
