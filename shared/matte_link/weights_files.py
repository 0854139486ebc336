"""Weights files of this machine, which requests take along by their content.

The option ``weights`` names a file. Where this machine has it, and it is a safetensors file, its bytes go to the
server, once, and requests name them by their digest: the server needs no path to it. Any other text, such as the
name of a checkpoint (.pth) in the server's models folder, is left to the server.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Optional

from .messages import Inline
from .options import MatteOptions
from .roles import AnyJob

_LENGTH_BYTES = 8
_LONGEST_HEADER = 100 << 20
"""Bytes; the format's own limit."""


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors files do, whatever its name: the header's length in 8 bytes, little
    endian, and a JSON object. Raises ``OSError``."""
    with path.open("rb") as file:
        head = file.read(_LENGTH_BYTES + 1)
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    room = min(_LONGEST_HEADER, path.stat().st_size - _LENGTH_BYTES)
    return head[_LENGTH_BYTES:] == b"{" and 2 <= length <= room


class WeightsFiles:
    """Reads weights files for requests. The last one is kept until another is named or it changes."""

    def __init__(self) -> None:
        self._kept: Optional[Inline] = None
        self._state: tuple[object, ...] = ()

    def of(self, options: MatteOptions) -> Optional[Inline]:
        """The file that the options name; None where they name none, or one that is left to the server."""
        if not options.weights:
            return None
        path = Path(options.weights)
        try:
            facts = path.stat()
            state = (path, facts.st_ino, facts.st_mtime_ns, facts.st_size)
            if state != self._state:
                self._kept = (
                    Inline(path.read_bytes(), path.name) if path.is_file() and is_safetensors(path) else None
                )
                self._state = state
        except (OSError, ValueError):
            # ValueError: a text that no path can be.
            return None
        return self._kept


def without_path(request: AnyJob) -> AnyJob:
    """The request without the name of its weights file, which only this machine understands."""
    return replace(request, options=replace(request.options, weights=""))
