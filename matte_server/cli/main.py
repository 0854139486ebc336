"""The ``cleanplate`` command: puts the parts together and turns errors into sentences and exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from matte_link.errors import LinkError

from ..errors import MatteError
from . import build_plate, console, demo, doctor, evaluate, farm, keys, learn, matte, models, serve, status

DESCRIPTION = """\
Cleanplate makes a float alpha and an unpremultiplied foreground out of a shot (the plate)
and the same view without the subject (the clean plate).
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="cleanplate", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"cleanplate {version('cleanplate')}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (demo, matte, build_plate, learn, serve, status, doctor, keys, farm, evaluate, models):
        command.add_parser(subparsers)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: see ``cleanplate matte --help``."""
    parsed = parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except MatteError as error:
        console.complain(str(error), error.code)
        return console.BAD_INPUT
    except LinkError as error:
        console.complain(str(error), error.code)
        return console.NO_SERVER
    except KeyboardInterrupt:
        console.complain("Interrupted; what is finished stays, and the same command goes on from there.")
        return console.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
