"""Nodes and scripts that move: copied with their Group, pasted with values and presets of another node, archived to
another folder, opened on a farm without the plugin, and in a Nuke that is too old."""

from __future__ import annotations

import ast
import runpy
import shutil
import sys
from pathlib import Path

import nuke
import pytest
from cleanplate_node import freshness, graph, host, manifest
from cleanplate_node.bench import ContractBench, Server
from cleanplate_node.job_progress import JobProgress
from matte_link.job_events import FrameDone
from nuke._state import State

from tests.plugin_nuke.pressing import press

PLUGIN = Path(__file__).resolve().parents[2] / "plugin_nuke"


def paste_values(source: nuke.Node, target: nuke.Node) -> None:
    """What Nuke's "paste knob values" and node presets do: every knob that is saved, hidden ones too."""
    for name, knob in source.knobs().items():
        saved = name not in ("name", "xpos", "ypos", "selected") and not knob.getFlag(nuke.DO_NOT_WRITE)
        if saved and not isinstance(knob, (nuke.Tab_Knob, nuke.Script_Knob, nuke.Link_Knob)):
            target[name].setValue(knob.value())


def test_values_of_another_node_do_not_bring_its_folder(bench: ContractBench, window: State) -> None:
    first, second = bench.node(bench.shot((1,)), 1, 1, erode=1.0), bench.node(bench.shot((1,), "other"), 1, 1)
    for node in (first, second):
        press(window, bench, node)
    ids = [host.value(node, "node_id") for node in (first, second)]
    kept = [bench.results(node)[0] for node in (first, second)]
    paste_values(first, second)
    assert host.value(second, "node_id") == ids[0] and host.value(second, "erode") == 1.0
    press(window, bench, second)
    assert [host.value(node, "node_id") for node in (first, second)] == ids, "it has its own folder again"
    assert bench.results(second)[0].is_relative_to(kept[1].parents[1])
    window.answers.append(True)
    host.press(second, "clear_cache")
    assert kept[0].exists() and not kept[1].exists()


def test_values_onto_a_new_node_give_it_an_id(bench: ContractBench, window: State) -> None:
    first = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, first)
    second = bench.node(bench.shot((1,), "other"), 1, 1)
    paste_values(first, second)
    freshness.look_again(second)
    assert host.value(first, "node_id") != host.value(second, "node_id") != ""
    freshness.look_again(first)
    assert bench.results(first)[0].parents[1].name == host.value(first, "node_id")


def test_clones_keep_one_id(bench: ContractBench, window: State) -> None:
    """They share their knobs, so an id for each would be a new one for both at every look, without an end."""
    first, second = (bench.node(bench.shot((1,)), 1, 1) for _ in range(2))
    second._knobs["node_id"] = first._knobs["node_id"]
    found = []
    for _ in range(3):
        for node in (first, second):
            freshness.look_again(node)
            found.append(host.value(node, "node_id"))
    assert len(set(found[1:])) == 1
    assert press(window, bench, first) == "up to date, 1 done"


def test_a_group_that_is_copied_holds_a_node_of_its_own(
    bench: ContractBench, window: State, tmp_path: Path
) -> None:
    group = host.create("Group")
    assert isinstance(group, nuke.Group)
    with group:
        inside = host.create("Group")
        assert isinstance(inside, nuke.Group)
        with inside:
            node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    copied = host.copy(group)
    assert isinstance(copied, nuke.Group)
    twin = copied.node(f"{inside.name()}.{node.name()}")
    assert twin is not None and host.value(twin, "node_id") != host.value(node, "node_id")
    assert bench.shown(twin) == bench.shown(node) and freshness.check(twin).usable
    again = press(window, bench, twin, "process_frame")
    assert again == "up to date, 1 done" and bench.shown(twin) != bench.shown(node)


def test_a_script_that_was_moved_with_its_results_shows_them(bench: ContractBench, window: State) -> None:
    """An archive on another machine: the old folder is not there, and the plates have kept their times."""
    shot = bench.shot((1, 2))
    relative = "[file dirname [value root.name]]/../plates"
    src = bench.read(shot / "plate.%04d.exr", 1, 2)
    node = bench.node_on(src, bench.read(shot / "clean.exr", 1, 1))
    old, new = bench.folder / "comp", bench.folder / "archive" / "comp"
    for folder in (old, bench.folder / "plates", new.parent):
        folder.mkdir()
    for path in shot.iterdir():
        shutil.copy2(path, bench.folder / "plates" / path.name)
    script = bench.save("comp/comp.nk")
    for read, name in ((src, "plate.%04d.exr"), (node.input(1), "clean.exr")):
        assert read is not None
        read["file"].setValue(f"{relative}/{name}")
    press(window, bench, node)
    script = bench.save("comp/comp.nk")
    shutil.copytree(old, new)
    shutil.copytree(bench.folder / "plates", bench.folder / "archive" / "plates")
    for folder in (old, bench.folder / "plates", shot):
        shutil.rmtree(folder)
    host.open_script((new / script.name).as_posix())
    again = host.find("Cleanplate_Matte1")
    assert again is not None and freshness.check(again, deep=False).text.startswith("up to date")
    assert bench.results(again)[0].is_relative_to(new) and len(bench.results(again)) == 2
    bench.expect_matte(bench.output(again, 2), 2)


def test_a_farm_without_the_plugin_renders_finished_frames(
    bench: ContractBench, window: State, server: Server
) -> None:
    """What is saved are Nuke's own nodes; nothing of ours is registered on the blade."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(window, bench, node)
    name, script = host.full_name(node), bench.save()
    state = nuke.reset()
    state.gui = False
    nuke.scriptOpen(script.as_posix())
    again = nuke.toNode(name)
    assert again is not None and not state.callbacks
    bench.expect_matte(bench.output(again, 2), 2)
    with pytest.raises(RuntimeError, match=r"matte\.main\.0003\.exr"):
        bench.output(again, 3)
    state.gui = True
    modules = {one: sys.modules.pop(one) for one in list(sys.modules) if one.split(".")[0] == "cleanplate_node"}
    path, sys.path[:] = list(sys.path), [one for one in sys.path if "plugin_nuke" not in one or "fake" in one]
    try:
        host.press(again, "process_frame")
    finally:
        sys.path[:] = path
        sys.modules.update(modules)
    assert state.messages == ["The Cleanplate plugin is not installed here. Finished frames still render."]


def test_a_record_without_its_picture_is_no_result(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    press(window, bench, node)
    bench.results(node)[1].unlink()
    host.go_to(2)
    assert freshness.check(node).text == "frame 2 is not processed"
    assert len(manifest.read_all(str(bench.results(node)[0].parent))) == 2
    assert press(window, bench, node) == "up to date, 1 done"


@pytest.mark.parametrize("name", ["init.py", "menu.py", "cleanplate_node/__init__.py"])
def test_an_older_nuke_is_told_which_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nuke 13 has Python 3.7: what it runs first must be Python 3.7 code, and end in a sentence."""
    text = (PLUGIN / name).read_text(encoding="utf-8")
    ast.parse(text, name, feature_version=(3, 7))
    if name == "cleanplate_node/__init__.py":
        monkeypatch.setattr(sys, "version_info", (3, 7, 16))
        with pytest.raises(ImportError, match=r"needs Nuke 14 or later.* has Python 3\.7\."):
            exec(compile(text, name, "exec"), {})


@pytest.mark.parametrize(
    ("edition", "words"),
    [("nc", "Nuke Non-commercial, whose"), ("indie", "Nuke Indie, whose"), ("assist", "Nuke Assist, which")],
)
def test_editions_that_cannot_are_refused(edition: str, words: str, bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    nuke.env[edition] = True
    assert press(window, bench, node).startswith(f"Cleanplate does not work in {words}")
    assert not list(bench.folder.rglob(".plates*"))


@pytest.mark.parametrize("edition", ["hiero", "studio", "nc", "indie", "assist"])
def test_every_edition_starts_quietly(edition: str, window: State, capfd: pytest.CaptureFixture[str]) -> None:
    window.callbacks.clear()
    nuke.env[edition] = True
    for name in ("init.py", "menu.py"):
        runpy.run_path(str(PLUGIN / name))
    assert not any(capfd.readouterr()) and not window.messages
    # Hiero has no nodes; everywhere else a saved node's label and a guarded render work.
    assert bool(window.callbacks) == (edition != "hiero")


def test_the_bar_says_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("cleanplate_node.job_progress.time.monotonic", lambda: now[0])
    progress = JobProgress(total=10)
    assert progress.bar_text == "0 of 10 done"
    for frame, at in ((1, 120.0), (2, 140.0)):
        now[0] = at
        progress.add(FrameDone(frame=frame, output="", diagnostics={}))
    assert progress.bar_text == "2 of 10 done, 3 min left"


def test_a_saved_script_in_a_window_is_opened_here_and_not_in_another_nuke(
    bench: ContractBench, window: State
) -> None:
    bench.node(bench.shot((1,)), 1, 1)
    host.open_script(bench.save().as_posix())
    assert not window.other_nukes and host.find("Cleanplate_Matte1") is not None


def test_changes_reach_a_closed_panel_from_nuke_17_on(bench: ContractBench, window: State) -> None:
    """Each move of any Group is then an event; the node looks only when it comes to rest."""
    window.major = 17
    node = bench.node(bench.shot((1,)), 1, 1)
    press(window, bench, node)
    looked = freshness.check(node).text
    for x in range(50):
        node["xpos"].setValue(x)
    assert not window.callback_errors and freshness.check(node).text == looked
    assert host.has_inner(node, graph.READ)
