"""Job files: they become orders for shots, or one sentence that names the word that is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from matte_link.options import MatteOptions

from matte_server.errors import MatteError
from matte_server.shots.job_file import read_job

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
    job.write_text("defaults: &all {camera: locked, frames: 1}\n" + WHOLE.replace("{", "{<<: *all, frames: 2, "))
    assert [(order.camera, order.frames) for order in read_job(job)] == [("locked", "2")]
    as_json = tmp_path / "job.json"
    as_json.write_text(json.dumps({"shots": [{"plate": "p.exr", "clean": "c.exr", "output": "m.exr"}]}))
    assert len(read_job(as_json)) == 1
    for text, words in (('{"shots": [], "shots": []}', "'shots' twice"), (100_000 * "[", "nested too deeply")):
        as_json.write_text(text)
        with pytest.raises(MatteError, match=words):
            read_job(as_json)


@pytest.mark.parametrize("frames", ["0010", "1:30", "2026-13-45", "10", "-3"])
def test_frames_are_what_they_look_like(tmp_path: Path, frames: str) -> None:
    """YAML 1.1 takes 0010 for 8, and 1:30 for 90."""
    path = tmp_path / "job.yaml"
    path.write_text(WHOLE.replace("}", f", frames: {frames}}}"))
    (order,) = read_job(path)
    assert order.frames == frames


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gamma: 1e1", {"gamma": 10.0}),
        ("gamma: 1.5E+0", {"gamma": 1.5}),
        ("gamma: .5", {"gamma": 0.5}),
        ("erode: -1.", {"erode": -1.0}),
        ("erode: !!float 2", {"erode": 2.0}),
        ("despeckle: 0010", {"despeckle": 10}),
        ("despeckle: 1_0", None),
        ("premultiplied: on", {"premultiplied": True}),
        ("premultiplied: TRUE", {"premultiplied": True}),
        ("match-exposure: No", {"match_exposure": False}),
        ("match-exposure: off", {"match_exposure": False}),
        ("match-exposure: false", {"match_exposure": False}),
        ("layer: no", {"layer": "no"}),
        ("layer: 1e2", {"layer": "1e2"}),
        ("view: 'on'", {"view": "on"}),
        ("clean_layer: 2026-01-02", {"clean_layer": "2026-01-02"}),
        ("layer: =", {"layer": "="}),
    ],
)
def test_a_value_without_quotes_is_what_its_word_takes(
    tmp_path: Path, written: str, meant: dict[str, bool | int | float | str] | None
) -> None:
    """YAML 1.1 takes 1e1 for a text, "no" for a switch, = for a key of its own, and 1_0 for ten."""
    path = tmp_path / "job.yaml"
    path.write_text(WHOLE.replace("}", f", {written}}}"))
    if meant is None:
        with pytest.raises(MatteError, match="must be a whole number, not '1_0'"):
            read_job(path)
        return
    (order,) = read_job(path)
    assert order.options.to_dict() == meant
    assert all(type(value) in (bool, int, float, str) for value in order.options.to_dict().values())


def test_files_and_frames_may_be_called_like_numbers(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(
        "shots:\n  - {plate: 1001, clean: yes, output: 1e2.exr, clean_frame: 0x1F, background_end: hold}\n"
    )
    (order,) = read_job(path)
    assert (order.plate, order.clean, order.output) == tuple(str(tmp_path / n) for n in ("1001", "yes", "1e2.exr"))
    assert order.clean_frame == "0x1F"


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
        (WHOLE.replace("p.exr", "[3]"), "'plate' of shot 1 must be a file's name, not ['3']"),
        (WHOLE.replace("}", ", camera: fixed}"), "must be one of auto, locked, moving"),
        (WHOLE.replace("}", ", clean_offset: one}"), "'clean_offset' of shot 1 must be a whole number"),
        (WHOLE.replace("}", ", clean_offset: true}"), "'clean_offset' of shot 1 must be a whole number"),
        (WHOLE.replace("}", ", clean_offset: 1.0}"), "'clean_offset' of shot 1 must be a whole number"),
        (WHOLE.replace("}", ", clean_offset: 1e2}"), "'clean_offset' of shot 1 must be a whole number, not 100.0"),
        (WHOLE.replace("}", ", clean_offset: '1'}"), "'clean_offset' of shot 1 must be a whole number, not '1'"),
        (WHOLE.replace("}", ", overwrite: 'yes'}"), "'overwrite' of shot 1 must be yes or no, not 'yes'"),
        (WHOLE.replace("}", ", frames: }"), "'frames' of shot 1 must be text, not None"),
        (WHOLE.replace("}", ", frames: !!bool yes}"), "'frames' of shot 1 must be text, not True"),
        (WHOLE.replace("}", ", despeckle: 0x10}"), "in shot 1, despeckle must be a whole number, not '0x10'"),
        (WHOLE.replace("}", ", gamma: 1:30}"), "in shot 1, gamma must be a number, not '1:30'"),
        (WHOLE.replace("}", ", gamma: .inf}"), "in shot 1, gamma must be a number, not '.inf'"),
        (WHOLE.replace("p.exr", "''"), "'plate' of shot 1 must be a file's name, not ''"),
        (WHOLE.replace("}", ", overwrite: 1}"), "'overwrite' of shot 1 must be yes or no"),
        (WHOLE.replace("}", ", erode: much}"), "in shot 1, erode must be a number"),
        (WHOLE.replace("}", ", gamma: 99}"), "in shot 1, gamma must lie in"),
        (WHOLE.replace("}", ", clean-offset: 1, clean_offset: 2}"), "it has 'clean_offset' twice in one place."),
        (WHOLE + WHOLE, "it has 'shots' twice in one place."),
        (10_000 * "[", "its lists are nested too deeply."),
        (WHOLE.replace("}", f", clean_offset: {5000 * '1'}}}"), "'clean_offset' of shot 1 must be a whole number"),
        (WHOLE.replace("}", f", clean_offset: !!int {5000 * '1'}}}"), "it has a value that cannot be read."),
        (WHOLE.replace("}", ", clean_offset: !!int one}"), "it has a value that cannot be read."),
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
    with pytest.raises(MatteError, match=r"No such file or directory\. Correct the name after --job"):
        read_job(tmp_path / "job.yaml")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="Windows has none")
def test_a_job_without_end_is_refused_and_one_from_a_pipe_is_read(tmp_path: Path) -> None:
    with pytest.raises(MatteError, match="it has more than 16 MiB"):
        read_job(Path("/dev/zero"))
    read, write = os.pipe()
    os.write(write, WHOLE.encode("utf-8-sig"))
    os.close(write)
    (order,) = read_job(Path(f"/dev/fd/{read}"))
    os.close(read)
    # A pipe lies nowhere.
    assert order.plate == "p.exr"


def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It went into a folder called "~" beside the job."""
    home, path = tmp_path / "home", tmp_path / "jobs/job.yaml"
    for folder in (home, path.parent):
        folder.mkdir()
    (home / "w.learned").touch()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    path.write_text("shots: [{plate: ~/p.exr, clean: c~/~.exr, output: ~/out/m.exr, weights: ~/w.learned}]")
    (order,) = read_job(path)
    assert (order.plate, order.output) == (str(home / "p.exr"), str(home / "out/m.exr"))
    assert order.clean == str(path.parent / "c~/~.exr")
    assert order.options.weights == str(home / "w.learned")


def test_a_job_with_the_mark_of_windows_editors_is_read(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps({"shots": [{"plate": "p", "clean": "c", "output": "o"}]}), encoding="utf-8-sig")
    assert read_job(path)[0].plate == str(tmp_path / "p")
