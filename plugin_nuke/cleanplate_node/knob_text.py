"""Nuke's text of a node's knobs, a TCL list of names and values. No nuke here."""

from __future__ import annotations

import functools
import re


def words(text: str) -> list[str]:
    """The words of a TCL list: bare, in quotes, or in braces, which nest."""
    found: list[str] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        end = _word_end(text, position)
        found.append(text[position:end])
        position = end
    return found


def _word_end(text: str, start: int) -> int:
    depth, quoted, position = 0, False, start
    while position < len(text):
        letter = text[position]
        if letter == "\\":
            position += 2
            continue
        if letter == '"' and depth == 0:
            quoted = not quoted
        elif not quoted and letter == "{":
            depth += 1
        elif not quoted and letter == "}":
            depth -= 1
        elif letter.isspace() and depth == 0 and not quoted:
            break
        position += 1
    return min(position, len(text))


def unquoted(word: str) -> str:
    """What a word says that has no brackets or variables in it."""
    inner = word[1:-1] if word[:1] in ('"', "{") else word
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), inner)


@functools.lru_cache(maxsize=4096)
def all_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """The knobs as pairs of a name and the host's text of its value, sorted. Kept, since most nodes have the text
    that they had when they were last looked at."""
    flat = words(text)
    return tuple(sorted((flat[index], flat[index + 1]) for index in range(0, len(flat) - 1, 2)))
