"""What the server passes to a worker process when it starts it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker is to run. ``threads`` 0 leaves the choice to the libraries."""

    spool: str
    device: str = "auto"
    threads: int = 0
    roots: tuple[str, ...] = ()
    """Folders inside which clients may name files to read and to write."""
    readable: tuple[str, ...] = ()
    """Further single files that clients may name, to read only."""
    memory: int = 0
    """Bytes that the frames of all workers may take together; 0: most of the machine's memory."""
    workers: int = 0
    cpu_workers: int = 1
    """How many workers share a CPU where ``workers``, their number, is 0; on GPUs there is then one each."""
