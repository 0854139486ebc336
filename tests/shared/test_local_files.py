"""Local pictures are read once for as long as they are needed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from matte_link.local_files import LocalFiles
from matte_link.messages import Inline
from matte_link.tasks import FrameTask, LocalFile, TaskNeighbour


def write(path: Path, data: bytes, time_ns: int = 10**18) -> LocalFile:
    path.write_bytes(data)
    os.utime(path, ns=(time_ns, time_ns))
    return LocalFile(str(path))


def test_only_local_files_are_read() -> None:
    assert LocalFiles().read(Inline(b"data")) == Inline(b"data")
    with pytest.raises(FileNotFoundError):
        LocalFiles().read(LocalFile("/nowhere/plate.exr"))


def test_a_kept_file_is_the_same_object_until_its_time_or_size_changes(tmp_path: Path) -> None:
    files = LocalFiles()
    file = write(tmp_path / "clean.exr", b"one")
    first = files.read(file, keep=True)
    assert first == Inline(b"one", "clean.exr")
    assert files.read(file) is first and file.path in files
    write(tmp_path / "clean.exr", b"two", time_ns=10**18 + 1)
    assert files.read(file, keep=True) == Inline(b"two", "clean.exr")
    write(tmp_path / "clean.exr", b"three", time_ns=10**18 + 1)
    assert files.read(file, keep=True) == Inline(b"three", "clean.exr")
    # Another picture of the same size and time; the disk's clock counts in steps of the kernel, of 10 ms at most.
    time.sleep(0.03)
    write(tmp_path / "clean.exr", b"eerht", time_ns=10**18 + 1)
    assert files.read(file) == Inline(b"eerht", "clean.exr")


def test_a_file_is_kept_only_where_that_is_wanted(tmp_path: Path) -> None:
    files = LocalFiles()
    file = write(tmp_path / "plate.exr", b"plate")
    assert files.read(file) is not files.read(file)
    assert file.path not in files and len(files) == 0


def test_the_pictures_of_a_task_and_its_neighbours_are_kept(tmp_path: Path) -> None:
    files = LocalFiles()
    one = {
        name: write(tmp_path / name, name.encode()) for name in ("plate", "clean", "core", "before", "after", "old")
    }
    for file in one.values():
        files.read(file, keep=True)
    files.keep_only(
        FrameTask(
            frame=1,
            plate=one["plate"],
            clean_plate=one["clean"],
            output="m.exr",
            core=one["core"],
            before=TaskNeighbour(one["before"]),
            after=TaskNeighbour(one["after"]),
        )
    )
    assert {name for name, file in one.items() if file.path in files} == {
        "plate",
        "clean",
        "core",
        "before",
        "after",
    }
