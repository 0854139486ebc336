"""Text from the other side of the wire: what a message may contain, and how it is shown in a terminal or a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_NAME = 255
"""Characters of a picture's name; of a longer one the end is kept, which has the suffix."""
LONGEST_TEXT = 4096
"""Characters of any other text field: the longest path that systems take."""


def printable(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text on one line without characters that act on a terminal, at most ``longest`` characters of it."""
    shown = text[:longest]
    return shown if shown.isprintable() else "".join(map(_shown, shown))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def printable_name(name: str) -> str:
    """A file's name as :func:`printable`; of a name that is too long, its end."""
    return printable(name[-LONGEST_NAME:])


def check_text(value: str, what: str) -> None:
    """Raises ``ValueError`` if a text is too long, or contains characters that act on a terminal."""
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"{what} has {len(value)} characters, more than the {LONGEST_TEXT} allowed.")
    if any(ord(character) < 32 or 126 < ord(character) < 160 for character in value):
        raise ValueError(f"{what} contains control characters.")


@dataclass(frozen=True)
class MappingLimits:
    """The largest mapping that is accepted: how deep its values are nested, how many there are, and how many
    characters their texts have together."""

    depth: int = 16
    values: int = 20_000
    text: int = 1 << 16


def check_mapping(mapping: Mapping[str, Any], what: str, limits: MappingLimits) -> None:
    """Raises ``ValueError`` if JSON values exceed the limits. Does not recurse, so that nothing can be nested too
    deep for it."""
    level: list[Any] = [mapping]
    values = text = 0
    for _ in range(limits.depth):
        values += len(level)
        text += sum(len(value) for value in level if isinstance(value, str))
        if values > limits.values or text > limits.text:
            raise ValueError(f"{what} has more than {limits.values} values, or {limits.text} characters of text.")
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise ValueError(f"{what} is nested more than {limits.depth} levels deep.")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return list(value) if isinstance(value, (list, tuple)) else []
