"""Temporary files that interrupted runs left behind: which they are, and when they are surely nobody's."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

QUIET_S = 300.0
"""No writer that is alive pauses for this long: between two pictures of a video it reads plates in 8K, which takes
a minute where their disk is far away."""
_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp(\.[^.]+)?\Z", re.DOTALL)
"""What :func:`matte_link.files.write_atomically` and ``VideoWriter`` call a file until it is complete."""


class Leftovers:
    """Files under the temporary names of ``outputs`` that are there when a run begins. Another run may be writing
    one of them: they are removed at the run's end, if nothing was written to them meanwhile or shortly before."""

    def __init__(self, outputs: Iterable[Path]) -> None:
        self._began = time.monotonic()
        wanted = set(outputs)
        # Each folder is listed once: for every frame would take time that grows with the square of their number.
        found = (entry for folder in {path.parent for path in wanted} for entry in _temporaries(folder))
        self._found = {entry: _written(entry) for entry in found if _output_of(entry) in wanted}

    def remove(self) -> None:
        """Removes those that are nobody's; others stay for a later run to remove."""
        waited = time.monotonic() - self._began
        now = {folder: _disk_time(folder) for folder in {entry.parent for entry in self._found}}
        for entry, written in self._found.items():
            # Where a file is of the future, as after a clock was set back, the time that has passed here decides.
            is_quiet = waited >= QUIET_S or (written is not None and now[entry.parent] - written >= QUIET_S * 1e9)
            if is_quiet and written == _written(entry):
                with contextlib.suppress(OSError):
                    entry.unlink()


def _temporaries(folder: Path) -> list[Path]:
    """Files that may be temporary ones; none in a folder that cannot be listed, which writing to it will tell."""
    try:
        return list(folder.glob(".*.tmp*"))
    except OSError:
        return []


def _output_of(temporary: Path) -> Path | None:
    match = _TEMPORARY.match(temporary.name)
    return temporary.with_name(match[1] + (match[2] or "")) if match else None


def _disk_time(folder: Path) -> int:
    """What time it is by the clock that dates the files of a folder, in nanoseconds: a file server's may be minutes
    behind ours, and what is written just now would look old. 0 where nothing can be written there."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return os.fstat(probe.fileno()).st_mtime_ns
    except OSError:
        return 0


def _written(path: Path) -> int | None:
    """When a file was last written to, in nanoseconds; None where it is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
