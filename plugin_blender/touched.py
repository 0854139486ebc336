"""Results whose input files were put there again with their old sizes and times. Does not import bpy.

Such a file may be another picture, or was only renamed or locked: the pictures themselves are compared, by the
digest that a result keeps of those that were sent. What that gave is remembered here for the session.
"""

from __future__ import annotations

from .matte_link.file_witness import were_touched
from .matte_link.result_key import OTHER, SAME, UNKNOWN
from .result_files import ResultFacts

TOUCHED = "a file that was put there again with its old size and time"
"""What cannot be compared of such a result, as a noun."""
_compared: dict[tuple[str, str, str], bool] = {}
"""Whether the pictures of a result's ``content`` are those that this machine sees now, by the result's file too."""


def verdict(result: str, facts: ResultFacts, witness: str) -> str:
    """:data:`SAME` where nothing was put there again, or nothing else than was there; :data:`OTHER` where another
    picture was; :data:`UNKNOWN` while nobody has looked."""
    if not were_touched(facts.witness, witness):
        return SAME
    found = _compared.get((result, facts.content, witness))
    return UNKNOWN if found is None else (SAME if found else OTHER)


def note(result: str, facts: ResultFacts, witness: str, is_same: bool) -> None:
    """The pictures that this machine sees now were compared with those of a result."""
    _compared[result, facts.content, witness] = is_same
