"""``--watch`` of ``cleanplate matte``: the pictures of a folder are matted as they come, until interrupted.

A picture is matted once it and the other files that it needs, such as its clean plate, are there and did not change
between two looks at the folder. A picture that is written again is matted again, and what was made of it here is
replaced. One that failed is tried again when any of its files changes. Other results are replaced only where the
command says ``--overwrite``.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout
from matte_link.sequence import counted

from ..errors import MatteError
from ..shots.arguments import ShotOrder
from ..shots.portraits import portraits_in
from ..shots.reports import ResultStatus, ShotReport
from ..shots.shot import Shot, ShotFrame, frame_inputs, frame_outputs
from . import console

LOOK_S = 2.0
"""Seconds between two looks at the folder."""
_LOCK = ".cleanplate-watch.lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What file servers say that keep no locks."""
_States = tuple[tuple[Path, int, int], ...]
"""Of each file: its path, when it was written (ns), its size in bytes."""


def check_watched(order: ShotOrder) -> None:
    """Raises ``MatteError``, bad_option and others, where there is no folder to watch, or nothing could be made of
    any picture in it."""
    if not Path(order.plate).is_dir():
        why = "is none" if Path(order.plate).exists() else "does not exist"
        raise MatteError(
            "bad_option", f"--watch needs a folder of pictures, and {order.plate} {why}.", "Correct the name."
        )
    order.plan_arrived([])


def watch(order: ShotOrder, matte_shot: Callable[[Shot], ShotReport], look_s: float = LOOK_S) -> int:
    """Mattes what lies in the folder and what is added to it; ``matte_shot`` makes a planned shot. Ends when
    interrupted: with 0 where every picture was made, else with 1. Raises ``MatteError("bad_output", ...)`` where
    another command watches for the same output folder."""
    with _lock_of(Path(order.output)):
        watched = WatchedFolder(order, matte_shot)
        console.tell(f"watching {order.plate}; Ctrl+C ends it")
        try:
            while True:
                watched.look()
                time.sleep(look_s)
        except KeyboardInterrupt:
            return watched.conclude()


@contextmanager
def _lock_of(output: Path) -> Iterator[None]:
    """Two commands that make the same files would remove each other's unfinished ones."""
    output.mkdir(parents=True, exist_ok=True)
    lock = FileLock(output / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise MatteError(
            "bad_output",
            f"Another 'cleanplate matte --watch' writes to {output}.",
            "End it, or name another folder for the results.",
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        console.warn(f"{output} lies on a disk without locks: see that no other --watch writes to it.")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (output / _LOCK).unlink()
        lock.release()


@dataclass(frozen=True)
class _MadePicture:
    """The states of a picture and of its results when these were made."""

    picture: _States
    results: _States


class WatchedFolder:
    """What is known of the pictures of a folder."""

    def __init__(self, order: ShotOrder, matte_shot: Callable[[Shot], ShotReport]) -> None:
        self._order = order
        self._matte_shot = matte_shot
        self._before: dict[Path, _States] = {}
        self._made: dict[Path, _MadePicture] = {}
        self._failed: dict[Path, _States] = {}
        self._pending: list[Path] = []
        self._reported: set[str] = set()

    def look(self) -> None:
        """Looks at the folder once, and mattes what is ready."""
        try:
            shot = self._planned()
        except OSError as error:
            # Such as a network disk that is away for a while.
            self._report_once(f"{error.filename} cannot be read: {error.strerror}.", "missing_file")
            return
        now = {frame.plate: _states(frame_inputs(frame)) for frame in shot.frames}
        ready = [frame for frame in shot.frames if self._is_ready(frame.plate, now[frame.plate])]
        self._before = now
        # Its own results may be replaced where the picture was written again; all others stay.
        again = [frame for frame in ready if self._may_replace(frame)]
        first = [frame for frame in ready if frame not in again]
        for frames, overwrite in ((first, shot.overwrite), (again, True)):
            if frames:
                self._matte(replace(shot, frames=tuple(frames), overwrite=overwrite), now)

    def _planned(self) -> Shot:
        """The plan for the pictures that are not made and have all their files; complains of the others."""
        pictures = portraits_in(self._order.sources)
        self._forget_all_but(pictures)
        self._pending = [path for path in pictures if not self._is_made(path)]
        shot, waiting = self._order.plan_arrived(self._pending)
        for error in waiting.values():
            self._report_once(str(error), error.code)
        return shot

    def conclude(self) -> int:
        """Prints how many pictures were made; returns the exit code."""
        failed, made = len(self._failed), len(self._made.keys() - self._failed.keys())
        waiting = len(set(self._pending) - self._made.keys() - self._failed.keys())
        console.tell(f"{counted(made, 'picture')} done, {failed} failed, {waiting} not tried.")
        return console.FRAMES_FAILED if failed or waiting else console.OK

    def _forget_all_but(self, pictures: Iterable[Path]) -> None:
        there = set(pictures)
        self._made = {path: made for path, made in self._made.items() if path in there}
        self._failed = {path: states for path, states in self._failed.items() if path in there}

    def _is_made(self, path: Path) -> bool:
        made = self._made.get(path)
        return made is not None and made.picture == _states([path])

    def _is_ready(self, path: Path, now: _States) -> bool:
        return self._before.get(path) == now != self._failed.get(path)

    def _may_replace(self, frame: ShotFrame) -> bool:
        made = self._made.get(frame.plate)
        return made is not None and made.results == _states(frame_outputs(frame))

    def _matte(self, shot: Shot, states: dict[Path, _States]) -> None:
        try:
            report = self._matte_shot(shot)
        except MatteError as error:
            self._report_once(str(error), error.code)
            return
        statuses = {frame.frame: frame.status for frame in report.frames}
        for frame in shot.frames:
            status = statuses.get(frame.frame)
            if status == ResultStatus.FAILED:
                self._failed[frame.plate] = states[frame.plate]
            elif status is not None:
                self._failed.pop(frame.plate, None)
                own = tuple(state for state in states[frame.plate] if state[0] == frame.plate)
                self._made[frame.plate] = _MadePicture(picture=own, results=_states(frame_outputs(frame)))

    def _report_once(self, message: str, code: str) -> None:
        """Complains of what may still change, such as a clean plate that is not there yet."""
        if message not in self._reported:
            self._reported.add(message)
            console.complain(message, code)


def _states(paths: Iterable[Path]) -> _States:
    """The states of files; those that are not there are left out."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            facts = path.stat()
            found.append((path, facts.st_mtime_ns, facts.st_size))
    return tuple(found)
