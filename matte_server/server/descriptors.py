"""How many files and connections a server may have open at a time."""

from __future__ import annotations

import contextlib

_OF_A_CLIENT = 4
"""A client's connection, and as many of its pictures and results as are open at one moment."""
_OWN = 256
"""The server's own: its workers' pipes, log, spool, metrics and the libraries' threads."""


def allow_clients(count: int) -> None:
    """Raises the limit on this process's open files, which its workers inherit, to what ``count`` clients take:
    systems begin with 256 or 1024 and let every process raise that. Where the system refuses, the limit stays."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    wanted = _OWN + _OF_A_CLIENT * count
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
