"""One chunk of a shot on a farm's worker: the frames through the session's server, told in the farm's words.

Lines that begin with ``openjd_`` are read by Open Job Description schedulers; to others they are a readable log.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from matte_link.client import MatteClient
from matte_link.endpoint import ADDRESS_VARIABLE, Endpoint
from matte_link.messages import Progress

from ..server.local_server import endpoint_of, server_for
from ..shots.batch import run_shot
from ..shots.reports import FrameReport, ShotReport, summary_of
from ..shots.shot import Shot

PATIENCE_S = 180.0
"""How long a chunk waits for a server that is silent, restarting or full before it fails."""


def run_chunk(shot: Shot) -> ShotReport:
    """Makes the chunk's frames; frames that are there already from the same inputs are kept."""
    teller = _Teller(len(shot.frames))
    with _server() as endpoint, MatteClient(endpoint, PATIENCE_S) as client, _interruptible():
        report = run_shot(shot, client, teller)
    if report.stopped:
        _say(f"openjd_fail: {report.stopped}")
    elif report.failed:
        first = report.failed[0]
        _say(f"openjd_fail: {len(report.failed)} of {len(shot.frames)} frames failed; {first.message}")
    elif len(report.frames) < len(shot.frames):
        _say(f"openjd_fail: {len(shot.frames) - len(report.frames)} of {len(shot.frames)} frames were not tried.")
    return report


@contextmanager
def _server() -> Iterator[Endpoint]:
    """The session's server where the environment names one: then it must be that one, and no other. Else one on
    the default address, else one for this chunk alone."""
    if not os.environ.get(ADDRESS_VARIABLE):
        with server_for("") as endpoint:
            yield endpoint
        return
    yield endpoint_of()


@contextmanager
def _interruptible() -> Iterator[None]:
    """A farm cancels with SIGTERM; the frames under way are then cancelled on the server too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Teller:
    """Tells the farm how far the chunk is."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0

    def __call__(self, event: FrameReport | tuple[int, Progress]) -> None:
        if not isinstance(event, FrameReport):
            return
        self._ended += 1
        words = {"done": summary_of(event.diagnostics), "skipped": "already there"}
        _say(f"openjd_status: frame {event.frame} {event.status}")
        _say(f"openjd_progress: {100 * self._ended / self._total:.1f}")
        _say(f"frame {event.frame} {event.status}: {words.get(event.status, f'{event.code}: {event.message}')}")


def _say(line: str) -> None:
    print(line.replace("\n", " "), flush=True)
