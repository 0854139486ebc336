"""A plate solve that the artist named, to be used unchanged: what is read of its file, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from matte_link.files import small_text

from ..core.align import Alignment
from ..core.placement import from_facts
from ..errors import MatteError
from .solve_file import FORMAT, FORMAT_VERSION, LARGEST, without_figures

_FRAME_LINE = re.compile(r'^  "(-?[0-9]{1,18})": \{.*\},\n', re.MULTILINE)
"""A frame as runs write it: one line, and not the last of them."""
_HINT = "Name a file that an earlier run left beside its output."


def check_solve(path: Path, frames: Collection[int]) -> None:
    """Raises ``MatteError("bad_solve", ...)`` where the file is not a plate solve, or says of one of these frames
    what cannot be used. A frame that it does not know is no reason."""
    GivenSolve(path, frames).check()


class GivenSolve:
    """The alignments of ``frames``, by their numbers. What the file says of other frames is not looked at: it
    may be the solve of a much longer shot. Raises ``MatteError("bad_solve", ...)`` where the file is no plate
    solve."""

    def __init__(self, path: Path, frames: Collection[int]) -> None:
        self.path = path
        wanted = frozenset(map(str, frames))
        facts = _read_whole(path, wanted)
        self._entries = {number: entry for number, entry in facts["frames"].items() if number in wanted}
        locked = facts.get("locked")
        # The figures of a locked camera are those of other frames.
        self._locked = None if locked is None else without_figures(_alignment_of(locked, path))

    def check(self) -> None:
        """Raises ``MatteError("bad_solve", ...)`` where what the file says of one of the frames cannot be used."""
        for number in self._entries:
            self._own(number)

    def alignment(self, frame: int) -> Alignment:
        """The alignment of a frame; raises ``MatteError`` with the codes no_solve, bad_solve."""
        found = self._own(str(frame)) or self._locked
        if found is None:
            raise MatteError(
                "no_solve",
                f"{self.path} has no alignment for frame {frame}.",
                "Solve it with the others, or leave the frame out with --frames.",
            )
        return found

    def _own(self, number: str) -> Alignment | None:
        """What the file says of a frame; None where it says nothing, as of those that were only measured as
        neighbours, which have an estimate."""
        entry = self._entries.get(number, {})
        if not isinstance(entry, dict):
            raise MatteError("bad_solve", f"Frame {number} in {self.path} is not a JSON object.", _HINT)
        return _alignment_of(entry["alignment"], self.path) if "alignment" in entry else None


def _read_whole(path: Path, wanted: frozenset[str]) -> dict[str, Any]:
    """The file, in which frames that are not ``wanted`` may be left out."""
    try:
        text = small_text(str(path), limit=LARGEST)
        # To read the JSON of a million frames takes half a minute, to pass over them a second.
        facts = json.loads(_FRAME_LINE.sub(lambda line: line[0] if _may_tell(line, wanted) else "", text))
    except OSError as error:
        raise MatteError("bad_solve", f"{path} cannot be read: {error.strerror}.", _HINT) from None
    except (ValueError, RecursionError):
        raise MatteError("bad_solve", f"{path} is not JSON.", _HINT) from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT or not isinstance(facts.get("frames"), dict):
        raise MatteError("bad_solve", f"{path} is not a plate solve.", _HINT)
    if facts.get("version") != FORMAT_VERSION:
        raise MatteError("bad_solve", f"{path} is a plate solve of version {facts.get('version')!r:.20}.", _HINT)
    return facts


def _may_tell(line: re.Match[str], wanted: frozenset[str]) -> bool:
    """Whether a line says something of a frame that is wanted; a line of several frames, as only another program
    writes it, may."""
    return line[1] in wanted or line[0].count('"alignment"') > 1


def _alignment_of(entry: Any, path: Path) -> Alignment:
    try:
        if not isinstance(entry, dict):
            raise ValueError("an alignment is a JSON object.")
        return from_facts(entry)
    except ValueError as error:
        raise MatteError("bad_solve", f"{path} cannot be used: {error}", "Correct it, or solve again.") from None
