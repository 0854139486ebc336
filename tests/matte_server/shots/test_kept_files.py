"""Files of two runs under one name: none replaces what it did not see."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.io.media import comment_of
from matte_server.io.video_writer import MovieSettings, VideoWriter
from matte_server.shots.kept_files import make_unless_kept, may_keep

WINDOW = Window(0, 0, 32, 16)
IMAGE = Image(np.full((16, 32, 4), 0.5, np.float32), ("R", "G", "B", "A"), WINDOW, WINDOW)


def write(path: Path, stamp: str, replaces: bool) -> str:
    if path.suffix == ".mov":
        settings = MovieSettings(width=32, height=16, rate=Fraction(24), timecode="", comment=stamp)
        with VideoWriter(path, settings, replaces=replaces) as writer:
            writer.write(IMAGE, None)
    else:
        stamped = replace(IMAGE, metadata={exr.STAMP: exr.Attribute(type="string", value=stamp)})
        exr.write_image(path, stamped, replaces=replaces)
    return stamp


def stamp_of(path: Path) -> str:
    return comment_of(path) if path.suffix == ".mov" else exr.read_stamp(path)


def while_it_is_synced(monkeypatch: pytest.MonkeyPatch, other: Callable[[], object]) -> None:
    """Has another run act once, while the next file is complete and has not got its name yet."""
    sync, rest = os.fsync, [other]

    def synced(descriptor: int) -> None:
        sync(descriptor)
        if rest:
            rest.pop()()

    monkeypatch.setattr(os, "fsync", synced)


@pytest.mark.parametrize("name", ["m.exr", "m.png", "m.mov"])
def test_what_appears_while_a_file_is_written_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name

    def make(replaces: bool) -> str:
        return write(path, "mine", replaces)

    while_it_is_synced(monkeypatch, lambda: write(path, "another", True))
    with pytest.raises(MatteError, match="exists and was made from something else; use --overwrite"):
        make_unless_kept(path, "mine", False, make)
    assert stamp_of(path) == "another" and list(tmp_path.iterdir()) == [path]
    path.unlink()
    # The same result of another run is kept, part of one is replaced, and so is anything with --overwrite.
    while_it_is_synced(monkeypatch, lambda: write(path, "mine", True))
    assert make_unless_kept(path, "mine", False, make) is None and may_keep(path, "mine", False)
    path.unlink()
    while_it_is_synced(monkeypatch, path.touch)
    assert make_unless_kept(path, "mine", False, make) == "mine" == stamp_of(path)
    while_it_is_synced(monkeypatch, lambda: write(path, "another", True))
    assert make_unless_kept(path, "mine", True, make) == "mine" == stamp_of(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["m.exr", "m.png", "m.mov"])
def test_a_file_of_somebody_else_is_told_from_another_result(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"the client's own")
    with pytest.raises(MatteError, match="exists and is no result of Cleanplate, or is damaged"):
        may_keep(path, "mine", False)
    # A link that leads nowhere is no file, and gets one in its place.
    path.unlink()
    path.symlink_to(tmp_path / "gone")
    assert make_unless_kept(path, "mine", False, lambda replaces: write(path, "mine", replaces)) == "mine"
    assert not path.is_symlink() and stamp_of(path) == "mine"
