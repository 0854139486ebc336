"""Files as they were seen, and what is known of their contents without reading them."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from matte_link import seen_files
from matte_link.result_key import OTHER, SAME, UNKNOWN
from matte_link.seen_files import Seen, SeenTogether, files_in, look_at


def known_contents(seen: Seen) -> str | None:
    return SeenTogether(seen).known_contents()


def read_contents(seen: Seen) -> str:
    return SeenTogether(seen).read_contents()


def sizes_of(seen: Seen) -> str:
    return SeenTogether(seen).sizes


def seen_at(path: Path, text: str) -> Seen:
    path.write_text(text)
    return look_at(str(path))


def test_contents_are_compared_wherever_and_whenever_files_were_written(tmp_path: Path) -> None:
    one, two = seen_at(tmp_path / "one", "a"), seen_at(tmp_path / "two", "b")
    os.utime(tmp_path / "one", (1, 1))
    again = look_at(str(tmp_path / "one"))
    assert again != one and known_contents(again) is None, "nothing is read that nobody asked for"
    content = read_contents([again, two])
    assert content and known_contents([again, two]) == content
    copy = seen_at(tmp_path / "copy", "a")
    assert read_contents([copy, two]) == content != read_contents([two, copy])
    assert read_contents(["black", copy]) != read_contents(["hold", copy]) != read_contents([None, copy])
    assert sizes_of([one, two]) == sizes_of([two, one]) != sizes_of([one, "folder"])


def test_files_that_are_read_one_by_one(tmp_path: Path) -> None:
    """Whoever asks meanwhile is told when the last one is; what was read then stays known."""
    files = [seen_at(tmp_path / name, name) for name in "abc"]
    together = SeenTogether([*files, files[0], "black", None])
    for number, file in enumerate(files):
        assert together.known_contents() is None, number
        assert read_contents(file)
    content = together.known_contents()
    assert content and content == read_contents([*files, files[0], "black", None]) != read_contents(files)
    seen_at(tmp_path / "b", "another")
    assert read_contents(look_at(str(tmp_path / "b"))) and together.known_contents() == content
    assert together.stamps != SeenTogether(files).stamps and together.witness == SeenTogether(files).witness


def test_what_each_frame_asks_begins_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All frames behind a retime ask, while the last files are being read."""
    files = [seen_at(tmp_path / str(number), "a") for number in range(20)]
    assert read_contents(files[:-1])
    together, asked, look_up = SeenTogether(files), list[seen_files.SeenFile](), seen_files._digest_of

    def count(file: seen_files.SeenFile) -> str | None:
        asked.append(file)
        return look_up(file)

    monkeypatch.setattr(seen_files, "_digest_of", count)
    assert all(together.known_contents() is None for _ in range(100))
    assert len(asked) == 20 + 99


def test_a_file_that_is_another_by_now_has_no_content_of_then(tmp_path: Path) -> None:
    old = seen_at(tmp_path / "one", "a")
    seen_at(tmp_path / "one", "bb")
    assert read_contents(old) == "" and known_contents(old) == ""
    new = look_at(str(tmp_path / "one"))
    assert known_contents(new) is None and read_contents(new)


def test_what_cannot_be_read_is_not_tried_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = seen_at(tmp_path / "gone", "a")
    (tmp_path / "gone").unlink()
    assert read_contents(gone) == "" == known_contents(gone)
    large, small = seen_at(tmp_path / "large", "aaaa"), seen_at(tmp_path / "small", "a")
    monkeypatch.setattr(seen_files, "MOST_BYTES", 4)
    assert read_contents([large, small]) == "" == known_contents([large, small])
    assert known_contents(large) is None and read_contents(large), "alone it is not too large"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading = threading.Thread(target=read_contents, args=([look_at(str(tmp_path / "pipe"))],), daemon=True)
    reading.start()
    reading.join(60.0)
    assert not reading.is_alive()


def test_a_folder_is_one_whatever_is_in_it(tmp_path: Path) -> None:
    assert look_at(str(tmp_path)) == "folder"
    assert list(files_in([None, "folder", 3])) == []


def test_what_a_result_keeps_of_its_files_is_compared_with_those_of_now(tmp_path: Path) -> None:
    made = SeenTogether(seen_at(tmp_path / "one", "a"))
    sizes, contents = made.sizes, made.read_contents()
    os.utime(tmp_path / "one", (1, 1))
    now = look_at(str(tmp_path / "one"))
    for have_same_times in (False, True):
        assert SeenTogether(now).compare(sizes, contents, have_same_times) == UNKNOWN, "nobody has read it"
    assert read_contents(now) == contents and SeenTogether(now).compare(sizes, contents, False) == SAME
    other = seen_at(tmp_path / "two", "b")
    assert read_contents(other) and SeenTogether(other).compare(sizes, contents, True) == OTHER
    gone = seen_at(tmp_path / "gone", "a")
    (tmp_path / "gone").unlink()
    assert read_contents(gone) == ""
    for seen, kept in ((seen_at(tmp_path / "three", "long"), contents), (now, ""), (gone, contents)):
        assert SeenTogether(seen).compare(sizes, kept, have_same_times=False) == OTHER
        assert SeenTogether(seen).compare(sizes, kept, have_same_times=True) == UNKNOWN
