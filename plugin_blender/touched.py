"""Results whose input files were put there again. Does not import bpy.

Such a file may be another picture, or was only copied, renamed or locked. Its bytes tell, or the pictures that a
solve sends of it. What a solve found is remembered here for the session.
"""

from __future__ import annotations

from .matte_link.file_witness import were_touched
from .matte_link.result_key import SAME
from .matte_link.seen_files import SeenTogether
from .result_files import ResultFacts

TOUCHED = "a file that was put there again with its old size and time"
"""What cannot be compared of such a result, as a noun."""
_equal: set[tuple[str, str, str]] = set()
"""The results, by their file and the ``content`` they say, whose pictures are those that this machine sees now."""
_given_up: set[tuple[str, str]] = set()
"""Results that cannot be written again, by their file and the stamp that they were to have."""


def verdict(result: str, facts: ResultFacts, seen: SeenTogether, have_same_times: bool) -> str:
    """``SAME`` where nothing was put there again, or nothing else than was there; ``OTHER`` where another file was;
    ``UNKNOWN`` while nobody has looked (:mod:`matte_link.result_key`). ``seen`` are the files of now."""
    if have_same_times:
        if not were_touched(facts.witness, seen.witness):
            return SAME
        if (result, facts.content, seen.witness) in _equal:
            return SAME
    return seen.compare(facts.sizes, facts.files, have_same_times)


def give_up(result: str, stamp: str) -> None:
    """A result that belongs to files with other times by now cannot be written again with their stamp."""
    _given_up.add((result, stamp))


def was_given_up(result: str, stamp: str) -> bool:
    """Whether that was tried before, in this session."""
    return (result, stamp) in _given_up


def note_equal(result: str, facts: ResultFacts, witness: str) -> None:
    """The pictures that this machine sees now were compared with those of a result: they are the same."""
    _equal.add((result, facts.content, witness))
