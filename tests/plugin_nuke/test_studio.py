"""A studio's own Nuke around the node: defaults and callbacks that were set for every Write, proxy files, views,
Windows, and an artist whose undo stack, saved script and labels are left alone."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nuke
import pytest
from cleanplate_node import bench as bench_module
from cleanplate_node import (
    callbacks,
    freshness,
    generations,
    host,
    node_state,
    plain_exr,
    vendor,
)
from cleanplate_node.bench import ContractBench, Server
from matte_link import files
from nuke import _host
from nuke._state import State

from tests.plugin_nuke.conftest import start_nuke
from tests.plugin_nuke.pressing import press, until

# -- what a studio sets for all nodes


def other_value(knob: nuke.Knob) -> str | None:
    """Another value than the knob's own as a studio may set it, else None."""
    if isinstance(knob, nuke.Boolean_Knob):
        return "false" if knob.value() else "true"
    if isinstance(knob, nuke.Enumeration_Knob):
        rest = [one for one in knob.values() if one != knob.value()]
        return rest[-1] if rest else None
    if knob.name().endswith("Render"):
        return "raise ValueError('a hook of the studio')"
    return "7" if knob.name() == "frame" else None


def house_defaults(kind: str) -> dict[str, str]:
    found = {name: other_value(knob) for name, knob in nuke.createNode(kind).knobs().items()}
    left_alone = {"selected", "hide_input", "disable"}
    return {name: text for name, text in found.items() if text is not None and name not in left_alone}


def test_no_default_of_the_house_reaches_a_plate(window: State, server: Server, tmp_path: Path) -> None:
    """Every switch, choice and hook of a Write and of a Read has another default, and the results stay the same."""
    bench = ContractBench(tmp_path, server)
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(window, bench, node)
    wanted = [list(bench.output(node, frame).rows) for frame in (1, 2)]
    kinds = {
        kind: house_defaults(kind) for kind in ("Write", "Read", "Copy", "Merge2", "Keymix", "Switch", "Premult")
    }
    assert len(kinds["Write"]) > 12 and len(kinds["Read"]) > 8
    start_nuke(window=True)
    bench = ContractBench(tmp_path / "again", server)
    src, clean = (
        bench.read(path, 1, 2) for path in (tmp_path / "shot" / "plate.%04d.exr", tmp_path / "shot" / "clean.exr")
    )
    for kind, defaults in kinds.items():
        for name, text in defaults.items():
            nuke.knobDefault(f"{kind}.{name}", text)
    bench.folder.mkdir()
    node = bench.node_on(src, clean)
    assert press(window, bench, node) == "up to date, 2 done"
    window.knob_defaults.clear()
    assert [list(bench.output(node, frame).rows) for frame in (1, 2)] == wanted
    bench.expect_tidy(node)


def test_a_studio_that_changes_each_new_write_is_undone(bench: ContractBench, window: State) -> None:
    def changed() -> None:
        for name, value in {"channels": "all", "use_limit": True, "raw": False, "autocrop": True}.items():
            nuke.thisNode()[name].setValue(value)

    shot = bench.shot((1, 2))
    plain = bench.node(shot, 1, 2)
    press(window, bench, plain)
    nuke.addOnCreate(changed, nodeClass="Write")
    node = bench.node(shot, 1, 2)
    assert host.value(host.inner(node, "Write_src"), "use_limit")
    assert press(window, bench, node) == "up to date, 2 done"
    for frame in (1, 2):
        assert list(bench.result(node, frame).rows) == list(bench.result(plain, frame).rows)


@pytest.mark.parametrize(
    "error", [ValueError("no shot"), KeyError("SHOT"), RuntimeError("not allowed"), OSError(5, "x")]
)
def test_a_hook_of_the_studio_that_fails_is_a_sentence(
    error: Exception, bench: ContractBench, window: State
) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)

    def hook() -> None:
        raise error

    nuke.addBeforeRender(hook)
    status = press(window, bench, node)
    assert status.startswith("Nuke could not render the plates: ") and str(error) in status
    assert len(window.messages) == 1
    bench.expect_tidy(node)


@pytest.mark.parametrize("kind", ["Group", "*"])
def test_a_studio_whose_own_callback_fails(kind: str, window: State, tmp_path: Path) -> None:
    """Nuke stops at the first function of an event that raises, so those after it are not called."""

    def fails() -> None:
        raise TypeError("of the studio")

    window.callbacks.clear()
    nuke.addOnCreate(fails, nodeClass=kind)
    nuke.addUpdateUI(fails, nodeClass=kind)
    callbacks.register()
    bench = ContractBench(tmp_path, Server(()))
    node = bench.node(bench.shot((1,)), 1, 1)
    first = node_state.node_id(node)
    copy = host.copy(node)
    assert copy is not None and first
    freshness.look_again(copy)
    assert host.value(copy, "node_id") not in ("", first) and host.value(node, "node_id") == first


def test_inner_nodes_are_made_before_their_group(window: State) -> None:
    order: list[str] = []
    nuke.addOnCreate(lambda: order.append(nuke.thisNode().name()))
    callbacks.create()
    assert order[-1] == "Cleanplate_Matte1" and order.index("Read_result") < order.index("Output1")


# -- what is the artist's


def steps_back(window: State, count: int) -> None:
    for _ in range(count):
        host.undo()


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
    assert not window.modified
    again = host.find("Cleanplate_Matte1")
    assert again is not None and "up to date" in _host.autolabel(again)


@pytest.mark.parametrize("own", ["hero girl", "two\nlines", "[value name]", "[nonsense", "100% [[", "\\d"])
def test_no_label_of_the_artist_breaks_the_label(own: str, bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    node["label"].setValue(own)
    label = _host.autolabel(node)
    assert label.startswith("Cleanplate_Matte1\n") and label.endswith("\n(not processed)")
    assert not window.callback_errors


def test_a_missing_library_is_looked_for_once(window: State, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []
    plain = builtins.__import__

    def importing(name: str, *rest: Any) -> Any:
        if name == "zmq":
            tries.append(name)
            raise ImportError("No module named 'zmq'", name="zmq")
        return plain(name, *rest)

    monkeypatch.delitem(sys.modules, "zmq")
    monkeypatch.setattr(builtins, "__import__", importing)
    vendor.trouble.cache_clear()
    try:
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
    finally:
        vendor.trouble.cache_clear()


# -- proxies, views


def test_proxy_files_change_nothing(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2))
    for frame in (1, 2):
        plain_exr.write(shot / f"proxy.{frame:04d}.exr", bench.clean(seed=9, size=(48, 36)))
    node, read = bench.node(shot, 1, 2, guard=True), host.find_read(shot / "plate.%04d.exr")
    press(window, bench, node)
    host.set_value(read, "proxy", (shot / "proxy.%04d.exr").as_posix())
    assert freshness.check(node).usable, "proxies that were made later"
    host.use_proxy(True)
    assert freshness.check(node).usable, freshness.check(node).text
    bench.output(node, 1)
    assert press(window, bench, node) == "up to date", "nothing is made again"
    host.set_value(node, "erode", 1.0)
    press(window, bench, node)
    assert host.uses_proxy() and bench.result(node, 1).display[2:] == bench_module.SIZE
    host.use_proxy(False)
    assert freshness.check(node).usable


@pytest.mark.parametrize("view", ["main", "left", "hero view"])
def test_a_script_with_one_view_of_any_name(view: str, bench: ContractBench, window: State) -> None:
    window.views = [view]
    wall = bench.clean()
    for frame in (1, 2):
        plain_exr.write(bench.folder / "eye" / f"{view}.{frame:04d}.exr", bench.plate(frame, wall))
    plain_exr.write(bench.folder / "eye" / "clean.exr", wall)
    src = bench.read(bench.folder / "eye" / "%V.%04d.exr", 1, 2)
    node = bench.node_on(src, bench.read(bench.folder / "eye" / "clean.exr", 1, 1))
    assert press(window, bench, node) == "up to date, 2 done"
    bench.expect_matte(bench.result(node, 2, view), 2)
    bench.expect_matte(bench.output(node, 2, view), 2)
    os.utime(bench.folder / "eye" / f"{view}.0001.exr", (1, 1))
    assert freshness.check(node).text == "stale: the sources of frame 1 changed"


# -- Windows


@pytest.fixture
def on_windows(window: State, monkeypatch: pytest.MonkeyPatch) -> State:
    """A Nuke that holds the files open that it shows, on a system that then refuses to replace or delete them."""
    window.windows = True
    plain_replace, plain_unlink = os.replace, Path.unlink

    def replace(source: str, target: str) -> None:
        window.replace_file(str(target))
        plain_replace(source, target)

    def unlink(path: Path, missing_ok: bool = False) -> None:
        window.replace_file(str(path))
        plain_unlink(path, missing_ok)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setattr("cleanplate_node.host.holds_files_open", lambda: True)
    return window


def test_a_result_that_is_shown_is_replaced_by_a_new_name(bench: ContractBench, on_windows: State) -> None:
    shot = bench.shot((1, 2, 3))
    node = bench.node(shot, 1, 3)
    press(on_windows, bench, node)
    for frame in (1, 2, 3):
        bench.output(node, frame)
    first = bench.shown(node)
    with pytest.raises(PermissionError):
        files.write_atomically(str(bench.results(node)[0]), b"held")
    on_windows.windows = False
    plain_exr.write(shot / "plate.0002.exr", bench.plate(9, bench.clean()))
    on_windows.windows = True
    host.press(host.find_read(shot / "plate.%04d.exr"), "reload")
    assert press(on_windows, bench, node) == "up to date, 1 done"
    assert bench.shown(node) == first.replace("/matte.", "-2/matte.") and len(bench.results(node)) == 3
    bench.expect_matte(bench.output(node, 2), 9)
    bench.expect_matte(bench.output(node, 1), 1)
    assert freshness.check(node).usable
    assert press(on_windows, bench, node) == "up to date", "the others were taken along, records and all"
    host.go_to(2)
    press(on_windows, bench, node, "process_frame")
    assert bench.shown(node) == first.replace("/matte.", "-3/matte.")
    bench.expect_matte(bench.output(node, 2), 9)
    bench.expect_tidy(node)


def test_a_run_that_is_cancelled_loses_no_result(bench: ContractBench, on_windows: State) -> None:
    shot = bench.shot(range(1, 8))
    node = bench.node(shot, 1, 7)
    press(on_windows, bench, node)
    bench.output(node, 1)
    for frame in range(1, 8):
        os.utime(shot / f"plate.{frame:04d}.exr", (1, 1))
    host.press(node, "process_range")
    until(on_windows, lambda: "-2/matte" in bench.shown(node))
    host.press(node, "cancel")
    until(on_windows, bench.idle(node))
    assert len(bench.results(node)) == 7, "what it did not come to is what it was"


def test_other_systems_replace_in_place(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    shown = bench.shown(node)
    press(window, bench, node, "process_frame")
    assert bench.shown(node) == shown


def test_clear_says_what_windows_holds(bench: ContractBench, on_windows: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(on_windows, bench, node)
    bench.output(node, 1)
    on_windows.answers.append(True)
    host.press(node, "clear_cache")
    assert not list(bench.folder.rglob("matte.*.exr")), "the Read let go of them first"


def test_folders_of_one_key_follow_each_other(tmp_path: Path) -> None:
    first = f"{tmp_path}/key"
    assert generations.newest(first) == first
    for number in (2, 10):
        (tmp_path / f"key-{number}").mkdir()
    (tmp_path / "key-old").mkdir()
    assert generations.newest(first) == f"{first}-10"
    assert generations.following(first) == f"{first}-2" and generations.following(f"{first}-10") == f"{first}-11"
