"""What a matting process is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is told at birth. ``threads`` 0 leaves the choice to the libraries."""

    spool: str
    device: str = "auto"
    threads: int = 0
    roots: tuple[str, ...] = ()
    memory: int = 0
    """Bytes that the frames of all workers may take together; 0: most of the machine's."""
    workers: int = 0
    cpu_workers: int = 1
    """How many there are, ``workers``; where that is 0, one per GPU or this many."""
