"""How many files and connections a process may have open at a time."""

from __future__ import annotations

FEWEST = 64
"""A command with a server of its own fails in odd ways with 32, and works with 48."""
_OF_A_CLIENT = 4
"""A client's connection, and as many of its pictures and results as are open at one moment."""
_OWN = 256
"""The server's own: its workers' pipes, log, spool, metrics and the libraries' threads."""


def allow_clients(count: int) -> None:
    """As :func:`allow_files`, to what ``count`` clients of a server take."""
    allow_files(_OWN + _OF_A_CLIENT * count)


def allow_files(wanted: int) -> int:
    """Raises the limit on this process's open files, which processes that it starts inherit, to ``wanted``: systems
    begin with 256 or 1024 and let every process raise that. Where the system refuses, the limit stays. Returns how
    many of those wanted may be open then."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    except (OSError, ValueError):
        return soft
    return reachable
