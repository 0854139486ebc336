"""``cleanplate learn``, as a person runs it."""

from __future__ import annotations

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
    make_shot: Shots, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shot = make_shot(count=3)
    for frame in (1001, 1003):
        painted(shot, frame, 0.5)
    assert main(learn(shot, "--key", str(shot.folder / "mended.####.exr"), "--steps", "24")) == 0
    printed = capfd.readouterr()
    assert "shot.learned: learned from 2 frames in 24 steps" in printed.out and "s left" in printed.err
    facts = learned_facts(shot.folder / "shot.learned")
    assert facts is not None and facts.true_frames == (1001, 1003) and facts.error < facts.first_error
    assert not list(shot.folder.glob(".*.run"))
    alphas = {}
    with LocalServer(["--device", "cpu", "--root", str(shot.folder)]) as server:
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
    assert "1 step gained nothing" in capfd.readouterr().err
    assert not (shot.folder / "shot.learned").exists()


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
    ],
)
def test_what_cannot_work_is_one_sentence_before_anything_is_read(
    make_shot: Shots, capfd: pytest.CaptureFixture[str], more: tuple[str, ...], sentence: str
) -> None:
    shot = make_shot(count=2)
    painted(shot, 1001, 1.0)
    (shot.folder / "there.learned").write_bytes(b"an earlier one")
    named = [word.replace("FOLDER", str(shot.folder)) for word in more]
    assert main(learn(shot, *named)) == 2
    told = capfd.readouterr().err
    assert sentence in told and told.count("error") == 1
    assert (shot.folder / "there.learned").read_bytes() == b"an earlier one"


def test_killed_while_learning_it_goes_on_to_the_same_bytes(make_shot: Shots) -> None:
    shot = make_shot(count=2)
    key = painted(shot, 1001, 0.5)
    words = ["--key", f"1001={key}", "--steps", "8"]
    command = learn(shot, *words)
    checkpoint = shot.folder / ".shot.learned.run"
    with subprocess.Popen(
        [sys.executable, "-m", "matte_server.cli.main", *command], stderr=subprocess.DEVNULL
    ) as process:
        while not checkpoint.is_file():
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
    assert main([*command, "--steps", "12"]) == 0
    assert main(["models", "show", output]) == 0
    shown = capfd.readouterr().out
    assert "for --model cleanplate" in shown and "learned from: frames 2, mended mattes of 2, 12 steps" in shown
    # None of the shot's frames, and a folder without a matte for any of them.
    assert main([*command[:5], str(booth.parent / "nothing"), *command[6:], "--overwrite"]) == 2
    assert "does not say which frame" in capfd.readouterr().err
