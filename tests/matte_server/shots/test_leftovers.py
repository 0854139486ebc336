"""Which temporary files a run removes: those of runs that are gone, and none that somebody writes."""

from __future__ import annotations

import os
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io.media import VideoReader
from matte_server.io.video_writer import MovieSettings, VideoWriter
from matte_server.shots.leftovers import QUIET_S, Leftovers


def old(path: Path, seconds: float = 2 * QUIET_S) -> Path:
    path.write_bytes(b"half a file")
    os.utime(path, (0, time.time() - seconds))
    return path


@pytest.mark.parametrize(
    ("output", "temporary"),
    [
        ("matte.1001.exr", ".matte.1001.exr.0123abcd.tmp"),
        ("matte.mov", ".matte.0123abcd.tmp.mov"),
        ("a\nb [1].png", ".a\nb [1].png.0123abcd.tmp"),
        ("without_suffix", ".without_suffix.0123abcd.tmp"),
        ("a.0123abcd.tmp", ".a.0123abcd.tmp.89abcdef.tmp"),
    ],
)
def test_what_a_killed_run_left_is_removed(tmp_path: Path, output: str, temporary: str) -> None:
    ours, others = old(tmp_path / temporary), old(tmp_path / f".other{temporary}")
    Leftovers([tmp_path / output]).remove()
    assert not ours.exists() and others.exists()


def test_a_file_that_may_be_written_to_stays(tmp_path: Path) -> None:
    output, temporary = tmp_path / "m.exr", tmp_path / ".m.exr.0123abcd.tmp"
    old(temporary, QUIET_S / 2)
    Leftovers([output]).remove()
    assert temporary.exists(), "its writer may have paused"
    old(temporary)
    leftovers = Leftovers([output])
    temporary.write_bytes(b"more of it")
    os.utime(temporary, (0, time.time() - QUIET_S - 10))
    leftovers.remove()
    assert temporary.exists(), "somebody wrote to it meanwhile"
    leftovers = Leftovers([output])
    temporary.unlink()
    late = old(tmp_path / ".m.exr.89abcdef.tmp")
    leftovers.remove()
    assert late.exists(), "it was not there when the run began"


def test_a_clock_that_is_behind_keeps_no_leftover_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = old(tmp_path / ".m.exr.0123abcd.tmp", -3600.0)
    leftovers = Leftovers([tmp_path / "m.exr"])
    leftovers.remove()
    assert temporary.exists()
    later = time.monotonic() + QUIET_S
    monkeypatch.setattr(time, "monotonic", lambda: later)
    leftovers.remove()
    assert not temporary.exists()


def test_a_clock_that_is_ahead_of_the_disk_s_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ours is of a file server's: what is written just now has the server's time."""
    temporary, ahead = old(tmp_path / ".m.exr.0123abcd.tmp", 0.0), time.time() + 2 * QUIET_S
    monkeypatch.setattr(time, "time", lambda: ahead)
    Leftovers([tmp_path / "m.exr"]).remove()
    assert list(tmp_path.iterdir()) == [temporary]


def test_a_folder_that_cannot_be_listed_has_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("file", "missing", "x" * 300):
        Leftovers([tmp_path / folder / "m.exr"]).remove()


def test_two_runs_that_write_one_video_both_complete_it(tmp_path: Path) -> None:
    """The second run removed what the first one was writing, which then failed with "No such file"."""
    path, window = tmp_path / "matte.mov", Window(0, 0, 32, 16)
    image = Image(np.full((16, 32, 4), 0.5, np.float32), ("R", "G", "B", "A"), window, window)
    settings = MovieSettings(width=32, height=16, rate=Fraction(24), timecode="", comment="first")
    with VideoWriter(path, settings) as writer:
        writer.write(image, None)
        Leftovers([path]).remove()
        writer.write(image, None)
    with VideoReader(path) as video:
        assert video.facts.frames == 2


def test_a_video_whose_temporary_file_was_taken_for_a_leftover_is_complete(tmp_path: Path) -> None:
    """As where its run was stopped with Ctrl-Z for longer than :data:`QUIET_S`."""
    window = Window(0, 0, 32, 16)
    settings = MovieSettings(width=32, height=16, rate=Fraction(24), timecode="", comment="first")
    for name in ("whole.mov", "taken.mov", "taken.mp4", "whole.mp4"):
        with VideoWriter(tmp_path / name, settings) as writer:
            for level in (0.2, 0.5, 0.8):
                writer.write(Image(np.full((16, 32, 4), level, np.float32), ("R", "G", "B", "A"), window, window))
                for temporary in tmp_path.glob(".taken.*"):
                    temporary.unlink()
    for suffix in (".mov", ".mp4"):
        assert (tmp_path / f"taken{suffix}").read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4
