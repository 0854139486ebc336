"""``cleanplate build-plate``: refuses what cannot work before it reads anything, and describes what it built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matte_server.cli import console
from matte_server.cli import main as cli
from matte_server.io import exr
from tests.matte_server.shots.conftest import ShotFiles, plate_of, save, wall
from tests.matte_server.video_files import interlaced


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["-o", "clean.png"], "bad_output", "is a float EXR. Name -o with .exr."),
        (["-o", f"{__file__}/clean.exr"], "cannot_write", "written (Not a directory); nothing was started."),
        (["--reference", "1009"], "missing_frame", "The reference frame 1009 is not among the frames of the shot."),
        (["--subject", "roto.####.exr"], "missing_frame", "roto.1001.exr"),
    ],
)
def test_what_cannot_work_is_refused(
    make_shot: Callable[..., ShotFiles],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: str,
    sentence: str,
) -> None:
    shot = make_shot(4)
    clean = shot.folder / "built.exr"
    assert cli.main(["build-plate", shot.plate, "-o", str(clean), *words]) == console.BAD_INPUT
    complaint = capsys.readouterr().err
    assert f"error ({code})" in complaint and sentence in complaint
    assert not clean.exists()


def test_a_folder_is_no_shot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build-plate", str(tmp_path), "-o", str(tmp_path / "c.exr")]) == console.BAD_INPUT
    assert "is a folder. Name a pattern such as plate.####.exr." in capsys.readouterr().err


def test_places_without_evidence_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A disc that stands still half of the time: nobody can tell it from the set."""
    for number in range(8):
        save(tmp_path / f"plate.{number + 1:04}.exr", plate_of(wall(), 4 if number < 4 else 11))
    words = ["build-plate", str(tmp_path / "plate.####.exr"), "-o", str(tmp_path / "clean.exr")]
    assert cli.main([*words, "--align", "none"]) == console.FRAMES_FAILED
    printed = capsys.readouterr()
    assert "the clean plate as frame 5 sees it, from 8 frames" in printed.out
    assert "Not enough evidence in" in printed.err and "the largest place is" in printed.err


def test_one_frame_is_taken_as_it_is_and_two_are_averaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grain = [np.random.default_rng(seed).normal(0, 0.01, (120, 160, 3)) for seed in range(2)]
    for number in range(2):
        save(tmp_path / f"plate.{number + 1:04}.exr", wall() + grain[number])
    words = ["build-plate", str(tmp_path / "plate.####.exr"), "-o", str(tmp_path / "clean.exr"), "--overwrite"]
    assert cli.main([*words, "--frames", "1"]) == console.OK
    said = capsys.readouterr().out
    assert "from 1 frame.\n" in said and "what stands in them stands in the clean plate" in said
    assert "evidence" not in said
    # Half floats of up to 1 are off by at most 5e-4.
    assert np.abs(exr.read_image(tmp_path / "clean.exr").rgb - wall() - grain[0]).max() < 6e-4
    assert cli.main(words) == console.OK
    assert "from 2 frames (grain " in capsys.readouterr().out
    left = exr.read_image(tmp_path / "clean.exr").rgb - wall()
    # The mean of two has 1 / sqrt(2) of the grain.
    assert left.std() == pytest.approx(0.01 / 2**0.5, rel=0.05)


def test_a_frame_of_another_size_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(4):
        picture = plate_of(wall(), number)
        save(tmp_path / f"plate.{number + 1:04}.exr", picture[::2, ::2] if number == 1 else picture)
    words = ["build-plate", str(tmp_path / "plate.####.exr"), "-o", str(tmp_path / "clean.exr")]
    cli.main([*words, "--align", "none"])
    assert (
        "The plate of frame 2 differs from most: 80 x 60 instead of 160 x 120; look whether it belongs to the shot."
        in " ".join(capsys.readouterr().err.split())
    )


@pytest.mark.parametrize("deinterlace", [False, True])
def test_an_interlaced_take_is_said_or_made_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], deinterlace: bool
) -> None:
    """Nothing was said, and there was no such flag."""
    take, clean = tmp_path / "take.mkv", tmp_path / "clean.exr"
    interlaced(take)
    flags = ["--frames", "2", *(["--deinterlace"] if deinterlace else [])]
    assert cli.main(["build-plate", str(take), "-o", str(clean), *flags]) == console.OK
    said = "each frame shows two moments. Use --deinterlace (plate)." in " ".join(capsys.readouterr().err.split())
    assert said != deinterlace
    lines = exr.read_image(clean).rgb[20:100, 30:70].mean((1, 2))
    # 0.8 and 0.2 of sRGB in turn, or 0.8 in every line.
    assert np.ptp(lines) == pytest.approx(0.0 if deinterlace else 0.57, abs=0.02)


def test_what_changes_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = save(tmp_path / "plate.0001.exr", wall())
    words = ["build-plate", str(place), "-o", str(tmp_path / "clean.exr"), "--view", "left", "--deinterlace"]
    assert cli.main(words) == console.OK
    said = " ".join(capsys.readouterr().err.split())
    assert "--deinterlace changes nothing: no file of the shot is a video." in said
    assert "--view changes nothing: neither plate nor clean plate is an EXR with views." in said


def test_a_layer_of_the_plate_is_built(tmp_path: Path) -> None:
    """Only the main R, G, B could be built, of a shot that is matted with --layer."""
    for number in range(3):
        picture = exr.read_image(save(tmp_path / "plate.exr", wall(seed=number)))
        beauty = replace(picture, pixels=wall(seed=7))
        exr.write_image(tmp_path / f"plate.{number + 1:04}.exr", picture, layers={"beauty": beauty})
    clean = tmp_path / "clean.exr"
    words = ["build-plate", str(tmp_path / "plate.####.exr"), "-o", str(clean), "--align", "none"]
    assert cli.main([*words, "--layer", "beauty"]) == console.OK
    # Half floats of up to 1.
    assert np.abs(exr.read_image(clean).rgb - wall(seed=7)).max() < 6e-4


def test_identical_frames_are_a_clean_plate(tmp_path: Path) -> None:
    for number in range(5):
        save(tmp_path / f"plate.{number + 1:04}.exr", wall())
    words = ["build-plate", str(tmp_path / "plate.####.exr"), "-o", str(tmp_path / "clean.exr")]
    assert cli.main(words) == console.OK
    assert np.abs(exr.read_image(tmp_path / "clean.exr").rgb - wall()).max() < 6e-4


def test_of_two_frames_that_show_two_places_no_third_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "plate.0001.exr", wall())
    save(tmp_path / "plate.0002.exr", np.random.default_rng(0).random((120, 160, 3)))
    words = ["build-plate", str(tmp_path / "plate.####.exr"), "-o", str(tmp_path / "clean.exr")]
    assert cli.main(words) == console.BAD_INPUT
    complaint = capsys.readouterr().err
    assert "Only 1 of 2 frames could be aligned" in complaint and "or one frame alone" in complaint
    assert "At least 3" not in complaint


def test_fewer_frames_than_can_vote_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Three voted, whatever was asked for."""
    with pytest.raises(SystemExit):
        cli.main(["build-plate", "p.####.exr", "-o", "c.exr", "--samples", "2"])
    assert "argument --samples: '2' is not a whole number, 3 or more" in capsys.readouterr().err
