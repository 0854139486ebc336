"""What a machine has seen of files, beside their portable keys."""

from __future__ import annotations

import platform

import pytest
from matte_link.file_witness import were_touched, witness_of

MS = 1_000_000


def test_a_change_of_any_file_is_seen() -> None:
    made = witness_of({"/a/1.exr": 5 * MS, "/a/clean.exr": 7 * MS})
    assert not were_touched(made, witness_of({"/a/clean.exr": 7 * MS, "/a/1.exr": 5 * MS + 999}))
    assert were_touched(made, witness_of({"/a/1.exr": 6 * MS, "/a/clean.exr": 7 * MS}))
    assert were_touched(made, witness_of({"/a/1.exr": 7 * MS, "/a/clean.exr": 5 * MS})), "the two exchanged"


def test_other_files_and_other_machines_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = witness_of({"/a/1.exr": 5 * MS})
    assert not were_touched(made, witness_of({"/b/1.exr": 6 * MS})), "a copy"
    assert not were_touched("", made) and not were_touched(made, "") and witness_of({}) == ""
    monkeypatch.setattr(platform, "node", lambda: "another")
    assert not were_touched(made, witness_of({"/a/1.exr": 6 * MS}))
