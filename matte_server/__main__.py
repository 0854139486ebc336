"""The door of the ``cleanplate`` command, and of ``python -m matte_server``. It imports nothing before it can
answer Ctrl+C, as the imports take a second or more."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> int:
    """Runs the command; returns its exit code."""
    try:
        from .cli.main import main as run
    except KeyboardInterrupt:
        print("error: Interrupted before anything was started.", file=sys.stderr)
        return _INTERRUPTED
    return run()


if __name__ == "__main__":
    sys.exit(main())
