"""The interface in other languages, through Blender's own translations."""

from __future__ import annotations

from typing import Any, cast

import bpy

from . import german
from .matte_link.options import shown_in
from .properties import title_case

_CONTEXTS = ("*", "Operator")
"""Where Blender looks for a text: labels of operators have a context of their own."""


def tr(text: str) -> str:
    """The text in the interface's language, with names in braces as they are."""
    return str(cast(Any, bpy.app.translations.pgettext_iface)(text))


def register() -> None:
    """Adds the languages."""
    bpy.app.translations.register(__package__ or "", cast(Any, {"de_DE": german_table()}))


def unregister() -> None:
    """Takes them away."""
    bpy.app.translations.unregister(__package__ or "")


def german_table() -> dict[tuple[str, str], str]:
    """All German words by context and text."""
    words = {**german.WORDS, **{title_case(group): word for group, word in german.GROUPS.items()}}
    for spec in shown_in("blender"):
        label, text = german.OPTIONS[spec.name]
        words[title_case(spec.label)], words[spec.help.rstrip(".")] = label, text
    return {(context, text): word for text, word in words.items() for context in _CONTEXTS}
