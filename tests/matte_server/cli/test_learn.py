"""``cleanplate learn``, as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from matte_server.cli.main import main
from matte_server.io import exr
from matte_server.models.learned import learned_facts
from matte_server.server.local_server import LocalServer
from tests.matte_server.shots.conftest import ShotFiles, disc, save

Shots = Callable[..., ShotFiles]


def learn(shot: ShotFiles, *more: str) -> list[str]:
    output = str(shot.folder / "shot.learned")
    return ["learn", shot.plate, "--clean", shot.clean, "-o", output, "--device", "cpu", *more]


def painted(shot: ShotFiles, frame: int, strength: float) -> Path:
    """A key matte of one frame, as a picture of grey."""
    grey = np.repeat(strength * disc(frame - shot.frames[0]), 3, 2)
    return save(shot.folder / f"mended.{frame}.exr", grey)


def test_two_mended_mattes_become_weights_that_the_command_line_takes(
    make_shot: Shots, server: LocalServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(count=3)
    for frame in (1001, 1003):
        painted(shot, frame, 0.5)
    assert main(learn(shot, "--key", str(shot.folder / "mended.####.exr"), "--steps", "16")) == 0
    printed = capfd.readouterr()
    assert "shot.learned: learned from 2 frames in 16 steps" in printed.out and "s left" in printed.err
    facts = learned_facts(shot.folder / "shot.learned")
    assert facts is not None and facts.true_frames == (1001, 1003) and facts.error < facts.first_error
    assert not list(shot.folder.glob(".*.run"))
    alphas = {}
    for name, weights in (("own", ()), ("learned", ("--weights", str(shot.folder / "shot.learned")))):
        output = tmp_path / name / "matte.exr"
        command = ["matte", str(shot.folder / "plate.1002.exr"), "--clean", shot.clean, "-o", str(output)]
        assert main([*command, "--server", server.endpoint.address, *weights]) == 0
        alphas[name] = exr.read_image(output).pixels[..., 3]
    inside = disc(1)[..., 0] > 0.99
    # What was painted is half as strong: the frame that nobody painted follows at least a tenth of the way.
    assert alphas["own"][inside].mean() > 0.95 and alphas["learned"][inside].mean() < 0.9


def test_without_a_gain_nothing_is_written(
    make_shot: Shots, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One step does gain 2 or 3 %. No step gains half.
    monkeypatch.setattr("matte_server.learning.learner._WORTH", 0.5)
    shot = make_shot(count=2)
    key = painted(shot, 1001, 1.0)
    assert main(learn(shot, "--key", f"1001={key}", "--steps", "1")) == 1
    assert "1 step gained too little" in capfd.readouterr().err
    assert not (shot.folder / "shot.learned").exists()


def test_its_threads_sleep_while_they_wait(make_shot: Shots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY")
    assert main(learn(make_shot(count=1), "-o", "no_weights.exr")) == 2
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_what_changes_nothing_is_said(make_shot: Shots, capfd: pytest.CaptureFixture[str]) -> None:
    shot = make_shot(count=2)
    # Refused after the plan, so that nothing is learnt.
    assert main(learn(shot, "--clean-offset", "3", "--steps", "0")) == 2
    warning = f"--clean-offset changes nothing: {shot.clean} is neither a sequence nor a video."
    assert " ".join(capfd.readouterr().err.split()).startswith(f"warning: {warning} error")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--key", "7=FOLDER/mended.1001.exr"), "The shot has no frame 7."),
        (("--key", "FOLDER/mended.1001.exr"), "does not say which frame it is the matte of"),
        (("--key", "FOLDER/other.####.exr"), "No file of"),
        (("--key", "1001=FOLDER/none.exr"), "none.exr does not exist"),
        (("--key", "1001=FOLDER/mended.1001.exr", "--key-mask", "FOLDER/mask.exr"), "mask.exr does not exist"),
        (("--steps", "0"), "--steps must be 1 or more"),
        (("-o", "FOLDER/shot.safetensors"), "must end in .learned"),
        (("-o", "FOLDER/there.learned"), "there.learned exists"),
        (("-o", "FOLDER", "--overwrite"), "must end in .learned"),
        (("-o", "FOLDER/folder.learned", "--overwrite"), "folder.learned cannot be written"),
        (("-o", "FOLDER/clean.exr/shot.learned"), "shot.learned cannot be written"),
        (("-o", f"FOLDER/{240 * 'x'}.learned"), "A name is too long for the disk: ...xxx"),
        (("-o", ""), "-o . must end in .learned"),
        (("--seed", "4294967296"), "--seed must be at most 2147483647"),
        (("--weights", "FOLDER/there.learned", "-o", "FOLDER/there.learned", "--overwrite"), "input and output"),
        (("--key", "1001=FOLDER/there.learned", "-o", "FOLDER/there.learned", "--overwrite"), "input and output"),
    ],
)
def test_what_cannot_work_is_one_sentence_before_anything_is_read(
    make_shot: Shots, capfd: pytest.CaptureFixture[str], more: tuple[str, ...], sentence: str
) -> None:
    shot = make_shot(count=2)
    painted(shot, 1001, 1.0)
    (shot.folder / "there.learned").write_bytes(b"an earlier one")
    (shot.folder / "folder.learned").mkdir()
    named = [word.replace("FOLDER", str(shot.folder)) for word in more]
    assert main(learn(shot, *named)) == 2
    told = capfd.readouterr().err
    assert sentence in told and told.count("error") == 1
    assert (shot.folder / "there.learned").read_bytes() == b"an earlier one"


def test_a_key_with_its_neighbours_number_is_told_and_a_file_of_another_run_stays(
    make_shot: Shots, capfd: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(count=2)
    wrong = painted(shot, 1002, 1.0).rename(shot.folder / "mended.1001.exr")
    output, checkpoint = shot.folder / "shot.learned", shot.folder / ".shot.learned.run"
    output.write_bytes(b"another run's")
    checkpoint.write_bytes(b"another run's state")
    command = learn(shot, "--key", f"1001={wrong}", "--steps", "1")
    assert main(command) == 2
    told = capfd.readouterr().err
    assert "warning: The key matte of frame 1001 fits frame 1002 better than its own." in told
    assert "shot.learned exists and was learned from something else" in told
    assert output.read_bytes() == b"another run's" and checkpoint.read_bytes() == b"another run's state"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit to the size of a process's files")
def test_a_disk_that_is_full_for_checkpoints_does_not_end_the_learning(
    make_shot: Shots, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.setattr("matte_server.learning.learner._WORTH", 0.0)
    shot = make_shot(count=1)
    command = learn(shot, "--key", f"1001={painted(shot, 1001, 0.5)}", "--steps", "2")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # Learned weights have 7 MB, a checkpoint 53.
        resource.setrlimit(resource.RLIMIT_FSIZE, (20 << 20, before[1]))
        assert main(command) == 0
        said = capfd.readouterr().err
        assert said.count("cannot be written: File too large. If the run is interrupted now, it begins anew.") == 1
        (shot.folder / "shot.learned").unlink()
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
        assert main(command) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "error (cannot_write)" in capfd.readouterr().err
    assert not [path.name for path in shot.folder.iterdir() if "learned" in path.name and path.stat().st_size]


def test_killed_while_learning_it_goes_on_to_the_same_bytes(make_shot: Shots) -> None:
    shot = make_shot(count=2)
    key = painted(shot, 1001, 0.5)
    words = ["--key", f"1001={key}", "--steps", "2"]
    command = learn(shot, *words)
    checkpoint = shot.folder / ".shot.learned.run"
    with subprocess.Popen(
        [sys.executable, "-m", "matte_server.cli.main", *command], stderr=subprocess.DEVNULL
    ) as process:
        # It is empty before the first step. Of two, one is kept here.
        while not (checkpoint.is_file() and checkpoint.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert process.returncode != 0 and not (shot.folder / "shot.learned").exists()
    assert main(command) == 0
    whole = shot.folder / "whole.learned"
    assert main([*learn(shot, *words), "-o", str(whole)]) == 0
    assert (shot.folder / "shot.learned").read_bytes() == whole.read_bytes()
    assert not checkpoint.exists()


def test_portraits_are_learned_as_a_shot_and_models_show_says_from_what(
    make_shot: Shots, capfd: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(count=2)
    booth, mended = shot.folder / "booth", shot.folder / "mended"
    for folder in (booth, mended):
        folder.mkdir()
    for name, frame in (("anna", 1001), ("bert", 1002)):
        (shot.folder / f"plate.{frame}.exr").rename(booth / f"{name}.exr")
    painted(shot, 1002, 0.5).rename(mended / "bert.exr")
    output = str(shot.folder / "booth.learned")
    command = ["learn", str(booth), "--clean", shot.clean, "--key", str(mended), "-o", output, "--device", "cpu"]
    assert main([*command, "--steps", "4"]) == 0
    assert main(["models", "show", output]) == 0
    shown = capfd.readouterr().out
    assert "for --model cleanplate" in shown and "learned from: frames 2, mended mattes of 2, 4 steps" in shown
    # None of the shot's frames, and a folder without a matte for any of them.
    assert main([*command[:5], str(booth.parent / "nothing"), *command[6:], "--overwrite"]) == 2
    assert "does not say which frame" in capfd.readouterr().err
