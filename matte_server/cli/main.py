"""The ``cleanplate`` command: puts the parts together and turns errors into sentences and exit codes."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from importlib import import_module
from importlib.metadata import version
from typing import Any

from matte_link.errors import LinkError
from matte_link.files import disk_words

from ..errors import MatteError, is_out_of_memory, is_out_of_processes, name_too_long, report_of
from ..io.library_output import libraries_silenced
from ..worker.machine import address_space_limit
from . import console
from .interruption import Interruption
from .parser import CommandParser

DESCRIPTION = """\
Cleanplate makes a float alpha and an unpremultiplied foreground out of a shot (the plate)
and the same view without the subject (the clean plate).
"""
EPILOG = """\
start here:
  cleanplate demo             a packaged shot, to see that everything works
  cleanplate matte plate.####.exr --clean clean.exr -o matte.####.exr
  cleanplate matte --help     every option of a matte

exit codes of every command: 0 done, 1 done in part, 2 the input cannot work, 3 no server, 4 the clean plate shows
another place, 130 interrupted
"""


COMPLETING = "_ARGCOMPLETE"
"""Set where a shell asks how a line could go on: see :mod:`.completion`."""
COMMANDS = {
    "demo": "matte a packaged shot and look at the result",
    "matte": "make mattes of a frame or a shot",
    "build-plate": "build a clean plate from the shot itself",
    "learn": "train the network on one shot, from a few mended mattes",
    "serve": "run a matting server",
    "status": "show what a matting server is doing",
    "doctor": "look for what would fail on this machine, and what to do",
    "keys": "make keys for a server that other machines reach",
    "farm": "make jobs for a render farm",
    "evaluate": "measure results against their truth",
    "models": "list the matting models, choose or fetch their weights",
    "completion": "print what makes a shell complete the words of this command",
}
"""What each command does, in the order of the help; each is a module of this package, with _ for -."""
_LOOKING = ("status", "doctor", "evaluate", "completion")
"""Commands that leave nothing half done."""
_COMPUTING = ("demo", "matte", "build-plate", "learn", "evaluate")
_LITTLE_MEMORY = 4 << 30
"""The libraries alone take 3.8 GiB of addresses where torch has CUDA's beside it."""
_MORE_MEMORY = "Use smaller pictures, raise the limit (ulimit -v), or use a machine with more memory."


class _Command(CommandParser):
    """The parser of the command that ``module`` has. Its arguments are added when the command is called: to import
    what all commands need takes longer than many a command. Parsers below it have no module."""

    def __init__(self, *arguments: Any, module: str = "", **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._module = module

    def load(self) -> None:
        """Adds the command's own arguments, once."""
        module, self._module = self._module, ""
        if module:
            import_module(f".{module}", __package__).add_arguments(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, with the command's own arguments."""
        self.load()
        return super().parse_known_args(args, namespace)

    def format_help(self) -> str:
        """As argparse does, with the command's own arguments."""
        self.load()
        return super().format_help()


def parser(loaded: str = "") -> argparse.ArgumentParser:
    """The whole command line. ``loaded`` is a command whose arguments are added at once."""
    top = CommandParser(
        prog="cleanplate",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    top.add_argument("--version", action="version", version=_version())
    top.set_defaults(run=lambda arguments: _print_help(top))
    commands = top.add_subparsers(title="commands", metavar="COMMAND", parser_class=_Command)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, module=name.replace("-", "_"))
        if name == loaded:
            command.load()
    commands.add_parser("version", help="print the version").set_defaults(run=_print_version)
    asked = commands.add_parser("help", help="print this, or a command's help")
    asked.add_argument(
        "topic", nargs="?", default=None, metavar="COMMAND", choices=tuple(COMMANDS), help="a command"
    )
    asked.set_defaults(run=lambda arguments: _print_help(commands.choices.get(arguments.topic, top)))
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


def main(arguments: Sequence[str] | None = None, interruption: Interruption | None = None) -> int:
    """Runs one command and returns its exit code: see ``cleanplate matte --help``. ``interruption``: how the
    process takes signals; by default as it did."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if COMPLETING in os.environ:
        _complete()
    interruption = interruption or Interruption()
    try:
        with redirect_stdout(console.named(sys.stdout)):
            return _ended(words, interruption)
    except BrokenPipeError:
        # Whoever read the output, such as "head", has enough. Python must not try to flush the rest at its end.
        console.lead_to_nothing(sys.stdout, sys.stderr)
        return console.PIPE_CLOSED


def _ended(words: list[str], interruption: Interruption) -> int:
    """The exit code of one command, also of one that fails. Raises ``BrokenPipeError`` where nobody reads what it
    says, be it an error."""
    try:
        return _run(words, interruption)
    except KeyboardInterrupt:
        return _interrupted(words)
    except BrokenPipeError:
        raise
    except Exception as error:
        # Many a library turns an interruption into an error of its own.
        code = _interrupted(words) if interruption.was_asked_for else _failed(error)
        if code is None:
            raise
        return code


def _run(words: list[str], interruption: Interruption) -> int:
    # The server decodes nothing, and its workers inherit its standard error: their log goes there.
    silenced = nullcontext() if words[:1] == ["serve"] else libraries_silenced()
    # A command's own arguments are imported here, which takes a while.
    parsed = parser().parse_args(words)
    interruption.begin()
    if words[:1] and words[0] in _COMPUTING:
        _warn_of_little_memory()
    with silenced:
        code = int(parsed.run(parsed))
    console.flush()
    return code


def _warn_of_little_memory() -> None:
    """Beforehand: a library's thread that gets no memory ends the whole process, and nobody can say why then."""
    limit = address_space_limit()
    if limit and limit < _LITTLE_MEMORY:
        console.warn(
            f"Memory is limited to {limit >> 20} MiB (ulimit -v). Where that is too little, a library may end this "
            "command without a word."
        )


def _interrupted(words: list[str]) -> int:
    makes_files = words[:1] and words[0] not in _LOOKING
    rest = "; what is finished stays, and the same command makes the rest." if makes_files else "."
    console.complain(f"Interrupted{rest}")
    return console.INTERRUPTED


def _failed(error: Exception) -> int | None:
    """Says what is wrong, and returns the exit code; None where it is a defect of ours."""
    if isinstance(error, MatteError | LinkError):
        console.complain(str(error), error.code)
        return console.BAD_INPUT if isinstance(error, MatteError) else console.NO_SERVER
    if is_out_of_memory(error):
        return _failed(MatteError("out_of_memory", "Memory ran out.", _MORE_MEMORY))
    if isinstance(error, ImportError) or is_out_of_processes(error):
        report = report_of(error)
        return _failed(MatteError(report.code, report.message, report.hint))
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return _failed(name_too_long(str(error.filename or "")))
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError | TimeoutError):
        console.complain(disk_words(error), "disk_error")
        return console.BAD_INPUT
    return None


if __name__ == "__main__":
    sys.exit(main())
