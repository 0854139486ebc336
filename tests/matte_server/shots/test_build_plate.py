"""A clean plate built from its shot: right where there is evidence, and honest where there is none."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from matte_server.cli import main as cli
from matte_server.core.clean_plate_vote import vote_clean_plate
from matte_server.io import exr
from matte_server.io.colour import to_scene_linear
from matte_server.server.local_server import LocalServer
from matte_server.shots.build_plate import voting_frames
from matte_server.shots.shot import ShotFrame
from tests.matte_server import colour_formulas as formulas
from tests.matte_server import picture_files
from tests.matte_server.pictures import room
from tests.small_disk import python_beside_a_small_disk

from .conftest import moved, plate_of, save, wall

GRAIN = 0.002
_BUILD = """
import sys, tempfile
from pathlib import Path
from matte_server.cli import main as cli

tempfile.tempdir = sys.argv[1]
print(cli.main(["build-plate", sys.argv[2], "-o", sys.argv[3]]), list(Path(sys.argv[1]).iterdir()))
"""


def grainy(picture: np.ndarray, seed: int) -> np.ndarray:
    grain = np.random.default_rng(seed).normal(0, GRAIN, picture.shape)
    return np.asarray(picture + grain, np.float32)


def test_as_many_frames_vote_as_were_asked_for_and_the_reference() -> None:
    frames = [
        ShotFrame(frame=number, plate=Path("p"), clean_plate=Path("c"), output=Path("o")) for number in range(9)
    ]
    for reference, chosen in ((4, [0, 4, 8]), (2, [0, 2, 4, 8])):
        assert [each.frame for each in voting_frames(frames, frames[reference], 3)] == chosen


def test_the_subject_may_cover_a_pixel_most_of_the_time() -> None:
    """A median would show the subject: it is there in six of ten frames, never twice alike."""
    behind = wall()
    frames = [grainy(behind, seed) for seed in range(10)]
    random = np.random.default_rng(1)
    for frame in frames[:6]:
        frame[40:80, 40:80] = random.uniform(0, 2, (40, 40, 3))
    found = vote_clean_plate(frames, [np.ones(behind.shape[:2], bool)] * 10)
    assert found.evidence.all()
    # The mean of four frames' grain: half of one's; five times that is never met in 14400 numbers.
    assert np.abs(found.colour - behind)[40:80, 40:80].max() < 5 * GRAIN / 2


def test_somebody_who_stood_still_is_not_believed() -> None:
    behind = wall()
    frames = [grainy(behind, seed) for seed in range(10)]
    for frame in frames[:5]:
        frame[40:80, 40:80] = grainy(np.full((40, 40, 3), 0.02), 7)
    found = vote_clean_plate(frames, [np.ones(behind.shape[:2], bool)] * 10)
    assert not found.evidence[42:78, 42:78].any()
    assert found.evidence[:38].all()


def test_what_is_never_seen_or_never_the_same_has_no_evidence() -> None:
    behind = wall()
    frames = [grainy(behind, seed) for seed in range(8)]
    seen = [np.ones(behind.shape[:2], bool) for _ in frames]
    for mask in seen[:6]:
        mask[:10] = False
    random = np.random.default_rng(2)
    for frame in frames:
        frame[50:60, 50:60] = random.uniform(0, 3)
    found = vote_clean_plate(frames, seen)
    assert not found.evidence[:10].any()
    assert found.evidence[52:58, 52:58].mean() < 0.05
    assert found.support[:10].max() <= 1.0


def test_grain_is_measured_although_frames_are_shot_on_twos() -> None:
    frames = [grainy(wall(), seed // 2) for seed in range(12)]
    found = vote_clean_plate(frames, [np.ones(frames[0].shape[:2], bool)] * 12)
    # Relative to a wall of 0.05 to 0.9 whose middle is near 0.45.
    assert 0.5 * GRAIN / 0.45 < found.noise < 4 * GRAIN / 0.45
    assert found.evidence.all()


@pytest.fixture
def moving_shot(tmp_path: Path) -> Path:
    """Twelve frames of a drifting camera; the set goes on beyond every frame's edge."""
    large = wall((180, 240))
    for number in range(12):
        step = number - 6
        camera = np.array([[1.0, 0.0, 1.5 * step], [0.0, 1.0, -0.75 * step], [0, 0, 1]])
        seen = moved(large, camera)[30:150, 40:200]
        save(tmp_path / f"plate.{number + 1:04}.exr", plate_of(seen, number))
    save(tmp_path / "true.exr", large[30:150, 40:200])
    return tmp_path


def test_the_command_builds_and_says_how_sure_it_is(moving_shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = moving_shot / "clean.exr"
    words = ["build-plate", str(moving_shot / "plate.####.exr"), "-o", str(clean), "--reference", "7"]
    code = cli.main(words)
    said = capsys.readouterr()
    assert "[1/12] clean plate: frame 1\n" in said.err
    coverage = exr.read_image(clean, layer="coverage").pixels[..., 0]
    known = coverage > 0
    # The flat disc is the same for up to five of twelve frames, so in its path the vote may be too close; above and
    # below it everything within every frame's reach (9 and 5 px of drift, and the filter) is known.
    assert known[8:34, 12:-12].all()
    assert known[88:-8, 12:-12].all()
    assert known.mean() > 0.8
    assert code == (0 if known.all() else 1)
    assert ("Not enough evidence" in said.err) == (not known.all())
    true = exr.read_image(moving_shot / "true.exr").rgb
    error = np.abs(exr.read_image(clean).rgb - true).mean(-1)[known]
    # Grain of 0.002 over at least three frames, and resampling a wall whose corners are six pixels apart.
    assert error.mean() < 0.004
    # Again: nothing is replaced unasked.
    before = clean.read_bytes()
    assert cli.main(words) == 2
    assert clean.read_bytes() == before


def test_a_clean_plate_that_its_disk_has_no_room_for_is_one_sentence(moving_shot: Path) -> None:
    """It was "Bus error"."""
    plate, clean = moving_shot / "plate.####.exr", moving_shot / "clean.exr"
    said = python_beside_a_small_disk(_BUILD, moving_shot / "tmp", "1m", str(plate), str(clean))
    assert "error (disk_full): " in said and said.endswith("2 []\n"), said
    assert not clean.exists()


def test_a_plates_colour_tags_are_not_those_of_its_clean_plate(tmp_path: Path) -> None:
    """What is built is scene-linear Rec.709."""
    light = np.asarray(room(24, 32, 1)[..., :3], np.float64) * 0.5 + 0.1
    numbers = formulas.PRIMARIES["AP1"]
    tag = {"chromaticities": ("chromaticities", struct.pack("<8f", *numbers))}
    for number in range(3):
        path = tmp_path / f"plate.{number:04}.exr"
        picture_files.exr(path, picture_files.planes(formulas.in_gamut(light, numbers)), tag)
    clean = tmp_path / "clean.exr"
    assert cli.main(["build-plate", str(tmp_path / "plate.####.exr"), "-o", str(clean), "--align", "none"]) == 0
    found = exr.read_image(clean)
    np.testing.assert_allclose(to_scene_linear(found, found.colourspace).rgb, light, atol=2e-4)  # rounded matrices


def test_unknown_places_count_as_not_covered(moving_shot: Path, server: LocalServer) -> None:
    """The whole way: built with a hole, and the matte's clean plate layer says where the hole is."""
    mask = np.zeros((120, 160, 3))
    mask[40:60, 100:130] = 1.0
    for number in range(12):
        save(moving_shot / f"roto.{number + 1:04}.exr", mask)
    clean, matte = moving_shot / "clean.exr", moving_shot / "matte.exr"
    pattern = str(moving_shot / "plate.####.exr")
    roto = str(moving_shot / "roto.####.exr")
    assert cli.main(["build-plate", pattern, "-o", str(clean), "--align", "none", "--subject", roto]) == 1
    assert (exr.read_image(clean, layer="coverage").pixels[42:58, 102:128] == 0).all()
    words = ["matte", str(moving_shot / "plate.0007.exr"), "--clean", str(clean), "-o", str(matte)]
    more = ["--model", "difference", "--align", "none", "--layer-clean", "--server", server.endpoint.address]
    assert cli.main([*words, *more]) == 0
    covered = exr.read_image(matte, layer="clean").pixels[..., 3]
    assert (covered[42:58, 102:128] == 0).all()
    assert covered[62:, :20].mean() > 0.5


def built_with_roto(folder: Path, mask: np.ndarray) -> int:
    """The command's exit code on three frames of an empty set, ``mask`` being the rough matte of each."""
    for number in range(3):
        save(folder / f"plate.{number:04}.exr", grainy(wall(), number))
        save(folder / f"roto.{number:04}.exr", np.repeat(mask[..., None], 3, -1))
    plate, roto, clean = (str(folder / name) for name in ("plate.####.exr", "roto.####.exr", "clean.exr"))
    return cli.main(["build-plate", plate, "-o", clean, "--align", "none", "--subject", roto])


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
def test_a_rough_matte_of_another_size_lies_where_it_belongs(tmp_path: Path, times: float) -> None:
    """It was laid on the plate from the top left pixel on, so that the subject voted."""
    height, width = (round(side * times) for side in wall().shape[:2])
    mask = np.zeros((height, width))
    mask[round(80 * times) : round(100 * times), round(100 * times) : round(130 * times)] = 1.0
    assert built_with_roto(tmp_path, mask) == 1
    unseen = exr.read_image(tmp_path / "clean.exr", layer="coverage").pixels[..., 0] == 0
    # Five pixels around it do not vote either, and one more where a pixel of the matte is two of the plate.
    assert unseen[80:100, 100:130].all() and unseen.sum() <= 32 * 42


def test_a_rough_matte_of_another_shape_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert built_with_roto(tmp_path, np.zeros((100, 160))) == 2
    said = " ".join(capsys.readouterr().err.split())
    high, wide = wall().shape[:2]
    assert f"error (bad_guide): roto.0000.exr is 160 x 100 pixels, the plate's frame {wide} x {high}: that" in said
    assert not (tmp_path / "clean.exr").exists()
