"""$SHOW, ${SHOW} and ~ mean the same in job files, on the command line and in a farm's jobs."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import yaml
from matte_link.options import MatteOptions

from matte_server.cli import main as cli
from matte_server.cli.shot_flags import (
    add_learning_flags,
    add_options,
    add_shot_flags,
    add_task_flags,
    options_from,
    order_from,
)
from matte_server.errors import MatteError
from matte_server.farm.farm_job import PathWord, argument_words
from matte_server.shots.arguments import SHOT_ARGUMENTS, ShotOrder
from matte_server.shots.job_file import read_job
from matte_server.shots.named_paths import named_path, with_variables, written_name
from matte_server.shots.option_files import with_whole_paths


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHOW", "/shows/kite")
    monkeypatch.setenv("shot_1", "sh010")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("F", "wrong")
    monkeypatch.setenv("F4", "wrong")
    monkeypatch.setenv("HOME", "/home/ana")
    monkeypatch.delenv("NOWHERE", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("", ""),
        ("plate.####.exr", "plate.####.exr"),
        ("$SHOW/plate.####.exr", "/shows/kite/plate.####.exr"),
        ("${SHOW}/plate.$F4.exr", "/shows/kite/plate.$F4.exr"),
        ("$SHOW/plate.$F.exr", "/shows/kite/plate.$F.exr"),
        ("$SHOW/${shot_1}_plate.$F_left.exr", "/shows/kite/sh010_plate.$F_left.exr"),
        ("a/$shot_1/${shot_1}x/p.exr", "a/sh010/sh010x/p.exr"),
        ("$F4/p.$F4.exr", "wrong/p.$F4.exr"),
        ("~/p.exr", "/home/ana/p.exr"),
        ("a/~/p.exr", "a/~/p.exr"),
        ("~p.exr", "~p.exr"),
        ("price 5$.exr", "price 5$.exr"),
        ("$5/p.exr", "$5/p.exr"),
        ("$$SHOW/m.####.exr", "$SHOW/m.####.exr"),
        ("a/$${SHOW}/$$shot_1.$F4.exr", "a/${SHOW}/$shot_1.$F4.exr"),
        ("$$$SHOW.exr", "$/shows/kite.exr"),
        ("$$$$x.exr", "$$x.exr"),
        ("$$$F4.exr", "$$F4.exr"),
        ("a/$$F4/m.$F4.exr", "a/$F4/m.$F4.exr"),
        ("m.$$Fx.####.exr", "m.$Fx.####.exr"),
    ],
)
def test_what_a_name_means(name: str, path: str) -> None:
    assert named_path(name) == path


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("$NOWHERE/p.exr", "not_set", "$NOWHERE/p.exr names the environment variable NOWHERE, which is not set."),
        ("${EMPTY}/p.exr", "not_set", "${EMPTY}/p.exr names the environment variable EMPTY, which is empty."),
        ("a/p.$NOWHERE.####.exr", "not_set", "NOWHERE, which is not set."),
        ("${SHOW:-x}/p.exr", "not_set", "the environment variable SHOW:-x, which is not set."),
        ("${}/p.exr", "not_set", "the environment variable , which is not set."),
        ("a/p.$$F4.exr", "bad_name", "a/p.$$F4.exr has a plain $ before what makes a frame number of it."),
        ("p.$$F.exr", "bad_name", "plain $ before what makes a frame number"),
        ("p.$$$$F4.exr", "bad_name", "plain $ before what makes a frame number"),
        ("~nobody_of_this_name/p.exr", "no_user", "begins with ~nobody_of_this_name, and there is no such user"),
    ],
)
def test_what_is_not_set_is_an_error_and_never_empty(name: str, code: str, words: str) -> None:
    with pytest.raises(MatteError) as caught:
        named_path(name)
    assert caught.value.code == code and words in caught.value.message


def test_what_is_there_as_it_is_written_is_no_variable(tmp_path: Path) -> None:
    (tmp_path / "take $SHOW").mkdir()
    (tmp_path / "~nobody_of_this_name").mkdir()
    for name in ("a$b.exr", "cash$money.0001.exr", "take $SHOW/p.exr"):
        (tmp_path / name).write_bytes(b"")
    for name in (
        "a$b.exr",
        "cash$money.####.exr",
        "take $SHOW/p.exr",
        "take $SHOW/new.exr",
        "~nobody_of_this_name/p.exr",
    ):
        assert named_path(name) == name
    assert named_path("take $SHOW/$shot_1.exr") == "take $SHOW/sh010.exr"
    assert with_variables("a$b.exr", tmp_path) == "a$b.exr"
    with pytest.raises(MatteError, match="variable b,"):
        with_variables("a$b.exr", tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["$SHOW/p.exr", "${SHOW}/p.exr"])
def test_a_folder_that_an_earlier_version_called_by_a_variable_does_not_stand_in_for_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_bytes(b"")
    assert named_path(name) == "/shows/kite/p.exr"
    assert named_path(f"{tmp_path}/{name}") == f"{tmp_path}//shows/kite/p.exr"
    monkeypatch.delenv("SHOW")
    assert named_path(name) == name


def test_the_file_of_a_key_matte_follows_the_same_rule_behind_its_frames(tmp_path: Path) -> None:
    (tmp_path / "a$b.exr").write_bytes(b"")
    (tmp_path / "x=$c.exr").write_bytes(b"")
    written = ["1=~/k.exr", "1-3,7=$SHOW/k.$F4.exr", "1=a$b.exr", "x=$c.exr", "$SHOW/k.####.exr", "~/mended", "5="]
    parser = argparse.ArgumentParser()
    add_learning_flags(parser)
    assert parser.parse_args(["--key", *written]).key == [
        "1=/home/ana/k.exr",
        "1-3,7=/shows/kite/k.$F4.exr",
        "1=a$b.exr",
        "x=$c.exr",
        "/shows/kite/k.####.exr",
        "/home/ana/mended",
        "5=",
    ]


def test_one_rule_for_job_files_command_line_and_farm(tmp_path: Path) -> None:
    words = {"plate": "$SHOW/p.$F4.exr", "clean": "~/c.exr", "output": "${shot_1}/m.####.exr"}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump({"shots": [words]}))
    [of_job] = read_job(tmp_path / "job.yaml")
    matte, task = argparse.ArgumentParser(), argparse.ArgumentParser()
    add_shot_flags(matte, only_given=True)
    add_task_flags(task)
    of_line = order_from(
        matte.parse_args([words["plate"], "--clean", words["clean"], "-o", words["output"]]), MatteOptions()
    )
    of_task = order_from(
        task.parse_args([f"--{word}={value}" for word, value in words.items()] + ["--frames=1"]), MatteOptions()
    )
    for order in (of_line, of_task):
        assert (order.plate, order.clean, order.output) == (
            "/shows/kite/p.$F4.exr",
            "/home/ana/c.exr",
            "sh010/m.####.exr",
        )
    assert (of_job.plate, of_job.clean) == (of_line.plate, of_line.clean)
    assert of_job.output == str(tmp_path / "sh010" / "m.####.exr")


@pytest.mark.parametrize(
    "path",
    [
        "/a/$SHOW/m.####.exr",
        "/a/${x}/m$y.$F4.exr",
        "/a/$F4/m.$F.exr",
        "/a$$b/$$c.exr",
        "/a/$$F4.exr",
        "/a/5$.exr",
        "/a/m.exr",
        "/$/$",
    ],
)
def test_a_name_for_a_path_with_dollars_means_that_path_on_any_machine(path: str) -> None:
    assert named_path(written_name(path)) == path


def test_a_variable_that_a_worker_alone_has_stands_in_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is there where the job is written, and the variable is not."""
    (tmp_path / "$NOWHERE").mkdir()
    path = f"{tmp_path}/$NOWHERE/m.####.exr"
    assert named_path(path) == path
    written = written_name(path)
    monkeypatch.setenv("NOWHERE", "elsewhere")
    assert named_path(written) == path


def test_a_farms_task_writes_to_a_folder_with_a_dollar() -> None:
    """The job holds the name that the task takes for that folder."""
    order = ShotOrder(plate="/p.####.exr", clean="/c.exr", output=named_path("/out/$$SHOW/m.####.exr"))
    words: list[str] = []
    for argument in SHOT_ARGUMENTS:
        if argument.on_farm:
            each = argument_words(argument, getattr(order, argument.name), [argument.task_flag])
            words += [word.text if isinstance(word, PathWord) else word for word in each]
    task = argparse.ArgumentParser()
    add_task_flags(task)
    assert order_from(task.parse_args([*words, "--frames=1"]), MatteOptions()).output == "/out/$SHOW/m.####.exr"


def test_files_of_options_follow_the_same_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOW", str(tmp_path))
    (tmp_path / "take7.learned").write_bytes(b"weights")
    parser = argparse.ArgumentParser()
    add_options(parser)
    found = options_from(parser.parse_args(["--weights", "$SHOW/take7.learned", "--ocio-config=$SHOW/no.ocio"]))
    assert (found.weights, found.ocio_config) == (str(tmp_path / "take7.learned"), str(tmp_path / "no.ocio"))
    with pytest.raises(MatteError, match="NOWHERE, which is not set"):
        with_whole_paths(MatteOptions(weights="$NOWHERE/take7.learned"))


@pytest.mark.parametrize("word", ["plate", "weights"])
def test_a_job_says_which_word_of_which_shot_names_what_is_not_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    shot = {"plate": "p.exr", "clean": "c.exr", "output": "m.exr"}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump({"shots": [shot, {**shot, word: "$NOWHERE/x"}]}))
    assert cli.main(["matte", "--job", "job.yaml"]) == 2
    printed = " ".join(capsys.readouterr().err.split())
    assert "shot 2" in printed and "the environment variable NOWHERE, which is not set" in printed
    assert "(bad_job)" in printed and "Set it, or write its value" in printed


@pytest.mark.parametrize(
    "words",
    [
        ["matte", "$NOWHERE/p.####.exr", "--clean", "c.exr", "-o", "m.####.exr"],
        ["matte", "p.exr", "--clean", "c.exr", "-o", "m.exr", "--core", "$NOWHERE/core.exr"],
        ["build-plate", "$NOWHERE/p.####.exr", "-o", "c.exr"],
        ["build-plate", "p.####.exr", "-o", "$NOWHERE/c.exr"],
        ["build-plate", "p.####.exr", "-o", "c.exr", "--subject", "$NOWHERE/s.####.exr"],
        ["evaluate", "$NOWHERE/p.####.exr", "p.####.exr"],
        ["evaluate", "p.####.exr", "$NOWHERE/p.####.exr"],
        [
            "farm",
            "openjd",
            "shot",
            "p",
            "--clean",
            "c",
            "-o",
            "m",
            "--bundle",
            "b",
            "--learn",
            "$NOWHERE/t.learned",
        ],
        ["learn", "p.exr", "--clean", "c.exr", "--key", "1=$NOWHERE/k.exr", "-o", "t.learned"],
        ["farm", "openjd", "shot", "p.exr", "--clean", "c.exr", "-o", "$NOWHERE/m.exr", "--bundle", "b"],
        ["farm", "task", "--plate=$NOWHERE/p.exr", "--clean=c", "--output=m.exr", "--frames=1"],
    ],
)
def test_every_command_refuses_what_is_not_set_in_one_sentence(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    printed = capsys.readouterr().err
    assert printed.count("not_set") == 1 and "NOWHERE, which is not set" in " ".join(printed.split())
    assert not any(tmp_path.iterdir())
