"""One table says what a shot's arguments are: every place that takes them knows each."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from matte_link.options import MatteOptions

from matte_server.cli.main import parser
from matte_server.cli.shot_flags import order_from
from matte_server.errors import MatteError
from matte_server.farm.farm_job import PathWord, shot_job
from matte_server.shots.arguments import NUMBER, PATH, SHOT_ARGUMENTS, SWITCH, ShotArgument, ShotOrder
from matte_server.shots.job_file import read_job
from matte_server.shots.solve_file import FORMAT, FORMAT_VERSION

NEEDED: dict[str, Any] = {"plate": "p.####.exr", "clean": "c.exr", "output": "m.####.exr"}
FARM = [argument for argument in SHOT_ARGUMENTS if argument.on_farm]


def other_value(argument: ShotArgument) -> Any:
    """A value that is not the default."""
    if argument.kind == SWITCH:
        return True
    if argument.kind == NUMBER:
        return -3
    if argument.choices:
        return next(choice for choice in argument.choices if choice != argument.default)
    texts = {"frames": "1001-1002", "shot_frames": "1001-1009", "clean_frame": "7"}
    return NEEDED.get(argument.name, texts.get(argument.name, f"{argument.name}.exr"))


def words_of(argument: ShotArgument, value: Any) -> list[str]:
    """How a command line says it."""
    if argument.kind == SWITCH:
        return [argument.flags[-1]]
    return [str(value)] if not argument.flags else [f"{argument.flags[-1]}={value}"]


def parsed(*words: str) -> argparse.Namespace:
    return parser().parse_args(words)


def test_an_order_has_a_field_for_each_argument() -> None:
    names = {argument.name for argument in SHOT_ARGUMENTS}
    assert {field.name for field in fields(ShotOrder)} == names | {"options"}
    defaults = ShotOrder(**NEEDED)
    for argument in SHOT_ARGUMENTS:
        if not argument.is_needed:
            assert getattr(defaults, argument.name) == argument.default, argument.name
        assert argument.kind != SWITCH or argument.default is False, argument.name


@pytest.mark.parametrize("argument", SHOT_ARGUMENTS, ids=lambda argument: argument.name)
def test_matte_takes_every_argument(argument: ShotArgument) -> None:
    value = other_value(argument)
    order = order_from(parsed("matte", *words_of(argument, value)), MatteOptions())
    assert getattr(order, argument.name) == value


@pytest.mark.parametrize("argument", SHOT_ARGUMENTS, ids=lambda argument: argument.name)
def test_a_job_file_takes_every_argument(argument: ShotArgument, tmp_path: Path) -> None:
    value = other_value(argument)
    job = tmp_path / "job.yaml"
    job.write_text(yaml.safe_dump({"shots": [{**NEEDED, argument.name.replace("_", "-"): value}]}))
    [order] = read_job(job)
    expected = str(tmp_path / value) if argument.kind == PATH else value
    assert getattr(order, argument.name) == expected


@pytest.mark.parametrize("argument", FARM, ids=lambda argument: argument.name)
@pytest.mark.parametrize("farm", ["openjd", "opencue"])
def test_a_farms_shot_and_its_task_take_every_argument(farm: str, argument: ShotArgument) -> None:
    value = other_value(argument)
    given = {each.name: words_of(each, NEEDED[each.name]) for each in FARM if each.is_needed}
    given[argument.name] = words_of(argument, value)
    shot = parsed("farm", farm, "shot", "--bundle", "b", *(word for words in given.values() for word in words))
    assert getattr(order_from(shot, MatteOptions()), argument.name) == value

    told = {"frames": ["--frames=1"], **{name: [f"--{name}={path}"] for name, path in NEEDED.items()}}
    told[argument.name] = [argument.task_flag] if argument.kind == SWITCH else [f"{argument.task_flag}={value}"]
    task = parsed("farm", "task", *(word for words in told.values() for word in words))
    assert getattr(order_from(task, MatteOptions()), argument.name) == value


def test_what_a_farm_does_not_take_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("farm", "openjd", "shot", "--bundle", "b", "p.exr", "--clean", "c.exr", "-o", "m.exr")
    with pytest.raises(SystemExit):
        parsed(*words, "--comp", "comp.exr")
    assert "--comp" in capsys.readouterr().err


def test_camera_solve_and_offset_travel_to_the_task(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"p.{number:04}.exr").touch()
        (tmp_path / f"c.{number + 10:04}.exr").touch()
    solve = tmp_path / "shot.platesolve.json"
    solve.write_text(f'{{"format": "{FORMAT}", "version": {FORMAT_VERSION}, "frames": {{}}}}')
    order = ShotOrder(
        plate=str(tmp_path / "p.####.exr"),
        clean=str(tmp_path / "c.####.exr"),
        output=str(tmp_path / "m.####.exr"),
        clean_offset=10,
        camera="moving",
        solve=str(solve),
    )
    job = shot_job(order, order.plan(), "a shot")
    assert {"--camera=moving", "--clean-offset=10"} <= set(job.command)
    place = job.command.index("--solve")
    word = job.command[place + 1]
    assert isinstance(word, PathWord) and (word.name, word.path) == ("PlateSolve", str(solve))
    assert word.help.startswith("Use this plate solve (how the clean plate lies on each frame), a JSON that")
    assert str(solve) in job.inputs
    # What the task then plans is the same shot.
    words = [word.text if isinstance(word, PathWord) else word for word in job.command[1:]]
    task = parsed(*("--frames=1-2" if word == "<frames>" else word for word in words))
    assert order_from(task, MatteOptions()).plan().camera == order.plan().camera
    assert order_from(task, MatteOptions()).plan().frames == order.plan().frames


def test_with_a_job_file_nothing_is_said_twice_or_overlooked(tmp_path: Path) -> None:
    from matte_server.cli.matte import run

    for argument in SHOT_ARGUMENTS:
        if argument.kind in (PATH, NUMBER) or argument.choices:
            words = words_of(argument, other_value(argument))
            with pytest.raises(MatteError, match=f"the file says what {argument.name} is"):
                run(parsed("matte", "--job", str(tmp_path / "none.yaml"), *words))
