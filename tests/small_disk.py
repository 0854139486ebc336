"""A folder of a few kilobytes, in a mount namespace of its own: what is written there meets a real full disk. And
the system's own limit of a file's size, which cuts a file in the same way and costs no process."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest


def python_beside_a_small_disk(code: str, folder: Path, size: str, *more: str) -> str:
    """Runs Python code (``sys.argv[1]`` is the folder, then ``more``) with ``folder`` on a disk of ``size`` bytes,
    written as mount writes them; returns what it printed. What it wrote to the folder is gone afterwards. Skips
    where nothing can be mounted."""
    return on_small_disks([sys.executable, "-c", code, str(folder), *more], {folder: size})


def on_small_disks(command: list[str], disks: Mapping[Path, str], ok: bool = True) -> str:
    """Runs a command with each of ``disks`` mounted; returns both of its streams."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no mount namespaces here")
    mounts = [f"mount -t tmpfs -o size={size} tmpfs '{folder}'" for folder, size in disks.items()]
    for folder in disks:
        folder.mkdir(parents=True, exist_ok=True)
    own = [unshare, "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*own, " && ".join(mounts)], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    done = subprocess.run(
        [*own, " && ".join([*mounts, 'exec "$@"']), "sh", *command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert (done.returncode == 0) == ok, done.stdout
    return done.stdout


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """This process writes no byte of any file beyond ``size``, as ``ulimit -f`` has it. Skips where no system does
    that."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
