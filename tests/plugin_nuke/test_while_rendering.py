"""What comes in the middle of a render: Nuke looks at its events between frames, so a button, a look at a node and
what was queued may. Nothing of the render is touched."""

from __future__ import annotations

import time
from collections.abc import Callable

import nuke
import pytest
from cleanplate_node import around, callbacks, freshness, graph, host, node_runs, plain_exr
from cleanplate_node.bench import ContractBench, before_each_frame
from cleanplate_node.range_run import RangeRun
from nuke._state import State

from tests.plugin_nuke.pressing import press, until

BUSY = "Nuke is rendering something else. Try again when it is done."
AT_WORK = "Cleanplate_Matte1 is at work. Try again in a moment."


def queued_at_first_frame(act: Callable[[], object]) -> Callable[[], None]:
    """Queues it for the main thread once, when the first frame of a render begins."""
    done: list[int] = []

    def queue() -> None:
        if not done:
            done.append(1)
            nuke.executeInMainThread(act)

    return queue


def presses(
    button: str, node: host.Node, bench: ContractBench, window: State, said: list[str]
) -> Callable[[], None]:
    """What an artist does who clicks a button and answers yes; the node's status then goes to ``said``."""

    def pressed() -> None:
        window.answers.append(True)
        host.press(node, button)
        said.append(bench.status(node))

    return pressed


@pytest.mark.parametrize(
    "button", ["process_range", "process_frame", "retry", "add_key", "remove_key", "learn", "clear_cache"]
)
def test_a_button_in_the_middle_of_the_nodes_own_plates(button: str, bench: ContractBench, window: State) -> None:
    """The inner Writes would be switched off, and their names taken away, under the render."""
    node = bench.node(bench.shot((1, 2, 3)), 1, 3)
    said: list[str] = []
    with before_each_frame(queued_at_first_frame(presses(button, node, bench, window, said))):
        assert press(window, bench, node) == "up to date, 3 done"
    assert said == [AT_WORK], said
    for frame in (1, 2, 3):
        bench.expect_matte(bench.result(node, frame), frame)
    bench.expect_tidy(node)


@pytest.mark.parametrize("button", ["process_range", "clear_cache", "cancel", "check_server"])
def test_a_button_in_the_middle_of_the_artists_own_render(button: str, bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2, 3)), 1, 3, guard=False)
    press(window, bench, node)
    host.set_value(node, "erode", 1.0)
    made = bench.results(node)
    write = host.create("Write", file=f"{bench.folder.as_posix()}/o.%04d.exr", raw=True)
    host.connect(write, 0, node)
    said: list[str] = []
    with before_each_frame(queued_at_first_frame(presses(button, node, bench, window, said))):
        host.render([write], ((1, 3, 1),), "main")
    is_harmless = button in ("cancel", "check_server")
    assert said == ["up to date, 3 done" if is_harmless else BUSY] and not node_runs.all_running()
    assert bench.results(node) == made and len(list(bench.folder.glob("o.*.exr"))) == 3


def test_results_that_come_in_the_middle_of_a_render(bench: ContractBench, window: State) -> None:
    """The render goes on with those that it began with; the node shows the new ones when it is over."""
    node = bench.node(bench.shot((1, 2, 3)), 1, 3, guard=False)
    press(window, bench, node)
    before, seen = bench.shown(node), list[str]()
    host.set_value(node, "erode", 1.0)
    host.press(node, "process_range")
    run = node_runs.running(node)
    assert isinstance(run, RangeRun)

    def wait_for_all() -> None:
        while not seen and all(call != run._end for call, *_ in window.queue):
            time.sleep(0.005)
        seen.append(bench.shown(node))

    write = host.create("Write", file=f"{bench.folder.as_posix()}/o.%04d.exr", raw=True)
    host.connect(write, 0, node)
    with before_each_frame(wait_for_all):
        host.render([write], ((1, 3, 1),), "main")
    assert [*seen, bench.shown(node)] == [before] * 4 and node_runs.running(node) is run
    until(window, bench.idle(node))
    assert bench.status(node) == "up to date, 3 done" and bench.shown(node) != before


def test_an_automatic_update_waits_for_the_end_of_a_render(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2, 3)), 1, 3, auto_update=True)
    press(window, bench, node)
    host.set_value(node, "erode", 1.0)
    looked: list[int] = []
    before = len(window.rendered) + 3

    def look() -> None:
        callbacks._look(host.full_name(node))
        looked.append(window.frame)

    write = host.create("Write", file=f"{bench.folder.as_posix()}/o.%04d.exr", raw=True)
    host.connect(write, 0, host.input_of(node, 0))
    with before_each_frame(queued_at_first_frame(look)):
        host.render([write], ((1, 3, 1),), "main")
    assert looked == [1] and [name for name, *_ in window.rendered][-3:] == ["Write1"] * 3
    until(window, lambda: bool(window.rendered[before:]) and node_runs.running(node) is None)
    assert not window.messages
    host.go_to(1)
    assert freshness.check(node).usable, "the frame that is looked at"


def test_a_button_in_the_middle_of_an_automatic_update(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1, auto_update=True)
    press(window, bench, node)
    said: list[str] = []

    def pressed() -> None:
        host.press(node, "process_range")
        said.append(bench.status(node))

    with before_each_frame(queued_at_first_frame(pressed)):
        host.set_value(node, "erode", 1.0)
        until(window, lambda: bool(said) and node_runs.running(node) is None)
    assert said == [AT_WORK] and bench.status(node) == "up to date, 1 done"


def test_frames_around_wait_for_the_end_of_a_render(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(around, "_BUSY_S", 0.05)
    node = bench.node(bench.shot((1, 2, 3)), 1, 3, around=1)
    host.go_to(2)
    host.press(node, "process_frame")
    until(window, lambda: around.going_on(node) is not None)
    chain = around.going_on(node)
    assert chain is not None
    write = host.create("Write", file=f"{bench.folder.as_posix()}/o.%04d.exr", raw=True)
    host.connect(write, 0, host.input_of(node, 0))
    before = len(window.rendered)
    with before_each_frame(queued_at_first_frame(chain.go_on)):
        host.render([write], ((1, 3, 1),), "main")
    assert [name for name, *_ in window.rendered[before:]] == ["Write1"] * 3
    until(window, lambda: around.going_on(node) is None and not node_runs.all_running())
    assert len(bench.results(node)) == 3 and not window.messages


def test_files_that_were_compared_in_the_middle_of_a_render(
    bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values may be others then, so the node is looked at when it is over."""
    monkeypatch.setattr(freshness, "_WAIT_S", 0.05)
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    press(window, bench, node)
    plain_exr.write(shot / "plate.0001.exr", bench.plate(9, bench.clean()))
    said: list[str] = []

    def compared() -> None:
        freshness._check_again(host.full_name(node), None)
        said.append(bench.status(node))

    write = host.create("Write", file=f"{bench.folder.as_posix()}/o.%04d.exr", raw=True)
    host.connect(write, 0, host.input_of(node, 0))
    with before_each_frame(queued_at_first_frame(compared)):
        host.render([write], ((1, 1, 1),), "main")
    assert said == ["up to date, 1 done"]
    until(window, bench.says(node, "stale: the sources of frame 1 changed"))


def test_a_panel_that_is_opened_in_the_middle_of_a_render(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    asked: list[str] = []
    write = host.create("Write", file=f"{bench.folder.as_posix()}/o.%04d.exr", raw=True)
    host.connect(write, 0, host.input_of(node, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nuke.Node, "forceValidate", lambda self: asked.append(self.name()))
        with before_each_frame(queued_at_first_frame(lambda: host.open_panel(node))):
            host.render([write], ((1, 1, 1),), "main")
    assert not asked and not window.callback_errors
    assert host.has_inner(node, graph.READ)


def test_a_group_that_is_deleted_with_the_node_in_it(bench: ContractBench, window: State) -> None:
    """No document says that the node inside is told; its run ends without a trace in Nuke's terminal."""
    outer = host.create("Group")
    assert isinstance(outer, nuke.Group)
    with outer:
        inner = host.create("Group")
        assert isinstance(inner, nuke.Group)
        with inner:
            node = bench.node(bench.shot(range(1, 7)), 1, 6)
    host.press(node, "process_range")
    until(window, bench.shows(node))
    nuke.delete(outer)
    with pytest.raises(ValueError, match="not attached"):
        node.name()
    until(window, lambda: not node_runs.all_running())
    assert not window.callback_errors and not window.messages


@pytest.mark.parametrize("button", ["process_range", "process_frame", "learn", "add_key", "clear_cache"])
@pytest.mark.parametrize("own", [True, False])
def test_a_button_while_the_inputs_of_a_range_are_looked_at(
    button: str, own: bool, bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar moves then, and the timeline too."""
    frames = range(1, 13)
    shot = bench.shot(frames)
    node = bench.node(shot, 1, 12)
    other = node if own else bench.node(shot, 1, 12)
    said: list[str] = []
    plain = host.hashes

    def hashes(feed: nuke.Node) -> tuple[int, ...]:
        if window.frame == 3 and not said:
            said.append("")
            nuke.executeInMainThread(pressed)
        return plain(feed)

    def pressed() -> None:
        window.answers.append(True)
        host.press(other, button)
        said[0] = bench.status(other)

    monkeypatch.setattr(host, "hashes", hashes)
    assert press(window, bench, node) == "up to date, 12 done"
    assert said == [AT_WORK] and window.frame == 1
    assert len(bench.results(node)) == 12 and [one for one in window.rendered if one[1] == 5] == [
        ("Write_src", 5, "main")
    ]
    bench.expect_tidy(node)


def test_a_button_while_a_question_is_open(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    window.answers.append(True)
    nuke.executeInMainThread(host.press, (node, "process_frame"))
    host.press(node, "clear_cache")
    assert bench.status(node) == "not processed" and not node_runs.all_running()
    assert window.messages[-1] == f"Cleanplate_Matte1: {AT_WORK}"
