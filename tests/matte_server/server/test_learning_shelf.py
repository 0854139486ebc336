"""What learning jobs leave behind: who may read it, what makes room, and what is not believed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from matte_link.messages import digest_of

from matte_server.server.learning_shelf import FOLDER_VARIABLE, LearningShelf, default_folder, usable_folder
from matte_server.worker.messages import LearningEnded
from tests.small_disk import files_of_at_most

ENDED = LearningEnded(
    number=3, steps=20, first_error=0.5, error=0.25, has_gained=True, is_complete=True, model="cleanplate"
)


@pytest.fixture
def shelf(tmp_path: Path) -> LearningShelf:
    made = LearningShelf(tmp_path / "kept", budget=180)
    made.open()
    return made


def put(path: Path, size: int, age: int = 0) -> Path:
    path.write_bytes(b"x" * size)
    os.utime(path, (10_000 - age, 10_000 - age))
    return path


def test_a_result_is_found_again_and_its_checkpoint_is_gone(shelf: LearningShelf) -> None:
    put(shelf.checkpoint("k"), 5)
    put(shelf.weights("k"), 7)
    shelf.keep("k", ENDED)
    reply = shelf.reply("k", "a")
    assert reply is not None and (reply.id, reply.steps, reply.model) == ("a", 20, "cleanplate")
    assert reply.digest == digest_of(b"x" * 7) and not shelf.checkpoint("k").exists()


def test_what_the_folder_did_not_take_goes_to_those_who_wait_and_is_not_kept(tmp_path: Path) -> None:
    """Of an earlier run of the same job there may be weights, and its facts would be those of this one."""
    shelf = LearningShelf(tmp_path / "kept", spool=tmp_path)
    shelf.open()
    put(shelf.weights("k"), 7)
    checkpoint, spooled = put(shelf.checkpoint("k"), 5), put(tmp_path / shelf.weights("k").name, 9)
    shelf.keep("k", ENDED)
    reply = shelf.reply_of("k", "a", ENDED)
    assert (reply.data, reply.digest) == (b"x" * 9, digest_of(b"x" * 9))
    assert checkpoint.exists() and not spooled.exists() and shelf.reply("k", "b") is None
    # Weights found room, and what is kept beside them did not.
    with files_of_at_most(20):
        shelf.keep("k", ENDED)
    assert shelf.reply_of("k", "a", ENDED).data == b"x" * 7 and shelf.reply("k", "b") is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"steps": 1}', b'{"folder": "/"}'])
def test_a_damaged_result_is_none(shelf: LearningShelf, damage: bytes) -> None:
    put(shelf.weights("k"), 7)
    shelf.keep("k", ENDED)
    shelf.weights("k").with_suffix(".json").write_bytes(damage)
    assert shelf.reply("k", "a") is None


def test_a_result_whose_weights_are_gone_is_none(shelf: LearningShelf) -> None:
    shelf.keep("k", ENDED)
    assert shelf.reply("k", "a") is None


def test_the_oldest_files_make_room_but_those_of_jobs_that_run(shelf: LearningShelf) -> None:
    runs = put(shelf.checkpoint("runs"), 40, age=9)
    oldest, old, new = (put(shelf.weights(name), 40, age) for name, age in (("a", 5), ("b", 3), ("c", 1)))
    shelf.make_room({"runs"})
    assert [path.exists() for path in (runs, oldest, old, new)] == [True, False, False, True]


def test_a_job_that_begins_finds_room_for_what_it_writes(tmp_path: Path) -> None:
    shelf = LearningShelf(tmp_path, budget=1 << 30)
    old, new = (put(shelf.weights(name), 1, age) for name, age in (("a", 5), ("b", 3)))
    for path, size, modified in ((old, 300 << 20, 9_995), (new, 700 << 20, 9_997)):
        os.truncate(path, size)
        os.utime(path, (modified, modified))
    shelf.make_room(())
    # Together they are within the 1024 MiB, but a job may write 400, and the newer one leaves only 324.
    assert not old.exists() and not new.exists()


def test_what_is_asked_for_again_is_not_the_first_to_make_room(shelf: LearningShelf) -> None:
    asked, other = put(shelf.weights("a"), 60, age=5), put(shelf.weights("b"), 60, age=3)
    assert shelf.reply_of("a", "id", ENDED).data == b"x" * 60
    shelf.make_room(())
    assert asked.exists() and not other.exists()


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "getuid"), reason="file modes")
def test_nobody_else_may_read_what_was_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache" / "learning"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    assert usable_folder(tmp_path / "spool") == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    # Also where it is made again while the server runs.
    folder.rmdir()
    LearningShelf(folder).open()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_server_that_cannot_write_there_keeps_it_in_its_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file" / "learning"))
    assert usable_folder(tmp_path / "spool") == tmp_path / "spool" / "learning"


def test_on_windows_it_is_kept_with_the_local_data_of_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (FOLDER_VARIABLE, "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert default_folder() == Path.home() / "AppData" / "Local" / "cleanplate" / "learning"
