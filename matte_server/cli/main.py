"""The ``cleanplate`` command: puts the parts together and turns errors into sentences and exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from matte_link.errors import LinkError

from ..errors import MatteError
from . import console
from .parser import CommandParser

DESCRIPTION = """\
Cleanplate makes a float alpha and an unpremultiplied foreground out of a shot (the plate)
and the same view without the subject (the clean plate).
"""
EPILOG = """\
start here:
  cleanplate demo                                       a packaged shot, to see that everything works
  cleanplate matte plate.####.exr --clean clean.exr -o matte.####.exr
  cleanplate matte --help                               every option of a matte

exit codes of every command: 0 done, 1 done in part, 2 the input cannot work, 3 no server, 4 the clean plate shows
another place, 130 interrupted
"""


COMPLETING = "_ARGCOMPLETE"
"""Set where a shell asks how a line could go on: see :mod:`.completion`."""
COMMANDS = (
    "demo",
    "matte",
    "build-plate",
    "learn",
    "serve",
    "status",
    "doctor",
    "keys",
    "farm",
    "evaluate",
    "models",
    "completion",
)
"""In the order of the help; each is a module of this package, with _ for -."""


def parser(wanted: str = "") -> argparse.ArgumentParser:
    """The whole command line. With ``wanted``, one of :data:`COMMANDS`, that command alone: importing what the
    others need would take longer than many a command."""
    top = CommandParser(
        prog="cleanplate",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    top.add_argument("--version", action="version", version=_version())
    top.set_defaults(run=lambda arguments: _print_help(top))
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND")
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        import_module(f".{name.replace('-', '_')}", __package__).add_parser(subparsers)
    subparsers.add_parser("version", help="print the version").set_defaults(run=_print_version)
    asked = subparsers.add_parser("help", help="print this, or a command's help")
    asked.add_argument("topic", nargs="?", default="", metavar="COMMAND", choices=("", *COMMANDS), help="a command")
    asked.set_defaults(run=lambda arguments: _print_help(subparsers.choices.get(arguments.topic, top)))
    return top


def _version() -> str:
    return f"cleanplate {version('cleanplate')}"


def _print_version(arguments: argparse.Namespace) -> int:
    print(_version())
    return console.OK


def _print_help(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return console.OK


def _complete() -> None:
    """Answers a shell that completes a line, and ends the process."""
    import argcomplete

    line = os.environ.get("COMP_LINE", "").split()
    argcomplete.autocomplete(parser(line[1] if len(line) > 1 else ""))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: see ``cleanplate matte --help``."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if COMPLETING in os.environ:
        _complete()
    parsed = parser(words[0] if words else "").parse_args(words)
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()
        return code
    except MatteError as error:
        console.complain(str(error), error.code)
        return console.BAD_INPUT
    except LinkError as error:
        console.complain(str(error), error.code)
        return console.NO_SERVER
    except KeyboardInterrupt:
        console.complain("Interrupted; what is finished stays, and the same command goes on from there.")
        return console.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output, such as "head", has enough. Python must not try to flush the rest at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return console.PIPE_CLOSED


if __name__ == "__main__":
    sys.exit(main())
