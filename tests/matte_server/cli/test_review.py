"""``cleanplate matte --review``: the command writes the review and says where it is and what to look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from matte_server.cli import console
from matte_server.cli import main as cli
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
