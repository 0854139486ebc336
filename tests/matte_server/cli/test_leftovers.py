"""What killed runs left of reports, plate solves, checkpoints and what is not a frame: the next run removes it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from matte_server.cli import console
from matte_server.cli.main import main
from matte_server.server.local_server import LocalServer
from matte_server.shots.leftovers import QUIET_S
from tests.matte_server.shots.conftest import ShotFiles, disc, save


class KilledRun:
    """A killed run's temporary files beside ``paths``, and those that a run beside ours may be writing now."""

    def __init__(self, *paths: Path) -> None:
        self._left = [path.with_name(f".{path.name}.0123abcd.tmp") for path in paths]
        self._live = [path.with_name(f".{path.name}.89abcdef.tmp") for path in paths]
        for file in (*self._left, *self._live):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"half a file")
        for file in self._left:
            os.utime(file, (0, time.time() - 2 * QUIET_S))

    def check(self) -> None:
        """Fails where something of it is left, or anything of the live run is not."""
        assert [file.name for file in self._left if file.exists()] == []
        assert [file.name for file in self._live if not file.exists()] == []


def test_a_run_of_a_shot_removes_those_of_its_solve_report_and_review(
    make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path
) -> None:
    shot, report = make_shot(2), tmp_path / "report.json"
    out = Path(shot.matte).parent
    review = [out / "matte.review" / name for name in ("index.html", "contact_sheet.png")]
    killed = KilledRun(out / "matte.platesolve.json", report, *review)
    words = shot.command("--server", server.endpoint.address, "--json", str(report), "--review")
    assert main(words) == console.OK
    assert {path.name for path in review} <= {path.name for path in review[0].parent.iterdir()}
    killed.check()


def test_a_built_plate_and_an_evaluation_remove_their_own(
    make_shot: Callable[..., ShotFiles], tmp_path: Path
) -> None:
    shot, plate, figures = make_shot(3), tmp_path / "built.exr", tmp_path / "figures.json"
    killed = KilledRun(plate, figures)
    assert main(["build-plate", shot.plate, "-o", str(plate)]) in (console.OK, console.FRAMES_FAILED)
    assert main(["evaluate", str(plate), str(plate), "--json", str(figures)]) == console.OK
    killed.check()


def test_learning_removes_those_of_its_checkpoint_and_its_weights(
    make_shot: Callable[..., ShotFiles], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a checkpoint have 53 MB."""
    monkeypatch.setattr("matte_server.learning.learner._WORTH", 0.0)
    shot = make_shot(1)
    output = shot.folder / "shot.learned"
    key = save(shot.folder / "mended.1001.exr", 0.5 * disc(0).repeat(3, 2))
    killed = KilledRun(output, output.with_name(".shot.learned.run"))
    words = ["--key", f"1001={key}", "--steps", "1", "--device", "cpu"]
    assert main(["learn", shot.plate, "--clean", shot.clean, "-o", str(output), *words]) == console.OK
    killed.check()
