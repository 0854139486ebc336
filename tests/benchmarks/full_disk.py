"""A disk of some megabytes for the soak test, which is filled and emptied again while the server works on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_INSIDE = "CLEANPLATE_SOAK_DISK"
_SIZE = "96m"
_FULL_S = 20.0


def small_disk() -> Path:
    """The folder on the small disk; without one, the temporary folder."""
    return Path(tempfile.gettempdir())


def on_a_small_disk() -> bool:
    """Whether this process has a small disk for its temporary files. If it has none yet, runs the same command
    again in a mount namespace where it has one, and ends with it; returns False where nothing can be mounted."""
    if os.environ.get(_INSIDE):
        return True
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    folder = tempfile.mkdtemp(prefix="soak_")
    own = [unshare, "--map-root-user", "--mount", "sh", "-c"]
    # The spool must not evade to the memory disk.
    mounts = f"mount -t tmpfs -o size={_SIZE} tmpfs {folder} && mount -t tmpfs -o size=1m tmpfs /dev/shm"
    if subprocess.run([*own, mounts], capture_output=True).returncode:
        return False
    command = [*own, f'{mounts} && exec "$@"', "sh", *sys.orig_argv]
    done = subprocess.run(command, env={**os.environ, _INSIDE: folder, "TMPDIR": folder})
    Path(folder).rmdir()
    sys.exit(done.returncode)


class DiskFiller:
    """Fills the disk of ``folder`` ``times`` times, spread over the whole run, for 20 s each."""

    def __init__(self, folder: Path, times: int) -> None:
        self._file = folder / "filler"
        self._times = times
        self._full_until = 0.0
        self.filled = 0

    def follow(self, part: float) -> None:
        """Called often, with how much of the run is over, 0 to 1."""
        now = time.monotonic()
        if self._full_until and now > self._full_until:
            self.empty()
        elif self._full_until:
            self._fill()
        elif self.filled < self._times and part > (self.filled + 0.5) / self._times:
            self.filled += 1
            self._full_until = now + _FULL_S

    def _fill(self) -> None:
        """Takes every byte that has become free."""
        with contextlib.suppress(OSError), self._file.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    def empty(self) -> None:
        """Gives the room back."""
        self._full_until = 0.0
        self._file.unlink(missing_ok=True)
