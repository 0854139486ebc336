"""Results and settings that stay right, in real Blender: versions of a file and of the add-on, and copies."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matte_server.io import exr

from .conftest import NOWHERE, Blender, every_version, make_movie, newest_version, read, write
from .environments import VERSIONS, ensure
from .test_blender import expected

pytestmark = pytest.mark.timeout(900)


def test_results_are_kept_and_the_disk_is_left_alone(blender: Blender, shot: Path) -> None:
    stats = blender.case("kept_results", shot).facts["stats"]
    # A node of 1,000 frames: at rest, after an edit, and where folders are listed; the issue's own limit.
    assert max(stats["rest"]) <= 2 and max(stats["edit"]) <= 2 and max(stats["background"]) <= 2


@every_version
def test_files_of_older_versions_keep_their_settings(blender: Blender, shot: Path) -> None:
    with tarfile.open(Path(__file__).with_name("golden.tar.xz")) as archive:
        archive.extractall(shot, filter="data")
    blender.case("golden", shot)


@newest_version
def test_a_file_of_blender_5_in_blender_45_keeps_settings_and_results(blender: Blender, shot: Path) -> None:
    saved = blender.case("older_blender", shot).facts
    older = replace(blender, version=VERSIONS[0], interpreter=ensure(VERSIONS[0]))
    assert older.case("older_blender", shot, CLEANPLATE_SERVER=NOWHERE).facts["id"] == saved["id"]
    np.testing.assert_array_equal(read(shot / "opened.exr"), expected(Path(saved["result"]))["Image"])


def test_a_file_is_sent_as_it_is_shown_however_its_path_is_written(blender: Blender, shot: Path) -> None:
    """As on Windows, with ``..``, through a link, and sequences whose names or lengths are odd."""
    values = {"above.exr": 7.0, "plates/p.exr": 8.0, "home/plates/p.exr": 9.0, "plates/bare.exr": 100.0}
    for number in range(5):
        names = (f"a.{number:04d}.exr", f"take{number:03d}\uff11.exr", *([f"bare{number}.exr"] if number else []))
        values |= {f"plates/{name}": 100.0 + number for name in names}
    for name, value in values.items():
        (shot / name).parent.mkdir(parents=True, exist_ok=True)
        write(shot / name, np.full((4, 4, 3), value))
    assert blender.case("written_paths", shot, "shown").facts["differs"] == []
    # glibc ends a process that frees memory twice.
    library = "libc_malloc_debug.so.0"
    copied = blender.case("written_paths", shot, "copied", LD_PRELOAD=library, MALLOC_CHECK_="3")
    assert copied.facts["nodes"] == 2


def test_one_file_in_two_blenders(blender: Blender, shot: Path) -> None:
    blender.case("two_blenders", shot)


def test_movies_that_are_written_over_are_read_again(blender: Blender, shot: Path) -> None:
    make_movie(shot / "first.mkv", 3, grey=64)
    make_movie(shot / "other.mkv", 3, grey=192)
    shutil.copy(shot / "first.mkv", shot / "movie.mkv")
    found = blender.case("movies", shot).facts
    for name in ("image", "clip"):
        before, after = (read(Path(file)) for file in found[name])
        # sRGB: 64 and 192 of 255; a level of 8 bits there is 0.007 at most.
        np.testing.assert_allclose(before, 0.0513, atol=0.007, err_msg=name)
        np.testing.assert_allclose(after, 0.5271, atol=0.007, err_msg=name)


def test_files_that_are_put_there_again(blender: Blender, shot: Path) -> None:
    for file in shot.glob("*.exr"):
        # One changed byte of an uncompressed file is another picture of the same size.
        exr.write_image(file, exr.read_image(file), exr.ExrFormat("float", "none"))
    blender.case("put_again", shot)
