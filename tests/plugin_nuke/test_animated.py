"""Options with keys or an expression: each frame is made with its own value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nuke
import pytest
from cleanplate_node import bake, freshness, host, manifest, node_options, plain_exr, preflight, range_plan
from cleanplate_node.bench import ContractBench
from cleanplate_node.contract_in_time import grainy_shot
from nuke._state import State

from tests.plugin_nuke.conftest import start_nuke
from tests.plugin_nuke.pressing import press, until


def keyed(node: nuke.Node, name: str, **values: Any) -> None:
    """Keys as ``f1=0.0, f3=2.0``."""
    for frame, value in values.items():
        node[name].setValueAt(value, int(frame[1:]))


def rows(bench: ContractBench, node: nuke.Node, frame: int) -> list[object]:
    return list(bench.result(node, frame).rows)


# One of each kind of knob: a number, a whole number, a switch, a choice.
KINDS = [("erode", 0.0, 3.0), ("despeckle", 0, 2000), ("match_exposure", True, False), ("align", "none", "auto")]


@pytest.mark.parametrize(("name", "before", "after"), KINDS, ids=lambda value: str(value))
def test_each_frame_is_made_with_its_own_value(
    name: str, before: Any, after: Any, bench: ContractBench, window: State
) -> None:
    shot = bench.shot((1, 2, 3))
    node, plain = bench.node(shot, 1, 3), bench.node(shot, 1, 3)
    keyed(node, name, f1=before, f3=after)
    for timeline in (1, 3):
        host.go_to(timeline)
        plan = preflight.preflight(node, (1, 2, 3), True, "interactive")
        assert [getattr(plan.options_at(frame), name) for frame in (1, 2, 3)] == [before, before, after]
    assert press(window, bench, node) == "up to date, 3 done"
    host.set_value(plain, name, after)
    press(window, bench, plain)
    assert rows(bench, node, 3) == rows(bench, plain, 3)
    host.set_value(plain, name, before)
    press(window, bench, plain)
    assert rows(bench, node, 2) == rows(bench, plain, 2)


def test_a_key_that_moves_makes_its_own_frames_stale(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot(range(1, 6)), 1, 5, guard=True)
    keyed(node, "erode", f1=0.0, f4=2.0)
    press(window, bench, node)
    assert freshness.check(node).usable
    times = {path.name: path.stat().st_mtime_ns for path in bench.results(node)}
    keyed(node, "erode", f4=3.0)
    until(window, lambda: bench.status(node) == "stale: an animated setting changed at 4-5")
    bench.output(node, 3)
    with pytest.raises(RuntimeError, match="frame 4"):
        bench.output(node, 4)
    assert press(window, bench, node) == "up to date, 2 done"
    again = [path.name[-8:-4] for path in bench.results(node) if times[path.name] != path.stat().st_mtime_ns]
    assert again == ["0004", "0005"]
    bench.output(node, 4)


def test_an_expression_counts_with_its_value(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    node["softness"].setExpression("parent.first_frame")
    assert press(window, bench, node) == "up to date, 2 done"
    (record, _) = manifest.read_all(range_plan.shown_folder(bench.shown(node)))
    assert record.options
    nuke.root()["first_frame"].setValue(2)
    assert freshness.check(node).text == "stale: the sources of frame 1 changed"
    assert press(window, bench, node) == "up to date, 2 done"


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [("[python nuke.frame()]", True), ("[value root.last_frame]/100", False), ("frame/100", False)],
)
def test_an_expression_that_follows_the_timeline_is_refused(
    text: str, is_refused: bool, bench: ContractBench, window: State
) -> None:
    """All frames would be made with its value at the frame that is looked at."""
    node = bench.node(bench.shot((1, 2)), 1, 2)
    node["softness"].setExpression(text)
    said = press(window, bench, node)
    assert ("its expression runs TCL or Python that follows the timeline" in said) == is_refused, said
    assert bool(window.rendered) != is_refused


def test_keys_survive_a_saved_script_and_reach_the_farm(
    bench: ContractBench, window: State, tmp_path: Path
) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    keyed(node, "erode", f1=0.0, f2=3.0)
    press(window, bench, node)
    script, wanted = bench.save(), [rows(bench, node, frame) for frame in (1, 2)]
    for path in bench.results(node):
        path.unlink()
    start_nuke(window=False)
    assert bake.main([script.as_posix(), "--node", "all"]) == 0
    again = host.find("Cleanplate_Matte1")
    assert again is not None and [rows(bench, again, frame) for frame in (1, 2)] == wanted


def test_smoothing_that_fades_in_sends_neighbours_only_where_it_is_on(bench: ContractBench, window: State) -> None:
    node = bench.node(grainy_shot(bench), 1, 5)
    keyed(node, "temporal", f1=0.0, f4=1.0)
    plan = preflight.preflight(node, (1, 2, 3), True, "interactive")
    assert plan.only_beside("main") == ()
    plan = preflight.preflight(node, (2, 4), True, "interactive")
    assert plan.only_beside("main") == (3, 5) and plan.beside(2, "main") == (None, None)
    assert press(window, bench, node) == "up to date, 5 done"
    plain_exr.write(bench.folder / "grainy" / "plate.0005.exr", bench.plate(2, bench.clean()))
    host.press(host.find_read(bench.folder / "grainy" / "plate.%04d.exr"), "reload")
    assert preflight.preflight(node, range(1, 6), False, "interactive").frames == (4, 5)


def test_values_that_exclude_each_other_are_refused_with_their_frame(bench: ContractBench, window: State) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    keyed(node, "white_point", f1=1.0, f2=0.2)
    host.set_value(node, "black_point", 0.5)
    assert press(window, bench, node).startswith("Frame 2: black_point must lie below white_point")
    assert not window.rendered


@pytest.mark.parametrize(
    ("name", "values"), [("model", ("difference", "cleanplate")), ("send_guides", (False, True))]
)
def test_what_has_one_value_for_a_press_is_refused_where_it_changes(
    name: str, values: tuple[Any, Any], bench: ContractBench, window: State
) -> None:
    node = bench.node(bench.shot((1, 2)), 1, 2)
    keyed(node, name, f1=values[0], f2=values[1])
    assert "changes over these frames, and all frames of a press share one value" in press(window, bench, node)
    assert not window.rendered
    keyed(node, name, f2=values[0])
    assert press(window, bench, node) == "up to date, 2 done"


def test_an_option_without_keys_changes_no_key(bench: ContractBench, window: State) -> None:
    """Results of before stay good: an option that is not animated names the folder as it always did."""
    node = bench.node(bench.shot((1,)), 1, 1)
    options = node_options.options_of(node)
    assert options.animated == () and options.digest(1) == "" and options.at(1) is options.shared
