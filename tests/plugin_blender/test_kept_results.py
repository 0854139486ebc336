"""Results and settings that stay right, in real Blender: versions of a file and of the add-on, and copies."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from matte_server.io import exr

from .conftest import Blender

pytestmark = pytest.mark.timeout(900)


def test_results_are_kept_and_the_disk_is_left_alone(blender: Blender, shot: Path) -> None:
    stats = blender.case("kept_results", shot).facts["stats"]
    # A node of 1,000 frames: at rest, after an edit, and where folders are listed; the issue's own limit.
    assert max(stats["rest"]) <= 2 and max(stats["edit"]) <= 2 and max(stats["background"]) <= 2


def test_files_of_older_versions_keep_their_settings(blender: Blender, shot: Path) -> None:
    with tarfile.open(Path(__file__).with_name("golden.tar.xz")) as archive:
        archive.extractall(shot, filter="data")
    blender.case("golden", shot)


def test_one_file_in_two_blenders(blender: Blender, shot: Path) -> None:
    blender.case("two_blenders", shot)


def test_files_that_are_put_there_again(blender: Blender, shot: Path) -> None:
    for file in shot.glob("*.exr"):
        # One changed byte of an uncompressed file is another picture of the same size.
        exr.write_image(file, exr.read_image(file), exr.ExrFormat("float", "none"))
    blender.case("put_again", shot)
