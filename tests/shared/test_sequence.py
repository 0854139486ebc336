"""Frame ranges and file patterns."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matte_link.sequence import FramePattern, evenly_spaced, format_frames, parse_frames


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("1", (1,)),
        ("1-5", (1, 2, 3, 4, 5)),
        ("1001-1010x4,1200", (1001, 1005, 1009, 1200)),
        (" 3 , 1-2 ,2", (1, 2, 3)),
        ("-3--1", (-3, -2, -1)),
        ("-2-1", (-2, -1, 0, 1)),
    ],
)
def test_parse(text: str, frames: tuple[int, ...]) -> None:
    assert parse_frames(text) == frames


@pytest.mark.parametrize("text", ["", "a", "1-", "5-1", "1-5x0", "1,,2", "0-999999999", "1-5x-1"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="frame range"):
        parse_frames(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1-x", "'1-x' is not a frame range; it should look like 1001-1100x2,1200."),
        ("1, 5-2", "the frame range '5-2' runs backwards; write the smaller frame first."),
        ("1-1000001", "the frame range '1-1000001' has more than 1000000 frames."),
        ("0,1-1000000", "the frame range '0,1-1000000' has more than 1000000 frames."),
    ],
)
def test_a_refusal_says_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_frames(text)
    assert str(caught.value) == sentence


def test_a_million_frames_are_allowed() -> None:
    assert len(parse_frames("1-1000000")) == len(parse_frames("0-1999998x2")) == 1_000_000


def test_frames_that_all_stand_alone_are_written_as_fast_as_others() -> None:
    """The time grew with the square of their number."""
    began = time.process_time()
    text = format_frames(range(1, 400_000, 2))
    # It takes 0.15 s, and took 25.
    assert time.process_time() - began < 5
    assert text.startswith("1,3,5,") and text.endswith(",399999")


@given(st.sets(st.integers(-50, 3000), min_size=1, max_size=40))
def test_format_is_the_inverse_of_parse(frames: set[int]) -> None:
    assert parse_frames(format_frames(frames)) == tuple(sorted(frames))


@pytest.mark.parametrize(
    ("text", "frame", "name"),
    [
        ("plate.####.exr", 7, "plate.0007.exr"),
        ("plate.####.exr", 12345, "plate.12345.exr"),
        ("plate.%04d.exr", 7, "plate.0007.exr"),
        ("plate.%d.exr", 7, "plate.7.exr"),
        ("plate.<f>.exr", 1001, "plate.1001.exr"),
        ("plate.####.exr", -7, "plate.-007.exr"),
        ("plate.####.exr", 0, "plate.0000.exr"),
        ("plate.%d.exr", -7, "plate.-7.exr"),
        ("plate.<f>.exr", 0, "plate.0.exr"),
        ("plate.@@@@.exr", 7, "plate.0007.exr"),
        ("plate.$F4.exr", 7, "plate.0007.exr"),
        ("plate.$F.exr", 7, "plate.7.exr"),
        # Neither is a frame number.
        ("photo@2x.exr", 7, "photo@2x.exr"),
        ("take #3.exr", 7, "take #3.exr"),
        ("Reel #2 p.####.exr", 7, "Reel #2 p.0007.exr"),
        ("50%done.exr", 7, "50%done.exr"),
        ("50%done.%04d.exr", 7, "50%done.0007.exr"),
        ("50%début.exr", 7, "50%début.exr"),
        ("50%dЯ.%04d.exr", 7, "50%dЯ.0007.exr"),
        ("$FÜr.exr", 7, "$FÜr.exr"),
        ("p%d.exr", 7, "p7.exr"),
        ("p%d_é.exr", 7, "p7_é.exr"),
        ("p.$F4x.exr", 7, "p.0007x.exr"),
        ("p.$F4é.exr", 7, "p.0007é.exr"),
        ("p.#.exr", 7, "p.7.exr"),
        ("$FOLDER.exr", 7, "$FOLDER.exr"),
        ("still.exr", 7, "still.exr"),
        ("Reel #3/plate.####.exr", 7, "Reel #3/plate.0007.exr"),
        ("50%d off/plate.exr", 7, "50%d off/plate.exr"),
    ],
)
def test_path(text: str, frame: int, name: str) -> None:
    assert FramePattern(text).path(frame) == Path(name)


@pytest.mark.parametrize("text", ["a.##.%04d.exr", "Reel #3/a.#.%d.exr"])
def test_pattern_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="frame number"):
        FramePattern(text)


def test_frames_on_disk_are_those_the_pattern_would_write(tmp_path: Path) -> None:
    for name in (
        "p.0001.exr",
        "p.0500.exr",
        "p.10000.exr",
        "p.-003.exr",
        "p.1.exr",
        "p.00001.exr",
        "p.0002.EXR",
        "p.0500.EXR",
        "p.0002.exr2",
        "q.0002.exr",
    ):
        (tmp_path / name).touch()
    (tmp_path / "p.10001.exr").symlink_to(tmp_path / "away.exr")
    assert FramePattern(str(tmp_path / "p.####.exr")).frames_on_disk() == (-3, 1, 500, 10000, 10001)
    assert [path.name for path in FramePattern(str(tmp_path / "p.####.exr")).odd_files()] == [
        "p.00001.exr",
        "p.0002.EXR",
        "p.1.exr",
    ]
    assert FramePattern(str(tmp_path / "missing" / "p.####.exr")).frames_on_disk() == ()
    assert FramePattern(str(tmp_path / "p.0001.exr")).frames_on_disk() == ()


@pytest.mark.parametrize(
    ("frames", "count", "chosen"),
    [
        ((5,), 7, (5,)),
        (tuple(range(1, 8)), 7, tuple(range(1, 8))),
        (tuple(range(1, 9)), 7, (1, 2, 3, 5, 6, 7, 8)),
        (tuple(range(101)), 5, (0, 25, 50, 75, 100)),
        ((1, 2, 3, 4, 9), 3, (1, 3, 9)),
    ],
)
def test_the_sampled_frames_are_spread_evenly(frames: tuple[int, ...], count: int, chosen: tuple[int, ...]) -> None:
    """With the first and the last; Python rounds a half to the even number."""
    assert evenly_spaced(frames, count) == chosen
