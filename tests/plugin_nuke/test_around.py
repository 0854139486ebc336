"""Process frame: the current frame first, then those around it, while the artist goes on working."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import nuke
import pytest
from cleanplate_node import (
    around,
    host,
    node_runs,
    plain_exr,
)
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.pressing import press, until


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(around, "_REST_S", 0.01)


def made(bench: ContractBench, node: nuke.Node) -> list[int]:
    """The frames on disk in the order in which they were made."""
    paths = sorted(bench.results(node), key=lambda path: path.stat().st_mtime_ns)
    return [int(path.name[-8:-4]) for path in paths]


def is_at_rest(node: nuke.Node) -> bool:
    return around.going_on(node) is None and node_runs.running(node) is None


def test_the_frame_comes_first_and_then_those_around_it(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = bench.node(bench.shot(range(1, 10)), 1, 9, around=2)
    host.go_to(5)
    host.press(node, "process_frame")
    assert window.rendered == [("Write_src", 5, "main"), ("Write_clean", 5, "main")], "no other plate before it"
    until(window, lambda: "matte.%V" in bench.shown(node))
    assert made(bench, node) == [5]
    moves: list[int] = []
    monkeypatch.setattr(nuke, "frame", lambda number=None: 5 if number is None else moves.append(number))
    until(window, lambda: is_at_rest(node))
    assert made(bench, node) == [5, 4, 6, 3, 7]
    # The end of the run says the one; the node is looked at a moment later, which says the other.
    assert bench.status(node) in ("up to date, 5 done", "up to date, 5 of 9 frames")
    assert moves == [], "the timeline is the artist's"
    assert len(window.tasks) == 1, "one progress bar, for the frame that was asked for"
    monkeypatch.undo()
    bench.expect_tidy(node)
    for frame in (3, 7):
        bench.expect_matte(bench.output(node, frame), frame)


def test_the_ends_of_the_range_and_frames_that_are_done(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(range(1, 5)), 1, 4, around=3)
    host.go_to(2)
    press(window, bench, node, "process_frame")
    until(window, lambda: is_at_rest(node))
    assert sorted(made(bench, node)) == [1, 2, 3, 4]
    rendered = len(window.rendered)
    host.press(node, "process_frame")
    until(window, lambda: is_at_rest(node))
    assert len(window.rendered) == rendered + 2, "what is up to date is not made again"


def test_it_follows_the_artist_along_the_timeline(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(range(1, 10)), 1, 9, around=4)
    host.go_to(5)
    host.press(node, "process_frame")
    until(window, lambda: len(bench.results(node)) >= 1 if "matte.%V" in bench.shown(node) else False)
    host.go_to(9)
    until(window, lambda: is_at_rest(node))
    order = made(bench, node)
    assert order.index(9) < order.index(3) and len(order) == 9


FRAMES = 25
"""Frames of a node that is on its way: so many that it is still on its way when something ends it."""


def started(bench: ContractBench, window: State, **knobs: object) -> nuke.Node:
    """A node that is on its way through the frames around the middle one."""
    node = bench.node(bench.shot(range(1, FRAMES + 1)), 1, FRAMES, around=FRAMES // 2, **knobs)
    host.go_to(FRAMES // 2 + 1)
    host.press(node, "process_frame")
    until(window, lambda: "around it" in bench.status(node))
    return node


def test_cancel_ends_it(bench: ContractBench, window: State) -> None:
    node = started(bench, window)
    host.press(node, "cancel")
    pressed = time.monotonic()
    assert is_at_rest(node), "at once"
    until(window, lambda: time.monotonic() > pressed + 0.5)
    count = len(made(bench, node))
    assert count < FRAMES
    until(window, lambda: time.monotonic() > pressed + 1.0)
    assert len(made(bench, node)) == count, "and for good"


def test_cancel_between_two_frames_ends_it_too(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(around, "_REST_S", 0.4)
    node = started(bench, window)
    until(window, lambda: node_runs.running(node) is None)
    host.press(node, "cancel")
    count, pressed = len(made(bench, node)), time.monotonic()
    until(window, lambda: time.monotonic() > pressed + 0.8)
    assert len(made(bench, node)) == count


@pytest.mark.parametrize("button", ["process_frame", "process_range"])
def test_another_press_takes_over_at_once(button: str, bench: ContractBench, window: State) -> None:
    node = started(bench, window)
    host.set_value(node, "around", 0)
    status = press(window, bench, node, button)
    assert "processing already" not in " ".join(window.messages) and status.startswith("up to date")
    assert is_at_rest(node)
    bench.expect_tidy(node)


def test_a_setting_or_the_graph_that_changes_ends_it(bench: ContractBench, window: State) -> None:
    node = started(bench, window)
    host.set_value(node, "erode", 2.0)
    until(window, lambda: is_at_rest(node) and "stale" in bench.status(node))
    assert len(made(bench, node)) < FRAMES
    bench.expect_tidy(node)


def test_a_frame_that_fails_ends_it_without_a_dialog(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2, 4, 5))
    node = bench.node(shot, 1, 5, around=3)
    host.go_to(2)
    press(window, bench, node, "process_frame")
    until(window, lambda: is_at_rest(node))
    assert "Frame 3: Nuke could not render the plates" in bench.status(node)
    assert bench.status(node).startswith("up to date, 2 done; around it 1 of 4. ")
    assert not window.messages
    bench.expect_tidy(node)


def test_it_waits_while_nuke_renders(bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(around, "_BUSY_S", 0.05)
    node = bench.node(bench.shot((1, 2, 3)), 1, 3, around=1)
    host.go_to(2)
    host.press(node, "process_frame")
    window.busy.append("execute")
    rendered = list(window.rendered)
    until(window, lambda: "cleanplate-node" not in [one.name for one in threading.enumerate()])
    moment = time.monotonic() + 0.3
    until(window, lambda: time.monotonic() > moment)
    assert window.rendered == rendered and not bench.results(node), "what was made is shown after the render"
    window.busy.remove("execute")
    until(window, lambda: is_at_rest(node))
    assert sorted(made(bench, node)) == [1, 2, 3]


def wait_for_threads(window: State) -> None:
    """Until every run's thread is gone and its last call on the main thread was made."""

    def is_over() -> bool:
        are_gone = "cleanplate-node" not in [one.name for one in threading.enumerate()]
        return are_gone and not node_runs.all_running() and not window.queue

    until(window, is_over)


def test_the_node_or_the_script_goes_away(bench: ContractBench, window: State) -> None:
    node = started(bench, window)
    nuke.delete(node)
    wait_for_threads(window)
    assert not around._going_on
    nuke.scriptClear()
    node = started(bench, window)
    nuke.scriptClear()
    wait_for_threads(window)
    assert not around._going_on


def test_without_a_window_there_are_none(terminal: State, bench: ContractBench, tmp_path: Path) -> None:
    terminal.gui = False
    node = bench.node(bench.shot((1, 2, 3)), 1, 3, around=3)
    host.press(node, "process_frame")
    assert made(bench, node) == [1] and bench.status(node) == "up to date, 1 done"


def test_each_view_of_the_frames_around(bench: ContractBench, window: State) -> None:
    wall = bench.clean()
    host.add_view("right")
    for frame in (1, 2, 3):
        for view, shift in (("main", 0), ("right", 10)):
            file = bench.folder / "eyes" / f"plate.{view}.{frame:04d}.exr"
            plain_exr.write(file, bench.plate(frame + shift, wall))
    plain_exr.write(bench.folder / "eyes" / "clean.exr", wall)
    src = bench.read(bench.folder / "eyes" / "plate.%V.%04d.exr", 1, 3)
    node = bench.node_on(src, bench.read(bench.folder / "eyes" / "clean.exr", 1, 1), around=1)
    node["erode"].setValueAt(0.0, 1)
    node["erode"].setValueAt(1.0, 3)
    host.go_to(2)
    press(window, bench, node, "process_frame")
    until(window, lambda: is_at_rest(node))
    assert len(bench.results(node)) == 6
    assert press(window, bench, node) == "up to date", "keys and views are those of a range"
