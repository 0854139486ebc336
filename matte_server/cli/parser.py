"""The command line's parser: argparse, with a suggestion where a flag or a command is unknown."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import Any, NoReturn

_UNKNOWN = re.compile(r"(?:unrecognized arguments: |invalid choice: ')([^\s']+)")


class CommandParser(argparse.ArgumentParser):
    """An ``ArgumentParser`` whose errors name the nearest known word, and that takes no abbreviated flags: a flag
    that is added later must not change what an old script means."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **keywords})

    def error(self, message: str) -> NoReturn:
        """Ends with 2, one sentence and where to find help."""
        found = _UNKNOWN.search(message)
        near = difflib.get_close_matches(found[1].split("=")[0], sorted(self._known()), 1) if found else []
        suggestion = f" Did you mean {near[0]}?" if near else ""
        self.exit(2, f"{self.prog}: error: {message}.{suggestion} See '{self.prog} --help'.\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuses what is unknown here, where the subcommand's own flags are known."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def _known(self) -> set[str]:
        """Every flag of this parser, and the commands below it."""
        commands: set[str] = set()
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                commands |= set(action.choices)
        return set(self._option_string_actions) | commands
