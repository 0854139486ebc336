"""A plate solve as a file: what is read of it, and what is taken from one that an artist names."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matte_server.core.align import Alignment
from matte_server.core.placement import as_facts
from matte_server.core.window import Window
from matte_server.errors import MatteError
from matte_server.shots.given_solve import GivenSolve, check_solve
from matte_server.shots.solve_file import (
    FORMAT,
    FORMAT_VERSION,
    CameraSolve,
    FrameEstimate,
    read_estimates,
    read_samples,
    update_solve_file,
)

MOVED = Alignment(transform=np.array([[1.0, 0, 3], [0, 1, 4], [0, 0, 1]]), points=50, inliers=0.9, residual_px=0.2)
HEAD = {"format": FORMAT, "version": FORMAT_VERSION, "camera": "moving", "locked": None, "sampled": [3, 1]}
ENTRY = {"key": "k", "clean_window": [1, 2, 30, 20], "estimate": as_facts(MOVED)}


def saved(folder: Path, frames: Any, **head: Any) -> Path:
    path = folder / "shot.platesolve.json"
    path.write_text(json.dumps({**HEAD, **head, "frames": frames}))
    return path


def test_a_frame_has_its_own_alignment_and_else_the_locked_camera_s(tmp_path: Path) -> None:
    still = Alignment(transform=np.eye(3), points=90, inliers=1.0, residual_px=0.1)
    frames = {"1001": {"alignment": as_facts(MOVED)}, "1002": ENTRY}
    given = GivenSolve(saved(tmp_path, frames, locked=as_facts(still)), (1001, 1002))
    own, others = given.alignment(1001), given.alignment(1002)
    assert np.array_equal(own.transform, MOVED.transform) and own.points == 50
    # The figures of a locked camera are those of other frames.
    assert np.array_equal(others.transform, np.eye(3)) and others.points == 0 and np.isnan(others.inliers)


def test_a_frame_that_a_given_solve_lacks_is_an_error(tmp_path: Path) -> None:
    given = GivenSolve(saved(tmp_path, {"1001": {"alignment": as_facts(MOVED)}, "1002": ENTRY}), (1001, 1002))
    with pytest.raises(MatteError, match="has no alignment for frame 1002") as raised:
        given.alignment(1002)
    assert raised.value.code == "no_solve"


@pytest.mark.parametrize(
    "frames", [{"1001": 3}, {"1001": {"alignment": {"transform": "eye"}}}, {"1001": {"alignment": None}}, [ENTRY]]
)
def test_a_given_solve_that_is_damaged_is_refused(tmp_path: Path, frames: Any) -> None:
    with pytest.raises(MatteError) as raised:
        check_solve(saved(tmp_path, frames), (1001,))
    assert raised.value.code == "bad_solve"


@pytest.mark.parametrize("text", ["[" * 200_000, '{"frames": ' * 200_000])
def test_what_is_nested_without_end_is_no_plate_solve(tmp_path: Path, text: str) -> None:
    """Python's reader of JSON gives up in a way of its own."""
    path = tmp_path / "shot.platesolve.json"
    path.write_text(text)
    assert (read_estimates(path), read_samples(path)) == ({}, ())
    with pytest.raises(MatteError, match="is not JSON"):
        check_solve(path, (1001,))


def test_a_number_that_no_frame_has_does_not_stop_the_saving(tmp_path: Path) -> None:
    path = saved(tmp_path, {"9" * 5000: ENTRY, "1001": ENTRY})
    update_solve_file(path, None, {}, {1002: MOVED})
    assert list(json.loads(path.read_text())["frames"]) == ["1001", "1002"]


def test_what_an_earlier_run_found_out_about_the_camera_stays_until_another_does(tmp_path: Path) -> None:
    path = saved(tmp_path, {"1001": ENTRY}, camera="locked", one_exposure=True, locked=as_facts(MOVED))
    before = json.loads(path.read_text())
    update_solve_file(path, None, {}, {1001: MOVED})
    after = json.loads(path.read_text())
    assert {**after, "frames": 0} == {**before, "frames": 0}
    path.write_text(json.dumps({**after, "version": FORMAT_VERSION + 1}))
    update_solve_file(path, None, {}, {1001: MOVED})
    assert json.loads(path.read_text())["version"] == FORMAT_VERSION, "it says by which version it was written"
    update_solve_file(path, CameraSolve.said_to_move((5, 6)), {}, {})
    after = json.loads(path.read_text())
    assert (after["camera"], after["locked"], after["sampled"]) == ("moving", None, [5, 6])


def test_a_task_that_saves_keeps_the_entries_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "new" / "shot.platesolve.json"
    window = Window(1, 2, 30, 20)
    camera = CameraSolve(locked=MOVED, one_exposure=True, sampled=(1, 3), measured=2)
    for number, key in ((1003, "a"), (1001, "a"), (1003, "b")):
        estimate = FrameEstimate(alignment=MOVED, clean_window=window, key=key)
        update_solve_file(path, camera, {number: estimate}, {number: MOVED})
    facts = json.loads(path.read_text())
    assert (facts["camera"], facts["one_exposure"], facts["sampled"]) == ("locked", True, [1, 3])
    assert {number: entry["key"] for number, entry in facts["frames"].items()} == {"1001": "a", "1003": "b"}
    assert [line.split(":")[0].strip() for line in path.read_text().splitlines()[-4:-2]] == ['"1001"', '"1003"']
    assert sorted(read_estimates(path)) == [1001, 1003] and GivenSolve(path, (1003,)).alignment(1003).points == 50
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "no lock is left"


def test_what_can_be_read_of_earlier_measurements_is_read(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        {
            "1001": ENTRY,
            "-5": ENTRY,
            "1002": {**ENTRY, "clean_window": [1, 2, 30]},
            "1003": {"key": "k"},
            "1004": {**ENTRY, "estimate": {"transform": 3}},
            "1005": [],
            "one": ENTRY,
        },
    )
    found = read_estimates(path)
    assert sorted(found) == [-5, 1001]
    assert found[1001].key == "k" and found[1001].alignment.points == 50
    window = found[1001].clean_window
    assert (window.x, window.y, window.width, window.height) == (1, 2, 30, 20)
    assert read_samples(path) == (3, 1)
    for frames, head in (({"1001": ENTRY}, {"format": "another"}), ([ENTRY], {})):
        assert read_estimates(saved(tmp_path, frames, **head)) == {}
    for sampled in (3, ["3"], [True], [1.0]):
        assert read_samples(saved(tmp_path, {}, sampled=sampled)) == ()
    path.write_text("{")
    assert read_estimates(path) == {} and read_samples(path) == ()
    assert read_estimates(tmp_path / "none.json") == {} and read_samples(None) == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has neither")
def test_what_has_no_end_is_no_plate_solve(tmp_path: Path) -> None:
    """/dev/zero was read until memory ended."""
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero")):
        with pytest.raises(MatteError, match="cannot be read: it is no regular file or too large") as refused:
            check_solve(path, (1001,))
        assert refused.value.hint.startswith("Name a file that an earlier run left")
        assert read_estimates(path) == {}


@pytest.mark.parametrize("indent", [None, 1])
def test_a_given_solve_is_read_for_the_frames_that_are_wanted(tmp_path: Path, indent: int | None) -> None:
    """Whether each frame has a line, as runs write it, or not. A file of a million frames took 45 s."""
    path = tmp_path / "shot.platesolve.json"
    turned = replace(MOVED, points=7)
    update_solve_file(path, None, {}, {number: turned if number == 1002 else MOVED for number in range(-3, 1005)})
    facts = json.loads(path.read_text())
    facts["frames"]["1003"]["alignment"]["transform"] = "damaged"
    if indent:
        path.write_text(json.dumps(facts, indent=indent))
    else:
        lines = path.read_text().splitlines(keepends=True)
        at = next(index for index, line in enumerate(lines) if line.startswith('  "1003"'))
        lines[at] = f'  "1003": {json.dumps(facts["frames"]["1003"])},\n'
        path.write_text("".join(lines))
    for wanted in ((1002,), (-3, 1002), (1002, 1004, 9999)):
        check_solve(path, wanted)
        given = GivenSolve(path, wanted)
        assert [given.alignment(number).points for number in wanted[:2]] == [
            7 if number == 1002 else 50 for number in wanted[:2]
        ]
    with pytest.raises(MatteError, match="transform is 3 x 3 finite numbers"):
        check_solve(path, (1002, 1003))
    with pytest.raises(MatteError, match="no alignment for frame 9999"):
        GivenSolve(path, (9999,)).alignment(9999)


def test_frames_that_are_not_wanted_cost_no_more_than_their_text(tmp_path: Path) -> None:
    """Their JSON is not read: it takes 25 times as long as to pass over it, and their alignments 40 times."""
    path = tmp_path / "shot.platesolve.json"
    update_solve_file(path, None, {}, dict.fromkeys(range(1, 3), MOVED))
    head, entry, rest = path.read_text().partition('  "1"')
    path.write_text(
        head + "".join(f'  "{number}": {{this is no JSON}},\n' for number in range(5, 9)) + entry + rest
    )
    assert GivenSolve(path, (1, 2)).alignment(2).points == 50


def test_several_frames_on_one_line_are_all_found(tmp_path: Path) -> None:
    """As somebody's script may join them; they were passed over with the first of the line."""
    path = tmp_path / "shot.platesolve.json"
    turned = replace(MOVED, points=7)
    update_solve_file(path, None, {}, {1: MOVED, 2: turned, 3: MOVED, 4: MOVED})
    path.write_text(path.read_text().replace(',\n  "2"', ', "2"'))
    assert GivenSolve(path, (2,)).alignment(2).points == 7
