"""``cleanplate matte`` refuses what the server cannot do before it measures or writes anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import yaml
from matte_link.options import option_specs

from matte_server.cli import console, matte
from matte_server.cli import main as cli
from matte_server.demo.packaged import demo_shot
from matte_server.io import exr
from matte_server.server.local_server import LocalServer
from matte_server.shots.arguments import SHOT_ARGUMENTS
from tests.matte_server.shots.conftest import ShotFiles, plate_of, save, wall
from tests.small_disk import files_of_at_most


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


@pytest.mark.skipif(sys.platform != "linux", reason="a folder of the system where nobody can write")
@pytest.mark.parametrize(
    "words",
    [
        ["-o", "/proc/nowhere/m.####.exr"],
        ["--json", "/proc/report.json"],
        ["--comp", "/proc/c.####.png", "--background", demo_shot().clean_plate],
        ["--comp", "/proc/comp.mov", "--background", demo_shot().clean_plate],
    ],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_what_cannot_be_written_is_one_sentence_before_anything_is_started(
    make_shot: Callable[..., ShotFiles], capsys: pytest.CaptureFixture[str], words: list[str], more: list[str]
) -> None:
    shot = make_shot(3)
    assert cli.main(shot.command(*words, *more)) == console.BAD_INPUT
    complaint = capsys.readouterr().err
    assert complaint.count("(No such file or directory); nothing was started.") == 1 and words[1][:5] in complaint
    assert not Path(shot.matte).parent.exists()


def test_weights_that_are_not_there_end_their_shot_once_and_the_next_shot_is_made(
    make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot, job = make_shot(3), tmp_path / "job.yaml"
    common = {"plate": shot.plate, "clean": shot.clean, "model": "difference"}
    shots = [
        {
            **common,
            "model": "cleanplate",
            "weights": "of-no-shot.safetensors",
            "output": str(tmp_path / "a/m.####.exr"),
        },
        {**common, "output": str(tmp_path / "b/m.####.exr")},
    ]
    job.write_text(yaml.safe_dump({"shots": shots}))
    assert cli.main(["matte", "--job", str(job), "--server", server.endpoint.address]) == console.BAD_INPUT
    captured = capsys.readouterr()
    assert captured.err.count("of-no-shot.safetensors") == captured.err.count("(missing_weights)") == 1
    assert "0 done, 0 already there, 0 failed, 3 not tried." in captured.out
    # Not even a plate solve was made of the first.
    assert not (tmp_path / "a").exists() and len(list(tmp_path.glob("b/*.exr"))) == 3


@pytest.mark.parametrize(
    ("model", "weights", "hint"),
    [
        ("auto", "of-no-shot.learned", "leave it out for the packaged weights"),
        ("v2", "no/v2.pth", "Correct the path"),
    ],
)
def test_weights_that_a_server_of_ones_own_cannot_have_are_said_before_the_first_shot(
    make_shot: Callable[..., ShotFiles],
    server: LocalServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    weights: str,
    hint: str,
) -> None:
    """It was said when the shots before had been made, and this one's alignment measured."""
    shot, job = make_shot(2), tmp_path / "job.yaml"
    common = {"plate": shot.plate, "clean": shot.clean, "model": "difference"}
    shots = [
        {**common, "output": str(tmp_path / "a/m.####.exr"), "weights": "no/such"},
        {**common, "output": str(tmp_path / "b/m.####.exr"), "model": model, "weights": weights},
    ]
    job.write_text(yaml.safe_dump({"shots": shots}))
    monkeypatch.setattr(matte, "server_for", lambda *given, **more: nullcontext(server.endpoint))
    assert cli.main(["matte", "--job", str(job)]) == console.BAD_INPUT
    said = " ".join(capsys.readouterr().err.split())
    assert f"There are no weights at {weights}; nothing was started." in said and hint in said
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_two_shots_of_a_job_that_write_one_file_are_refused(
    make_shot: Callable[..., ShotFiles], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot, job = make_shot(2), tmp_path / "job.yaml"
    outputs = (str(tmp_path / "a/m.####.exr"), str(tmp_path / "b/../a/m.####.exr"))
    shots = [{"plate": shot.plate, "clean": shot.clean, "output": output} for output in outputs]
    job.write_text(yaml.safe_dump({"shots": shots}))
    assert cli.main(["matte", "--job", str(job), "--dry-run"]) == console.BAD_INPUT
    assert "Two shots of the job write" in capsys.readouterr().err


def test_one_cause_that_stops_every_frame_is_told_once(
    make_shot: Callable[..., ShotFiles], server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(3)
    with files_of_at_most(1000):
        assert cli.main(shot.command("-q", "--server", server.endpoint.address)) == console.FRAMES_FAILED
    end = capsys.readouterr().err.splitlines()[-1]
    assert end.startswith("  frames 1001-1003 (cannot_write): ") and "File too large" in end


@pytest.mark.parametrize("option", ["--weights", "--ocio-config"])
def test_files_of_options_that_a_named_server_may_not_open_end_the_run_at_the_first_frame(
    option: str,
    make_shot: Callable[..., ShotFiles],
    server: LocalServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every frame failed, with the advice to send the picture itself."""
    shot, named = make_shot(3), tmp_path / "of_this_machine"
    named.write_text(_SMALLEST_CONFIG)
    words = shot.command("-q", "--model", "difference", option, str(named), "--server", server.endpoint.address)
    assert cli.main(words) == console.BAD_INPUT
    [said] = [line for line in capsys.readouterr().err.splitlines() if "of_this_machine" in line]
    assert said.startswith("error (path_refused): ") and said.endswith("only safetensors files are sent along.")


_SMALLEST_CONFIG = """ocio_profile_version: 2
roles: {default: lin_rec709, scene_linear: lin_rec709}
file_rules: [!<Rule> {name: Default, colorspace: default}]
displays: {s: [!<View> {name: v, colorspace: lin_rec709}]}
colorspaces:
  - !<ColorSpace> {name: lin_rec709}
"""


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


@pytest.mark.parametrize("camera", ["auto", "moving"])
def test_a_part_of_a_shot_that_the_subject_fills_has_no_other_clean_plate(
    make_shot: Callable[..., ShotFiles], server: LocalServer, capsys: pytest.CaptureFixture[str], camera: str
) -> None:
    """The frames around it show the clean plate, and its own alignment was taken from them."""
    shot = make_shot(5)
    filled = plate_of(wall(), 2)
    filled[:, :150] = 0.5, 0.3, 0.1
    save(shot.folder / "plate.1003.exr", filled)
    words = shot.command("--frames", "1003", "--camera", camera, "--server", server.endpoint.address)
    assert cli.main(words) == console.OK
    assert "other_clean_plate" not in capsys.readouterr().err
    assert exr.read_image(Path(shot.matte.replace("####", "1003"))).pixels[..., -1].mean() > 0.9, "it was in doubt"


def test_a_mirrored_clean_plate_is_called_so(
    make_shot: Callable[..., ShotFiles], server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(2)
    save(Path(shot.clean), wall()[:, ::-1])
    assert cli.main(shot.command("--server", server.endpoint.address)) == console.OTHER_CLEAN_PLATE
    said = " ".join(capsys.readouterr().err.split())
    assert f"{shot.clean} is mirrored: turned over left to right, it fits {shot.folder / 'plate.1001.exr'}." in said


@pytest.mark.parametrize(
    "words",
    [
        ("--model", "difference"),
        ("--gamma", "2"),
        # At its default, which the file may not be at.
        ("--gamma", "1"),
        ("--camera", "auto"),
        ("--no-layer-clean",),
        ("--layer-clean",),
        ("--frames", "1"),
    ],
)
def test_a_job_file_and_an_option_beside_it_are_refused(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Rather than made without it."""
    assert cli.main(["matte", "--job", str(tmp_path / "job.yaml"), *words]) == console.BAD_INPUT
    name = words[0].removeprefix("--no-").removeprefix("--")
    assert f"--{name} is not taken from the command line" in " ".join(capsys.readouterr().err.split())


def test_a_report_that_cannot_be_written_is_refused_before_the_first_frame(
    make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(2)
    in_a_file = tmp_path / "shot" / "clean.exr" / "report.json"
    for place, why in ((tmp_path, "it is a folder"), (in_a_file, "Not a directory")):
        words = shot.command("--json", str(place), "--server", server.endpoint.address)
        assert cli.main(words) == console.BAD_INPUT
        assert f"cannot be written ({why}); nothing was started" in capsys.readouterr().err
    assert not Path(shot.matte).parent.exists()


def test_a_report_replaces_reports_alone(
    make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot, notes, job = make_shot(2), tmp_path / "notes.txt", tmp_path / "job.json"
    notes.write_text("takes 3 and 7")
    job.write_text(json.dumps({"shots": []}))
    for place in (Path(shot.plate.replace("####", "1002")), Path(shot.clean), notes, job):
        before = place.read_bytes()
        words = shot.command("--frames", "1001", "--json", str(place), "--server", server.endpoint.address)
        assert cli.main(words) == console.BAD_INPUT
        assert f"{place.name} exists and is no report; nothing was started." in capsys.readouterr().err
        assert place.read_bytes() == before
    solve = tmp_path / "shot" / "out" / "matte.platesolve.json"
    for place in (Path(shot.matte.replace("####", "1002")), solve):
        words = shot.command("--json", str(place), "--server", server.endpoint.address)
        assert cli.main(words) == console.BAD_INPUT
        assert "--json and another output have the same name" in capsys.readouterr().err
    empty = tmp_path / "empty.json"
    empty.touch()
    for _ in range(2):
        words = shot.command("--json", str(empty), "--server", server.endpoint.address)
        assert cli.main(words) == console.OK
        assert len(json.loads(empty.read_text())["frames"]) == 2


def test_the_schemas_name_every_word_of_a_job_and_every_figure_of_a_report(
    make_shot: Callable[..., ShotFiles],
    server: LocalServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["matte", "--job-schema"]) == console.OK
    job = json.loads(capsys.readouterr().out)
    assert job["properties"]["shots"]["minItems"] == 1 and "needs plate, clean, output" in job["description"]
    words = job["$defs"]["shot"]["properties"]
    assert set(words) == {each.name for each in SHOT_ARGUMENTS} | {spec.name for spec in option_specs()}
    assert (words["gamma"]["minimum"], words["camera"]["enum"]) == (0.1, ["auto", "locked", "moving"])
    assert cli.main(["matte", "--json-schema"]) == console.OK
    schema = json.loads(capsys.readouterr().out)
    shot, report = make_shot(2), tmp_path / "report.json"
    assert cli.main(shot.command("--json", str(report), "--server", server.endpoint.address)) == console.OK
    facts, known = json.loads(report.read_text()), schema["$defs"]["shot"]["properties"]
    assert set(facts) == set(known) | set(schema["properties"])
    frame, described = facts["frames"][0], known["frames"]["items"]["properties"]
    assert set(frame) == set(described)
    types = [each["type"] for each in (known["frames"]["items"], described["frame"], described["seconds"])]
    assert types == ["object", "integer", "number"] and schema["title"].startswith("The report of")
    assert '\n  "frames": [\n' in report.read_text(), "people read it too"
    assert set(frame["diagnostics"]["alignment"]) >= set(
        described["diagnostics"]["properties"]["alignment"]["properties"]
    )
    assert set(frame["diagnostics"]) == set(described["diagnostics"]["properties"])
    assert facts["options"] == {"model": "difference"} and facts["stopped_code"] == ""


def test_passes_are_files_and_come_back_without_matting(
    make_shot: Callable[..., ShotFiles], server: LocalServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(2)
    save(tmp_path / "new.exr", np.full((120, 160, 3), 0.5))
    passes = ("--passes", "alpha,foreground,clean,comp", "--background", str(tmp_path / "new.exr"), "--verbose")
    words = shot.command(*passes, "--server", server.endpoint.address)
    assert cli.main(words) == console.OK
    logged = capsys.readouterr().err
    assert "measuring alignment: 2 frames of the shot" in logged and "(read 0." in logged
    out = Path(shot.matte).parent
    whole = exr.read_image(out / "matte.1002.exr")
    made = {
        name: exr.read_image(out / f"matte.{name}.1002.exr") for name in ("alpha", "foreground", "clean", "comp")
    }
    alpha, colour = whole.pixels[..., 3:], whole.rgb
    np.testing.assert_array_equal(made["alpha"].pixels[..., :1], alpha)
    np.testing.assert_array_equal(made["foreground"].rgb, colour)
    np.testing.assert_array_equal(made["clean"].rgb, exr.read_image(out / "matte.1002.exr", layer="clean").rgb)
    # Half floats of values below 2.
    np.testing.assert_allclose(made["comp"].rgb, alpha * colour + (1 - alpha) * 0.5, atol=1e-3)
    (out / "matte.alpha.1002.exr").unlink()
    assert cli.main(words) == console.OK
    assert "2 already there" in capsys.readouterr().out and (out / "matte.alpha.1002.exr").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--passes", "alhpa"), "There is no pass 'alhpa'. Did you mean alpha?"),
        (("--passes", "Alpha"), "There is no pass 'Alpha'. Did you mean alpha?"),
        (("--passes", ","), "',' names no pass. There are alpha, foreground, comp"),
        (
            ("--passes", "comp"),
            "the other the file to write. Add --background FILE.",
        ),
        (("--passes", "alpha", "--background", "b.exr"), "Add --comp FILE, or comp to --passes."),
        (("--passes", "clean", "-o", "m.####.png"), "The pass clean is a layer of an EXR, which .png has not."),
        (("--passes", "alpha", "-o", "m.mov"), "m.mov is a video, and passes are pictures."),
        (("-o", "m.*.exr"), "m.*.exr names no file: * is for inputs."),
        (("-o", "."), ". is a folder. Name files in it, such as matte.####.exr."),
        (("--core-offset", "1"), "--core-offset is given, and no core. Add --core FILE."),
        (("--background-end", "hold"), "--background-end is given, and no background."),
        (("--layer", "beauty"), "has no layer 'beauty' with colour."),
        (("--clean-layer", "beauty", "--dry-run"), "clean.exr has no layer 'beauty' with colour."),
        (("--server", "gpu7", "--dry-run"), "'gpu7' is not an address"),
        (("--watch",), "/plate.####.exr does not exist. Correct the name."),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_made(
    make_shot: Callable[..., ShotFiles],
    words: tuple[str, ...],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shot = make_shot(2)
    assert cli.main(shot.command(*words)) == console.BAD_INPUT
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not Path(shot.matte).parent.exists()


def test_one_broken_pass_is_made_again_and_one_of_others_is_kept(
    make_shot: Callable[..., ShotFiles], server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(3)
    out = Path(shot.matte).parent
    words = shot.command("--passes", "alpha,foreground", "--server", server.endpoint.address)
    assert cli.main(words) == console.OK
    half, empty, other = (out / f"matte.alpha.{frame}.exr" for frame in shot.frames)
    whole, others = half.read_bytes(), (out / "matte.foreground.1001.exr").stat().st_mtime_ns
    half.write_bytes(whole[:-500])
    empty.write_bytes(b"")
    other.write_bytes(b"a painter's notes")
    capsys.readouterr()
    assert cli.main(words) == console.FRAMES_FAILED
    assert half.read_bytes() == whole and exr.read_image(empty).pixels.shape[:2] == (120, 160)
    assert other.read_bytes() == b"a painter's notes"
    printed = capsys.readouterr()
    assert "0 done, 2 already there, 1 failed" in printed.out
    assert f"{other} exists and is no result of Cleanplate, or is damaged" in " ".join(printed.err.split())
    # Passes that were whole are not touched.
    assert (out / "matte.foreground.1001.exr").stat().st_mtime_ns == others


def test_a_run_goes_on_after_one_broken_plate_and_makes_only_that_frame(
    make_shot: Callable[..., ShotFiles], server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(4)
    words = shot.command("--server", server.endpoint.address)
    plate = shot.folder / "plate.1003.exr"
    whole = plate.read_bytes()
    plate.write_bytes(whole[:9000])
    assert cli.main(words) == console.FRAMES_FAILED
    assert "3 done, 0 already there, 1 failed, 0 not tried." in capsys.readouterr().out
    first = Path(shot.matte.replace("####", "1001"))
    made_at = first.stat().st_mtime_ns
    plate.write_bytes(whole)
    assert cli.main(words) == console.OK
    assert "1 done, 3 already there, 0 failed, 0 not tried." in capsys.readouterr().out
    assert first.stat().st_mtime_ns == made_at


def test_one_frame_is_counted_in_the_singular(
    make_shot: Callable[..., ShotFiles], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(make_shot(2).command("--dry-run", "--frames", "1001")) == console.OK
    assert ": 1 frame (1001), model" in capsys.readouterr().out


def test_a_dry_run_lists_the_frames_and_makes_nothing(
    make_shot: Callable[..., ShotFiles], capsys: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(4)
    assert cli.main(shot.command("--dry-run", "--frames", "1002-1004")) == console.OK
    printed = capsys.readouterr().out
    assert f"{shot.matte}: 3 frames (1002-1004), model difference" in printed
    assert not Path(shot.matte).parent.exists()
    assert cli.main(shot.command("--dry-run", "--json", "report.json", "--review", "--overwrite")) == console.OK
    assert capsys.readouterr().err == "warning: --json and --review: a dry run makes no files.\n"
    assert cli.main(shot.command("--dry-run", "--review")) == console.OK
    assert capsys.readouterr().err == "warning: --review: a dry run makes no files.\n"
    # What cannot work is refused as in a real run.
    assert cli.main(shot.command("--dry-run", "--frames", "7")) == console.BAD_INPUT


def test_what_changes_nothing_is_said_once_for_all_shots(
    make_shot: Callable[..., ShotFiles], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot, job = make_shot(2), tmp_path / "job.yaml"
    each = f"plate: '{shot.plate}', clean: '{shot.clean}'"
    job.write_text(
        "defaults: {compression: piz}\n"
        "shots:\n"
        + "".join(f" - {{{each}, output: {name}}}\n" for name in ("a.####.png", "b.####.png", "c.####.exr"))
    )
    assert cli.main(["matte", "--job", str(job), "--dry-run"]) == console.OK
    assert capsys.readouterr().err == (
        "warning: --compression changes nothing: that is for EXRs, and .png is none.\n"
    )


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
    """The lower right part of the set lies in a shadow of 0.6, the disc stands at the left. The holdout leaves the
    shadow out of the matte, where ``difference`` would have it for its edge."""
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
