"""Which file of a sequence a frame shows, as Blender counts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from plugin_blender.sources import ClipNumbering, FileSource, Numbering, Span


@pytest.mark.parametrize(
    ("numbering", "numbers"),
    [
        # Frames 0, 1, 2, 4 and 9.
        (Numbering(start=1, duration=4, offset=0), [0, 1, 2, 4, 4]),
        (Numbering(start=2, duration=3, offset=10), [10, 10, 11, 13, 13]),
        (Numbering(start=1, duration=4, offset=-3), [-3, -2, -1, 1, 1]),
        (Numbering(start=1, duration=4, offset=0, cyclic=True), [4, 1, 2, 4, 1]),
        (Numbering(start=3, duration=2, offset=7, cyclic=True), [9, 8, 9, 9, 8]),
        (Numbering(start=1, duration=0, offset=5), [0] * 5),
        (Numbering(start=1, duration=0, offset=5, cyclic=True), [0] * 5),
        (ClipNumbering(first=1001, start=1, offset=0), [1000, 1001, 1002, 1004, 1009]),
        (ClipNumbering(first=5, start=3, offset=2), [4, 5, 6, 8, 13]),
    ],
)
def test_a_frames_number(numbering: Numbering | ClipNumbering, numbers: list[int]) -> None:
    assert [numbering.file_number(frame) for frame in (0, 1, 2, 4, 9)] == numbers


@pytest.mark.parametrize(
    ("file", "numbering", "paths"),
    [
        ("/s/a.0001.exr", Numbering(start=1, duration=4, offset=0), ["/s/a.0000.exr", "/s/a.0003.exr"]),
        ("/s/a.0001.exr", Numbering(start=1, duration=4, offset=-9), ["/s/a.0000.exr", "/s/a.0000.exr"]),
        (
            "/s/v2_a7_x.exr",
            Numbering(start=1, duration=9999, offset=1000),
            ["/s/v2_a1000_x.exr", "/s/v2_a1003_x.exr"],
        ),
        # Blender numbers an image behind its name, and a clip not at all.
        ("/s/bare.exr", Numbering(start=1, duration=4, offset=0), ["/s/bare.exr", "/s/bare3.exr"]),
        ("/s/bare.exr", ClipNumbering(first=1, start=1, offset=0), ["/s/bare.exr", "/s/bare.exr"]),
        ("/s/a.0001.exr", None, ["/s/a.0001.exr", "/s/a.0001.exr"]),
        # No file at all, which Blender lets be played.
        ("/", Numbering(start=1, duration=4, offset=0), ["/", "/"]),
        ("/", ClipNumbering(first=1, start=1, offset=0), ["/", "/"]),
    ],
)
def test_a_frames_file(file: str, numbering: Numbering | ClipNumbering | None, paths: list[str]) -> None:
    source = FileSource(file=file, colourspace="", numbering=numbering)
    assert [source.path(frame) for frame in (0, 3)] == paths


def test_a_sequence_has_pictures_of_its_own_where_it_is_played_once() -> None:
    played = Numbering(start=3, duration=4, offset=0).span
    assert played == Span(first=3, last=6, held=True)
    assert [played.has(frame) for frame in (2, 3, 6, 7)] == [False, True, True, False]
    assert [played.shows(frame) for frame in (2, 3, 6, 7)] == [False, True, True, True]
    # Blender shows the file of number 0 in every frame.
    assert Numbering(start=3, duration=0, offset=0).span is None
    assert Numbering(start=3, duration=4, offset=0, cyclic=True).span is None
    clip = ClipNumbering(first=5, start=3, offset=2).span_of([8, 5, 6])
    assert clip == Span(first=1, last=4, held=False)
    assert [clip.shows(frame) for frame in (0, 1, 4, 5)] == [False, True, True, False]
    assert ClipNumbering(first=5, start=3, offset=2).span_of([]) is None


def test_a_sequence_that_became_longer_is_the_same_at_its_first_frames(tmp_path: Path) -> None:
    """All files have one size and one time, as those of a disk that counts in seconds: only numbers tell them
    apart."""
    for number in range(7):
        (tmp_path / f"a.{number:04d}.exr").write_bytes(b"picture")
        os.utime(tmp_path / f"a.{number:04d}.exr", (1, 1))

    def source(**choice: Any) -> FileSource:
        numbering = Numbering(**{"start": 1, "duration": 4, "offset": 0} | choice)
        return FileSource(file=str(tmp_path / "a.0001.exr"), colourspace="linear", numbering=numbering)

    short, long = source(), source(duration=6)
    assert short.name == long.name == source(start=0, offset=-1, duration=5).name
    assert [short.identity(frame) == long.identity(frame) for frame in (1, 4, 5, 6)] == [True, True, False, False]
    assert short.identity(5) == short.identity(6)
    for other in (source(start=2), source(offset=1), source(cyclic=True)):
        assert other.name != short.name
