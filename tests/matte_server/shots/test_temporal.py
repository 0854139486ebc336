"""Smoothing in time through the real command: a part is made like the whole, and a changed neighbour is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from matte_link.client import MatteClient
from matte_link.options import MatteOptions

from matte_server.cli import main as cli
from matte_server.core.image import Image
from matte_server.core.window import Window
from matte_server.io import exr
from matte_server.io.colour import from_scene_linear
from matte_server.io.video_writer import MovieSettings, VideoWriter
from matte_server.server.local_server import LocalServer
from matte_server.shots.outputs import SCREEN
from matte_server.shots.plan import plan_shot
from matte_server.shots.shot import ShotSources, shot_inputs
from tests.matte_server.video_files import PRORES_422_HQ
from tests.matte_server.workers_ready import until_ready

from .conftest import ShotFiles, drifting, plate_of, save, wall

MakeShot = Callable[..., ShotFiles]
SMOOTH = ("--temporal", "1")


@pytest.fixture(scope="module")
def two_processes() -> Iterator[LocalServer]:
    """Another server, with two matting processes."""
    with LocalServer(["--device", "cpu", "--cpu-workers", "2"]) as running:
        yield running


def results(shot: ShotFiles) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(shot.matte).parent.glob("*.exr")}


def emptied(shot: ShotFiles) -> None:
    for path in Path(shot.matte).parent.iterdir():
        path.unlink()


@pytest.mark.parametrize("moves", [False, True], ids=["locked", "moving"])
def test_any_cut_and_any_server_gives_the_same_bytes(
    make_shot: MakeShot, cleanplate: Callable[..., int], two_processes: LocalServer, tmp_path: Path, moves: bool
) -> None:
    """Whole, in chunks of one and two, backwards, and by a server that has seen nothing of the shot: a farm's
    machines."""
    shot = make_shot(5, camera=drifting) if moves else make_shot(5)
    report = tmp_path / "report.json"
    assert cleanplate(*shot.command(*SMOOTH, "--json", str(report))) == 0
    whole = results(shot)
    figures = [frame["diagnostics"]["temporal"] for frame in json.loads(report.read_text())["frames"]]
    # The shot's ends have one neighbour, whatever part of it is wanted.
    assert [sum(value is not None for value in each.values()) for each in figures] == [1, 2, 2, 2, 1]
    for parts in (["1005", "1004", "1003", "1002", "1001"], ["1001-1002", "1003-1004", "1005"]):
        emptied(shot)
        for part in parts:
            assert cleanplate(*shot.command(*SMOOTH, "--frames", part)) == 0
        assert results(shot) == whole
    emptied(shot)
    assert cli.main(shot.command(*SMOOTH, "--frames", "1004", "--server", two_processes.endpoint.address)) == 0
    assert results(shot) == {"matte.1004.exr": whole["matte.1004.exr"]}


def test_two_processes_make_a_run_each_and_the_same_bytes(
    make_shot: MakeShot, cleanplate: Callable[..., int], two_processes: LocalServer, tmp_path: Path
) -> None:
    # No shot of another test: a server keeps what it computed.
    shot = make_shot(16, gain=0.9)
    assert cleanplate(*shot.command(*SMOOTH)) == 0
    by_one = results(shot)
    emptied(shot)
    report = tmp_path / "report.json"
    with MatteClient(two_processes.endpoint) as client:
        until_ready(client, 2)
        before = [worker["frames"] for worker in client.status().state["workers"]]
        words = (*SMOOTH, "--server", two_processes.endpoint.address, "--json", str(report))
        assert cli.main(shot.command(*words)) == 0
        after = [worker["frames"] for worker in client.status().state["workers"]]
    made = [now - then for now, then in zip(after, before, strict=True)]
    assert len(made) == 2 and min(made) >= 4
    assert results(shot) == by_one
    # A frame that its process saw before as a neighbour is not asked of the model again: without that, all 16 would
    # be. Usually 6 are; more where one process is slow and the other takes frames of its run (9 under load).
    stages = [frame["diagnostics"]["seconds"] for frame in json.loads(report.read_text())["frames"]]
    assert sum("model" in each for each in stages) <= 12


def test_a_shot_on_twos_is_smoothed_like_one_on_ones(
    make_shot: MakeShot, cleanplate: Callable[..., int], tmp_path: Path
) -> None:
    shot = make_shot(3)
    assert cleanplate(*shot.command(*SMOOTH)) == 0
    on_ones = [exr.read_image(Path(shot.matte.replace("####", str(frame)))).pixels for frame in shot.frames]
    for frame in reversed(shot.frames):
        Path(shot.plate.replace("####", str(frame))).rename(shot.plate.replace("####", str(2 * frame - 1001)))
    emptied(shot)
    report = tmp_path / "report.json"
    # A part of it finds the same neighbours.
    for part in ("1001-1005x2", "1003"):
        words = (*SMOOTH, "--overwrite", "--frames", part, "--json", str(report))
        assert cleanplate(*shot.command(*words)) == 0
        for frame, pixels in zip((1001, 1003, 1005), on_ones, strict=True):
            assert np.array_equal(exr.read_image(Path(shot.matte.replace("####", str(frame)))).pixels, pixels)
    [frame] = json.loads(report.read_text())["frames"]
    assert None not in frame["diagnostics"]["temporal"].values()
    planned = plan_shot(ShotSources(shot.plate, shot.clean, shot.matte), "1005", MatteOptions(temporal=1.0))
    assert {path.name for path in shot_inputs(planned)} > {"plate.1003.exr", "plate.1005.exr"}


def test_smoothing_changes_the_matte_and_off_is_the_default(
    make_shot: MakeShot, cleanplate: Callable[..., int]
) -> None:
    shot = make_shot(3)
    assert cleanplate(*shot.command()) == 0
    plain = results(shot)
    assert cleanplate(*shot.command("--temporal", "0")) == 0
    assert results(shot) == plain
    # Another option is another result, which is not replaced unasked.
    assert cleanplate(*shot.command(*SMOOTH)) == 1
    assert cleanplate(*shot.command(*SMOOTH, "--overwrite")) == 0
    assert all(results(shot)[name] != data for name, data in plain.items())


def test_a_changed_neighbour_makes_a_frame_stale(
    make_shot: MakeShot, cleanplate: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(6)
    assert cleanplate(*shot.command(*SMOOTH)) == 0
    before = results(shot)
    assert cleanplate(*shot.command(*SMOOTH)) == 0
    assert results(shot) == before
    save(Path(shot.plate.replace("####", "1003")), plate_of(wall(), 3))
    # The plate solve looks at the shot too: where it comes out the same, only the neighbours are stale.
    solve = ("--solve", str(Path(shot.matte).with_name("matte.platesolve.json")))
    assert cleanplate(*shot.command(*SMOOTH, "--overwrite", "--frames", "1005-1006", *solve)) == 0
    kept = results(shot)
    capsys.readouterr()
    assert cleanplate(*shot.command(*SMOOTH, *solve)) == 1
    said = capsys.readouterr().err
    assert [frame for frame in shot.frames if f"frame {frame}: failed" in said] == [1002, 1003, 1004]
    assert cleanplate(*shot.command(*SMOOTH, "--overwrite", "--frames", "1002-1004", *solve)) == 0
    changed = [name for name, data in results(shot).items() if data != kept[name]]
    assert sorted(changed) == ["matte.1002.exr", "matte.1003.exr", "matte.1004.exr"]


def test_without_smoothing_a_neighbour_is_no_input(make_shot: MakeShot, cleanplate: Callable[..., int]) -> None:
    shot = make_shot(3)
    assert cleanplate(*shot.command("--align", "none", "--no-match-exposure")) == 0
    before = results(shot)
    save(Path(shot.plate.replace("####", "1002")), plate_of(wall(), 7))
    assert cleanplate(*shot.command("--align", "none", "--no-match-exposure", "--frames", "1001,1003")) == 0
    assert results(shot) == before


def test_a_neighbour_that_is_broken_costs_its_own_frame_alone(
    make_shot: MakeShot, cleanplate: Callable[..., int], tmp_path: Path
) -> None:
    shot = make_shot(4)
    plate = Path(shot.plate.replace("####", "1003"))
    plate.write_bytes(plate.read_bytes()[:500])
    report = tmp_path / "report.json"
    assert cleanplate(*shot.command(*SMOOTH, "--json", str(report))) == 1
    frames = json.loads(report.read_text())["frames"]
    assert [frame["status"] for frame in frames] == ["done", "done", "failed", "done"]
    assert frames[1]["diagnostics"]["temporal"]["after"] is None


def test_a_still_is_made_with_a_word(make_shot: MakeShot, cleanplate: Callable[..., int], tmp_path: Path) -> None:
    shot = make_shot(1)
    report = tmp_path / "report.json"
    assert cleanplate(*shot.command(*SMOOTH, "--json", str(report))) == 0
    [frame] = json.loads(report.read_text())["frames"]
    assert "no frame before or after" in " ".join(frame["diagnostics"]["warnings"])


def test_clean_plates_and_guides_that_change_go_along(
    make_shot: MakeShot, cleanplate: Callable[..., int], tmp_path: Path
) -> None:
    """Each frame with a clean plate and a trimap of its own: a neighbour is solved with its own, and changing one
    of them changes the result."""
    shot = make_shot(3)
    grey = np.full((120, 160, 3), 0.5)
    for number in range(3):
        save(shot.folder / f"pass.{1001 + number}.exr", wall() + 0.001 * number)
        save(shot.folder / f"tri.{1001 + number}.exr", grey)
    words = ["matte", shot.plate, "--clean", str(shot.folder / "pass.####.exr"), "-o", shot.matte, *SMOOTH]
    words += ["--model", "difference", "--trimap", str(shot.folder / "tri.####.exr"), "--frames", "1002"]
    words += ["--align", "none", "--no-match-exposure"]
    assert cleanplate(*words) == 0
    first = results(shot)
    grey[:, :60] = 0.0
    for changed, pixels in (("pass.1001.exr", wall() * 1.5), ("tri.1003.exr", grey)):
        save(shot.folder / changed, pixels)
        assert cleanplate(*words) == 1
        assert cleanplate(*words, "--overwrite") == 0
    second = exr.read_image(results(shot)["matte.1002.exr"]).pixels
    assert not np.array_equal(second, exr.read_image(first["matte.1002.exr"]).pixels)


def test_a_videos_frames_are_neighbours_too(
    tmp_path: Path, cleanplate: Callable[..., int], server: LocalServer
) -> None:
    path = tmp_path / "take.mov"
    window = Window(0, 0, 160, 120)
    with VideoWriter(path, MovieSettings(160, 120, Fraction(24)), PRORES_422_HQ) as video:
        for number in range(4):
            pixels = np.minimum(plate_of(wall(), number), 1.0)
            video.write(from_scene_linear(Image(pixels, ("R", "G", "B"), window, window), SCREEN))
    save(tmp_path / "clean.exr", wall())
    output = str(tmp_path / "m.####.exr")
    words = ["matte", str(path), "--clean", str(tmp_path / "clean.exr"), "-o", output, "--model", "difference"]
    assert cleanplate(*words, *SMOOTH) == 0
    whole = (tmp_path / "m.0003.exr").read_bytes()
    figures = exr.read_diagnostics(tmp_path / "m.0003.exr")["temporal"]
    assert isinstance(figures, dict) and all(value > 0.3 for value in figures.values())
    (tmp_path / "m.0003.exr").unlink()
    assert cleanplate(*words, *SMOOTH, "--frames", "3") == 0
    assert (tmp_path / "m.0003.exr").read_bytes() == whole


def test_a_farms_bundle_names_the_neighbours_files(make_shot: MakeShot) -> None:
    shot = make_shot(5)
    sources = ShotSources(shot.plate, shot.clean, shot.matte)

    def plates(temporal: float) -> list[str]:
        plan = plan_shot(sources, "1002-1003", MatteOptions(temporal=temporal))
        return sorted(path.name for path in shot_inputs(plan) if path.name.startswith("plate"))

    assert plates(0.0) == ["plate.1002.exr", "plate.1003.exr"]
    assert plates(0.5) == [f"plate.{frame}.exr" for frame in range(1001, 1005)]
