"""What is the artist's and is left alone: the undo stack, a saved script, labels; and a library that is missing."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nuke
import pytest
from cleanplate_node import (
    callbacks,
    freshness,
    host,
    vendor,
)
from cleanplate_node.bench import ContractBench, Server
from nuke import _host
from nuke._state import State

from tests.plugin_nuke.pressing import press, until


def test_undo_takes_back_what_the_artist_did_and_nothing_else(bench: ContractBench, window: State) -> None:
    node, grade = bench.node(bench.shot(range(1, 4)), 1, 3), host.create("Grade")
    before = len(window.undo)
    host.press(node, "process_range")
    grade["white"].setValue(2.0)
    until(window, bench.idle(node))
    press(window, bench, node, "process_frame")
    node.showControlPanel()
    press(window, bench, node, "check_server")
    assert len(window.undo) == before + 1
    host.undo()
    assert grade["white"].value() == 1.0 and "matte.%V" in bench.shown(node)


@pytest.mark.parametrize(
    "look",
    [
        lambda bench, node, window: freshness.check(node),
        lambda bench, node, window: node.showControlPanel(),
        lambda bench, node, window: callbacks.on_load(),
        lambda bench, node, window: _host.autolabel(node),
        lambda bench, node, window: press(window, bench, node, "check_server"),
        lambda bench, node, window: press(window, bench, node, "cancel"),
        lambda bench, node, window: press(window, bench, node, "process_range"),
    ],
    ids=["check", "panel", "load", "label", "server", "cancel", "nothing to do"],
)
def test_a_saved_script_stays_saved_where_nothing_to_save_happens(
    look: Callable[[ContractBench, nuke.Node, State], object], bench: ContractBench, window: State
) -> None:
    node = bench.node(bench.shot((1,)), 1, 1, guard=True)
    press(window, bench, node)
    bench.save()
    look(bench, node, window)
    until(window, lambda: True)
    assert not window.modified


def test_a_result_is_something_to_save(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    bench.save()
    press(window, bench, node)
    assert window.modified, "the Read shows another file"


def test_opening_a_script_leaves_it_saved(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    host.open_script(bench.save().as_posix())
    again = host.find("Cleanplate_Matte1")
    assert again is not None and not window.modified and "being looked at" in _host.autolabel(again)
    until(window, lambda: "up to date" in _host.autolabel(again), 20)
    assert not window.modified


@pytest.mark.parametrize("own", ["hero girl", "two\nlines", "[value name]", "[nonsense", "100% [[", "\\d"])
def test_no_label_of_the_artist_breaks_the_label(own: str, bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    node["label"].setValue(own)
    label = _host.autolabel(node)
    assert label.startswith("Cleanplate_Matte1\n") and label.endswith("\n(not processed)")
    assert not window.callback_errors


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Each try to import zmq, which this Python lacks."""
    found: list[str] = []
    plain = builtins.__import__

    def importing(name: str, *rest: Any) -> Any:
        if name == "zmq":
            found.append(name)
            raise ImportError("No module named 'zmq'", name="zmq")
        return plain(name, *rest)

    monkeypatch.delitem(sys.modules, "zmq")
    monkeypatch.setattr(builtins, "__import__", importing)
    vendor.trouble.cache_clear()
    yield found
    vendor.trouble.cache_clear()


def test_a_missing_library_is_looked_for_once(window: State, tries: list[str]) -> None:
    node = callbacks.create()
    assert node is not None
    for index in range(20):
        node["label"].setValue(str(index))
        window.process_events()
        _host.autolabel(node)
        node.showControlPanel()
        host.press(node, "process_frame")
    assert tries == ["zmq"]
    assert window.messages[-1].startswith("Cleanplate_Matte1: Cleanplate cannot load zmq")


def test_a_farm_that_cannot_guard_a_render_says_so(terminal: State, tries: list[str], tmp_path: Path) -> None:
    bench = ContractBench(tmp_path, Server(()))
    plate = bench.read(bench.shot((1,)) / "plate.%04d.exr", 1, 1)
    node = bench.node_on(plate, plate, guard=False)
    bench.output(plate, 1)
    assert not terminal.printed
    host.set_value(node, "guard", True)
    for _ in range(2):
        bench.output(plate, 1)
    (said,) = terminal.printed
    assert said.startswith("Cleanplate cannot load zmq for cp3") and said.endswith(
        " So stale results of Cleanplate_Matte1 are not refused here."
    )
