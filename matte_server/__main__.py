"""The door of the ``cleanplate`` command, and of ``python -m matte_server``.

It imports nothing before it can answer Ctrl+C, as the imports take a second or more."""

from __future__ import annotations

import os
import sys
import time

from .cli.interruption import INTERRUPTED, Interruption

_BAD_INPUT = 2


def main() -> int:
    """Runs the command; returns its exit code."""
    _hold_descriptors()
    interruption = Interruption()
    interruption.install()
    if not _is_date_held():
        words = "This machine's clock says a date beyond the year 2262, which Python does not hold. Set the clock."
        print(f"error (bad_clock): {words}", file=sys.stderr)
        return _BAD_INPUT
    try:
        if not _may_open_enough():
            return _BAD_INPUT
        from .cli.main import main as run

        code = run(interruption=interruption)
    except KeyboardInterrupt:
        print(interruption.words, file=sys.stderr)
        code = INTERRUPTED
    interruption.end()
    return code


def _hold_descriptors() -> None:
    """Leads standard streams that were closed to nothing: otherwise the next file or socket would take their place,
    and what libraries print would be written into it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _may_open_enough() -> bool:
    """Whether this process may open as many files as a command takes; says what to do where it may not: libraries
    abort, or wait for ever, where no file can be opened."""
    from .server.descriptors import FEWEST, allow_files

    allowed = allow_files(FEWEST)
    if allowed < FEWEST:
        words = f"This process may have {allowed} files open at a time, and needs {FEWEST}."
        hint = "Raise the limit in a new shell, such as with: ulimit -n 1024."
        print(f"error (few_files): {words} {hint}", file=sys.stderr)
    return allowed >= FEWEST


def _is_date_held() -> bool:
    """Whether Python can say what date it is. Where it cannot, most of its own library cannot even be imported."""
    try:
        time.time()
    except OverflowError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
