"""The door of the ``cleanplate`` command, and of ``python -m matte_server``. It imports nothing before it can
answer Ctrl+C, as the imports take a second or more."""

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


def _is_date_held() -> bool:
    """Whether Python can say what date it is. Where it cannot, most of its own library cannot even be imported."""
    try:
        time.time()
    except OverflowError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
