"""Files that are read in the background: for whom, and when that is said."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from matte_link.comparison import BackgroundComparison
from matte_link.seen_files import SeenTogether, look_at

_SOON_S = 60.0  # no time of the product's: a machine under load may need it


def test_each_name_is_said_once_when_its_last_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where other files are wanted for a name while its first ones are being read."""
    seen: list[SeenTogether] = []
    for name in "abcd":
        (tmp_path / name).write_text(name)
        seen.append(SeenTogether(look_at(str(tmp_path / name))))
    goes_on, reading, over = threading.Event(), threading.Event(), threading.Event()
    said: list[tuple[str, list[bool]]] = []

    def read(one: SeenTogether) -> str:
        reading.set()
        assert goes_on.wait(_SOON_S)
        return read_contents(one)

    read_contents = SeenTogether.read_contents

    def done(name: str) -> None:
        said.append((name, [one.known_contents() is not None for one in seen]))
        if name == "last":
            over.set()

    monkeypatch.setattr(SeenTogether, "read_contents", read)
    found = BackgroundComparison(done)
    found.want("first", seen[:2])
    assert reading.wait(_SOON_S)
    found.want("last", seen[3:])
    found.want("first", [seen[2]])
    goes_on.set()
    assert over.wait(_SOON_S)
    # The second file was left of the first wish, and is no longer wanted.
    first, last = [True, False, True, False], [True, False, True, True]
    assert said == [("first", first), ("last", last)], "one after the other"
    over.clear()
    found.want("last", [seen[1]])
    assert over.wait(_SOON_S) and said[2:] == [("last", [True] * 4)], "a thread that ended is begun again"


def test_one_thread_reads_what_is_wanted_while_it_says_something(tmp_path: Path) -> None:
    said: list[tuple[str, int]] = []
    over = threading.Event()

    def done(name: str) -> None:
        said.append((name, threading.get_ident()))
        if len(name) < 20:
            found.want(name + "+", [SeenTogether(look_at(str(tmp_path)))])
        else:
            over.set()

    found = BackgroundComparison(done)
    found.want("", [])
    assert over.wait(_SOON_S)
    assert [name for name, _ in said] == ["+" * number for number in range(21)]
    assert len({thread for _, thread in said}) == 1
