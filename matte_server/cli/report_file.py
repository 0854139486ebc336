"""The JSON that ``--json`` of a command writes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from matte_link.files import write_atomically

from ..errors import MatteError
from ..shots.leftovers import Leftovers
from ..shots.plan_checks import check_writable

_OURS = re.compile(rb'"format": "cleanplate (report|evaluation)"')
"""Stands near the beginning of every report."""
_BEGINNING = 4096
_HINT = "Name another --json."


def check_report(path: Path) -> None:
    """Raises ``MatteError`` where no report can be written there (cannot_write), or where a file is that is neither
    empty nor a report (exists)."""
    check_writable(path, _HINT)
    if not path.is_file():
        return
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING)
    except OSError as error:
        raise MatteError("cannot_write", f"{path} cannot be looked at: {error.strerror}.", _HINT) from None
    if beginning and not _OURS.search(beginning):
        raise MatteError("exists", f"{path} exists and is no report; nothing was started.", _HINT)


def check_report_apart(path: Path, outputs: Iterable[Path]) -> None:
    """Raises ``MatteError("bad_output", ...)`` where the report would be one of the command's other ``outputs``."""
    if str(path.resolve()).casefold() in {str(output.resolve()).casefold() for output in outputs}:
        raise MatteError("bad_output", f"--json and another output have the same name, {path}.", _HINT)


def write_report(path: Path, text: str) -> None:
    """Writes a report; raises ``MatteError("cannot_write", ...)``."""
    Leftovers([path]).remove()
    try:
        write_atomically(str(path), (text + "\n").encode())
    except OSError as error:
        raise MatteError("cannot_write", f"{path} cannot be written: {error.strerror}.") from None
