"""Shots through the real command and a real server: what is made, skipped, resumed, refused and reported."""

from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matte_link import connection
from matte_link.client import MatteClient
from matte_link.messages import Blob, Message, Pong
from matte_link.options import MatteOptions
from matte_link.wire import encode

from matte_server.cli import main as cli
from matte_server.cli.conclusion import conclude
from matte_server.core.image import Image
from matte_server.errors import MatteError
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from matte_server.shots import batch
from matte_server.shots.batch import ready_server, run_shot
from matte_server.shots.leftovers import QUIET_S
from matte_server.shots.outputs import on_screen
from matte_server.shots.plan import plan_shot
from matte_server.shots.reports import FrameReport, MovieReport, ResultStatus, ShotReport
from matte_server.shots.shot import ShotSources
from tests.small_disk import python_beside_a_small_disk

from .conftest import FAST, ShotFiles, disc, drifting, moved, plate_of, save, wall

MakeShot = Callable[..., ShotFiles]


def alpha_error(path: Path, number: int) -> float:
    image = exr.read_image(path)
    return float(np.abs(image.pixels[..., 3:] - disc(number)).mean())


def test_a_shot_is_matted_skipped_and_redone(
    make_shot: MakeShot, cleanplate: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(3)
    report = tmp_path / "report.json"
    assert cleanplate(*shot.command("--json", str(report))) == 0
    outputs = [Path(shot.matte.replace("####", str(frame))) for frame in shot.frames]
    # The disc's soft edge is 3 px of 160 wide: a matte that is 1% off on average has lost or gained a rim of it.
    assert max(alpha_error(path, number) for number, path in enumerate(outputs)) < 0.01
    first = [path.read_bytes() for path in outputs]
    facts = json.loads(report.read_text())
    assert [frame["status"] for frame in facts["frames"]] == ["done"] * 3
    assert "locked" in facts["solve"]

    # Again: nothing is computed, and the figures come out of the files.
    assert cleanplate(*shot.command("--json", str(report))) == 0
    again = json.loads(report.read_text())
    assert [frame["status"] for frame in again["frames"]] == ["skipped"] * 3
    figures = [frame["diagnostics"] for frame in facts["frames"]]
    kept = [frame["diagnostics"] for frame in again["frames"]]
    assert [each["alpha_area"] for each in kept] == [each["alpha_area"] for each in figures]
    assert [path.read_bytes() for path in outputs] == first

    # A changed plate is noticed by content; only that frame is refused, and replaced when asked to.
    save(Path(shot.plate.replace("####", "1002")), plate_of(wall(), 5))
    capsys.readouterr()
    assert cleanplate(*shot.command()) == 1
    assert "1002" in capsys.readouterr().err
    assert [path.read_bytes() for path in outputs] == first
    assert cleanplate(*shot.command("--overwrite", "--frames", "1002")) == 0
    assert outputs[1].read_bytes() != first[1]
    assert outputs[0].read_bytes() == first[0]


def test_every_frame_is_reported_although_all_exist(make_shot: MakeShot, server: LocalServer) -> None:
    """More frames than are read ahead, all of them made before, and a listener that is slower than reading: all
    prepared frames then end at once while others still wait."""
    shot = make_shot(9)
    planned = plan_shot(ShotSources(shot.plate, shot.clean, shot.matte), "", MatteOptions(model="difference"))
    with MatteClient(server.endpoint) as client:
        assert not run_shot(planned, client, lambda event: None).failed
        again = run_shot(planned, client, lambda event: time.sleep(0.2))
        with pytest.raises(MatteError, match="no model 'nosuch'; nothing was started"):
            run_shot(replace(planned, options=MatteOptions(model="nosuch")), client, lambda event: None)
    assert [frame.status for frame in again.frames] == ["skipped"] * 9


def test_other_options_and_weights_are_other_results(make_shot: MakeShot, cleanplate: Callable[..., int]) -> None:
    shot = make_shot(2)
    assert cleanplate(*shot.command()) == 0
    assert cleanplate(*shot.command("--erode", "1")) == 1
    assert cleanplate(*shot.command("--model", "difference")) == 0


@pytest.mark.parametrize(
    ("changed", "model", "words"),
    [
        ({"version": "0.0.1"}, "difference", "by version {} of Cleanplate, not 0.0.1"),
        ({"models": ("v1", "difference")}, "auto", "with the model cleanplate, not v1"),
        ({"weights": {"cleanplate": "other"}}, "cleanplate", "with other weights"),
    ],
    ids=["version", "model", "weights"],
)
def test_a_server_that_was_updated_in_the_middle_ends_the_run(
    make_shot: MakeShot,
    server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, Any],
    model: str,
    words: str,
) -> None:
    """Its frames were stamped as made by the server that the run began with. Those that there are stay, and say who
    made them."""
    shot = make_shot(2)
    planned, first = (
        plan_shot(ShotSources(shot.plate, shot.clean, shot.matte), frames, MatteOptions(model=model))
        for frames in ("", "1001")
    )
    with MatteClient(server.endpoint) as client:
        now = ready_server(client)
        assert not run_shot(first, client, lambda event: None).failed
        monkeypatch.setattr(batch, "ready_server", lambda client: replace(now, **changed))
        (refused,) = run_shot(first, client, lambda event: None).failed
        first.frames[0].output.unlink()
        report = run_shot(planned, client, lambda event: None)
    assert not report.frames and not any(frame.output.exists() for frame in planned.frames)
    words = words.format(now.version)
    assert f"a frame was made {words}: the server or its weights" in report.stopped
    assert report.stopped_code == "server_changed" and not report.cannot_work
    assert f"1001.exr exists and was made {words}; use --overwrite" in refused.message


def test_an_option_that_an_older_server_does_not_know_is_said_once(
    make_shot: MakeShot, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot = make_shot(3)
    planned = plan_shot(ShotSources(shot.plate, shot.clean, shot.matte), "", MatteOptions(model="difference"))

    def as_later(message: Message) -> list[Blob]:
        magic, header, *blobs = encode(message)
        return [magic, bytes(header).replace(b'"options":{', b'"options":{"feather":3,'), *blobs]

    monkeypatch.setattr(connection, "encode", as_later)
    with MatteClient(server.endpoint) as client:
        report = run_shot(planned, client, lambda event: None)
    assert "unknown option 'feather'" in report.stopped and "the same version" in report.stopped
    assert report.cannot_work and not report.frames


@pytest.mark.parametrize(
    ("other", "overwrite", "ends"),
    [
        ({"erode": 1.0}, False, {(ResultStatus.FAILED, "exists")}),
        ({"erode": 1.0}, True, {(ResultStatus.DONE, "")}),
        # A frame that is looked at after the other run has ended is already there.
        ({}, False, {(ResultStatus.DONE, ""), (ResultStatus.SKIPPED, "")}),
    ],
    ids=["other options", "overwrite", "the same"],
)
@pytest.mark.parametrize("suffix", [".exr", ".png"])
def test_what_another_run_wrote_meanwhile_stays(
    make_shot: MakeShot,
    server: LocalServer,
    other: dict[str, float],
    overwrite: bool,
    ends: set[tuple[ResultStatus, str]],
    suffix: str,
) -> None:
    """Two runs that were started together into one folder: the later one replaced the results of the other, and
    both ended with exit code 0."""
    shot, planned = make_shot(2), []
    for name, options in (("theirs", other), ("ours", {})):
        sources = ShotSources(shot.plate, shot.clean, str(shot.folder / name / f"m.####{suffix}"))
        given: dict[str, Any] = {"model": "difference", **options}
        planned.append(plan_shot(sources, "", MatteOptions(**given), overwrite=overwrite))
    theirs, ours = planned

    def other_run(event: object) -> None:
        if isinstance(event, tuple) and event[1].stage == "start":
            for made, wanted in zip(theirs.frames, ours.frames, strict=True):
                wanted.output.parent.mkdir(exist_ok=True)
                shutil.copyfile(made.output, wanted.output)

    with MatteClient(server.endpoint) as client:
        assert not run_shot(theirs, client, lambda event: None).failed
        report = run_shot(ours, client, other_run)
    assert len(report.frames) == 2 and {(frame.status, frame.code) for frame in report.frames} <= ends
    kept = [
        made.output.read_bytes() == wanted.output.read_bytes()
        for made, wanted in zip(theirs.frames, ours.frames, strict=True)
    ]
    assert kept == [not overwrite] * 2


def test_a_video_that_another_run_wrote_meanwhile_stays(
    make_shot: MakeShot, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot = make_shot(2)
    theirs, ours = (
        plan_shot(
            ShotSources(shot.plate, shot.clean, str(shot.folder / name / "m.mov")),
            "",
            MatteOptions(model="difference", erode=erode),
        )
        for name, erode in (("theirs", 1.0), ("ours", 0.0))
    )
    assert theirs.movies.matte is not None and ours.movies.matte is not None
    made, wanted = theirs.movies.matte, ours.movies.matte

    def while_other_run_ends(image: Image) -> Image:
        shutil.copyfile(made, wanted)
        return on_screen(image)

    with MatteClient(server.endpoint) as client:
        assert not run_shot(theirs, client, lambda event: None).failed
        monkeypatch.setattr("matte_server.shots.outputs.on_screen", while_other_run_ends)
        (movie,) = run_shot(ours, client, lambda event: None).movies
    assert (movie.status, movie.code) == (ResultStatus.FAILED, "exists")
    assert wanted.read_bytes() == made.read_bytes()
    assert [path.name for path in wanted.parent.glob(".*")] == []


class ClientOfAnotherServer(MatteClient):
    """A client whose server reports another version or other weights, and is the same in all other respects."""

    def __init__(self, server: LocalServer, **other: Any) -> None:
        super().__init__(server.endpoint)
        self._other = other

    def ping(self, timeout_s: float = 2.0) -> Pong:
        return replace(super().ping(timeout_s), **self._other)


@pytest.mark.parametrize(
    ("other", "status", "code"),
    [
        ({}, ResultStatus.SKIPPED, ""),
        ({"version": "0.0.0"}, ResultStatus.FAILED, "exists"),
        ({"weights": {"difference": "0123456789abcdef"}}, ResultStatus.FAILED, "exists"),
        # Weights of a model that the shot does not use.
        ({"weights": {"cleanplate": "0123456789abcdef"}}, ResultStatus.SKIPPED, ""),
    ],
    ids=["same", "version", "weights", "other model's weights"],
)
def test_a_result_of_another_version_or_other_weights_is_not_up_to_date(
    make_shot: MakeShot, server: LocalServer, other: dict[str, object], status: ResultStatus, code: str
) -> None:
    shot = make_shot(2)
    planned = plan_shot(ShotSources(shot.plate, shot.clean, shot.matte), "", MatteOptions(model="difference"))
    with MatteClient(server.endpoint) as client:
        assert not run_shot(planned, client, lambda event: None).failed
    with ClientOfAnotherServer(server, **other) as client:
        again = run_shot(planned, client, lambda event: None)
    assert [(frame.status, frame.code) for frame in again.frames] == [(status, code)] * 2


class ClientOfAStartingServer(MatteClient):
    """A client whose server has no matting process yet when it is first asked: it knows no models and weights."""

    asked = 0

    def ping(self, timeout_s: float = 2.0) -> Pong:
        self.asked += 1
        found = super().ping(timeout_s)
        return replace(found, models=(), weights={}) if self.asked < 3 else found


def test_results_made_while_the_server_started_are_up_to_date_afterwards(
    make_shot: MakeShot, server: LocalServer
) -> None:
    shot = make_shot(1)
    planned = plan_shot(ShotSources(shot.plate, shot.clean, shot.matte), "", MatteOptions(model="cleanplate"))
    with ClientOfAStartingServer(server.endpoint) as client:
        assert not run_shot(planned, client, lambda event: None).failed
    with MatteClient(server.endpoint) as client:
        again = run_shot(planned, client, lambda event: None)
    assert [frame.status for frame in again.frames] == [ResultStatus.SKIPPED]


def test_a_plate_solve_is_not_used_for_another_layer(
    make_shot: MakeShot, cleanplate: Callable[..., int], tmp_path: Path
) -> None:
    """The layers of the plate come from two cameras, one of them 7 px aside. Their solves are saved in one file."""
    shot = make_shot(3)
    aside = np.array([[1.0, 0.0, 7.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    for number, frame in enumerate(shot.frames):
        path = Path(shot.plate.replace("####", str(frame)))
        right = exr.read_image(save(path, plate_of(wall(), number)))
        left = replace(right, pixels=np.ascontiguousarray(plate_of(moved(wall(), aside), number)))
        exr.write_image(path, left, layers={"right": right})

    def run(output: str, *words: str) -> tuple[float, dict[str, bytes]]:
        """Where the run found the clean plate, and its files."""
        report = tmp_path / "report.json"
        command = ["matte", shot.plate, "--clean", shot.clean, "-o", output, *FAST, "--json", str(report), *words]
        assert cleanplate(*command) == 0
        alignment = json.loads(report.read_text())["frames"][0]["diagnostics"]["alignment"]
        return alignment["transform"][0][2], {
            path.name: path.read_bytes() for path in Path(output).parent.glob("*.exr")
        }

    left_x, _ = run(shot.matte)
    right_x, mattes = run(shot.matte, "--layer", "right", "--overwrite")
    # The solve of grain of 0.002 on so small a picture is good for a tenth of a pixel.
    assert (left_x, right_x) == pytest.approx((7.0, 0.0), abs=0.1)
    assert (right_x, mattes) == run(str(tmp_path / "fresh" / "matte.####.exr"), "--layer", "right")


def test_a_part_is_solved_like_the_whole(make_shot: MakeShot, cleanplate: Callable[..., int]) -> None:
    """Two farm machines with a frame each write the bytes that one machine writes with all of them."""
    shot = make_shot(5, camera=drifting)
    assert cleanplate(*shot.command()) == 0
    whole = Path(shot.matte.replace("####", "1003")).read_bytes()
    for part in Path(shot.matte).parent.iterdir():
        part.unlink()
    assert cleanplate(*shot.command("--frames", "1003")) == 0
    assert Path(shot.matte.replace("####", "1003")).read_bytes() == whole


@pytest.mark.parametrize("is_moving", [False, True])
def test_a_hole_that_is_filled_later_has_not_changed_its_neighbours(
    make_shot: MakeShot, cleanplate: Callable[..., int], is_moving: bool
) -> None:
    """A render is late: its neighbours are made without it, stay as they are, and come out the same again."""

    def camera(number: int) -> np.ndarray:
        return np.array([[1, 0, 1.5 * number * is_moving], [0, 1, -0.5 * number * is_moving], [0, 0, 1.0]])

    shot = make_shot(5, camera=camera)
    late = Path(shot.plate.replace("####", "1003"))
    data = late.read_bytes()
    late.unlink()
    assert cleanplate(*shot.command("--frames", "1001-1002,1004-1005")) == 0
    outputs = [Path(shot.matte.replace("####", str(frame))) for frame in shot.frames]
    early = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in outputs if path.exists()}
    assert len(early) == 4
    late.write_bytes(data)
    assert cleanplate(*shot.command()) == 0
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in early} == early
    for path in outputs:
        path.unlink()
    assert cleanplate(*shot.command()) == 0
    assert {path: path.read_bytes() for path in early} == {path: before for path, (before, _) in early.items()}


def test_leftovers_of_a_killed_run_are_removed_and_other_files_kept(
    make_shot: MakeShot, cleanplate: Callable[..., int]
) -> None:
    shot = make_shot(2)
    folder = Path(shot.matte).parent
    folder.mkdir()
    ours = [folder / ".matte.1001.exr.0123abcd.tmp", folder / ".matte.1001.0123abcd.tmp.exr"]
    others = [folder / ".matte.1009.exr.0123abcd.tmp", folder / "matte.1001.exr.tmp", folder / ".notes.tmp"]
    for path in [*ours, *others]:
        path.write_bytes(b"half a file")
        os.utime(path, (0, time.time() - 2 * QUIET_S))
    assert cleanplate(*shot.command()) == 0
    assert [path.exists() for path in ours] == [False, False]
    assert all(path.exists() for path in others)


def test_comps_are_made_skipped_and_made_again(make_shot: MakeShot, cleanplate: Callable[..., int]) -> None:
    shot = make_shot(2)
    background = save(shot.folder / "background.exr", np.full((60, 80, 3), 0.25))
    comp = shot.folder / "comp.1001.png"
    words = ["--background", str(background), "--comp", str(shot.folder / "comp.####.png")]
    assert cleanplate(*shot.command(*words)) == 0
    first = comp.read_bytes()
    comp.unlink()
    # The matte is there already; what is missing is made from it.
    assert cleanplate(*shot.command(*words)) == 0
    assert comp.read_bytes() == first
    corner = exr.read_image(comp).pixels[2, 150, :3]
    # sRGB of 0.25 in scene-linear light, IEC 61966-2-1; half an 8-bit step for resizing and half floats.
    assert corner == pytest.approx(np.full(3, 0.5371), abs=0.002)


@pytest.mark.parametrize("suffix", ["exr", "png", "tif", "jpg"])
@pytest.mark.parametrize("kept", [0, 0.5, 0.999])
def test_a_part_of_a_result_is_not_already_done(
    make_shot: MakeShot, cleanplate: Callable[..., int], suffix: str, kept: float
) -> None:
    """What a full disk or a crash of the machine left behind is made again; the same goes for the comp."""
    shot = make_shot(1)
    background = save(shot.folder / "background.exr", np.full((60, 80, 3), 0.25))
    matte, comp = shot.folder / f"m.1001.{suffix}", shot.folder / f"c.1001.{suffix}"
    if suffix == "jpg":
        matte = shot.folder / "m.1001.exr"
    words = ["matte", shot.plate, "--clean", shot.clean, *FAST, "--align", "none"]
    words += ["-o", str(matte).replace("1001", "####")]
    words += ["--background", str(background), "--comp", str(comp).replace("1001", "####")]
    assert cleanplate(*words) == 0
    whole = matte.read_bytes(), comp.read_bytes()
    for path, data in zip((matte, comp), whole, strict=True):
        path.write_bytes(data[: int(len(data) * kept)])
        assert cleanplate(*words) == 0
        assert path.read_bytes() == data, path
    assert (matte.read_bytes(), comp.read_bytes()) == whole


def test_a_damaged_file_of_somebody_else_is_not_replaced(
    make_shot: MakeShot, cleanplate: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(1)
    notes = Path(shot.matte.replace("####", "1001"))
    notes.parent.mkdir()
    notes.write_text("notes under an unlucky name")
    assert cleanplate(*shot.command()) == 1
    assert notes.read_text() == "notes under an unlucky name"
    assert "exists and is no result of Cleanplate, or is damaged" in capsys.readouterr().err


_OCIO = """ocio_profile_version: 2
roles: {{default: lin_rec709, scene_linear: lin_rec709}}
file_rules: [!<Rule> {{name: Default, colorspace: default}}]
displays: {{s: [!<View> {{name: v, colorspace: lin_rec709}}]}}
active_displays: []
active_views: []
colorspaces:
  - !<ColorSpace> {{name: lin_rec709, family: '', isdata: false}}
  - !<ColorSpace>
    name: plate_space
    family: ''
    isdata: false
    to_scene_reference: !<ExponentTransform> {{value: [{0}, {0}, {0}, 1.0]}}
"""


def test_results_of_another_ocio_config_are_not_already_done(
    make_shot: MakeShot, cleanplate: Callable[..., int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same path with other content, as an edited config, and the one that $OCIO names."""
    shot = make_shot(1)
    config = tmp_path / "show.ocio"
    config.write_text(_OCIO.format(1.0))
    monkeypatch.setenv("OCIO", str(config))
    # The server of these tests has no $OCIO of its own; the alias is known to every config.
    words = shot.command("--colourspace", "linear")
    assert cleanplate(*words) == 0
    assert cleanplate(*words) == 0
    config.write_text(_OCIO.format(2.0))
    assert cleanplate(*words) == 1
    assert cleanplate(*words, "--overwrite") == 0
    monkeypatch.delenv("OCIO")
    assert cleanplate(*words) == 1


_TWICE = """
import json, subprocess, sys
folder, *command = sys.argv[1:]
first = subprocess.run(command, capture_output=True, text=True)
subprocess.run(["mount", "-o", "remount,size=8m", folder], check=True)
second = subprocess.run(command, capture_output=True, text=True)
third = subprocess.run(command, capture_output=True, text=True)
print(json.dumps([[run.returncode, run.stdout + run.stderr] for run in (first, second, third)]))
"""


def test_a_disk_that_fills_costs_frames_with_a_sentence_and_they_are_made_later(
    make_shot: MakeShot, server: LocalServer, tmp_path: Path
) -> None:
    """PNGs and JPEG comps, of which libraries write parts of files without a word, or end the process."""
    shot = make_shot(3)
    background = save(shot.folder / "background.exr", np.random.default_rng(2).random((120, 160, 3)))
    disk = tmp_path / "disk"
    printed = python_beside_a_small_disk(
        _TWICE, disk, "64k", sys.executable, "-m", "matte_server", "matte", shot.plate, "--clean", shot.clean,
        *FAST, "-o", f"{disk}/m.####.png", "--background", str(background), "--comp", f"{disk}/c.####.jpg",
        "--server", server.endpoint.address,
    )  # fmt: skip
    codes, (first, second, third) = zip(*json.loads(printed), strict=True)
    assert codes == (1, 0, 0), printed
    assert "cannot be written: No space left on device" in first and "Traceback" not in first
    assert "0 failed" in second and "3 already there" in third


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_pictures(make_shot: MakeShot, cleanplate: Callable[..., int], suffix: str) -> None:
    shot = make_shot(2)
    output = str(shot.folder / f"matte.####.{suffix}")
    words = ["matte", shot.plate, "--clean", shot.clean, "-o", output, "--model", "difference"]
    assert cleanplate(*words) == 0
    path = Path(output.replace("####", "1001"))
    assert alpha_error(path, 0) < 0.01
    before = path.read_bytes()
    assert cleanplate(*words) == 0
    assert path.read_bytes() == before


def test_a_folder_of_portraits(tmp_path: Path, cleanplate: Callable[..., int]) -> None:
    plates, cleans, out = tmp_path / "plates", tmp_path / "cleans", tmp_path / "out"
    for number, name in enumerate(("ada", "bob")):
        behind = wall(seed=number + 5)
        save(plates / f"{name}.exr", plate_of(behind, number + 2))
        save(cleans / f"{name}.exr", behind)
    assert cleanplate("matte", str(plates), "--clean", str(cleans), "-o", str(out), "--model", "difference") == 0
    assert sorted(path.name for path in out.iterdir()) == ["ada.exr", "bob.exr"]
    assert alpha_error(out / "bob.exr", 3) < 0.01
    (cleans / "bob.exr").unlink()
    words = ("matte", str(plates), "--clean", str(cleans), "-o", str(tmp_path / "out2"))
    assert cleanplate(*words) == 2
    assert not (tmp_path / "out2").exists()


def test_several_shots_from_one_file(make_shot: MakeShot, cleanplate: Callable[..., int], tmp_path: Path) -> None:
    shot = make_shot(2)
    job = tmp_path / "job.yaml"
    job.write_text(
        "defaults: {model: difference}\n"
        "shots:\n"
        "  - {plate: shot/plate.####.exr, clean: shot/clean.exr, output: a/matte.####.exr, frames: 1001}\n"
        "  - {plate: shot/plate.1002.exr, clean: shot/clean.exr, output: b/matte.exr}\n"
    )
    report = tmp_path / "report.json"
    assert cleanplate("matte", "--job", str(job), "--json", str(report)) == 0
    assert (tmp_path / "a" / "matte.1001.exr").is_file()
    assert (tmp_path / "b" / "matte.exr").is_file()
    assert len(json.loads(report.read_text())["shots"]) == 2
    assert shot.frames


def test_a_clean_plate_sequence_with_an_offset(make_shot: MakeShot, cleanplate: Callable[..., int]) -> None:
    shot = make_shot(2)
    for number in range(2):
        save(shot.folder / f"pass.{51 + number:04}.exr", wall())
    words = ["--clean", str(shot.folder / "pass.####.exr"), "--clean-offset", "-950"]
    assert cleanplate("matte", shot.plate, *words, "-o", shot.matte, "--model", "difference") == 0
    assert alpha_error(Path(shot.matte.replace("####", "1002")), 1) < 0.01


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_goes_on(make_shot: MakeShot, server: LocalServer, how: signal.Signals) -> None:
    """However a run ends, every file is complete, and the next run ends with the files of an undisturbed one."""
    shot = make_shot(14)  # more than are at the server and written at a time: it is in the middle when it ends
    words = shot.command("--server", server.endpoint.address)
    assert cli.main(words) == 0
    folder = Path(shot.matte).parent
    undisturbed = {path.name: path.read_bytes() for path in folder.glob("*.exr")}
    for path in folder.iterdir():
        path.unlink()
    # Where the tests themselves run in the background, a shell has made SIGINT ignored for all that they start.
    listening = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [sys.executable, "-m", "matte_server", *words], stderr=subprocess.PIPE, preexec_fn=listening
    )
    wait_for(folder / "matte.1002.exr", process)
    os.kill(process.pid, how)
    _, printed = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert b"makes the rest" in printed
    for path in folder.glob("matte.*.exr"):
        assert path.read_bytes() == undisturbed[path.name]
    for path in folder.glob(".*.tmp"):  # a killed run leaves what it was writing
        os.utime(path, (0, time.time() - 2 * QUIET_S))
    assert cli.main(words) == 0
    assert {path.name: path.read_bytes() for path in folder.glob("*.exr")} == undisturbed
    assert not [path for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_a_farms_second_task_sends_no_clean_plate(
    make_shot: MakeShot, server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot = make_shot(3)
    monkeypatch.setenv("CLEANPLATE_SERVER", server.endpoint.address)
    task = ["farm", "task", "--plate", shot.plate, "--clean", shot.clean, "--output", shot.matte]
    task += ["--options", '{"model": "difference"}', "--frames"]
    sent = []
    with MatteClient(server.endpoint) as client:
        for frames in ("1001", "1002-1003"):
            before = client.status().state["bytes"]["in"]
            assert cli.main([*task, frames]) == 0
            sent.append(client.status().state["bytes"]["in"] - before)
    sizes = [(shot.folder / f"plate.{frame}.exr").stat().st_size for frame in shot.frames]
    clean = Path(shot.clean).stat().st_size
    # The server may hold the same clean plate from a test before this one.
    assert sent[0] in (sizes[0], sizes[0] + clean)
    assert sent[1] == sizes[1] + sizes[2]


@pytest.mark.parametrize("reported", [0, 1])
def test_frames_missing_from_the_report_are_a_failure(reported: int, capsys: pytest.CaptureFixture[str]) -> None:
    frames = (
        FrameReport(1001, ResultStatus.DONE, "matte.1001.exr"),
        FrameReport(1002, ResultStatus.SKIPPED, "matte.1002.exr"),
    )
    assert conclude(ShotReport(frames[:reported]), 2) == 1
    assert f"{2 - reported} of 2 frames were neither made nor reported as failed" in capsys.readouterr().err
    assert conclude(ShotReport(frames), 2) == 0


@pytest.mark.parametrize(
    ("message", "printed"), [("m.mov exists.", "m.mov exists."), ("A frame is odd.", "m.mov: A frame is odd.")]
)
def test_a_video_that_failed_is_named_once(message: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    movie = MovieReport(path="m.mov", status=ResultStatus.FAILED, message=message)
    assert conclude(ShotReport((FrameReport(1, ResultStatus.DONE, "m.exr"),), movies=(movie,)), 1) == 1
    assert capsys.readouterr().out.splitlines()[-1] == printed


def test_results_say_that_they_are_not_premultiplied(make_shot: MakeShot, cleanplate: Callable[..., int]) -> None:
    shot = make_shot(1)
    path = Path(shot.matte.replace("####", "1001"))
    assert cleanplate(*shot.command()) == 0
    assert not exr.read_image(path).premultiplied
    # A result as a plate: its marks are not those of what is made from it.
    second = shot.folder / "second.exr"
    words = ("matte", str(path), "--clean", shot.clean, "-o", str(second), "--premultiplied")
    assert cleanplate(*words, "--model", "difference") == 0
    assert exr.read_image(second).premultiplied
    assert exr.read_stamp(second) != exr.read_stamp(path)


def test_a_folder_of_results_that_is_renamed_in_the_middle_is_not_made_again(
    make_shot: MakeShot, server: LocalServer
) -> None:
    """The rest lay in a second folder under the first one's name; where its disk was unmounted, below the mount
    point on the machine's own disk."""
    shot = make_shot(4)
    planned = plan_shot(ShotSources(shot.plate, shot.clean, shot.matte), "", MatteOptions(model="difference"))
    folder = planned.frames[0].output.parent
    away = folder.with_name("away")

    def move_after_the_first(event: object) -> None:
        if isinstance(event, FrameReport) and not away.exists():
            folder.rename(away)

    with MatteClient(server.endpoint) as client:
        report = run_shot(planned, client, move_after_the_first)
    # What the other writer had in hand.
    assert len(list(folder.glob("*.exr"))) <= 1
    assert 1 <= 4 - len(report.failed) <= len(list(away.glob("*.exr"))) < 4
    assert {frame.code for frame in report.failed} == {"cannot_write"}
    assert all(f"the folder {folder} was there and is gone." in frame.message for frame in report.failed)


def test_comps_of_kept_mattes_do_not_go_on_in_a_folder_that_was_renamed(
    make_shot: MakeShot, server: LocalServer
) -> None:
    shot = make_shot(4)
    plain = ShotSources(shot.plate, shot.clean, shot.matte)
    with_comps = replace(plain, background=shot.clean, comp=str(shot.folder / "comps" / "comp.####.exr"))
    comps, away = shot.folder / "comps", shot.folder / "away"

    def move_after_the_first(event: object) -> None:
        if isinstance(event, FrameReport) and not away.exists():
            comps.rename(away)

    options = MatteOptions(model="difference")
    with MatteClient(server.endpoint) as client:
        assert not run_shot(plan_shot(plain, "", options), client, lambda event: None).failed
        report = run_shot(plan_shot(with_comps, "", options), client, move_after_the_first)
    assert len(list(comps.glob("*.exr"))) <= 1
    assert 1 <= 4 - len(report.failed) <= len(list(away.glob("*.exr"))) < 4
    assert {(frame.status, frame.code) for frame in report.failed} == {(ResultStatus.FAILED, "cannot_write")}
