"""The file of a plate solve: JSON with one line a frame, beside the shot's output.

Several runs may work on parts of one shot; each of them adds its frames to the file and keeps those of the others,
also where two save at once: a lock file beside it lets one of them at a time read and write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import SoftFileLock, Timeout
from matte_link.files import small_text, write_atomically

from ..core.align import Alignment
from ..core.placement import as_facts, from_facts
from ..core.window import Window

FORMAT = "cleanplate plate solve"
FORMAT_VERSION = 1
_LOCK_S = 10.0
"""A save takes milliseconds. A lock that is held for this long belongs to a run that was killed on another
machine."""
_ENOUGH_TO_TELL = 2
"""Of one frame that was measured nobody can tell whether the camera moves."""
_LONGEST_NUMBER = 18
"""Digits of a frame's number, more than any name of a file has."""
LARGEST = 1 << 30
"""Bytes of a plate solve; a million frames take less."""


@dataclass(frozen=True, eq=False)
class FrameEstimate:
    """The alignment of one frame, measured from its own two pictures. ``clean_window`` is the clean plate's data
    window; ``key`` names what the alignment was measured from, and with which options."""

    alignment: Alignment
    clean_window: Window
    key: str


@dataclass(frozen=True, eq=False)
class CameraSolve:
    """What frames sampled from the whole shot say about its camera: ``locked`` is its one alignment, None where the
    camera moves or nobody can tell; ``one_exposure`` says whether one gain fits all samples; ``sampled`` are their
    frame numbers, ``measured`` is how many of them could be measured."""

    locked: Alignment | None
    one_exposure: bool
    sampled: tuple[int, ...]
    measured: int

    @property
    def kind(self) -> str:
        """'locked', 'moving', or 'unknown' where too few frames could be measured to tell."""
        if self.locked is not None:
            return "locked"
        return "moving" if self.measured >= _ENOUGH_TO_TELL else "unknown"

    @staticmethod
    def said_to_move(sampled: tuple[int, ...]) -> CameraSolve:
        """A camera that the artist calls moving, so that nothing was compared. ``sampled`` are the frames that told
        an earlier run about it."""
        return CameraSolve(locked=None, one_exposure=False, sampled=sampled, measured=_ENOUGH_TO_TELL)


def without_figures(alignment: Alignment) -> Alignment:
    """The alignment for a frame on which it was not measured."""
    return replace(alignment, inliers=float("nan"), residual_px=float("nan"), points=0)


def alignment_facts(alignment: Alignment) -> dict[str, object]:
    """An alignment as JSON values, warnings included: what the file and a frame's request hold."""
    return {**as_facts(alignment), "warnings": list(alignment.warnings)}


def update_solve_file(
    path: Path,
    camera: CameraSolve | None,
    estimates: Mapping[int, FrameEstimate],
    alignments: Mapping[int, Alignment],
) -> None:
    """Writes estimates and final alignments, by frame number, into the file and keeps the entries of other frames.
    ``camera`` is None where nothing was found out about it: what the file says of it stays. Raises ``OSError``."""
    with _save_lock(path):
        head = _earlier_head(path) if camera is None else _head(camera)
        entries = _read_entries(path)
        _add_entries(entries, estimates, alignments)
        write_atomically(str(path), _layout(head, entries).encode())


@contextmanager
def _save_lock(path: Path) -> Iterator[None]:
    """Lets one run at a time into the block; the runs may be on several machines that share the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = SoftFileLock(path.with_name(f".{path.name}.lock"))
    while not _is_acquired(lock):
        continue
    try:
        yield
    finally:
        lock.release()


def _is_acquired(lock: SoftFileLock) -> bool:
    """Whether the lock was got within ``_LOCK_S``. One that stayed the same for so long is removed: not one that
    another run took meanwhile, as all who waited for a killed run do at one moment."""
    held = _identity(Path(lock.lock_file))
    try:
        lock.acquire(timeout=_LOCK_S)
    except Timeout:
        if held is not None and _identity(Path(lock.lock_file)) == held:
            Path(lock.lock_file).unlink(missing_ok=True)
        return False
    return True


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, and from when; None where there is none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def _add_entries(
    entries: dict[str, Any], estimates: Mapping[int, FrameEstimate], alignments: Mapping[int, Alignment]
) -> None:
    for number, estimate in estimates.items():
        entry = entries.setdefault(str(number), {})
        if entry.get("key") != estimate.key:
            entry.clear()
        window = estimate.clean_window
        entry["key"] = estimate.key
        entry["clean_window"] = [window.x, window.y, window.width, window.height]
        entry["estimate"] = alignment_facts(estimate.alignment)
    for number, alignment in alignments.items():
        entries.setdefault(str(number), {})["alignment"] = alignment_facts(alignment)


def _head(camera: CameraSolve) -> dict[str, Any]:
    locked = camera.locked
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "camera": camera.kind,
        "one_exposure": camera.one_exposure,
        "sampled": list(camera.sampled),
        "locked": alignment_facts(locked) if locked is not None else None,
    }


def _earlier_head(path: Path) -> dict[str, Any]:
    unknown = _head(CameraSolve(locked=None, one_exposure=False, sampled=(), measured=0))
    # What is written is of this version, whichever the file had.
    earlier = {**_read_facts(path), "version": FORMAT_VERSION}
    return {name: earlier.get(name, value) for name, value in unknown.items()}


def _layout(head: Mapping[str, Any], entries: Mapping[str, Any]) -> str:
    """JSON with one line for each frame, which people and version control can read."""
    lines = [f'  "{number}": {json.dumps(entries[number], sort_keys=True)}' for number in sorted(entries, key=int)]
    top = [f' "{name}": {json.dumps(value)}' for name, value in head.items()]
    return "{\n" + ",\n".join(top) + ',\n "frames": {\n' + ",\n".join(lines) + "\n }\n}\n"


def read_estimates(path: Path | None) -> dict[int, FrameEstimate]:
    """What earlier runs measured, by frame number. Entries that cannot be read are left out: those frames are
    measured again."""
    estimates = {}
    for number, entry in _read_entries(path).items():
        try:
            window = Window(*entry["clean_window"])
            alignment = from_facts(entry["estimate"])
            estimates[int(number)] = FrameEstimate(alignment=alignment, clean_window=window, key=str(entry["key"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return estimates


def read_samples(path: Path | None) -> tuple[int, ...]:
    """The frames by which an earlier run judged the camera; none where no file says."""
    sampled = _read_facts(path).get("sampled")
    if not isinstance(sampled, list) or not all(type(number) is int for number in sampled):
        return ()
    return tuple(sampled)


def _read_facts(path: Path | None) -> dict[str, Any]:
    """The file as it is; empty where there is none, or it is not a plate solve."""
    if path is None:
        return {}
    try:
        facts = json.loads(small_text(str(path), limit=LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) and facts.get("format") == FORMAT else {}


def _read_entries(path: Path | None) -> dict[str, Any]:
    """The frames' entries of earlier runs; none where there is no such file, or it is not a plate solve."""
    entries = _read_facts(path).get("frames")
    if not isinstance(entries, dict):
        return {}
    return {number: entry for number, entry in entries.items() if isinstance(entry, dict) and _is_number(number)}


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isdecimal() and len(digits) <= _LONGEST_NUMBER
