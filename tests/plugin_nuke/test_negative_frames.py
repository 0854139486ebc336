"""Handles before frame 0, as an editor's cut of a shot that begins at 1 has them."""

from __future__ import annotations

import pytest
from cleanplate_node import bake, host, plain_exr
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.conftest import start_nuke
from tests.plugin_nuke.pressing import expect_matte_there, looked_at, press, until
from tests.plugin_nuke.test_learning import with_keys

FRAMES = (-3, -2, -1, 0)
NAMES = ["matte.main.-001.exr", "matte.main.-002.exr", "matte.main.-003.exr", "matte.main.0000.exr"]


@pytest.mark.parametrize("knobs", [{}, {"temporal": 0.5}, {"range_mode": "custom"}])
def test_they_are_made_shown_and_guarded(knobs: dict[str, object], bench: ContractBench, window: State) -> None:
    shot = bench.shot(FRAMES)
    node = bench.node(shot, -3, 0, guard=True, **knobs)
    for name, value in {"first": -3, "last": 0}.items():
        host.set_value(node, name, value)
    assert press(window, bench, node) == "up to date, 4 done"
    assert [path.name for path in bench.results(node)] == NAMES
    for frame in FRAMES:
        bench.expect_matte(bench.output(node, frame), frame)
    plain_exr.write(shot / "plate.-003.exr", bench.plate(9, bench.clean()))
    assert looked_at(window, bench, node).startswith("stale: the sources of frame")
    with pytest.raises(RuntimeError, match="sources of frame -3 changed"):
        bench.output(node, -3)
    bench.output(node, 0)
    assert press(window, bench, node).startswith("up to date, ")
    expect_matte_there(bench, node, -3, 9)
    assert looked_at(window, bench, node).startswith("up to date")


def test_the_frames_around_one_go_on_below_0(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(FRAMES), -3, 0, around=2)
    host.go_to(-2)
    host.press(node, "process_frame")
    until(window, lambda: bench.status(node) == "up to date, 4 done")
    assert [path.name for path in bench.results(node)] == NAMES


def test_a_key_frame_below_0(bench: ContractBench, window: State) -> None:
    bench.shot(FRAMES)
    node = with_keys(bench, window, (1,))
    plate = node.input(0)
    assert plate is not None
    host.connect(node, 4, plate)
    host.go_to(-2)
    host.set_value(plate, "first", -3)
    press(window, bench, node, "add_key")
    assert host.value(node, "key_frames") == "-2,1"
    press(window, bench, node, "remove_key")
    assert host.value(node, "key_frames") == "1"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("--frames", "-3--1", "--node", "all"), NAMES[:3]),
        (("--frames", "-2", "--node", "all"), NAMES[1:2]),
        (("--node", "all", "--frames", "-3,-1"), [NAMES[0], NAMES[2]]),
        (("--node", "all", "--frames", "-1-0"), [NAMES[0], NAMES[3]]),
        (("--node", "all", "--frames=-1-0"), [NAMES[0], NAMES[3]]),
    ],
)
def test_a_farm_names_them_as_any_others(
    words: tuple[str, ...], names: list[str], bench: ContractBench, window: State
) -> None:
    """They were taken for an option, and the task ended with "expected one argument"."""
    bench.node(bench.shot(FRAMES), -3, 0)
    script = bench.save()
    start_nuke(window=False)
    assert bake.main([script.as_posix(), *words]) == 0
    assert sorted(path.name for path in bench.folder.rglob("matte.*.exr")) == names


@pytest.mark.parametrize("words", [["--frames", "--force"], ["--frames"]])
def test_an_option_is_no_range(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bake.main(["comp.nk", "--node", "all", *words])
    assert "--frames: expected one argument" in capsys.readouterr().err
