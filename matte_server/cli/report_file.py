"""The JSON that ``--json`` of a command writes."""

from __future__ import annotations

from pathlib import Path

from matte_link.files import write_atomically

from ..errors import MatteError
from ..shots.plan_checks import check_writable


def check_report(path: Path) -> None:
    """Raises ``MatteError("cannot_write", ...)`` where no report can be written there."""
    check_writable(path, "Name another --json.")


def write_report(path: Path, text: str) -> None:
    """Writes a report; raises ``MatteError("cannot_write", ...)``."""
    try:
        write_atomically(str(path), (text + "\n").encode())
    except OSError as error:
        raise MatteError("cannot_write", f"{path} cannot be written: {error.strerror}.") from None
