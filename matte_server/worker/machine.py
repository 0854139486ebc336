"""What the machine has: cores, memory, and how many matting processes that is enough for."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import psutil

_SHARE = 0.9
"""Of the machine's memory, for all matting processes together, where nobody says otherwise."""
_CGROUP = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_A_WORKERS = 8 << 30
"""Bytes in which a worker computes a frame of 8K (3.8 GiB at its peak) beside one that is read and one that is
written."""
_MOST_WORKERS = 4
_CORES_A_WRITER = 4
_MOST_WRITERS = 4


def cores() -> int:
    """How many of the machine's cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_budget() -> int:
    """What matting processes may take together, in bytes: most of the machine's memory, or of the container's."""
    total = psutil.virtual_memory().total
    for path in _CGROUP:
        with suppress(OSError, ValueError):
            total = min(total, int(path.read_text()))
    return int(total * _SHARE)


def workers_without_gpu(memory: int = 0) -> int:
    """How many matting processes a processor is best shared among where many frames are to be made: a frame has
    parts that use a single core, and another one's fill the others meanwhile. ``memory``: bytes for all of them
    together; 0: :func:`memory_budget`."""
    return max(1, min(cores(), (memory or memory_budget()) // _A_WORKERS, _MOST_WORKERS))


def workers_on(device: str, asked: int, cpu_workers: int) -> int:
    """How many matting processes share ``device``: as many as were asked for, or where that is 0, ``cpu_workers``
    on a processor and one on anything else."""
    return asked or (cpu_workers if device == "cpu" else 1)


def writers_beside(device: str) -> int:
    """How many frames a matting process on ``device`` encodes at once. A GPU computes several in the time that one
    takes to pack, much of which is one core's; a processor is busy with the frame itself."""
    return 1 if device == "cpu" else max(1, min(cores() // _CORES_A_WRITER, _MOST_WRITERS))
