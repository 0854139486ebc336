"""Guarded renders: which frames are refused, from where, and what the looking costs."""

from __future__ import annotations

from pathlib import Path

import nuke
import pytest
from cleanplate_node import host, knob_text, plain_exr
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.pressing import press


def test_the_guard_looks_at_the_frame_that_is_rendered(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2, guard=True)
    press(window, bench, node)
    host.go_to(7)
    bench.output(node, 1)
    plain_exr.write(shot / "plate.0002.exr", bench.plate(9, bench.clean()))
    host.press(host.find_read(shot / "plate.%04d.exr"), "reload")
    host.go_to(1)
    bench.output(node, 1)
    with pytest.raises(RuntimeError, match="sources of frame 2 changed"):
        bench.output(node, 2)


def in_a_group(inside: nuke.Node, depth: int, file: str) -> nuke.Node:
    """A Write that stands ``depth`` Groups deep behind a node, as pipelines' Writes do."""
    group = nuke.createNode("Group")
    assert isinstance(group, nuke.Group)
    with group:
        entry = nuke.createNode("Input")
        group.setInput(0, inside)
        if depth > 1:
            return in_a_group(entry, depth - 1, file)
        write = nuke.createNode("Write")
        write.setInput(0, entry)
        for name, value in {"file_type": "exr", "raw": True, "file": file, "create_directories": True}.items():
            write[name].setValue(value)
    return write


@pytest.mark.parametrize("depth", [1, 3])
def test_the_guard_sees_out_of_groups(depth: int, bench: ContractBench, window: State, tmp_path: Path) -> None:
    node = bench.node(bench.shot((1,)), 1, 1, guard=True)
    press(window, bench, node)
    write = in_a_group(node, depth, f"{tmp_path}/o.%04d.exr")
    host.render([write], ((1, 1, 1),), "main")
    host.set_value(node, "erode", 2.0)
    with pytest.raises(RuntimeError, match="stale"):
        host.render([write], ((1, 1, 1),), "main")


def written_knobs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the nodes whose knobs are written from now on."""
    found: list[str] = []
    plain = nuke.Node.writeKnobs

    def counted(self: nuke.Node, flags: int = 0) -> str:
        found.append(self.name())
        return plain(self, flags)

    monkeypatch.setattr(nuke.Node, "writeKnobs", counted)
    return found


def behind_grades(bench: ContractBench, frames: range, count: int) -> tuple[nuke.Node, list[nuke.Node]]:
    """A guarded node behind that many Grades."""
    shot = bench.shot(frames)
    last = bench.read(shot / "plate.%04d.exr", frames[0], frames[-1])
    grades = []
    for _ in range(count):
        grades.append(host.create("Grade"))
        host.connect(grades[-1], 0, last)
        last = grades[-1]
    return bench.node_on(last, bench.read(shot / "clean.exr", 1, 1), guard=True), grades


def render(node: nuke.Node, tmp_path: Path, first: int, last: int) -> None:
    write = nuke.createNode("Write")
    write.setInput(0, node)
    for name, value in {"file": f"{tmp_path}/out.%04d.exr", "raw": True, "channels": "rgba"}.items():
        write[name].setValue(value)
    try:
        nuke.execute(write, first, last)
    finally:
        nuke.delete(write)


def test_a_guarded_render_walks_the_graph_once(
    bench: ContractBench, window: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, grades = behind_grades(bench, range(1, 6), 100)
    press(window, bench, node)
    found = written_knobs(monkeypatch)
    read: list[str] = []
    plain = knob_text.words

    def counted(text: str) -> list[str]:
        read.append(text)
        return plain(text)

    monkeypatch.setattr(knob_text, "words", counted)
    render(node, tmp_path, 1, 5)
    # 100 Grades, two Reads, and no more for the other four frames. Their texts are those of the press before, which
    # were taken apart then.
    assert len(found) == 102 and not read
    found.clear()
    host.set_value(grades[50], "white", 2.0)
    with pytest.raises(RuntimeError, match="stale"):
        render(node, tmp_path, 1, 5)
    assert len(found) == 103, "the render after it looks again, and whether it depends on the node"


def test_a_check_walks_the_graph_once(bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch) -> None:
    from cleanplate_node import freshness

    node, grades = behind_grades(bench, range(1, 2), 100)
    press(window, bench, node)
    found = written_knobs(monkeypatch)
    assert freshness.check(node).usable
    assert len(found) == 102
    found.clear()
    host.set_value(grades[0], "white", 2.0)
    assert freshness.look_again(node)
    assert len(found) == 102


def test_a_render_that_was_cancelled_leaves_nothing_that_is_believed(
    bench: ContractBench, window: State, tmp_path: Path
) -> None:
    node, grades = behind_grades(bench, range(1, 4), 2)
    press(window, bench, node)
    window.cancel_at = 2
    with pytest.raises(RuntimeError, match="Cancelled"):
        render(node, tmp_path, 1, 3)
    window.cancel_at = None
    host.set_value(grades[0], "white", 2.0)
    with pytest.raises(RuntimeError, match="stale"):
        render(node, tmp_path, 1, 3)
