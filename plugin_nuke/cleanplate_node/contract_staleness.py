"""The contract's cases of staleness: what makes a result stale, and what does not.

And how results survive undo, saving and copying."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import freshness, graph, host, node_state, panel, plain_exr, run
from .bench import SIZE, Case, ContractBench, Wait, expect, listed_in
from .plain_exr import PlainImage

CASES: list[Case] = []
_case = listed_in(CASES)
WINDOW_ONLY: list[Case] = []
_in_window = listed_in(WINDOW_ONLY)


@_case
def a_setting_makes_it_stale(bench: ContractBench) -> Iterator[Wait]:
    """A changed setting makes the result stale, and changing it back makes it good again; names, labels and
    positions of nodes change nothing."""
    node = bench.node(bench.shot((1,)), 1, 1)
    host.press(node, "process_frame")
    yield bench.idle(node)
    host.set_value(node, "erode", 2.0)
    yield bench.says(node, "stale: a setting")
    host.set_value(node, "erode", 0.0)
    yield bench.says(node, "up to date")
    host.set_value(node, "output", "alpha")
    src = host.input_of(node, 0)
    assert src is not None
    host.set_value(src, "xpos", 500)
    host.set_value(src, "label", "the plate")
    expect(freshness.check(node).usable, f"cosmetics make it {bench.status(node)!r}")


@_case
def the_graph_makes_it_stale(bench: ContractBench) -> Iterator[Wait]:
    """A node upstream that changes, an input that changes, and a file overwritten in place are noticed."""
    shot = bench.shot((1,))
    grade = host.create("Grade")
    host.connect(grade, 0, bench.read(shot / "plate.%04d.exr", 1, 1))
    clean = bench.read(shot / "clean.exr", 1, 1)
    node = bench.node_on(grade, clean)
    host.press(node, "process_frame")
    yield bench.idle(node)
    host.set_value(grade, "white", 1.5)
    bench.look(node)
    yield bench.says(node, "stale")
    host.set_value(grade, "white", 1.0)
    expect(freshness.check(node).usable, f"taken back it is {bench.status(node)!r}")
    other = bench.read(bench.shot((1,), "other") / "clean.exr", 1, 1)
    host.connect(node, 1, other)
    yield bench.says(node, "stale: a setting or an input")
    host.connect(node, 1, clean)
    expect(freshness.check(node).usable, f"the input back: {bench.status(node)!r}")
    plain_exr.write(shot / "plate.0001.exr", bench.plate(3, bench.clean()))
    freshness.check(node)
    yield bench.compared(node)
    found = freshness.check(node)
    expect(found.text == "stale: the sources of frame 1 changed", f"overwritten: {found.text!r}")


@_case
def what_expressions_read_and_offsets_take(bench: ContractBench) -> Iterator[Wait]:
    """A knob that an expression upstream reads makes its frames stale, with a closed panel too; a plate behind a
    TimeOffset that is overwritten makes the frame stale that shows it; taken back, the result is good again."""
    shot = bench.shot((1, 2))
    control, grade, offset = (host.create(kind) for kind in ("Grade", "Grade", "TimeOffset"))
    host.connect(grade, 0, bench.read(shot / "plate.%04d.exr", 1, 2))
    host.set_expression(grade, "white", f"{host.full_name(control)}.white")
    host.connect(offset, 0, grade)
    host.set_value(offset, "time_offset", 1)
    node = bench.node_on(offset, bench.read(shot / "clean.exr", 1, 1), range_mode="custom")
    host.set_value(node, "first", 2)
    host.set_value(node, "last", 3)
    host.press(node, "process_range")
    yield bench.idle(node)
    host.set_value(control, "white", 1.5)
    yield bench.says(node, "stale: a setting or an input")
    host.set_value(control, "white", 1.0)
    yield bench.says(node, "up to date")
    plain_exr.write(shot / "plate.0001.exr", bench.plate(3, bench.clean()))
    freshness.check(node, deep=False)
    yield bench.compared(node)
    found = freshness.check(node, deep=False)
    expect(found.text == "stale: the sources of frame 2 changed", f"overwritten: {found.text!r}")


@_in_window
def undo_is_the_artists(bench: ContractBench) -> Iterator[Wait]:
    """A new setting's results lie beside the old ones. Undo takes back what the artist did and no result; the node
    then shows those of the setting that is back."""
    node = bench.node(bench.shot((1,)), 1, 1)
    host.press(node, "process_frame")
    yield bench.idle(node)
    first = bench.shown(node)
    host.set_value(node, "erode", 3.0)
    host.press(node, "process_frame")
    yield bench.idle(node)
    expect(bench.shown(node) != first, "the second result lies in the first one's folder")
    host.undo()
    expect(host.value(node, "erode") == 0.0, "undo did not take the setting back")
    yield lambda: bench.shown(node) == first
    yield bench.says(node, "up to date")
    expect(freshness.check(node).usable, f"after undo it is {bench.status(node)!r}")
    bench.expect_matte(bench.output(node, 1), 1)


@_case
def guides_apply_live(bench: ContractBench) -> Iterator[Wait]:
    """Core and holdout work in the graph and never make a result stale, unless they are sent."""
    shot = bench.shot((1,))
    node = bench.node(shot, 1, 1)
    host.press(node, "process_frame")
    yield bench.idle(node)
    width, height = SIZE
    for role, left in (("core", 0), ("holdout", width // 2)):
        rows = [[(1.0 if left <= x < left + width // 4 else 0.0,) for x in range(width)] for _ in range(height)]
        window = (0, 0, width, height)
        plain_exr.write(bench.folder / f"{role}.exr", PlainImage(("A",), rows, window, window))
        host.connect(node, graph.INPUTS.index(role), bench.read(bench.folder / f"{role}.exr", 1, 1))
    output = bench.output(node, 1)
    expect(output.at(4, 4, "A") == 1.0, f"inside the core alpha is {output.at(4, 4, 'A')}")
    expect(output.at(width // 2 + 2, height // 2, "A") == 0.0, "inside the holdout alpha is not 0")
    expect(freshness.check(node).usable, f"guides make it {bench.status(node)!r}")
    host.set_value(node, "send_guides", True)
    yield bench.says(node, "stale")
    host.press(node, "process_frame")
    yield bench.idle(node)
    expect(bench.result(node, 1).at(4, 4, "A") == 1.0, "the server did not use the core")
    bench.expect_tidy(node)


@_case
def save_and_reopen(bench: ContractBench) -> Iterator[Wait]:
    """A saved script shows its results again, says so, and knows whether they are still good."""
    node = bench.node(bench.shot((1, 2)), 1, 2, erode=1.0)
    host.press(node, "process_range")
    yield bench.idle(node)
    before, shown = bench.output(node, 1), bench.shown(node)
    path, name, known = bench.save(), host.full_name(node), host.value(node, "node_id")
    host.open_script(path.as_posix())
    again = host.find(name)
    assert again is not None
    expect(bench.shown(again) == shown, f"the Read shows {bench.shown(again)}")
    expect(host.value(again, "node_id") == known, "the node has another id")
    expect(host.value(again, "erode") == 1.0, "the settings are lost")
    expect(freshness.check(again).usable, f"the reopened node is {bench.status(again)!r}")
    after = bench.output(again, 1)
    expect([list(row) for row in before.rows] == [list(row) for row in after.rows], "the picture is another one")
    host.set_value(again, "erode", 0.0)
    yield bench.says(again, "stale")


@_case
def copies_have_their_own_folder(bench: ContractBench) -> Iterator[Wait]:
    """A copy shows the original's result, gets an id of its own, and clearing it leaves the original alone."""
    node = bench.node(bench.shot((1,)), 1, 1)
    host.press(node, "process_frame")
    yield bench.idle(node)
    copied = host.copy(node)
    assert copied is not None
    expect(host.value(copied, "node_id") != host.value(node, "node_id"), "both have the same id")
    expect(bench.shown(copied) == bench.shown(node), "the copy shows nothing")
    expect(run.sharing(node) == [host.full_name(copied)], "the original does not know of its copy")
    run.clear(copied)
    expect(len(bench.results(node)) == 1, "clearing the copy deleted the original's result")


@_case
def clearing(bench: ContractBench) -> Iterator[Wait]:
    """Clear cache deletes this node's results, and nothing else that lies in the folder."""
    node = bench.node(bench.shot((1,)), 1, 1)
    host.press(node, "process_frame")
    yield bench.idle(node)
    folder = Path(bench.shown(node)).parent
    (folder / "notes.txt").write_text("the artist's", encoding="utf-8")
    expect(run.clear(node).count == 1, "not exactly one result was deleted")
    expect([path.name for path in folder.iterdir()] == ["notes.txt"], f"left: {list(folder.iterdir())}")
    expect(bench.status(node) == node_state.NOT_PROCESSED, bench.status(node))
    expect(bench.shown(node) == graph.NOT_PROCESSED, "the Read still names a result")


@_case
def the_guard(bench: ContractBench) -> Iterator[Wait]:
    """With the guard on, a render through a stale node stops with the reason; a good one goes through."""
    node = bench.node(bench.shot((1,)), 1, 1, guard=True)
    host.press(node, "process_frame")
    yield bench.idle(node)
    bench.output(node, 1)
    host.set_value(node, "erode", 2.0)
    _expect_stopped(bench, node, "stale")


@_case
def an_old_matte_where_the_plugin_is_missing(bench: ContractBench) -> Iterator[Wait]:
    """A script that was saved while its matte was old stops a render there, unless the guard is off."""
    node = bench.node(bench.shot((1,)), 1, 1)
    host.press(node, "process_frame")
    yield bench.idle(node)
    host.set_value(node, panel.SHOWS_OLD, True)
    bench.output(node, 1)
    host.set_value(node, panel.WATCHED, False)
    _expect_stopped(bench, node, "earlier picture or setting")
    host.set_value(node, "guard", False)
    bench.output(node, 1)


def _expect_stopped(bench: ContractBench, node: host.Node, reason: str) -> None:
    """A render of the node ends with an error that names the reason."""
    try:
        bench.output(node, 1)
    except RuntimeError as error:
        expect(reason in str(error), f"the render stopped with {error}")
    else:
        expect(False, "the render was not stopped")
