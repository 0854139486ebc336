"""``--watch`` of ``cleanplate matte``: the pictures of a folder are matted as they come, until interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Container
from dataclasses import replace
from pathlib import Path

from ..errors import MatteError
from ..shots.arguments import ShotOrder
from ..shots.portraits import pictures_in
from ..shots.shot import Shot
from . import console

LOOK_S = 2.0
"""Seconds between two looks at the folder; a file that did not change between them is taken for complete."""
_State = tuple[int, int]


def check_watched(order: ShotOrder) -> None:
    """Raises ``MatteError("bad_option", ...)`` where there is no folder to watch."""
    if not Path(order.plate).is_dir():
        raise MatteError("bad_option", f"--watch needs a folder of pictures, and {order.plate} is none.")


def watch(order: ShotOrder, matte_shot: Callable[[Shot], int], look_s: float = LOOK_S) -> int:
    """Mattes what lies in the folder and what is added to it; ``matte_shot`` makes a planned shot and returns its
    exit code. Ends when interrupted: with 0 where every picture was made, else with 1."""
    folder = Path(order.plate)
    tried: dict[Path, _State] = {}
    before: dict[Path, _State] = {}
    code = console.OK
    console.tell(f"watching {folder}; Ctrl+C ends it")
    try:
        while True:
            now = _states(folder)
            ready = {path: state for path, state in now.items() if before.get(path) == state != tried.get(path)}
            if ready:
                code = max(code, _matte(order, ready.keys(), matte_shot))
                tried |= ready
            before = now
            time.sleep(look_s)
    except KeyboardInterrupt:
        console.tell(f"{len(tried)} pictures of {folder} were looked at.")
        return code


def _states(folder: Path) -> dict[Path, _State]:
    """When each picture was last written, and its size; a file that vanishes meanwhile is left out."""
    states = {}
    for path in pictures_in(folder):
        try:
            facts = path.stat()
        except OSError:
            continue
        states[path] = (facts.st_mtime_ns, facts.st_size)
    return states


def _matte(order: ShotOrder, paths: Container[Path], matte_shot: Callable[[Shot], int]) -> int:
    try:
        shot = order.plan()
        return matte_shot(replace(shot, frames=tuple(frame for frame in shot.frames if frame.plate in paths)))
    except MatteError as error:
        # Such as a clean plate that is not there yet: the others that come are tried all the same.
        console.complain(str(error), error.code)
        return console.FRAMES_FAILED
