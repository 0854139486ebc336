"""What the machine offers, how many worker processes it is enough for, and what torch is told about it."""

from __future__ import annotations

import os

import psutil

from .cgroup import memory_limit

_SHARE = 0.9
"""The default part of the machine's memory for all workers together."""
_BYTES_PER_WORKER = 8 << 30
"""Enough to compute an 8K frame (3.8 GiB at its peak) while another one is read and another one written."""
_MOST_WORKERS = 4
_CORES_PER_WRITER = 4
_MOST_WRITERS = 4


def cores() -> int:
    """How many of the machine's cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare_for_torch() -> None:
    """Sets what torch reads from the environment when it is first imported, in this process and in those that it
    starts. Variables that the user has set stay as they are.

    Waiting threads sleep: OpenMP's default of spinning makes a network eight times slower where anything else uses
    the same cores. Huge pages (torch's own switch) halve the time to allocate a new 4K picture."""
    for name, value in (("OMP_WAIT_POLICY", "PASSIVE"), ("THP_MEM_ALLOC_ENABLE", "1")):
        os.environ.setdefault(name, value)


def address_space_limit() -> int | None:
    """The bytes of memory that a process of ours may address (``ulimit -v``); None where that is not limited."""
    if not hasattr(psutil, "RLIMIT_AS"):
        return None
    limit, _ = psutil.Process().rlimit(psutil.RLIMIT_AS)
    return None if limit == psutil.RLIM_INFINITY else limit


def memory_budget() -> int:
    """How many bytes all workers may take together: most of the machine's memory, or of the container's."""
    total = psutil.virtual_memory().total
    return int(min(total, memory_limit() or total) * _SHARE)


def workers_without_gpu(memory: int = 0) -> int:
    """The best number of workers on a CPU where many frames are to be computed: parts of a frame use a single core,
    and another worker's frame keeps the others busy. ``memory``: bytes for all workers together; 0:
    :func:`memory_budget`."""
    return max(1, min(cores(), (memory or memory_budget()) // _BYTES_PER_WORKER, _MOST_WORKERS))


def workers_on(device: str, wanted: int, cpu_workers: int) -> int:
    """How many workers share ``device``: ``wanted``, or where that is 0, ``cpu_workers`` on a CPU and one on any
    other device."""
    return wanted or (cpu_workers if device == "cpu" else 1)


def writers_beside(device: str) -> int:
    """How many frames a worker on ``device`` encodes at once. A GPU computes several frames in the time that one
    core takes to compress one; a CPU is busy with computing."""
    return 1 if device == "cpu" else max(1, min(cores() // _CORES_PER_WRITER, _MOST_WRITERS))
