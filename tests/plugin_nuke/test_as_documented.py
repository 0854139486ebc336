"""Behaviour that a close reading of Nuke's documents shows: plain texts are evaluated, clones share their name, and
what a call without a context, or inside of a group, means."""

from __future__ import annotations

from pathlib import Path

import nuke
import pytest
from cleanplate_node import freshness, graph, host, node_options, sources, status_basis
from cleanplate_node.bench import ContractBench
from cleanplate_node.frame_reach import EVERY_FRAME
from cleanplate_node.graph_scope import NO_VARIABLES
from cleanplate_node.host import node as host_node
from nuke._state import State

from tests.plugin_nuke.pressing import press


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("weights", "/learned/[v2] take\\3/w.safetensors"),
        ("weights", "C:\\new\\w.safetensors"),
        ("ocio_config", "/c/[a].ocio"),
    ],
)
def test_a_plain_text_is_taken_as_typed(name: str, text: str, bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1,)), 1, 1)
    host.set_value(node, name, text)
    assert host.value(node, name) == text
    assert getattr(node_options.options_of(node).shared, name) == text
    edits = window.edits
    host.set_value(node, name, text)
    assert window.edits == edits, "it has that value already"


def test_the_frame_text_of_a_read_is_not_run_to_be_looked_at(bench: ContractBench) -> None:
    """An expression of its own language, in which brackets may mean something that TCL does not know."""
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    host.find_read(shot / "plate.%04d.exr")["frame"].setValue("[nonsense] + frame")
    files = [file for one in sources.sources_of(node).upstream.facts for file in one.files]
    (file,) = [file for file in files if file.takes == EVERY_FRAME]
    assert file.pattern.endswith("plate.%04d.exr")


def test_a_hook_of_the_house_is_not_run_to_be_looked_at(bench: ContractBench, window: State) -> None:
    nuke.knobDefault("Write.beforeRender", "raise RuntimeError('run')")
    node = bench.node(bench.shot((1,)), 1, 1)
    assert press(window, bench, node) == "up to date, 1 done"


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("[v2] final", "Nuke cannot evaluate the results folder"),
        ("a {b}", "has '{' in its name, which Nuke replaces"),
        ("50% #1", "has '#' in its name, which Nuke replaces"),
        ("ÄÖ 漢字", "up to date, 1 done"),
        ('it\'s "it"', "up to date, 1 done"),
    ],
)
def test_a_script_whose_path_has_signs_of_tcl(
    folder: str, says: str, bench: ContractBench, window: State, tmp_path: Path
) -> None:
    """The script's own path is no TCL. Where Nuke would replace something in the results' path, that is said."""
    (tmp_path / folder).mkdir()
    node = bench.node(bench.shot((1,)), 1, 1)
    bench.save(f"{folder}/comp.nk")
    assert host.script_path() == (tmp_path / folder / "comp.nk").as_posix()
    assert says in press(window, bench, node)


@pytest.mark.parametrize("timeline", [1, 2])
def test_a_key_that_moves_at_another_frame_is_seen(timeline: int, bench: ContractBench, window: State) -> None:
    """Knob.toScript gives the value at the timeline's frame only."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    host.set_key(node, "erode", 1, 0.0)
    host.set_key(node, "erode", 2, 1.0)
    press(window, bench, node)
    freshness.check(node)
    host.go_to(timeline)
    assert not status_basis.changed(node, None), "a move of the timeline is no change"
    host.set_key(node, "erode", 3 - timeline, 2.0)
    assert status_basis.changed(node, None)


def test_a_press_inside_of_a_group_moves_the_timeline_there_and_back(bench: ContractBench, window: State) -> None:
    """nuke.frame would move the frame of the group's context only, and Nuke's hashes be all of one frame."""
    node = bench.node(bench.shot((1, 2, 3)), 1, 3)
    seen, of_frames = set(), host.hashes

    def hashes(feed: nuke.Node) -> tuple[int, ...]:
        seen.add(window.frame)
        return of_frames(feed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "hashes", hashes)
        press(window, bench, node)
    assert seen == {1, 2, 3} and window.frame == 1


def test_clones_upstream_are_two_nodes(bench: ContractBench, window: State) -> None:
    """One name, two places in the graph: what feeds the second one counts too."""
    shot = bench.shot((1,))
    plate, clean = bench.read(shot / "plate.%04d.exr", 1, 1), bench.read(shot / "clean.exr", 1, 1)
    first = host.create("Grade")
    second = nuke.clone(first)
    host.connect(first, 0, plate)
    host.connect(second, 0, clean)
    node = bench.node_on(first, second)
    assert host.full_name(first) == host.full_name(second)
    assert press(window, bench, node) == "up to date, 1 done"
    bench.expect_matte(bench.result(node, 1), 1)
    other = host.create("Grade", white=0.5)
    host.connect(other, 0, clean)
    host.connect(second, 0, other)
    assert freshness.check(node).text == "stale: a setting or an input changed"


def test_clones_at_one_place_are_two_nodes(bench: ContractBench, window: State) -> None:
    """Two in a row, each on top of its clone: what feeds them tells them apart."""
    shot = bench.shot((1,))
    plate, clean = bench.read(shot / "plate.%04d.exr", 1, 1), bench.read(shot / "clean.exr", 1, 1)
    firsts, seconds = [host.create("Grade")], [host.create("Grade", xpos=40)]
    for clones in (firsts, seconds):
        clones.append(nuke.clone(clones[0]))
        clones[1]["xpos"].setValue(clones[0].xpos())
    for source, first, second in zip((plate, clean), firsts, seconds, strict=True):
        host.connect(first, 0, source)
        host.connect(second, 0, first)
    node = bench.node_on(*seconds)
    assert len({host_node.identity(one) for one in (*firsts, *seconds)}) == 4
    assert press(window, bench, node) == "up to date, 1 done"
    other = host.create("Grade", white=0.5)
    host.connect(other, 0, clean)
    host.connect(firsts[1], 0, other)
    assert freshness.check(node).text == "stale: a setting or an input changed"


def test_the_walk_ends_at_the_root(bench: ContractBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the root's own parent is, no document says: the root itself, perhaps. So it is not asked."""
    group = host.create("Group")
    with host.inside(group):
        node = bench.node(bench.shot((1,)), 1, 1)

    def parent(root: nuke.Root) -> nuke.Node:
        raise AssertionError("the root's parent was asked for")

    monkeypatch.setattr(nuke.Root, "parent", parent, raising=False)
    assert [host.kind(one) for one in host_node.holders(node)] == ["Group", "Root"]
    assert host.scope_around(node) == NO_VARIABLES
    assert host.holder_that_forgets(node) is None
    assert host.has_inner(node, graph.READ)


def test_what_the_documents_leave_open_is_looked_at_in_the_self_test(
    window: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = dict(host.observations())
    assert seen["toScript() of keys"] == "0.5" and seen["nuke.frame(7) inside of a group"] == "frame 1"
    assert seen["the mask of a Dissolve"] == "2" and "first_frame" not in seen["a FrameHold"]
    assert "['/left.%04d.exr', '/right.%04d.exr']" in seen["a Read whose file was split into views"]
    assert seen["[value Keyed.white] at frame 3"] == seen["[python nuke.frame()] at frame 3"] == "1.0"
    assert seen["the curves of a new project"] == "[]"
    assert seen["value() of a plain text with brackets"].startswith("TclError: "), "an error is an answer"
    assert host.missing_names() == []
    monkeypatch.delattr(nuke, "filenameFilter")
    assert host.missing_names() == ["filenameFilter"]
