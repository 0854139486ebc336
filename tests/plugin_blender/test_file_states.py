"""What was read in a file is kept while the file stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plugin_blender.file_states import KeptAnswers


def test_a_file_is_opened_where_it_is_new_or_has_changed_and_no_other_time(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(path: str) -> str:
        asked.append(Path(path).name)
        return Path(path).read_text()

    answers, file = KeptAnswers(ask, nothing="none"), tmp_path / "a"
    assert answers.of(str(file)) == "none" == answers.of(str(tmp_path))
    file.write_text("one")
    (tmp_path / "b").write_text("other")
    assert [answers.of(str(file)), answers.of(str(tmp_path / "b")), answers.of(str(file))] == [
        "one",
        "other",
        "one",
    ]
    assert asked == ["a", "b"]
    file.write_text("longer")
    assert answers.of(str(file)) == answers.of(str(file)) == "longer"
    os.utime(file, ns=(1, 1))
    assert answers.of(str(file)) == "longer" and asked == ["a", "b", "a", "a"]
    file.unlink()
    assert answers.of(str(file)) == "none"


def test_two_questions_of_one_file_have_an_answer_each(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("12")
    length, number = (
        KeptAnswers(lambda path: len(Path(path).read_text()), 0),
        KeptAnswers(lambda path: path[-1], ""),
    )
    assert (length.of(str(tmp_path / "a")), number.of(str(tmp_path / "a"))) == (2, "a")


def test_what_asking_raises_is_raised_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff")
    answers = KeptAnswers(lambda path: Path(path).read_text("utf-8"), "")
    for _ in range(2):
        with pytest.raises(UnicodeDecodeError):
            answers.of(str(tmp_path / "a"))
