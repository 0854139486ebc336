"""A part of a shot on a worker that has the job's files and no others, as AWS Deadline Cloud brings them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest
from matte_link.options import MatteOptions

from matte_server.cli.main import parser
from matte_server.cli.shot_flags import order_from
from matte_server.errors import MatteError
from matte_server.farm.farm_job import FRAMES, FarmPlan, PathWord, Word, shot_job
from matte_server.farm.learning import FarmLearning, learning_job
from matte_server.shots.arguments import ShotOrder
from matte_server.shots.inputs import ShotInputs
from matte_server.shots.plate_solve import PlateSolve
from matte_server.shots.shot import Shot, ShotFrame, smoothed_with
from matte_server.shots.solve_file import alignment_facts
from tests.matte_server.shots.conftest import moved, plate_of, save, wall

COUNT, FIRST = 20, 1001
PART = "1006-1008"
# Frames in which nothing of the set is seen, so that those beside them say how the clean plate lies.
COVERED = (1004, 1005, 1006, 1009)
Camera = Callable[[int], np.ndarray]


def shifted(px: float) -> np.ndarray:
    return np.array([[1, 0, px], [0, 1, 0], [0, 0, 1.0]])


def still(number: int) -> np.ndarray:
    return shifted(0.0)


def leaves(number: int) -> np.ndarray:
    """A camera that goes faster and faster."""
    return shifted(0.08 * number**2)


def order_of(folder: Path, camera: Camera = still, **more: Any) -> ShotOrder:
    """A shot on disk."""
    folder.mkdir()
    behind = wall()
    save(folder / "clean.exr", behind)
    for number in range(COUNT):
        plate = plate_of(moved(behind, camera(number)), number)
        is_covered = FIRST + number in COVERED
        save(folder / f"plate.{FIRST + number}.exr", np.full_like(plate, 0.3) if is_covered else plate)
    names = {"plate": "plate.####.exr", "clean": "clean.exr", "output": "matte.####.exr"}
    return ShotOrder(**{**{name: str(folder / file) for name, file in names.items()}, **more})


def on_worker(order: ShotOrder, worker: Path, frames: str) -> Shot:
    """The plan of a task of the order's job, in the folder of a worker that has the job's files alone."""
    job = shot_job(order, order.plan(), "part")
    folder = Path(order.plate).parent
    worker.mkdir()
    for name in job.inputs:
        copy(name, worker)
    words = ("".join(text_of(word).split(f"{folder}/")) for word in job.command[1:])
    task = parser().parse_args([f"--frames={frames}" if word == FRAMES else word for word in words])
    found = order_from(task, order.options)
    names: dict[str, Any] = {name: str(worker / getattr(found, name)) for name in ("plate", "clean", "output")}
    return replace(found, **names).plan()


def text_of(word: Word) -> str:
    return word.before + word.text if isinstance(word, PathWord) else word


def alignments(shot: Shot) -> dict[int, dict[str, object]]:
    """How the clean plate lies on the frames that the shot's results are made of."""
    frames: dict[int, ShotFrame] = {frame.frame: frame for frame in (*shot.frames, *smoothed_with(shot))}
    solve = PlateSolve(shot, ShotInputs(shot.options), "1")
    return {number: alignment_facts(solve.alignment(frames[number])) for number in sorted(frames)}


@pytest.mark.parametrize("camera", [still, leaves])
@pytest.mark.parametrize("temporal", [0.0, 0.5])
def test_a_part_lies_as_it_does_in_the_whole(tmp_path: Path, camera: Camera, temporal: float) -> None:
    """Which frames decided about the camera was asked of those that happened to be on the worker."""
    order = order_of(tmp_path / "artist", camera, options=MatteOptions(temporal=temporal))
    whole = alignments(order.plan())
    shot = on_worker(replace(order, frames=PART), tmp_path / "worker", PART)
    assert [frame.frame for frame in shot.all_frames] == list(range(FIRST, FIRST + COUNT))
    found = alignments(shot)
    assert list(found) == list(range(1005, 1010)) if temporal else list(range(1006, 1009))
    assert found == {number: whole[number] for number in found}


def test_the_whole_shot_is_not_said_again(tmp_path: Path) -> None:
    order = order_of(tmp_path / "artist")
    words = shot_job(order, order.plan(), "whole").command
    assert not [word for word in words if text_of(word).startswith("--shot-frames")]
    part = replace(order, frames=PART)
    told = "--shot-frames=1001-1020"
    assert told in shot_job(part, part.plan(), "part").command
    learning = FarmLearning(learned=str(tmp_path / "own.learned"))
    job = learning_job(part, part.plan(), "learnt", learning, FarmPlan())
    assert told in job.learn and told in job.command


def test_a_looped_sequence_comes_as_a_whole(tmp_path: Path) -> None:
    """Where it begins and ends says which of its pictures a frame has."""
    order = order_of(tmp_path / "artist", clean_end="loop")
    for number in range(30):
        save(tmp_path / "artist" / f"clean.{number + 1:04}.exr", wall((12, 16), seed=number))
    order = replace(order, clean=str(tmp_path / "artist" / "clean.####.exr"), frames="1007")
    [frame] = order.plan().frames
    assert frame.clean_plate.name == "clean.0017.exr", "(1007 - 1) % 30 + 1"
    [on_the_worker] = on_worker(order, tmp_path / "worker", "1007").frames
    assert on_the_worker.clean_plate.name == frame.clean_plate.name


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        (
            {"frames": "1019-1020"},
            "bad_range",
            "--shot-frames lacks frames that are to be made: 1019-1020",
        ),
        ({"plate": "plate.1001.exr"}, "bad_option", "plate.1001.exr is none"),
        ({"plate": "."}, "bad_option", ". is none"),
        ({"shot_frames": "first"}, "bad_range", "--shot-frames: 'first' is not a frame range"),
        ({"shot_frames": "1-2000000"}, "bad_range", "--shot-frames: the frame range '1-2000000' has more"),
        # Of the seven frames that tell about the camera three are here.
        ({"shot_frames": "990-1030"}, "bad_range", r"names 41 frames, and most .*plate\.0990\.exr is the first"),
        ({"shot_frames": "1-1000000"}, "bad_range", "names 1000000 frames, and most of those by which"),
    ],
)
def test_frames_that_the_shot_cannot_have_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], code: str, words: str
) -> None:
    order = order_of(tmp_path / "artist", shot_frames="1001-1018")
    monkeypatch.chdir(tmp_path / "artist")
    with pytest.raises(MatteError, match=words) as raised:
        replace(order, **changes).plan()
    assert raised.value.code == code


def test_a_frame_that_is_late_and_a_plate_solve_that_is_given_ask_for_no_others(tmp_path: Path) -> None:
    order = order_of(tmp_path / "artist", frames=PART, shot_frames="1001-1020,1101-1115")
    shot = order.plan()
    assert len(shot.all_frames) == 35, "four of the seven frames by which the camera is judged are there"
    solve = PlateSolve(shot, ShotInputs(shot.options), "1")
    solve.alignment(shot.frames[0])
    solve.save()
    for plate in (tmp_path / "artist").glob("plate.*.exr"):
        if plate.name[6:10] not in ("1006", "1007", "1008"):
            plate.unlink()
    with pytest.raises(MatteError, match="are not here"):
        order.plan()
    assert len(replace(order, solve=str(shot.solve_file)).plan().all_frames) == 35


def test_the_frames_of_a_shot_on_twos_are_said_briefly(tmp_path: Path) -> None:
    """A thousand numbers would be more words than some systems take."""
    order = order_of(tmp_path / "artist", frames="1003")
    for number in range(FIRST + 1, FIRST + COUNT, 2):
        (tmp_path / "artist" / f"plate.{number}.exr").unlink()
    assert "--shot-frames=1001-1019x2" in shot_job(order, order.plan(), "part").command
    (tmp_path / "artist" / "plate.1009.exr").unlink()
    told = "--shot-frames=1001,1003,1005,1007,1011,1013,1015,1017,1019"
    assert told in shot_job(order, order.plan(), "part").command


def test_the_frames_to_which_a_key_matte_might_belong_come_along(tmp_path: Path) -> None:
    """Learning looks at those beside a key matte that it doubts, also where the job's part does not reach them."""
    order = order_of(tmp_path / "artist", frames="1009")
    save(tmp_path / "key.exr", wall((12, 16)))
    learning = FarmLearning(learned=str(tmp_path / "own.learned"), keys=[f"1009={tmp_path / 'key.exr'}"])
    job = learning_job(order, order.plan(), "learnt", learning, FarmPlan())
    numbers = {int(Path(name).name[6:10]) for name in job.inputs if Path(name).name.startswith("plate.")}
    sampled = {1001, 1004, 1007, 1011, 1014, 1017, 1020}
    # Two on each side, and two more from which the alignments of those are measured where they need help.
    assert numbers == sampled | set(range(1005, 1014))
