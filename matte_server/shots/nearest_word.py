"""The known word that an unknown one was probably meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Below this, difflib finds words alike that only share letters, such as "force" and "core".
_ALIKE = 0.75
_FEWEST_LETTERS = 3


def nearest_word(word: str, known: Iterable[str]) -> str:
    """The one of ``known`` that ``word`` begins or continues, or that is spelt almost like it; empty where there is
    none. Neither case nor the dashes of a flag matter."""
    names = {_bare(name): name for name in known}
    written = _bare(word)
    alike = difflib.get_close_matches(written, names, 1, _ALIKE)
    begun = [name for name in names if _begins(written, name) or _begins(name, written)]
    found = alike or difflib.get_close_matches(written, begun, 1, 0.0)
    return names[found[0]] if found else ""


def _bare(word: str) -> str:
    return word.lstrip("-").lower()


def _begins(start: str, word: str) -> bool:
    return len(start) >= _FEWEST_LETTERS and word.startswith(start)
