"""Which known word is suggested for an unknown one."""

from __future__ import annotations

import pytest

from matte_server.shots.nearest_word import nearest_word

KNOWN = ("matte", "build-plate", "evaluate", "completion", "--clean", "--core", "--frames", "--overwrite", "-o")


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("mattte", "matte"),
        ("MATTE", "matte"),
        ("build", "build-plate"),
        ("eval", "evaluate"),
        ("--cleanplate", "--clean"),
        ("-frame", "--frames"),
        ("--over-write", "--overwrite"),
        # Each of these shares letters with a word that means something else.
        ("cleanplate", "--clean"),
        ("--force", ""),
        ("render", ""),
        ("--o", "-o"),
        ("p", ""),
        ("", ""),
    ],
)
def test_the_nearest_word_is_near(word: str, found: str) -> None:
    assert nearest_word(word, KNOWN) == found


def test_a_command_is_not_suggested_for_the_products_name() -> None:
    assert nearest_word("cleanplate", ("evaluate", "build-plate", "completion", "matte")) == ""
