"""``cleanplate completion``: what a shell needs to complete the command's words, by argcomplete."""

from __future__ import annotations

import argparse
from typing import Any

from . import console

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
EPILOG = """\
Put one line into your shell's start file:
  bash, zsh    eval "$(cleanplate completion bash)"      (.bashrc; with zsh for bash in .zshrc, after compinit)
  fish         cleanplate completion fish | source       (~/.config/fish/config.fish)
  powershell   cleanplate completion powershell | Out-String | Invoke-Expression    ($PROFILE)
"""


def add_parser(subparsers: Any) -> None:
    """Adds ``completion`` to the command line."""
    parser = subparsers.add_parser(
        "completion",
        help="print what makes a shell complete the words of this command",
        description="Prints a script by which a shell completes commands, flags and choices.",
        epilog=EPILOG,
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the script."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["cleanplate"], shell=arguments.shell))
    return console.OK
