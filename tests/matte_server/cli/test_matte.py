"""``cleanplate matte`` refuses what the server cannot do before it measures or writes anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from matte_server.cli import console
from matte_server.cli import main as cli
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from tests.matte_server.shots.conftest import ShotFiles, plate_of, save, wall


@pytest.mark.parametrize(
    ("model", "code", "sentence"),
    [
        (
            "cleanplte",
            "unknown_model",
            "The server has no model 'cleanplte'; nothing was started. It has cleanplate",
        ),
        ("v1", "missing_weights", "The server has no weights for model v1; nothing was started."),
    ],
)
def test_a_model_that_the_server_lacks_is_refused_before_anything_is_measured(
    make_shot: Callable[..., ShotFiles],
    server: LocalServer,
    capsys: pytest.CaptureFixture[str],
    model: str,
    code: str,
    sentence: str,
) -> None:
    shot = make_shot(3)
    words = shot.command("--model", model, "--server", server.endpoint.address)
    assert cli.main(words) == console.BAD_INPUT
    complaint = capsys.readouterr().err
    assert complaint.count(code) == 1 and sentence in complaint
    # Neither a matte nor the plate solve.
    assert not Path(shot.matte).parent.exists()


def test_one_shot_of_a_job_with_an_unknown_model_stops_all_before_the_first(
    make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(2)
    entry = {"plate": shot.plate, "clean": shot.clean, "model": "difference"}
    job = tmp_path / "job.yaml"
    shots = [entry | {"output": "a/m.####.exr"}, entry | {"output": "b/m.####.exr", "model": "nosuch"}]
    job.write_text(yaml.safe_dump({"shots": shots}))
    assert cli.main(["matte", "--job", str(job), "--server", server.endpoint.address]) == console.BAD_INPUT
    assert "unknown_model" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_a_clean_plate_of_another_place_ends_with_a_code_of_its_own(
    make_shot: Callable[..., ShotFiles], server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The packaged network finds a subject everywhere."""
    shot = make_shot(2)
    save(Path(shot.clean), wall(seed=9) * np.array([0.2, 1.5, 0.6], np.float32))
    words = shot.command("--model", "cleanplate", "--server", server.endpoint.address)
    assert cli.main(words) == console.OTHER_CLEAN_PLATE == 4
    printed = capsys.readouterr()
    assert f"{shot.clean} does not seem to show the same place as {shot.folder / 'plate.1001.exr'}" in printed.err
    assert "2 frames have warnings; the worst is frame 100" in printed.out
    # Asked not to align, the command cannot tell and does not claim to.
    assert cli.main([*words, "--align", "none", "--overwrite"]) == console.OK


@pytest.mark.parametrize(
    "words", [("--model", "difference"), ("--gamma", "2"), ("--bit-depth", "float"), ("--layer-clean",)]
)
def test_a_job_file_and_an_option_beside_it_are_refused(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Rather than made without it."""
    assert cli.main(["matte", "--job", str(tmp_path / "job.yaml"), *words]) == console.BAD_INPUT
    name = words[0].removeprefix("--").replace("-", "_")
    assert f"With --job, the file says what {name} is; leave it out here." in capsys.readouterr().err


def test_a_report_that_cannot_be_written_is_refused_before_the_first_frame(
    make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(2)
    for place in (tmp_path, tmp_path / "shot" / "clean.exr" / "report.json"):
        words = shot.command("--json", str(place), "--server", server.endpoint.address)
        assert cli.main(words) == console.BAD_INPUT
        assert "cannot be written; nothing was started" in capsys.readouterr().err
    assert not Path(shot.matte).parent.exists()


def test_a_dry_run_lists_the_frames_and_makes_nothing(
    make_shot: Callable[..., ShotFiles], capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(4)
    assert cli.main(shot.command("--dry-run", "--frames", "1002-1004")) == console.OK
    printed = capsys.readouterr().out
    assert f"{shot.matte}: 3 frames (1002-1004), model difference" in printed
    assert not Path(shot.matte).parent.exists()
    # What cannot work is refused as in a real run.
    assert cli.main(shot.command("--dry-run", "--frames", "7")) == console.BAD_INPUT


def test_quiet_prints_problems_and_the_last_lines_only(
    make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(3)
    (shot.folder / "plate.1002.exr").write_bytes(b"this is no EXR")
    report = tmp_path / "report.json"
    words = shot.command("-q", "--json", str(report), "--server", server.endpoint.address)
    assert cli.main(words) == console.FRAMES_FAILED
    printed = capsys.readouterr()
    assert "frame 1002: failed (unreadable)" in printed.err and "frame 1001" not in printed.err
    assert "2 done, 0 already there, 1 failed, 0 not tried." in printed.out
    facts = json.loads(report.read_text())
    assert (facts["format"], facts["version"]) == ("cleanplate report", 1)


def test_the_shadow_is_a_layer_of_the_result(make_shot: Callable[..., ShotFiles], server: LocalServer) -> None:
    """The lower right part of the set lies in a shadow of 0.6, the disc stands at the left."""
    shot = make_shot(2)
    lit = wall()
    lit[70:, 100:] *= 0.6
    for number in range(2):
        save(shot.folder / f"plate.{1001 + number}.exr", plate_of(lit, number))
    words = shot.command("--layer-shadow", "--align", "none", "--server", server.endpoint.address)
    holdout = np.zeros((120, 160, 3), np.float32)
    holdout[:, 90:] = 1.0
    assert cli.main([*words, "--holdout", str(save(shot.folder / "holdout.exr", holdout))]) == console.OK
    found = exr.read_image(Path(shot.matte.replace("####", "1001")), layer="shadow").pixels
    assert found.shape == (120, 160, 3)
    # Cells of four pixels, with grain of 0.002 on a wall whose darkest places are 0.02.
    assert np.median(found[80:110, 110:150]) == pytest.approx(0.6, abs=0.02)
    assert np.median(found[10:60, 110:150]) == pytest.approx(1.0, abs=0.02)
