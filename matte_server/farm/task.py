"""One chunk of a shot on a farm's worker: makes its frames through the session's server and prints its progress.

Lines that begin with ``openjd_`` are read by Open Job Description schedulers; elsewhere they are a readable log.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from matte_link.client import MatteClient
from matte_link.endpoint import ADDRESS_VARIABLE, Endpoint
from matte_link.messages import Progress
from matte_link.sequence import counted, format_frames

from ..server.local_server import endpoint_of, server_for
from ..shots.arguments import ShotOrder
from ..shots.batch import run_shot
from ..shots.option_files import files_of
from ..shots.plan import frame_numbers
from ..shots.reports import FrameReport, ResultStatus, ShotReport, summary_of
from ..shots.role_files import input_pattern
from ..shots.shot import Shot
from . import resident

PATIENCE_S = 180.0
"""For how many seconds a chunk waits for a server that is silent, restarting or full before it fails."""
_OWN_PATIENCE_S = 30.0
"""The same for a server of the session's own, which nobody starts again and nobody else fills."""


def without_missing(order: ShotOrder) -> tuple[ShotOrder, tuple[int, ...]]:
    """The order without the frames whose plate is not there, and the numbers of those: a render that is late fails
    its own frame, not the chunk. Unchanged where none is there, or the plate is no sequence."""
    pattern = input_pattern(order.plate)
    frames = frame_numbers(order.frames) if order.frames else ()
    missing = tuple(frame for frame in frames if pattern.is_sequence and not pattern.path(frame).is_file())
    if not missing or len(missing) == len(frames):
        return order, ()
    there = format_frames(frame for frame in frames if frame not in missing)
    return replace(order, frames=there), missing


def print_failure(message: str) -> None:
    """Has the farm show why the task failed."""
    _print(f"openjd_fail: {message}")


def run_chunk(shot: Shot, missing: tuple[int, ...] = ()) -> ShotReport:
    """Makes the chunk's frames; results that were made from the same inputs are kept. ``missing``: frames of the
    chunk that have no plate."""
    for frame in missing:
        _print(f"frame {frame} failed: missing_file: its plate does not exist")
    with _server(shot) as endpoint, MatteClient(endpoint, _patience_s(endpoint)) as client:
        report = run_shot(shot, client, _ChunkProgress(len(shot.frames)))
    if report.stopped:
        _print(f"openjd_fail: {report.stopped}")
    elif report.failed or missing:
        count, total = len(report.failed) + len(missing), len(shot.frames) + len(missing)
        first = report.failed[0].message if report.failed else f"the plate of frame {missing[0]} does not exist."
        print_failure(f"{count} of {counted(total, 'frame')} failed; {first}")
    elif len(report.frames) < len(shot.frames):
        left = len(shot.frames) - len(report.frames)
        _print(f"openjd_fail: {left} of {counted(len(shot.frames), 'frame')} were not tried.")
    return report


@contextmanager
def _server(shot: Shot) -> Iterator[Endpoint]:
    """The session's server, where the environment names one; no other will do then, but one that takes the place of
    the session's own. Otherwise a server on the default address, or else one for this chunk alone."""
    if not os.environ.get(ADDRESS_VARIABLE):
        with server_for("", files=files_of([shot.options]), on_progress=_print) as endpoint:
            yield endpoint
        return
    state = os.environ.get(resident.STATE_VARIABLE)
    own = resident.for_task(Path(state), _print) if state else None
    # Without a state file nobody can start the session's server again, but it may be there.
    yield replace(endpoint_of(own.address, own.keys) if own else endpoint_of(), is_own=bool(state))


def _patience_s(endpoint: Endpoint) -> float:
    return _OWN_PATIENCE_S if endpoint.is_own else PATIENCE_S


class _ChunkProgress:
    """Prints each frame's end and how much of the chunk is done, in per cent."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0
        self._reported: set[str] = set()

    def __call__(self, event: FrameReport | tuple[int, Progress]) -> None:
        if not isinstance(event, FrameReport):
            return
        self._ended += 1
        _print(f"openjd_status: frame {event.frame} {event.status}")
        _print(f"openjd_progress: {100 * self._ended / self._total:.1f}")
        _print(f"frame {event.frame} {event.status}: {self._outcome(event)}")

    def _outcome(self, report: FrameReport) -> str:
        if report.status == ResultStatus.FAILED:
            return f"{report.code}: {report.message}"
        return (
            "already there"
            if report.status == ResultStatus.SKIPPED
            else summary_of(report.diagnostics, self._reported)
        )


def _print(line: str) -> None:
    print(line.replace("\n", " "), flush=True)
