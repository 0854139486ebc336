"""Folders that change while a run writes into them."""

from __future__ import annotations

from pathlib import Path

import pytest

from matte_server.errors import MatteError
from matte_server.shots.output_folders import OutputFolders


def written(folders: OutputFolders, path: Path) -> None:
    with folders.ready_for([path]):
        path.touch()


def test_a_file_that_was_in_hand_as_its_folder_was_renamed_does_not_have_the_rest_follow(tmp_path: Path) -> None:
    """Who writes it makes the folder again: it was taken for the one that was there."""
    folder = tmp_path / "out"
    paths = [folder / f"{number}.exr" for number in range(3)]
    folders = OutputFolders(paths)
    written(folders, paths[0])
    for path in paths[1:]:
        with pytest.raises(MatteError, match=r"the folder .*out was there and is gone"), folders.ready_for([path]):
            if path == paths[1]:
                folder.rename(tmp_path / "away")
            folder.mkdir(exist_ok=True)
            path.touch()
    assert [path.name for path in folder.iterdir()] == ["1.exr"]


def test_a_folder_that_goes_before_anything_is_written_is_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    folders = OutputFolders([folder / "1.exr"])
    folder.rmdir()
    with pytest.raises(MatteError, match="was there and is gone"):
        written(folders, folder / "1.exr")
    assert not folder.exists()


def test_a_folder_that_is_numbered_anew_or_emptied_is_the_same(tmp_path: Path) -> None:
    """As some file servers do with one that nobody has open, and pipelines with what is finished."""
    folder, other = tmp_path / "out", tmp_path / "other"
    folder.mkdir()
    paths = [folder / f"{number}.exr" for number in range(4)]
    folders = OutputFolders(paths)
    # Nothing lies apart yet.
    folder.rename(other)
    folder.mkdir()
    folders.check(paths[0])
    folder.rmdir()
    other.rename(folder)
    written(folders, paths[0])
    paths[0].unlink()
    written(folders, paths[1])
    folder.rename(other)
    folder.mkdir()
    (other / "1.exr").rename(paths[1])
    written(folders, paths[2])
    assert sorted(path.name for path in folder.iterdir()) == ["1.exr", "2.exr"]
