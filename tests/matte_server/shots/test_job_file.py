"""Job files and plans: what is asked for becomes frames with files, or one sentence that names the word."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matte_link.options import MatteOptions

from matte_server.cli.console import Pace, duration
from matte_server.errors import MatteError
from matte_server.io.video_writer import H264, MovieSettings, VideoWriter
from matte_server.shots.job_file import read_job
from matte_server.shots.plan import plan_shot, solve_file_of
from matte_server.shots.shot import Sources
from tests.matte_server.io.test_media import RATE, SIZE, picture

from .conftest import save

WHOLE = "shots:\n  - {plate: p.exr, clean: c.exr, output: m.exr}\n"


def test_a_job_is_read_with_defaults_and_paths_of_its_own_folder(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text(
        "defaults: {model: difference, camera: locked}\n"
        "shots:\n"
        "  - {plate: a/p.####.exr, clean: c.exr, output: m.####.exr, frames: 1001, clean-offset: -3}\n"
        "  - {plate: /abs/p.exr, clean: c.exr, output: n.exr, model: cleanplate, erode: 1, overwrite: yes}\n"
    )
    first, second = read_job(job)
    assert first.plate == str(tmp_path / "a" / "p.####.exr")
    assert (first.frames, first.camera, first.clean_offset) == ("1001", "locked", -3)
    assert first.options == MatteOptions(model="difference")
    assert second.plate == "/abs/p.exr"
    assert second.overwrite
    assert second.options == MatteOptions(model="cleanplate", erode=1.0)
    as_json = tmp_path / "job.json"
    as_json.write_text(json.dumps({"shots": [{"plate": "p.exr", "clean": "c.exr", "output": "m.exr"}]}))
    assert len(read_job(as_json)) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "list 'shots'"),
        ("shots: []", "at least one shot"),
        ("shots: 3", "list 'shots'"),
        ("shots: [", "not YAML"),
        ("shots:\n - {plate: a, clean: [", "line 2"),
        (WHOLE + "shot: 3", "unknown word 'shot'"),
        ("shots: [p.exr]", "shot 1 is not a list of words"),
        ("shots: [{plate: p.exr, clean: c.exr}]", "shot 1 has no 'output'"),
        (WHOLE.replace("clean:", "clen:"), "unknown word 'clen'; did you mean 'clean'"),
        (WHOLE.replace("p.exr", "3"), "'plate' of shot 1 must be a file's name, not 3"),
        (WHOLE.replace("}", ", camera: fixed}"), "must be one of auto, locked, moving"),
        (WHOLE.replace("}", ", clean_offset: one}"), "'clean_offset' of shot 1 must be a whole number"),
        (WHOLE.replace("}", ", overwrite: 1}"), "'overwrite' of shot 1 must be yes or no"),
        (WHOLE.replace("}", ", erode: much}"), "in shot 1, erode must be a number"),
        (WHOLE.replace("}", ", gamma: 99}"), "in shot 1, gamma must lie in"),
        (WHOLE + WHOLE.partition("\n")[2], "two shots write to"),
        ("defaults: {plat: x}\n" + WHOLE, "the defaults has an unknown word 'plat'"),
    ],
)
def test_a_bad_job_is_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(MatteError) as raised:
        read_job(path)
    assert words in str(raised.value)
    assert "job.yaml" in str(raised.value)
    assert raised.value.code == "bad_job"


def test_a_job_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MatteError, match="No such file"):
        read_job(tmp_path / "job.yaml")


@pytest.mark.parametrize(
    ("output", "kept"),
    [
        ("out/matte.####.exr", "matte"),
        ("out/shot010_v2_####.exr", "shot010_v2"),
        ("out/matte.%04d.exr", "matte"),
        ("out/m.<f>.exr", "m"),
        ("out/matte.mov", "matte"),
        ("out/####.exr", "shot"),
    ],
)
def test_where_a_solve_is_kept(output: str, kept: str) -> None:
    assert solve_file_of(output) == Path("out") / f"{kept}.platesolve.json"


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    for frame in range(1, 6):
        save(tmp_path / f"p.{frame:04}.exr", np.zeros((4, 4, 3)))
    for frame in range(1, 4):
        save(tmp_path / f"b.{frame:04}.exr", np.zeros((4, 4, 3)))
    save(tmp_path / "c.exr", np.zeros((4, 4, 3)))
    return tmp_path


@pytest.mark.parametrize(
    ("end", "offset", "frames"),
    [
        ("loop", 0, [1, 2, 3, 1, 2]),
        ("hold", 0, [1, 2, 3, 3, 3]),
        ("loop", 4, [2, 3, 1, 2, 3]),
        ("hold", -2, [1, 1, 1, 2, 3]),
    ],
)
def test_a_short_background_is_looped_or_held(shot: Path, end: str, offset: int, frames: list[int]) -> None:
    sources = Sources(
        plate=str(shot / "p.####.exr"),
        clean_plate=str(shot / "c.exr"),
        output=str(shot / "m.####.exr"),
        background=str(shot / "b.####.exr"),
        comp=str(shot / "comp.####.exr"),
        background_offset=offset,
        background_end=end,
    )
    planned = plan_shot(sources, "", MatteOptions())
    assert [frame.background for frame in planned.frames] == [shot / f"b.{frame:04}.exr" for frame in frames]


def test_a_video_is_numbered_from_one(shot: Path) -> None:
    path = shot / "take.mov"
    with VideoWriter(path, MovieSettings(SIZE[1], SIZE[0], RATE), H264) as video:
        for number in range(3):
            video.write(picture(number))
    sources = Sources(str(path), str(shot / "c.exr"), str(shot / "m.mov"))
    planned = plan_shot(sources, "2-3", MatteOptions())
    assert [frame.video_frames["plate"] for frame in planned.frames] == [2, 3]
    assert planned.frames[0].output == shot / "m.mov.frames" / "matte.0002.exr"
    assert planned.movies.matte == shot / "m.mov"
    assert len(planned.all_frames) == 3


def test_pace_counts_only_what_was_made() -> None:
    now = [100.0]
    pace = Pace(10, lambda: now[0])
    for _ in range(4):
        pace.count(made=False)
    now[0] = 200.0
    pace.count(made=False)
    assert str(pace) == ""
    for _ in range(2):
        now[0] += 4.0
        pace.count(made=True)
    assert pace.rate == pytest.approx(0.25)
    assert str(pace) == "0.25 frames/s, 12 s left"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (65, "1 min 05 s"), (7625, "2 h 07 min")]
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
