"""Guarded renders: which frames are refused, from where, and what the looking costs."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import nuke
import pytest
from cleanplate_node import freshness, host, knob_text, manifest, node_state, plain_exr
from cleanplate_node.bench import ContractBench
from nuke._state import State

from tests.plugin_nuke.pressing import broken, press


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
    # 100 Grades, two Reads, the node itself, and no more for the other four frames. All texts but the node's are
    # those of the press before, which were taken apart then.
    assert len(found) == 103 and all("node_id" in text for text in read)
    found.clear()
    host.set_value(grades[50], "white", 2.0)
    with pytest.raises(RuntimeError, match="stale"):
        render(node, tmp_path, 1, 5)
    assert len(found) == 103, "the render after it looks again"


def test_a_check_walks_the_graph_once(bench: ContractBench, window: State, monkeypatch: pytest.MonkeyPatch) -> None:
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


def behind(kind: str, *inputs: nuke.Node, **knobs: object) -> nuke.Node:
    made = host.create(kind, **knobs)
    for index, one in enumerate(inputs):
        host.connect(made, index, one)
    return made


def inside_of_a_group(source: nuke.Node, kind: str, **knobs: object) -> nuke.Node:
    group = behind("Group", source)
    with host.inside(group):
        host.connect(host.create("Output"), 0, behind(kind, host.create("Input"), **knobs))
    host.connect(group, 0, source)
    return group


def switched(first: nuke.Node, second: nuke.Node, which: str) -> nuke.Node:
    made = behind("Switch", first, second)
    made["which"].setExpression(which)
    return made


def refused(bench: ContractBench, last: nuke.Node, frames: range) -> list[int]:
    """The frames whose render the guard stops."""
    found = []
    for frame in frames:
        try:
            bench.output(last, frame)
        except RuntimeError as error:
            assert "Refuse stale renders" in str(error), error
            found.append(frame)
    return found


def test_the_guard_looks_at_the_frames_that_are_seen(bench: ContractBench, window: State) -> None:
    """Frame 1 is stale, 2 and 3 are not, and others are not processed: a FrameHold of a matte needs no others."""
    shot = bench.shot((1, 2, 3))
    node = bench.node(shot, 1, 3, guard=True)
    press(window, bench, node)
    plain_exr.write(shot / "plate.0001.exr", bench.plate(9, bench.clean()))
    clean = host.find_read(shot / "clean.exr")
    later = behind("TimeOffset", node, time_offset=1)
    seen = {
        "the same frame": (node, [1, 4]),
        "one frame before": (later, [1, 2]),
        "two frames before": (behind("TimeOffset", later, time_offset=1), [1, 2, 3]),
        "a frame later": (behind("TimeOffset", node, time_offset=-1), [3, 4]),
        "a good one held": (behind("FrameHold", node, first_frame=2), []),
        "the stale one held": (behind("FrameHold", node, first_frame=1), [1, 2, 3, 4]),
        "held behind an offset": (behind("FrameHold", later, first_frame=2), [1, 2, 3, 4]),
        "two of them": (behind("Dissolve", node, later, which=0.5), [1, 2, 4]),
        "any of them": (behind("Retime", node, speed=1.0), [1, 2, 3, 4]),
        "in a group": (inside_of_a_group(node, "FrameHold", first_frame=2), []),
        "another branch on frames 1 and 2": (switched(clean, node, "frame>2"), [4]),
        "the branch on frames 1 and 2": (switched(node, clean, "frame>2"), [1]),
        "a branch of what is held": (behind("FrameHold", switched(clean, node, "frame>2"), first_frame=3), []),
    }
    for name, (last, wanted) in seen.items():
        assert refused(bench, last, range(1, 5)) == wanted, name
    press(window, bench, node)
    assert refused(bench, seen["any of them"][0], range(1, 4)) == []


def test_a_node_that_is_seen_in_another_view_is_guarded(bench: ContractBench, window: State) -> None:
    nuke.addView("right")
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1, guard=True)
    press(window, bench, node)
    clean = host.find_read(shot / "clean.exr")
    joined = behind("JoinViews", clean, node, viewassoc="main\nright")
    bench.output(joined, 1, "right")
    host.set_value(node, "erode", 2.0)
    with pytest.raises(RuntimeError, match="stale"):
        bench.output(joined, 1, "right")


def test_a_node_that_only_an_expression_names_is_guarded(bench: ContractBench, window: State) -> None:
    """No picture leads there, and what the expression takes may be of the node's setting."""
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1, guard=True)
    press(window, bench, node)
    grade = behind("Grade", host.find_read(shot / "clean.exr"))
    switch = behind("Switch", grade, node)
    bench.output(switch, 1)
    host.set_value(node, "erode", 2.0)
    bench.output(switch, 1)
    grade["white"].setExpression(f"{node.name()}.erode")
    with pytest.raises(RuntimeError, match="stale"):
        bench.output(switch, 1)
    press(window, bench, node)
    nuke.addView("right")
    for view, is_refused in (("main", False), ("right", True)):
        write = behind("Write", switch, file=f"{bench.folder.as_posix()}/%V.%04d.exr", raw=True, views=view)
        with pytest.raises(RuntimeError, match="not processed") if is_refused else contextlib.nullcontext():
            nuke.execute(write, 1, 1)


def test_the_guard_asks_the_views_that_the_write_renders(bench: ContractBench, window: State) -> None:
    """One view is up to date, the other was never made; behind a OneView the one that is shown counts."""
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1, guard=True)
    press(window, bench, node)
    nuke.addView("right")
    shown = {
        "itself": (node, "main", "right"),
        "held": (behind("Retime", node, speed=1.0), "main", "right"),
        "the left one": (behind("OneView", node, view="main"), "main right", ""),
        "the right one": (behind("OneView", node, view="right"), "", "main right"),
        "each another one": (behind("JoinViews", node, node, viewassoc="main\nright"), "main", "right"),
    }
    for name, (last, rendered, stopped) in shown.items():
        for views in ("main", "right"):
            write = behind("Write", last, file=f"{bench.folder.as_posix()}/%V.%04d.exr", raw=True, views=views)
            found = []
            try:
                nuke.execute(write, 1, 1)
            except RuntimeError as error:
                found.append(str(error))
            assert bool(found) == (views in stopped) != (views in rendered), f"{name} in {views}: {found}"
            nuke.delete(write)
    with pytest.raises(RuntimeError, match="frame 1 is not processed"):
        nuke.execute(behind("Write", node, file=f"{bench.folder.as_posix()}/o.%V.%04d.exr"), 1, 1)


@pytest.mark.parametrize(
    ("command", "is_refused"),
    [
        ("Nuke -x comp.nk 1-3", True),
        ("Nuke -x --view main comp.nk 1-3", False),
        ("Nuke -view main -x -F 1-3 comp.nk", False),
        ("Nuke -x --view left,main comp.nk", False),
        ("Nuke -x --view main,right comp.nk", True),
        ("Nuke -x --view nobody comp.nk", True),
        ("Nuke -t render.py comp.nk --view main", True),
    ],
)
def test_the_views_that_a_farms_command_names(
    command: str, is_refused: bool, bench: ContractBench, window: State
) -> None:
    """One task a view: the right one is not processed, and that stops no task of the other."""
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1, guard=True)
    press(window, bench, node)
    nuke.addView("right")
    window.gui, window.raw_args = False, command.split()
    write = behind("Write", node, file=f"{bench.folder.as_posix()}/%V.%04d.exr", raw=True, views="main right")
    with pytest.raises(RuntimeError, match="not processed") if is_refused else contextlib.nullcontext():
        host.render([write], ((1, 1, 1),), "main")


def test_a_frame_that_failed_is_told_where_any_frame_may_be_seen(bench: ContractBench, window: State) -> None:
    shot = bench.shot((1, 2))
    node = bench.node(shot, 1, 2, guard=True)
    press(window, bench, node)
    plain_exr.write(shot / "plate.0002.exr", broken(bench.plate(9, bench.clean())))
    press(window, bench, node)
    node_state.summaries.clear()  # as in a Nuke that is started later
    failed = "frame 2 failed: The plate has 3 NaN or infinite values"
    assert freshness.check(node, deep=False).text.startswith(failed)
    with pytest.raises(RuntimeError, match=failed):
        bench.output(behind("Retime", node, speed=1.0), 1)
    bench.output(node, 1)
    plain_exr.write(shot / "plate.0002.exr", bench.plate(9, bench.clean()))
    assert press(window, bench, node) == "up to date, 1 done"
    bench.output(behind("Retime", node, speed=1.0), 2)


def test_a_node_that_is_off_stops_no_render(bench: ContractBench, window: State) -> None:
    """It passes the plate on, and nothing of its result is seen."""
    node = bench.node(bench.shot((1, 2, 3)), 1, 3, guard=True)
    press(window, bench, node)
    host.set_value(node, "erode", 2.0)
    retime = behind("Retime", node, speed=1.0)
    held = behind("FrameHold", node, first_frame=2)
    for off, stopped, stopped_held in (("1", [], []), ("0", [1, 2, 3], [1, 2, 3]), ("frame>1", [1], [])):
        node["disable"].setExpression(off)
        assert refused(bench, node, range(1, 4)) == stopped, off
        assert refused(bench, held, range(1, 4)) == stopped_held, off
        assert refused(bench, retime, range(1, 4)) == [1, 2, 3], "an expression may be another at another frame"
    host.set_value(node, "disable", True)
    assert refused(bench, node, range(1, 4)) == refused(bench, retime, range(1, 4)) == []


def test_the_guard_names_the_frame_that_is_seen(bench: ContractBench, window: State) -> None:
    """Behind a TimeOffset it is another one than the one that is rendered."""
    shot = bench.shot((1, 2, 3, 4, 5))
    node = bench.node(shot, 2, 4, guard=True)
    press(window, bench, node)
    for frame, picture in {3: bench.plate(9, bench.clean()), 4: broken(bench.clean())}.items():
        plain_exr.write(shot / f"plate.{frame:04d}.exr", picture)
    host.go_to(4)
    press(window, bench, node, "process_frame")
    node_state.summaries.clear()
    seen = behind("TimeOffset", node, time_offset=-2)
    said = {1: "stale: the sources of frame 3 changed", 2: "frame 4 failed: ", 3: "frame 5 is not processed"}
    for frame, words in said.items():
        with pytest.raises(RuntimeError, match=f"Cleanplate_Matte1: {words}"):
            bench.output(seen, frame)
    bench.output(seen, 0)


@pytest.mark.parametrize(
    "text", ["[python {1-nuke.executing()}]", "![python nuke.executing()]", "1-[python {not nuke.executing()}]"]
)
def test_a_node_that_is_on_in_renders_only(text: str, bench: ContractBench, window: State) -> None:
    """Artists have slow nodes off while they work. Plates are rendered with them, and so is the guarded render."""
    shot = bench.shot((1,))
    grade = behind("Grade", bench.read(shot / "plate.%04d.exr", 1, 1), black=0.25)
    grade["disable"].setExpression(text)
    node = bench.node_on(grade, bench.read(shot / "clean.exr", 1, 1), guard=True)
    assert press(window, bench, node) == "up to date, 1 done"
    bench.output(node, 1)
    host.set_value(grade, "black", 0.5)
    with pytest.raises(RuntimeError, match="stale"):
        bench.output(node, 1)
    press(window, bench, node)
    bench.output(node, 1)
    grade["disable"].setExpression(f"({text}) * 0 + Other.black")
    host.create("Grade", name="Other")
    press(window, bench, node)
    host.set_value(host.find("Other") or node, "black", 1.0)
    assert freshness.check(node).text.startswith("stale")


def test_a_write_without_a_view_of_the_script_may_render_any(lonely: ContractBench, window: State) -> None:
    """As where views were renamed, or a version of Nuke says nothing."""
    nuke.addView("right")
    write, grade = host.create("Write"), host.create("Grade")
    for chosen, wanted in (("right", ("right",)), ("right main", ("main", "right")), ("", ("main", "right"))):
        host.set_value(write, "views", chosen)
        assert host.views_written(write) == wanted
    window.views = ["left", "middle"]
    assert host.views_written(write) == host.views_written(grade) == ("left", "middle")


def test_a_frame_that_failed_in_another_view_stops_nothing(bench: ContractBench, window: State) -> None:
    nuke.addView("right")
    node = bench.node(bench.shot((1,)), 1, 1, guard=True)
    press(window, bench, node)
    folder = Path(bench.shown(node)).parent.as_posix()
    (right,) = [one for one in manifest.read_all(folder) if one.view == "right"]
    manifest.write(folder, replace(right, code="bad_plate", message="NaN"))
    retime = behind("Retime", node, speed=1.0)
    for view, is_refused in (("main", False), ("right", True), ("main right", True)):
        write = behind("Write", retime, file=f"{bench.folder.as_posix()}/%V.%04d.exr", raw=True, views=view)
        with pytest.raises(RuntimeError, match="frame 1 failed: NaN") if is_refused else contextlib.nullcontext():
            nuke.execute(write, 1, 1)
