"""Files that are never half written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from matte_link.files import disk_words, small_text, write_atomically


def test_a_file_is_written_whole_into_a_folder_that_is_made(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "m.exr"
    write_atomically(str(target), b"first")
    write_atomically(str(target), memoryview(b"second"))
    assert target.read_bytes() == b"second"
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_leaves_no_temporary_file_and_the_older_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "m.exr"
    # A folder of that name cannot be replaced by a file.
    (target / "inside").mkdir(parents=True)
    with pytest.raises(OSError):
        write_atomically(str(target), b"data")
    assert list(tmp_path.iterdir()) == [target] and (target / "inside").is_dir()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_whose_temporary_file_was_taken_for_a_leftover_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """As where its run was stopped with Ctrl-Z for minutes, and another run of the shot ended meanwhile."""
    target, sync = tmp_path / "a" / "m.exr", os.fsync
    taken: list[Path] = []

    def taken_once(descriptor: int) -> None:
        sync(descriptor)
        if not taken:
            taken.extend(target.parent.iterdir())
            taken[0].unlink()
            if what == "folder":
                target.parent.rmdir()

    monkeypatch.setattr(os, "fsync", taken_once)
    write_atomically(str(target), b"whole")
    assert target.read_bytes() == b"whole" and list(target.parent.iterdir()) == [target]


def test_a_text_up_to_its_limit_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("1" * (2 << 20))
    assert len(small_text(str(path), limit=2 << 20)) == 2 << 20
    with pytest.raises(OSError, match="too large"):
        small_text(str(path), limit=(2 << 20) - 1)


def test_what_a_disk_says_is_a_sentence_without_the_number_of_the_error() -> None:
    assert disk_words(OSError(errno.ENOSPC, "No space left", "/shots/m.exr")) == "/shots/m.exr: No space left."
    assert disk_words(OSError("lacks 3 bytes")) == "lacks 3 bytes."
    assert disk_words(OSError(errno.ENOSPC, "No space left")) == "No space left."
    assert disk_words(OSError(errno.ENAMETOOLONG, "Too long", 300 * "x" + ".exr")) == f"{251 * 'x'}.exr: Too long."


def test_a_file_that_windows_keeps_open_for_a_reader_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that shows the result has it open: Windows then refuses to put another file in its place."""

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "The file is being used by another process", str(target))

    target = tmp_path / "m.exr"
    target.write_bytes(b"shown")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError, match="used by another process"):
        write_atomically(str(target), b"newer")
    assert list(tmp_path.iterdir()) == [target] and target.read_bytes() == b"shown"


def test_a_small_text_is_read_with_or_without_the_mark_of_windows(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    for data in (b"\xef\xbb\xbf{}\n", b"{}\n"):
        file.write_bytes(data)
        assert small_text(str(file)) == "{}\n"
    file.write_bytes(b"a\xff")
    assert small_text(str(file), errors="replace") == "a\ufffd"
    with pytest.raises(ValueError):
        small_text(str(file))


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
def test_what_is_no_small_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe, large, most = tmp_path / "pipe", tmp_path / "large", tmp_path / "most"
    os.mkfifo(pipe)
    most.write_bytes(b" " * (1 << 20))
    large.write_bytes(b" " * ((1 << 20) + 1))
    assert len(small_text(str(most))) == 1 << 20
    for path in (pipe, large, tmp_path, Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(OSError):
            small_text(str(path))
