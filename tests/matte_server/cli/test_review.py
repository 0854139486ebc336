"""``cleanplate matte --review``: the command writes the review and says where it is and what to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matte_server.cli import console
from matte_server.cli import main as cli
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from tests.matte_server.shots.conftest import ShotFiles

MakeShot = Callable[..., ShotFiles]


def test_a_review_is_written_and_named(
    make_shot: MakeShot, server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(3)
    assert cli.main(shot.command("--review", "--server", server.endpoint.address)) == console.OK
    folder = Path(shot.matte).with_name("matte.review")
    assert {path.name for path in folder.iterdir()} == {"index.html", "contact_sheet.png", "preview.mp4"}
    printed = capsys.readouterr().out
    assert f"Review: {folder / 'index.html'} (no frame stands out), contact_sheet.png, preview.mp4" in printed
    # A result that something else has damaged since.
    path = Path(shot.matte.replace("####", "1002"))
    matte = exr.read_image(path)
    pixels = matte.pixels.copy()
    pixels[2:4, 3:9, 3] = np.nan
    exr.write_image(path, replace(matte, pixels=pixels))
    assert cli.main(shot.command("--review", "--server", server.endpoint.address)) == console.OK
    assert "frame to look at: 1002" in capsys.readouterr().out.replace("frames to", "frame to")


def test_without_any_result_there_is_no_review(
    make_shot: MakeShot, server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(2)
    for path in shot.folder.glob("plate.*.exr"):
        path.write_bytes(b"this is no EXR")
    assert cli.main(shot.command("--review", "--server", server.endpoint.address)) == console.FRAMES_FAILED
    assert "No frame of the shot has a result, so there is nothing to review." in capsys.readouterr().err
    assert not Path(shot.matte).with_name("matte.review").exists()


def test_a_first_frame_without_a_result_does_not_end_the_review(
    make_shot: MakeShot, server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(4)
    (shot.folder / "plate.1001.exr").write_bytes(b"this is no EXR")
    assert cli.main(shot.command("--review", "--server", server.endpoint.address)) == console.FRAMES_FAILED
    printed = capsys.readouterr()
    assert "frames to look at: 1001; the worst is 1001: No result:" in printed.out
