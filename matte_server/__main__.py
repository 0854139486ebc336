"""The door of the ``cleanplate`` command, and of ``python -m matte_server``. It imports nothing before it can
answer Ctrl+C, as the imports take a second or more."""

from __future__ import annotations

import sys

from .cli.interruption import INTERRUPTED, Interruption


def main() -> int:
    """Runs the command; returns its exit code."""
    interruption = Interruption()
    interruption.install()
    try:
        from .cli.main import main as run

        code = run(interruption=interruption)
    except KeyboardInterrupt:
        print(interruption.words, file=sys.stderr)
        code = INTERRUPTED
    interruption.end()
    return code


if __name__ == "__main__":
    sys.exit(main())
