"""``cleanplate completion``: what a shell needs to complete the command's words, by argcomplete."""

from __future__ import annotations

import argparse

from . import console

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
EPILOG = """\
Put one line into your shell's start file (.bashrc; .zshrc, after compinit; ~/.config/fish/config.fish;
.tcshrc; $PROFILE):
  bash       eval "$(cleanplate completion bash)"
  zsh        eval "$(cleanplate completion zsh)"
  fish       cleanplate completion fish | source
  tcsh       eval "`cleanplate completion tcsh`"
  powershell cleanplate completion powershell | Out-String | Invoke-Expression

exit codes: 0 printed, 2 the shell is not known
"""
_TCSH = (
    "complete cleanplate 'p@*@`env _ARGCOMPLETE=1 _ARGCOMPLETE_SHELL=tcsh _ARGCOMPLETE_STDOUT_FILENAME=/dev/stdout"
    """ COMP_POINT=99999 COMP_LINE="$COMMAND_LINE" cleanplate`@'"""
)
"""argcomplete's own line for tcsh calls a script that is not installed with it. The point is beyond any line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``completion``."""
    parser.description = "Prints a script by which a shell completes commands, flags and choices."
    parser.epilog = EPILOG
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints the script."""
    from argcomplete.shell_integration import shellcode

    print(_TCSH if arguments.shell == "tcsh" else shellcode(["cleanplate"], shell=arguments.shell))
    return console.OK
